"""The terrain in a real browser: the question, the step, what the panels say, formulas of one's own."""

from __future__ import annotations

import re

import pytest

from lab.browsing import ball, chip, drag, press, settle, until

GROUNDS = ("mountain", "reach-depth", "sleep-nutrition", "regression", "cubic", "himmelblau", "rosenbrock", "saddle")
CHIPS = ("map", "gradient", "rate", "formula", "race")


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
