"""The terrain in a real browser: dragging, keys, races, links, every size of screen."""

from __future__ import annotations

import pytest

from lab.browsing import ball, chip, drag, painted, press, settle, until

METHODS = ("GradientDescent", "SGD", "Momentum", "Nesterov", "Adagrad", "RMSprop", "Adam", "AdamW")


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
