"""The terrain in a real browser: predict, step, see; reveals; formulas; dragging; keys; every size of screen."""

from __future__ import annotations

import re

import pytest

from lab.browsing import press, settle, until

GROUNDS = ("mountain", "reach-depth", "sleep-nutrition", "regression", "cubic", "himmelblau", "rosenbrock", "saddle")
METHODS = ("GradientDescent", "SGD", "Momentum", "Nesterov", "Adagrad", "RMSprop", "Adam", "AdamW")
CHIPS = ("map", "gradient", "rate", "formula", "race")


def ball(page):
    """Where the address says the ball is."""
    until(page, "location.hash.includes('at=')")
    page.wait_for_timeout(260)
    found = re.search(r"at=([^&]*)", page.evaluate("location.hash"))
    return [float(part) for part in found[1].replace("%2C", ",").split(",")]


def chip(page, name):
    return page.locator(f"[data-reveal={name}]")


def painted(page, view):
    """How many dots of the drawing over the ground are not transparent, by colour name of the theme."""
    return page.evaluate(
        """([view]) => {
            const canvas = document.querySelector(`.view.${view} .sketch`);
            const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const names = ["GradientDescent", "SGD", "Momentum", "Nesterov", "Adagrad", "RMSprop", "Adam", "AdamW"];
            const style = getComputedStyle(document.documentElement);
            const wanted = names.map((name) => style.getPropertyValue(`--method-${name}`).trim());
            const counts = Object.fromEntries(names.map((name) => [name, 0]));
            for (let k = 0; k < data.length; k += 4) {
                if (data[k + 3] < 250) continue;
                const hex = "#" + [0, 1, 2].map((i) => data[k + i].toString(16).padStart(2, "0")).join("");
                const at = wanted.indexOf(hex);
                if (at >= 0) counts[names[at]] += 1;
            }
            return counts;
        }""",
        [view],
    )


def drag(page, handle, dx, dy):
    box = page.locator(handle).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx / 2, y + dy / 2)
    page.mouse.move(x + dx, y + dy)
    page.mouse.up()
    settle(page)


def test_it_opens_with_a_question_and_without_a_symbol(open_page):
    page = open_page("/terrain")
    assert page.locator("h1").inner_text() == "Which way is steepest down?"
    assert page.locator(".view.relief").is_visible()
    for hidden in (".view.map", ".view.curve", ".shelf .sheet", ".feedback"):
        assert page.locator(hidden).first.is_hidden()
    assert not re.search(r"[∇ηθλ∂=]|\bx\b|\by\b", page.locator("main").inner_text())


def test_predict_step_see_and_roll(open_page):
    page = open_page("/terrain")
    before = ball(page)
    press(page, "Step")
    feedback = page.locator(".feedback").inner_text()
    said = int(re.match(r"(\d+)° off\.", feedback)[1])
    # The arrow starts towards (0.94, −0.34); on this flank the gradient is about (−0.948, 1.725).
    truth = page.evaluate(
        """async ([x, y]) => {
            const {LANDSCAPES} = await import("/widgets/terrain/landscapes.js");
            const {loadField, steepest} = await import("/widgets/terrain/field.js");
            const {apart} = await import("/widgets/terrain/prediction.js");
            return apart([0.94, -0.34], steepest(await loadField(LANDSCAPES[0].text), [x, y]));
        }""",
        before,
    )
    assert said == round(truth)
    after = ball(page)
    assert after != before
    assert page.locator("#announcer").inner_text() == feedback


@pytest.mark.parametrize("ground", ["mountain", "reach-depth", "sleep-nutrition", "regression"])
def test_the_first_arrow_is_not_right_by_accident(open_page, ground):
    page = open_page(f"/terrain#ground={ground}")
    press(page, "Step")
    assert int(re.match(r"(\d+)°", page.locator(".feedback").inner_text())[1]) >= 35


def test_the_true_way_is_no_degree_off(open_page):
    # On x² + y² the way down from (2, −2) is towards (−1, 1): north-west, bearing 315.
    page = open_page("/terrain#f=x^2%2By^2&at=2,-2")
    tip = page.locator(".view.relief .tip")
    tip.focus()
    for _ in range(72):
        if abs(int(tip.get_attribute("aria-valuenow")) - 315) <= 2:
            break
        page.keyboard.press("ArrowRight")
        settle(page)
    assert tip.get_attribute("aria-valuetext").startswith("north-west")
    page.keyboard.press("Enter")
    settle(page)
    assert re.match(r"[0-3]° off\. You can read the ground\.", page.locator(".feedback").inner_text())


def test_guesses_are_remembered(open_page):
    page = open_page("/terrain")
    for _ in range(3):
        press(page, "Step")
    assert re.match(
        r"Your last 3 guesses: \d+°, \d+°, \d+°, on average \d+° off\.", page.locator(".score").inner_text()
    )


def test_keep_rolling_ends_in_a_valley(open_page):
    page = open_page("/terrain")
    press(page, "Keep rolling")
    until(page, "document.querySelector('.feedback').textContent.includes('bottom of a valley')")
    assert page.get_by_role("button", name="Keep rolling").is_visible()


def test_the_roll_is_animated_unless_stillness_is_asked_for(open_page):
    page = open_page("/terrain", still=False)
    place = "document.querySelector('.view.relief .ball').style.transform"
    start = page.evaluate(place)
    press(page, "Step")
    page.wait_for_timeout(200)
    middle = page.evaluate(place)
    page.wait_for_timeout(900)
    end = page.evaluate(place)
    assert len({start, middle, end}) == 3


def test_a_step_that_is_too_long_leaves_the_map(open_page):
    page = open_page("/terrain#ground=himmelblau&rate=0.5&at=-4,4")
    press(page, "Step")
    assert "left the map" in page.locator(".feedback").inner_text()


@pytest.mark.parametrize("ground", GROUNDS)
def test_every_ground_shows_everything(open_page, ground):
    page = open_page(f"/terrain#ground={ground}&show={','.join(CHIPS)}")
    assert page.locator("#landscape").input_value() == ground
    for panel in page.locator(".shelf .sheet").all():
        assert panel.is_visible()
    assert page.locator(".shown math").count() >= 2
    assert page.locator(".methods tbody tr").count() == 8
    press(page, "Step")
    assert page.locator(".feedback").inner_text() != ""
    assert page.locator(".broken").count() == 0


def test_the_menu_changes_the_ground(open_page):
    page = open_page("/terrain")
    page.locator("#landscape").select_option("sleep-nutrition")
    until(page, "document.querySelector('h1').textContent.includes('steepest up')")
    assert "climbing P is descending −P" in page.locator(".task").inner_text()
    press(page, "Map")
    press(page, "Gradient")
    assert "hours of sleep" in page.locator(".slopes").inner_text()


def test_chips_name_their_symbol_once_they_are_open(open_page):
    page = open_page("/terrain")
    assert chip(page, "gradient").inner_text() == "Gradient"
    press(page, "Gradient")
    assert chip(page, "gradient").inner_text() == "Gradient ∇"
    assert chip(page, "gradient").get_attribute("aria-pressed") == "true"
    press(page, "Gradient ∇")
    assert page.locator("[aria-labelledby=gradient-title]").is_hidden()


def test_the_slope_of_the_cubic_at_two_is_fourteen(open_page):
    page = open_page("/terrain#ground=cubic&show=gradient")
    assert page.locator("h1").inner_text() == "How steep is it here?"
    assert "At x = 2 the slope is 14." in page.locator("[aria-labelledby=gradient-title]").inner_text()
    press(page, "Step")
    assert page.locator(".feedback").inner_text().startswith("You said 0; the slope is 14.")


def test_the_line_is_tilted_by_keys_and_by_dragging(open_page):
    page = open_page("/terrain#ground=cubic")
    handle = page.locator(".view.curve .tip")
    handle.focus()
    page.keyboard.press("ArrowUp")
    until(page, "Number(document.querySelector('.view.curve .tip').getAttribute('aria-valuenow')) === 5")
    drag(page, ".view.curve .tip", -40, -60)
    until(page, "Number(document.querySelector('.view.curve .tip').getAttribute('aria-valuenow')) > 15")
    assert handle.get_attribute("aria-valuetext").startswith("slope ")


def test_the_step_size_tells_what_it_does(open_page):
    page = open_page("/terrain#ground=regression&show=rate&at=-0.6,-0.5")
    effect = page.locator(".effect")
    # The Hessian is XᵀX/2 = [[5, 7.5], [7.5, 11.5]]·… : its largest eigenvalue is 13.9, so 2/λ is 0.143.
    sheet = page.locator("[aria-labelledby=rate-title]").inner_text()
    lam, critical = (float(number) for number in re.search(r"λ = ([\d.]+)\..*2/λ = ([\d.]+)", sheet).groups())
    assert critical == pytest.approx(2 / lam, rel=5e-3)
    page.evaluate(
        "(v) => { const s = document.querySelector('#rate'); s.value = v; s.dispatchEvent(new Event('input')); }", -4
    )
    until(page, "document.querySelector('.effect').textContent.startsWith('Too small')")
    page.evaluate(
        "(v) => { const s = document.querySelector('#rate'); s.value = v; s.dispatchEvent(new Event('input')); }", 0
    )
    until(page, "document.querySelector('.effect').textContent.startsWith('Too large')")
    assert "ball leaves the map" in effect.inner_text()


@pytest.mark.parametrize(("factor", "outcome"), [(0.98, "still"), (1.05, "away")])
def test_the_critical_step_size_is_critical(open_page, factor, outcome):
    page = open_page("/terrain")
    ended = page.evaluate(
        """async (factor) => {
            const {LANDSCAPES} = await import("/widgets/terrain/landscapes.js");
            const {loadField} = await import("/widgets/terrain/field.js");
            const {follow} = await import("/widgets/terrain/methods.js");
            const bowl = await loadField(LANDSCAPES.find((one) => one.id === "regression").text);
            const start = [-0.6, -0.5];
            const rate = factor * 2 / bowl.curvatures(start)[0];
            const {values} = follow("GradientDescent", bowl, start, rate, 400);
            return values.at(-1) < values[0] ? "still" : "away";
        }""",
        factor,
    )
    assert ended == outcome


def test_a_formula_of_ones_own(open_page):
    page = open_page("/terrain")
    page.locator("#landscape").select_option("own")
    settle(page)
    box = page.locator("#formula")
    assert box.evaluate("(box) => box === document.activeElement")
    box.fill("f(a, b) = a² + 3b²")
    until(page, "document.querySelector('[aria-labelledby=formula-title] .shown').textContent.includes('b2')")
    until(page, "location.hash.includes('f=')")
    press(page, "Gradient")
    assert "Slope along a" in page.locator(".slopes").inner_text()
    box.fill("sin(x)/x")
    page.wait_for_selector(".view.curve:not([hidden])")
    assert page.locator("h1").inner_text() == "How steep is it here?"


def test_a_wrong_formula_is_shown_with_a_caret_and_the_ground_stays(open_page):
    page = open_page("/terrain#show=formula", expect=["422"])
    page.locator("#formula").fill("x^2 + * y")
    page.wait_for_selector(".caret")
    text, caret = page.locator(".caret").inner_text().split("\n")
    assert text[caret.index("^")] == "*"
    assert page.locator("#formula").get_attribute("aria-invalid") == "true"
    assert page.locator(".view.relief").is_visible()
    page.locator("#formula").fill("x^2 + y")
    until(page, "!document.querySelector('.caret')")


@pytest.mark.parametrize("text", ["x*y*z", "alert(1)", "</script>"])
def test_what_is_no_ground_is_refused_in_words(open_page, text):
    page = open_page("/terrain#show=formula", expect=["422"])
    page.locator("#formula").fill(text)
    until(page, "document.querySelector('#formula-trouble').textContent.length > 10")


@pytest.mark.parametrize(
    "text", ["sqrt(x) + log(y)", "1/x", "1/(x^2+y^2)", "3", "abs(x) + abs(y)", "floor(x)", "x^9*y^9"]
)
def test_awkward_functions_are_drawn_without_trouble(open_page, text):
    from urllib.parse import quote

    page = open_page(f"/terrain#f={quote(text)}&show=map,gradient,rate,race&at=1.2,0.7")
    press(page, "Step")
    assert page.locator(".broken").count() == 0


def test_dragging_the_ball_runs_everything_again(open_page):
    page = open_page("/terrain#show=gradient,rate,race,map")
    watched = [".slopes", ".methods", ".effect"]
    before = [page.locator(one).inner_text() for one in watched]
    place = ball(page)
    drag(page, ".view.map .ball", 60, -50)
    assert ball(page) != place
    after = [page.locator(one).inner_text() for one in watched]
    assert after[:2] != before[:2]


def test_dragging_the_ball_on_the_mountain_keeps_it_under_the_hand(open_page):
    page = open_page("/terrain")
    drag(page, ".view.relief .ball", 90, 40)
    box = page.locator(".view.relief .ball").bounding_box()
    start = ball(page)
    drag(page, ".view.relief .ball", 0, 0)
    again = page.locator(".view.relief .ball").bounding_box()
    assert ball(page) == pytest.approx(start, abs=0.03)
    assert (again["x"], again["y"]) == pytest.approx((box["x"], box["y"]), abs=3)


def test_the_arrow_is_turned_by_dragging_its_tip(open_page):
    page = open_page("/terrain#show=map")
    turn = page.locator(".view.relief .tip")
    before = int(turn.get_attribute("aria-valuenow"))
    drag(page, ".view.map .tip", -60, -90)
    assert abs(int(turn.get_attribute("aria-valuenow")) - before) > 15


def test_dragging_the_ground_turns_the_view_and_leaves_the_ball(open_page):
    page = open_page("/terrain")
    place, spot = ball(page), page.locator(".view.relief .ball").bounding_box()
    box = page.locator(".view.relief").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + box["height"] - 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + box["height"] - 60)
    page.mouse.up()
    page.wait_for_timeout(100)
    assert page.locator(".view.relief .ball").bounding_box() != spot
    assert ball(page) == place


def test_everything_can_be_done_by_keyboard(open_page):
    page = open_page("/terrain")
    order = []
    for _ in range(14):
        page.keyboard.press("Tab")
        order.append(
            page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent")
        )
    text = " | ".join(order)
    for part in ("Skip to the instrument", "The ball", "Your arrow", "Step", "Keep rolling", "Map", "Race"):
        assert part in text
    before = ball(page)
    page.locator(".view.relief .ball").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    after = ball(page)
    assert after[0] > before[0]
    assert after[1] > before[1]
    page.keyboard.press("Enter")
    settle(page)
    assert "° off" in page.locator(".feedback").inner_text()


def test_every_optimizer_leaves_its_trail(open_page):
    page = open_page("/terrain#ground=himmelblau&show=race,map&at=-3.9,4.3")
    for name in METHODS:
        page.evaluate(
            """(name) => document.querySelectorAll(".methods input").forEach((box) => {
                if (box.checked !== (box.id === `run-${name}`)) box.click();
            })""",
            name,
        )
        settle(page)
        counts = painted(page, "map")
        assert counts.pop(name) > 20
        assert set(counts.values()) == {0}


def test_the_race_counts_the_same_evaluations_for_all(open_page):
    page = open_page("/terrain#ground=himmelblau&show=race")
    lengths = page.evaluate(
        """async () => {
            const {LANDSCAPES} = await import("/widgets/terrain/landscapes.js");
            const {loadField} = await import("/widgets/terrain/field.js");
            const {race, names} = await import("/widgets/terrain/races.js");
            const field = await loadField(LANDSCAPES.find((one) => one.id === "himmelblau").text);
            let calls = 0;
            const counted = field.objectiveGradient.bind(field);
            const runs = [];
            for (const name of names) {
                calls = 0;
                field.objectiveGradient = (point) => { calls += 1; return counted(point); };
                const {follow} = await import("/widgets/terrain/methods.js");
                follow(name, field, [1, 1], 0.001, 50, {noise: 1});
                runs.push(calls);
            }
            return runs;
        }"""
    )
    assert lengths == [50] * 8


def test_the_race_is_played_and_scrubbed(open_page):
    page = open_page("/terrain#show=race", still=False)
    press(page, "Play")
    page.wait_for_timeout(300)
    shown = int(page.locator(".player output").inner_text())
    assert 0 < shown < 120
    press(page, "Pause")
    page.locator("#at").focus()
    page.keyboard.press("Home")
    until(page, "document.querySelector('.player output').textContent === '0'")


def test_a_link_shows_the_same_to_another_person(open_page):
    page = open_page("/terrain#ground=himmelblau&at=1.5,-2&show=map,race&rate=0.003")
    ball(page)
    shared = page.evaluate("location.hash")
    other = open_page("/terrain" + shared)
    assert ball(other) == [1.5, -2.0]
    assert other.locator(".methods").is_visible()
    assert other.evaluate("location.hash") == shared


@pytest.mark.parametrize("hash", ["#ground=nowhere", "#at=a,b&rate=-3&half=0&show=all", "#f=%3Cscript%3E", "#f=x*y*z"])
def test_a_broken_link_still_opens(open_page, hash):
    page = open_page("/terrain" + hash, expect=["422"])
    assert page.locator("h1").is_visible()
    assert page.locator(".broken").count() == 0


def test_starting_again_puts_everything_back(open_page):
    page = open_page("/terrain")
    start = ball(page)
    press(page, "Step")
    chip(page, "race").click()
    press(page, "Start again")
    until(page, "document.querySelector('.feedback').textContent === ''")
    assert ball(page) == start
    assert page.locator(".methods").is_hidden()


@pytest.mark.parametrize("show", ["", "map,gradient,rate,formula,race"], ids=["opening", "everything"])
def test_it_fits_a_phone(open_page, show):
    page = open_page(f"/terrain#show={show}", width=390, height=844)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    small = page.evaluate(
        """() => [...document.querySelectorAll("main button, main select, .handle")].filter((e) => e.offsetParent)
            .map((e) => e.getBoundingClientRect()).filter((r) => r.width && (r.height < 40 || r.width < 40)).length"""
    )
    assert small == 0


def test_without_webgl_there_is_the_map(open_page, browser, address):
    context = browser.new_context(viewport={"width": 1000, "height": 800}, reduced_motion="reduce")
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.add_init_script(
        """const real = HTMLCanvasElement.prototype.getContext;
        HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
            return kind === "webgl2" ? null : real.call(this, kind, ...rest);
        };"""
    )
    page.goto(address + "/terrain")
    page.wait_for_selector("main[data-ready]")
    assert page.locator(".view.map").is_visible()
    assert page.locator(".view.relief").is_hidden()
    drawn = "[...document.querySelector('.view.map .ground').getContext('2d').getImageData(200, 200, 1, 1).data].at(-1)"
    assert page.evaluate(drawn) == 255
    press(page, "Step")
    assert "° off" in page.locator(".feedback").inner_text()
    context.close()
    assert errors == []
