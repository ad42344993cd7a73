"""The training chain in a real browser: told runs for what the page does, computed ones from end to end."""

from __future__ import annotations

import re

import pytest

from lab.browsing import until

CSV = b"size,rooms,colour,price\n" + b"".join(
    f"{50 + 3 * k},{1 + k % 5},{'red' if k % 3 else 'blue'},{100 + 7 * k + (k * 37) % 11}\n".encode() for k in range(60)
)


def train(page):
    page.get_by_role("button", name=re.compile("^Train")).click()


def finished(page, timeout=20_000):
    page.wait_for_selector(".verdict, .phase.trouble", timeout=timeout)
    return page.locator(".phase").inner_text()


def test_it_opens_with_the_four_questions(open_page):
    page = open_page("/training")
    heads = page.locator(".link .head").all_inner_texts()
    assert [" ".join(head.split()) for head in heads] == [
        "1 Loss Where does it come from?",
        "2 Gradient With respect to what?",
        "3 Update What did it do?",
        "4 Metric Did it improve?",
    ]
    assert page.locator("#data option").all_inner_texts() == ["Diabetes", "Breast cancer", "Wine", "Iris", "Digits"]


def test_a_run_fills_the_chain_and_ends_with_a_verdict_and_a_card(open_page):
    page = open_page("/training#max_steps=100")
    train(page)
    assert finished(page) == "Done after 100 steps."
    words = page.locator(".link .words").all_inner_texts()
    assert words[0].startswith("After step 100 the loss is 0.40")
    assert page.locator(".group-bars").inner_text().split("\n")[:2] == ["target > 140", "0.4"]
    assert "layer 1 weight holds 64\xa0%" in words[1]
    assert "promised a change of" in words[2]
    assert "On the 89 test rows it ends at 0.482 (0.33 to 0.61, the band)." in words[3]
    assert page.locator(".verdict .stamp").inner_text() == "Yes"
    assert page.locator(".card .stamp").inner_text() == "Agrees"
    assert "0.0008" in page.locator(".card").inner_text()
    assert page.locator("#announcer").inner_text().startswith("R² on unseen rows rose")


def test_every_step_can_be_looked_at(open_page):
    page = open_page("/training#max_steps=100")
    train(page)
    finished(page)
    page.locator("#scrub").focus()
    page.keyboard.press("Home")
    until(page, "document.querySelector('.scrubber output').textContent === '1'")
    assert page.locator(".link .words").first.inner_text().startswith("After step 1 ")


def test_a_run_is_watched_live_and_cancelled(open_page):
    page = open_page("/training#seed=7&max_steps=50")
    train(page)
    until(page, "document.querySelector('.words').textContent.startsWith('After step 1')")
    assert page.locator("progress").is_visible()
    page.get_by_role("button", name="Cancel").click()
    until(page, "document.querySelector('.phase').textContent === 'Cancelled.'")
    assert page.get_by_role("button", name="Cancel").is_hidden()


def test_two_runs_side_by_side_do_not_block_each_other(open_page):
    page = open_page("/training#seed=7&max_steps=50")
    train(page)
    until(page, "document.querySelector('.words').textContent.startsWith('After step 1')")
    page.locator("#seed").fill("0")
    train(page)
    assert finished(page) == "Done after 50 steps."
    assert page.locator(".training-page > section table tbody tr").count() == 2
    page.get_by_role("button", name=re.compile("Look at the run")).last.click()
    page.get_by_role("button", name="Cancel").click()
    until(page, "document.querySelector('.phase').textContent === 'Cancelled.'")
    page.get_by_role("button", name=re.compile("Look at the run")).first.click()
    page.wait_for_selector(".verdict")


def test_a_failure_is_a_sentence_on_the_page(open_page):
    page = open_page("/training#seed=13")
    train(page)
    assert finished(page) == "The column 'age' holds the text 'old' in line 7: write numbers, or leave the cell empty."


def test_a_bad_number_is_answered_beside_the_button(open_page):
    page = open_page("/training", expect=["422"])
    page.locator("#hidden").fill("64, many")
    train(page)
    until(page, "document.querySelector('.order .trouble').textContent.includes('hidden layers')")


def test_a_table_is_uploaded_and_its_target_chosen(open_page):
    page = open_page("/training")
    page.locator("#file").set_input_files({"name": "houses.csv", "mimeType": "text/csv", "buffer": CSV})
    page.wait_for_selector(".preview table")
    assert page.locator("#data").evaluate("(s) => s.selectedOptions[0].textContent") == "houses.csv"
    assert page.locator("#target").input_value() == "price"
    assert "60 rows, 4 columns" in page.locator(".data-field").inner_text()
    assert page.locator(".preview tbody tr").count() == 5


def test_a_bad_table_is_a_sentence_and_the_old_data_stay(open_page):
    page = open_page("/training", expect=["422"])
    page.locator("#file").set_input_files({"name": "empty.csv", "mimeType": "text/csv", "buffer": b""})
    until(page, "document.querySelector('.order .trouble').textContent.includes('empty')")
    assert page.locator("#data").input_value() == "diabetes"


def test_a_link_keeps_the_choices(open_page):
    page = open_page(
        "/training#bundled=wine&model=softmax&method=momentum&learning_rate=0.1&batch_size=16&max_steps=77&seed=3"
    )
    values = [
        page.locator(f"#{name}").input_value()
        for name in ("data", "model", "method", "learning_rate", "batch_size", "max_steps", "seed")
    ]
    assert values == ["wine", "softmax", "momentum", "0.1", "16", "77", "3"]
    assert page.locator("#hidden").is_hidden()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_fits_a_phone(open_page, dark):
    page = open_page("/training#max_steps=60", width=390, height=844, dark=dark)
    train(page)
    finished(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_diabetes_is_trained_from_end_to_end(open_page, real_address):
    page = open_page("/training#model=linear&max_steps=200&learning_rate=0.03", at=real_address)
    train(page)
    assert finished(page, 90_000) == "Done after 200 steps."
    words = page.locator(".link .words").all_inner_texts()
    before, after = (
        float(n.replace("−", "-"))
        for n in re.search(r"is (\S+) on the rows it learns.* it was (\S+) and", words[0]).groups()[::-1]
    )
    assert after < 0.8 * before
    assert page.locator(".verdict .stamp").inner_text() == "Yes"
    low, high = (
        float(n.rstrip(",").replace("−", "-")) for n in re.search(r"\((\S+) to (\S+) the band\)", words[3]).groups()
    )
    assert 0.0 < low < high < 0.8
    assert page.locator(".card").count() == 1


def test_a_run_stops_early_when_it_is_asked_to(open_page, real_address):
    order = "#model=mlp&hidden=32&max_steps=2000&learning_rate=0.03&batch_size=128&early=true"
    page = open_page("/training" + order, at=real_address)
    assert page.locator("#early").is_checked()
    train(page)
    said = re.match(r"Stopped after (\d+) steps; the best model was that of step (\d+)\.", finished(page, 90_000))
    steps, best = map(int, said.groups())
    assert best <= steps - 500 < 1500


def test_an_uploaded_table_is_trained_from_end_to_end(open_page, real_address):
    page = open_page("/training#max_steps=150&learning_rate=0.03", at=real_address)
    page.locator("#file").set_input_files({"name": "houses.csv", "mimeType": "text/csv", "buffer": CSV})
    page.wait_for_selector(".preview table")
    train(page)
    assert finished(page, 90_000) == "Done after 150 steps."
    page.locator(".report summary").click()
    report = page.locator(".report").inner_text()
    assert "houses.csv" in report
    assert "/" not in report.split("houses.csv")[0]
    page.locator("#target").select_option("colour")
    train(page)
    until(page, "document.querySelectorAll('.training-page > section table tbody tr').length === 2")
    assert finished(page, 90_000) == "Done after 150 steps."
