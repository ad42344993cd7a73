"""The verification card: what it decides, how it reads, and that it keeps what it was given."""

import io
import json

import numpy as np
import pytest

import cycloid as cy
from cycloid.checks.cards import Card, compare, resting_on, unchecked


def card(value=1.0, again=1.0, allowance=1e-6, **options):
    return compare("the claim", "first", "second", value, again, allowance=allowance, **options)


def test_values_within_the_allowance_agree_and_others_do_not():
    assert card(1.0, 1.0 + 1e-7).verdict == "agrees"
    assert card(1.0, 1.0 + 1e-5).verdict == "disagrees"
    assert card([1.0, 2.0], [1.0, 2.1], allowance=0.2).agrees
    assert card([1.0, 2.0], [1.0, 2.1], allowance=0.05).disagreement == pytest.approx(0.1)


def test_a_value_that_is_not_finite_disagrees_and_a_second_one_decides_nothing():
    assert card(np.nan, 1.0).verdict == "disagrees"
    assert card(np.inf, np.inf).verdict == "disagrees"
    assert card(1.0, np.nan).verdict == "cannot be checked"
    assert card(1.0, 1.0, allowance=np.nan).verdict == "cannot be checked"


def test_values_of_two_shapes_are_a_wrong_call():
    with pytest.raises(ValueError, match="one shape"):
        card([1.0, 2.0], [1.0])


def test_a_verdict_is_one_of_three():
    with pytest.raises(ValueError, match="cannot be checked"):
        Card("claim", "a", "b", 1.0, 1.0, 0.0, 0.0, "perhaps")


def test_one_disagreement_below_turns_the_whole_card_and_says_which():
    whole = resting_on(card(), card(), card(1.0, 2.0, sentence="Because of this."))
    assert whole.verdict == "disagrees"
    assert "the claim" in whole.sentence
    assert "Because of this." in whole.sentence
    assert resting_on(card(), unchecked("x", "a", 1.0, "Too large.")).verdict == "agrees"


def test_json_gives_the_card_back():
    first = resting_on(card([1.0, 2.0], [1.0, 2.0], unit="mm"), unchecked("x", "a", 1.0, "Too large."))
    again = Card.from_json(first.to_json())
    assert again.further[0].verdict == "cannot be checked"
    assert np.isnan(again.further[0].disagreement)
    assert again.to_json() == first.to_json()
    assert json.loads(first.to_json())["unit"] == "mm"


@pytest.mark.parametrize("text", ["", "[]", '{"claim": "x"}', "{"])
def test_text_that_is_no_card_is_refused(text):
    with pytest.raises(ValueError, match="not a card"):
        Card.from_json(text)


def test_every_form_shows_claim_methods_values_and_verdict():
    from rich.console import Console

    first = card(14.0, 14.5, sentence="They differ.", unit="m")
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(first.to_rich())
    for text in (str(first), first.to_html(), console.export_text()):
        for word in ("the claim", "first", "second", "14", "14.5", "m", "disagrees", "They differ."):
            assert word in text, word


def test_html_of_a_card_escapes_every_text():
    nasty = compare("<script>x</script>", "<b>", "<i>", 1.0, 1.0, allowance=1.0, sentence="a & <b>", unit="<u>")
    html = nasty.to_html()
    for tag in ("<script>", "<b>", "<i>", "<u>"):
        assert tag not in html
    assert "&lt;script&gt;" in html


def test_rich_does_not_read_markup_in_a_card():
    from rich.console import Console

    console = Console(width=80, record=True, file=io.StringIO())
    console.print(card(sentence="[bold]not bold[/bold] [/]").to_rich())
    assert "[bold]not bold[/bold] [/]" in console.export_text()


@pytest.mark.parametrize("suffix", [".json", ".html", ".txt"])
def test_a_card_is_saved_by_the_ending_of_the_name(tmp_path, suffix):
    first = card()
    path = tmp_path / f"card{suffix}"
    first.save(path)
    text = path.read_text()
    assert text.strip() == {".json": first.to_json(), ".html": first.to_html(), ".txt": str(first)}[suffix].strip()


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\.json, \.html or \.txt"):
        card().save(tmp_path / "card.pdf")


def test_a_type_that_cannot_be_checked_is_answered_with_those_that_can():
    with pytest.raises(TypeError, match=r"Minimum.*Race.*Run"):
        cy.check(3.0)


def test_a_result_without_its_question_asks_for_it(minimum):
    import jax

    lost = jax.tree.map(lambda leaf: leaf, minimum)
    assert lost.question is None
    with pytest.raises(ValueError, match=r"question="):
        cy.check(lost)
    assert cy.check(lost, question=minimum.question).agrees
    assert cy.check(lost, question=minimum.question.function).agrees
