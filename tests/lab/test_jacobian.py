"""The Jacobian in a real browser: the question, the guess, what the panels say, the handles, maps of one's own."""

from __future__ import annotations

import re

import pytest

from lab.browsing import chip, drag, press, settle, until

MAPS = ("square", "polar", "turn", "shear", "fold", "lens")
CHIPS = ("linear", "area", "stretch", "ripple", "formula")
SQUARE = "/jacobian#map=square&at=1,0.5"


def sheet(page, name):
    return page.locator(f"[aria-labelledby={name}-title]").inner_text()


def place(page):
    """Where the address says the square is, and its side."""
    until(page, "location.hash.includes('side=')")
    page.wait_for_timeout(260)
    text = page.evaluate("location.hash").replace("%2C", ",")
    return [float(v) for v in re.search(r"at=([^&]*)", text)[1].split(",")], float(re.search(r"side=([^&]*)", text)[1])


def guess(page, factor):
    page.evaluate(
        """(v) => {
            const slider = document.querySelector("#guess");
            slider.value = Math.log2(v);
            slider.dispatchEvent(new Event("input"));
        }""",
        factor,
    )
    settle(page)


def inked(page, plane, colour):
    """How many dots of a plane have just this colour of the theme."""
    return page.evaluate(
        """([plane, colour]) => {
            const canvas = document.querySelector(`.view.${plane} .sketch`);
            const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const hex = getComputedStyle(document.documentElement).getPropertyValue(`--${colour}`).trim();
            const wanted = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
            let count = 0;
            for (let k = 0; k < data.length; k += 4) {
                if (data[k + 3] > 250 && wanted.every((part, i) => data[k + i] === part)) count += 1;
            }
            return count;
        }""",
        [plane, colour],
    )


def test_it_opens_with_a_question_and_without_a_symbol(open_page):
    page = open_page("/jacobian")
    assert page.locator("h1").inner_text() == "How much bigger does the square get?"
    assert page.locator(".view.source").is_visible()
    assert page.locator(".view.target").is_visible()
    for hidden in (".shelf .sheet", ".handle.tip", ".feedback"):
        assert page.locator(hidden).first.is_hidden()
    assert not re.search(r"[∂σ=²|]|\bJ\b|\bdet\b|\bx\b|\by\b", page.locator("main").inner_text())
    assert inked(page, "target", "accent") == 0  # the image is not given away
    assert inked(page, "target", "warm") > 20  # the guess


def test_the_guess_is_judged_against_the_area_of_the_image(open_page):
    page = open_page(SQUARE)
    guess(page, 2)
    press(page, "Look")
    # The mean of 4 (x² + y²) over the square of side 1/2 round (1, 1/2) is 4 (1.25 + 2 · 0.25/12) = 5.167.
    assert page.locator(".feedback").inner_text().startswith("You said 2 times; it is 5.2 times.")
    assert page.locator(".live").inner_text() == "Here the square becomes 5.17 times as large."
    assert page.locator("#announcer").inner_text() == page.locator(".feedback").inner_text()
    assert inked(page, "target", "accent") > 50
    assert page.locator("#guess").is_hidden()
    press(page, "Guess again")
    assert page.locator("#guess").is_visible()
    assert place(page)[0] == [0.3, -0.3]


def test_a_good_guess_is_praised_and_guesses_are_remembered(open_page):
    page = open_page("/jacobian#map=turn")
    for _ in range(2):
        guess(page, 1)
        press(page, "Look")
        assert page.locator(".feedback").inner_text() == "You said 1 time; it is 1 time. You can see the map."
        press(page, "Guess again")
    assert page.locator(".score").inner_text() == "Your last 2 guesses were off by factors of 1, 1."


@pytest.mark.parametrize("name", MAPS)
def test_every_map_shows_everything_and_is_not_guessed_by_accident(open_page, name):
    page = open_page(f"/jacobian#map={name}")
    press(page, "Look")
    assert "You can see the map" not in page.locator(".feedback").inner_text()
    for label in ("Straight copy", "Area", "Stretches", "A change", "Formulas"):
        press(page, label)
    for panel in page.locator(".shelf .sheet").all():
        assert panel.is_visible()
    assert page.locator(".shown math").count() >= 4
    assert page.locator(".broken").count() == 0
    assert inked(page, "target", "warm") > 20


def test_the_numbers_are_those_of_the_complex_square(open_page):
    page = open_page(f"{SQUARE}&show={','.join(CHIPS)}")
    cells = [td.inner_text() for td in page.locator("[aria-labelledby=linear-title] td.number").all()]
    assert cells == ["2", "−1", "1", "2"]
    assert "det J = 2 · 2 − (−1) · 1 = 5" in sheet(page, "area")
    assert "σ₁ = 2.236, the largest stretch" in sheet(page, "stretch")
    assert "Both are equal" in sheet(page, "stretch")
    assert chip(page, "linear").inner_text() == "Jacobian J"
    formulas = page.locator("[aria-labelledby=formula-title] math").all()
    assert formulas[0].text_content().startswith("u")


def test_a_shear_keeps_areas_and_stretches_by_inverse_factors(open_page):
    page = open_page("/jacobian#map=shear&show=stretch,area")
    told = sheet(page, "stretch")
    first, second = (float(re.search(rf"{mark} = ([\d.]+)", told)[1]) for mark in ("σ₁", "σ₂"))
    assert first * second == pytest.approx(1.0, abs=1e-3)
    assert first == pytest.approx(0.45 + (1 + 0.45**2) ** 0.5, abs=1e-3)  # of [[1, 0.9], [0, 1]]
    assert "= 1" in sheet(page, "area")


def test_the_fold_flattens_and_turns_over(open_page):
    page = open_page("/jacobian#map=fold&at=-1,0&show=area,stretch")
    assert "turned over" in sheet(page, "area")
    page = open_page("/jacobian#map=fold&at=0,0&show=area,stretch")
    assert "flattens" in sheet(page, "area")
    assert "cannot be undone" in sheet(page, "stretch")


def test_the_square_is_dragged_and_resized(open_page):
    page = open_page(SQUARE)
    (before, side) = place(page)
    drag(page, ".handle.square", -60, 40)
    (after, same) = place(page)
    assert after[0] < before[0]
    assert after[1] < before[1]
    assert same == side
    drag(page, ".handle.corner", -12, 12)
    assert place(page)[1] < side
    page.locator(".handle.square").focus()
    page.keyboard.press("ArrowRight")
    settle(page)
    assert place(page)[0][0] == pytest.approx(after[0] + 0.04 * 1.5, abs=2e-3)
    page.keyboard.press("Enter")
    settle(page)
    assert page.locator(".feedback").inner_text() != ""


def test_the_parallelogram_meets_the_image_of_a_small_square(open_page):
    page = open_page(SQUARE)
    gaps = page.evaluate(
        """async () => {
            const {MAPS, loadMap} = await import("/widgets/jacobian/maps.js");
            const {apply, edge, length, minus, plus} = await import("/widgets/jacobian/linear.js");
            const map = await loadMap(MAPS.find((one) => one.id === "lens").texts);
            const point = [0.8, 0.9], image = map.at(point), J = map.jacobian(point);
            return [0.4, 0.2, 0.1].map((side) => Math.max(...edge(point, side).map(
                (spot) => length(minus(map.at(spot), plus(image, apply(J, minus(spot, point)))))) ));
        }"""
    )
    assert gaps[0] / gaps[1] == pytest.approx(4, abs=0.6)
    assert gaps[1] / gaps[2] == pytest.approx(4, abs=0.4)


def test_stretches_take_any_matrix_apart(open_page):
    page = open_page("/jacobian")
    worst = page.evaluate(
        """async () => {
            const {apply, determinant, length, minus, stretches} = await import("/widgets/jacobian/linear.js");
            let worst = 0;
            for (let k = 0; k < 200; k++) {
                const part = (i) => 4 * ((k * Math.SQRT2 * (i + 1)) % 1) - 2;
                const J = k ? [[part(0), part(1)], [part(2), part(3)]] : [[0, 0], [0, 0]];
                const {sigma, inputs, outputs} = stretches(J);
                inputs.forEach((v, i) => {
                    worst = Math.max(worst, length(minus(apply(J, v), outputs[i].map((u) => sigma[i] * u))));
                });
                worst = Math.max(worst, Math.abs(sigma[0] * sigma[1] - Math.abs(determinant(J))), sigma[1] - sigma[0]);
            }
            return worst;
        }"""
    )
    assert worst < 1e-12


def test_a_change_ripples_and_its_tip_is_dragged(open_page):
    page = open_page(f"{SQUARE}&show=ripple")
    cells = page.locator("[aria-labelledby=ripple-title] td.number")
    before = [td.inner_text() for td in cells.all()]
    drag(page, ".handle.tip", -40, -30)
    after = [td.inner_text() for td in cells.all()]
    assert before != after
    assert re.search(r"[uv] changes most", sheet(page, "ripple"))


def test_a_map_of_ones_own_and_what_is_wrong_with_it(open_page):
    page = open_page(SQUARE, expect=("422",))
    page.locator("#map").select_option("own")
    until(page, "document.activeElement.id === 'formula-u'")
    page.locator("#formula-u").fill("3*x")
    page.locator("#formula-v").fill("2*y")
    until(page, "location.hash.includes('u=3')")
    press(page, "Area")
    assert "= 6" in sheet(page, "area")
    page.locator("#formula-v").fill("2*sine(y)")
    until(page, "document.querySelector('#formula-trouble').textContent.includes('sin')")
    assert page.locator("#formula-v").get_attribute("aria-invalid") == "true"
    page.locator("#formula-v").fill("x*y*z")
    until(page, "document.querySelector('#formula-trouble').textContent.includes('room for two variables')")
    page.locator("#formula-v").fill("")
    until(page, "document.querySelector('#formula-trouble').textContent.includes('Write a function for v')")


def test_an_address_brings_back_the_page(open_page):
    page = open_page("/jacobian#u=r*cos(t)&v=r*sin(t)&at=2,1&side=0.2&centre=1.5,1.5&half=1.4&show=area")
    assert "= 2" in sheet(page, "area")
    assert place(page) == ([2.0, 1.0], 0.2)
    page = open_page("/jacobian#u=sine(x)&v=y", expect=("422",))
    assert "could not be read" in page.locator(".feedback").inner_text()


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_both_planes_without_sideways_scrolling(open_page, dark):
    page = open_page("/jacobian#map=polar&show=linear,stretch,ripple", width=360, height=740, dark=dark)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    left, right = (page.locator(f".view.{name}").bounding_box() for name in ("source", "target"))
    assert right["y"] > left["y"] + left["height"]
    assert inked(page, "target", "green") > 5
