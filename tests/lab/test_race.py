"""The race in a real browser: its arithmetic against the library, bets, twenty races, reasons, hands."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cycloid.optimize import METHODS, Objective
from cycloid.optimize.contestants import GRID
from cycloid.optimize.methods import apply_update
from cycloid.optimize.standings import median_interval
from lab.browsing import drag, painted, press, settle, until

STEPS = 50
STAY = 10
MODULES = {name: f"/widgets/race/{name}.js" for name in ("valleys", "runs", "tournament", "reasons")}
NAMES = {  # the library's name, and its word for the memory
    "GradientDescent": ("gradient-descent", None),
    "Momentum": ("momentum", "momentum"),
    "Nesterov": ("nesterov", "momentum"),
    "Adagrad": ("adagrad", None),
    "RMSprop": ("rmsprop", "decay"),
    "Adam": ("adam", "b1"),
}
X = np.array([[1.0, 1.0], [1.0, 2.0], [2.0, 2.0], [2.0, 3.0]])  # the four points of the regression
Y = np.array([1.0, 2.0, 2.0, 3.0])


@pytest.fixture(scope="module")
def ask(browser, address):
    """Evaluate the body of a function of the page's modules and an argument."""
    page = browser.new_page()
    page.set_default_timeout(60_000)
    page.goto(address + "/race")
    page.wait_for_selector("main[data-ready]")
    imports = ", ".join(MODULES)
    paths = ", ".join(f'import("{path}")' for path in MODULES.values())

    def ask(body, argument=None):
        script = f"async (argument) => {{ const [{imports}] = await Promise.all([{paths}]); {body} }}"
        return page.evaluate(script, argument)

    yield ask
    page.close()


def regression(w):
    return jnp.mean((jnp.asarray(X) @ w - jnp.asarray(Y)) ** 2)


def walk(name, rate, memory, start, steps=STEPS):
    """The places of one runner by the library, on the regression."""
    slug, word = NAMES[name]
    method = METHODS[slug](rate, **({word: memory} if word else {}))
    objective = Objective(regression)

    @jax.jit
    def trail(point, state):
        def step(carry, _):
            point, state = carry
            update, state, _ = method.step(objective, point, state)
            return (apply_update(point, update), state), point

        return jax.lax.scan(step, (point, state), None, length=steps + 1)[1]

    start = jnp.asarray(start)
    return np.asarray(trail(start, method.init(start)))


def bet(page, name):
    page.locator(f"#bet-{name}").check()
    settle(page)


def run_twenty(page):
    page.get_by_role("button", name="Run 20 races", exact=True).first.click()
    until(page, "document.querySelector('.strip .dot')", 60)
    settle(page)


def told(page, name):
    """What the line of a runner says of the race."""
    return page.locator(f".runner:has(#bet-{name}) .result").inner_text()


def column(page, number):
    """A column of the table of twenty, by runner."""
    return {
        row.locator("th").inner_text().strip(): row.locator("td").nth(number).inner_text()
        for row in page.locator(".twenty tbody tr").all()
    }


@pytest.mark.parametrize("memory", [0.9, 0.6])
def test_the_runners_take_the_steps_of_the_library(ask, memory):
    start, rate = [1.3, -0.4], 0.02  # longer steps swing from wall to wall, where rounding grows
    trails = ask(
        """const ground = valleys.bowl(valleys.REGRESSION);
        return Object.fromEntries(argument.names.map((name) =>
            [name, runs.run(name, ground, {...argument, goal: -Infinity}).points]));""",
        {"names": list(NAMES), "start": start, "rate": rate, "memory": memory, "steps": STEPS},
    )
    for name in NAMES:
        ours, theirs = walk(name, rate, memory, start), np.asarray(trails[name])
        assert theirs.shape == ours.shape == (STEPS + 1, 2)
        assert np.abs(theirs - ours).max() <= 1e-8, name
        assert np.abs(ours[-1] - ours[0]).max() > 1e-2, name


def test_the_page_races_who_the_library_has_on_the_library_s_grid(ask):
    assert ask("return runs.RUNNERS") == list(NAMES)
    assert ask("return tournament.RATES") == pytest.approx(GRID)
    assert len(GRID) == 11


def test_the_long_valley_is_the_tutorial_s_regression(ask):
    places = [[0.5, 0.5], [-0.6, -0.5], [0.0, 1.0]]
    found = ask(
        """const ground = valleys.bowl(valleys.REGRESSION);
        return argument.map((place) => [ground.value(place), ...ground.gradient(place)])""",
        places,
    )
    for place, (value, *slope) in zip(places, found):
        w = jnp.asarray(place)
        assert value == pytest.approx(float(regression(w)), abs=1e-12)
        assert slope == pytest.approx(jax.grad(regression)(w).tolist(), abs=1e-12)
    hessian = np.linalg.eigvalsh(np.asarray(jax.hessian(regression)(jnp.zeros(2))))
    assert ask("return valleys.bowl(valleys.REGRESSION).curvatures") == pytest.approx(hessian[::-1].tolist())
    assert round(ask("return reasons.edge('GradientDescent', 0.9, valleys.bowl(1).curvatures[0])"), 4) == 0.1449


@pytest.mark.parametrize("shape", ["bowl", "bent", "saddle"])
def test_every_valley_slopes_as_its_heights_say(ask, shape):
    worst = ask(
        """const ground = valleys.valley(argument, 30), h = 1e-5;
        let worst = 0;
        for (const place of [[0.3, 0.7], [-1.1, 1.4], [1.6, -0.2]]) {
            ground.gradient(place).forEach((slope, i) => {
                const shifted = (by) => ground.value(place.map((part, k) => (k === i ? part + by : part)));
                worst = Math.max(worst, Math.abs((shifted(h) - shifted(-h)) / (2 * h) - slope) / (1 + Math.abs(slope)));
            });
        }
        const lows = ground.finishes.map((place) => ground.value(place) - ground.lowest);
        return Math.max(worst, ...lows.map(Math.abs), ground.goal > ground.lowest ? 0 : 1);""",
        shape,
    )
    assert worst < 1e-7


@pytest.mark.parametrize("name", ["GradientDescent", "Momentum", "Nesterov"])
def test_the_reasons_predict_the_runs(ask, name):
    """The edge of calm within 2 %, the factor a step, and the height at which noise keeps a runner."""
    found = ask(
        """const ground = valleys.bowl(8), memory = 0.8, rate = 0.03, name = argument, goal = -Infinity;
        const edge = reasons.edge(name, memory, ground.curvatures[0]);
        const go = (more) => runs.run(name, ground, {start: [1.2, 0.1], rate, memory, goal, steps: 400, ...more});
        const ends = [0.98, 1.02].map((part) => go({rate: part * edge, steps: 3000}));
        const long = 0.95, {values} = go({memory: long});
        const peak = (at) => Math.max(...values.slice(at, at + 40)); // of its swings
        const steps = 200000, noise = 0.7;
        const jitter = go({noise, steps, chance: runs.errors(5, steps), start: [0, 1]}).values;
        return {
            calm: ends[0].values.at(-1), wild: ends[1].lost,
            shrink: (peak(350) / peak(50)) ** (1 / 600), // 300 steps, and a height is a distance squared
            factor: reasons.factor(name, rate, long, ground.curvatures),
            height: jitter.reduce((sum, value) => sum + value, 0) / jitter.length,
            floor: reasons.floor(name, rate, memory, noise, ground.curvatures),
        };""",
        name,
    )
    assert found["calm"] < 1e-12
    assert found["wild"] is True
    assert found["factor"] == pytest.approx(found["shrink"], abs=0.004)
    # The slowest memory of the start lasts some 20 steps: about 10 000 free draws, whose mean is known within 2 %.
    assert found["height"] == pytest.approx(found["floor"], rel=0.05)


def test_medians_and_intervals_are_those_of_the_library(ask):
    draw = np.random.default_rng(3)
    samples = [draw.integers(1, 40, size=count).tolist() for count in (5, 8, 20, 20, 25)]
    samples += [[*draw.integers(1, 40, size=11).tolist(), *[None] * 9], [*range(9), *[None] * 11]]
    found = ask(
        """const number = (value) => (value === null ? Infinity : value);
        const text = (values) => values.map(String);
        return argument.map((values) => values.map(number)).map(
            (values) => text([tournament.median(values), ...tournament.interval(values)]));""",
        samples,
    )
    for values, texts in zip(samples, found):
        expected = median_interval(np.array([np.inf if v is None else v for v in values]))[:3]
        assert [float(text.replace("Infinity", "inf")) for text in texts] == list(expected)


def test_noise_is_one_for_all_runners_of_a_race_and_differs_between_races(ask):
    heats = ask(
        """const setting = {...valleys.findPreset("noisy"), steps: 500};
        return [0, 0, 1].map((k) => { const {start, chance} = tournament.heat(setting, k); return {start, chance}; })"""
    )
    assert heats[0] == heats[1]
    assert heats[0]["start"] != heats[2]["start"]
    noise = np.asarray(heats[0]["chance"])
    assert noise.shape == (500, 2)
    # Standard errors for n = 1000: 1/√n for the mean, √(2/n) for the variance; five of them, on both sides.
    assert abs(noise.mean()) < 5 / np.sqrt(noise.size)
    assert abs(noise.var() - 1) < 5 * np.sqrt(2 / noise.size)
    assert np.abs(noise[:, 0] - np.asarray(heats[2]["chance"])[:, 0]).max() > 1


def test_it_opens_with_a_question_and_without_a_symbol(open_page):
    page = open_page("/race")
    assert page.locator("h1").inner_text() == "Who is down first?"
    assert not re.search(r"[∇ηβκσλ²√=]", page.locator("main").inner_text())
    assert page.locator(".shelf .sheet:visible").count() == 0
    assert sum(painted(page, "track").values()) < 100  # no trail yet


def test_a_bet_is_judged_once(open_page):
    page = open_page("/race")
    bet(page, "Nesterov")
    press(page, "Run")
    start = page.evaluate("import('/widgets/race/valleys.js').then((m) => m.PRESETS[0].start)")
    goal = page.evaluate("import('/widgets/race/valleys.js').then((m) => m.bowl(m.REGRESSION).goal)")
    heights = {
        name: np.asarray(jax.vmap(regression)(walk(name, 0.03, 0.9, start, 400))) for name in ("Nesterov", "Adam")
    }
    downs = {}
    for name, height in heights.items():
        low = np.convolve(height <= goal, np.ones(STAY + 1), "valid") == STAY + 1
        downs[name] = int(low.argmax())
    assert told(page, "Nesterov").endswith(f"{downs['Nesterov']} steps")
    assert told(page, "Adam") == f"{downs['Adam']} steps"
    right = f"Nesterov is down first, after {downs['Nesterov']} steps. You bet on Nesterov: right."
    assert page.locator(".feedback").inner_text() == right
    assert page.locator("#announcer").inner_text() == right
    assert page.locator(".score").inner_text() == "Bets won: 1 of 1."
    assert painted(page, "track")["GradientDescent"] > 50
    bet(page, "Adam")
    press(page, "Run")
    assert "fifth" in page.locator(".feedback").inner_text()
    assert "does not count" in page.locator(".feedback").inner_text()
    assert page.locator(".score").inner_text() == "Bets won: 1 of 1."
    assert page.locator("#race-rate").is_visible()  # the sliders come after the first race


def test_twenty_races_and_the_switch_that_changes_the_winner(open_page):
    page = open_page("/race#valley=noisy")
    bet(page, "Adam")
    run_twenty(page)
    wins = {name: float(text) for name, text in column(page, 0).items()}
    assert sum(wins.values()) == pytest.approx(20)
    assert max(wins, key=wins.get) == "Gradient descent"
    assert page.locator(".feedback").inner_text().endswith(f"You bet on Adam: {wins['Adam']:.0f} of 20.")
    assert "The switch changes the winner" in page.locator(".effect").inner_text()
    assert column(page, 4)["Momentum"] == "20"  # never arrives: noise
    assert "Momentum at 0.36" in page.locator(".reply").inner_text()
    page.get_by_label("each at its own tuned step size").check()
    settle(page)
    wins = {name: float(text) for name, text in column(page, 0).items()}
    assert max(wins, key=wins.get) == "Adam"
    assert len(set(column(page, 5).values())) > 2
    run_twenty(page)
    assert "does not count" in page.locator(".feedback").inner_text()  # both tables had been seen
    assert page.locator(".score").inner_text() == "Bets won: 0 of 1."


def test_a_switch_that_changes_nothing_is_said_to_change_nothing(open_page):
    page = open_page("/race#valley=long")
    run_twenty(page)
    assert "does not change the winner" in page.locator(".effect").inner_text()
    assert page.locator(".feedback").inner_text() == "Nesterov wins 20 of 20. Place a bet before the next one."


def test_too_long_a_step_is_predicted_and_seen(open_page):
    page = open_page("/race#rate=0.16&show=why,symbols,heights,sliders")
    row = page.locator(".reasons tbody tr").first
    assert row.locator("td").all_inner_texts()[:2] == ["0.145", "grows"]
    press(page, "Run")
    assert told(page, "GradientDescent") == "flew off"
    assert "Gradient descent stays calm up to 0.145" in page.locator(".reply").inner_text()
    assert "κ = λmax/λmin = 69.3" in page.locator("[aria-labelledby=why-title]").inner_text()
    assert "θ ← θ − η ∇" in page.locator("[aria-labelledby=rules-title]").inner_text()


def test_sliders_move_the_race_and_the_address_brings_it_back(open_page):
    page = open_page("/race#show=sliders")
    page.locator("#race-kappa").focus()
    page.keyboard.press("Home")
    page.locator("#race-noise").focus()
    page.keyboard.press("ArrowRight")
    page.locator("#race-memory").focus()
    page.keyboard.press("ArrowLeft")
    until(page, "['kappa=1', 'noise=0.05', 'memory=0.89'].every((part) => location.hash.includes(part))")
    hash_ = page.evaluate("location.hash")
    again = open_page("/race" + hash_)
    labels = again.locator(".sliders label").all_inner_texts()
    assert [text.split()[-1] for text in labels] == ["0.03", "0.89", "0.05", "1"]
    other = open_page("/race#valley=rosenbrock&kappa=5&rate=-3&start=9,9&show=sliders,nonsense")
    assert other.locator("#race-kappa").is_disabled()
    assert other.locator(".sliders output").first.inner_text() == "0.001"


def test_the_start_is_dragged_and_moved_by_keys(open_page):
    page = open_page("/race")
    drag(page, ".handle.start", -80, -60)
    until(page, "location.hash.includes('start=')")
    page.wait_for_timeout(260)
    before = page.evaluate("location.hash")
    page.locator(".handle.start").focus()
    page.keyboard.press("ArrowLeft")
    until(page, f"location.hash !== '{before}'")
    x = [
        float(re.search(r"start=(-?[\d.]+)", text.replace("%2C", ","))[1])
        for text in (before, page.evaluate("location.hash"))
    ]
    assert x[1] == pytest.approx(x[0] - 0.1, abs=1e-3)
    page.keyboard.press("Enter")
    settle(page)
    assert "down first" in page.locator(".feedback").inner_text()


@pytest.mark.parametrize("valley", ["round", "rosenbrock", "saddle"])
def test_every_valley_has_a_winner_and_a_reason(open_page, valley):
    page = open_page(f"/race#valley={valley}")
    press(page, "Run")
    assert "down first" in page.locator(".feedback").inner_text()
    assert len(page.locator(".reply .note").first.inner_text()) > 40
    assert page.locator(".won").count() == 1


def test_the_race_runs_before_the_eyes_and_can_be_skipped(open_page):
    page = open_page("/race", still=False)
    press(page, "Run")
    assert page.locator(".feedback").inner_text() == ""
    press(page, "Skip to the end")
    assert "down first" in page.locator(".feedback").inner_text()


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_all_without_sideways_scrolling(open_page, dark):
    page = open_page("/race#valley=noisy&tuned=1&show=sliders,heights,why,symbols", width=360, height=740, dark=dark)
    run_twenty(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator(".view.track").bounding_box()["width"] > 300
