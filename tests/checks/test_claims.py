"""The claims: each is measured now, and its verdict is the one that the mathematics or the experiment gives."""

import math

import pytest

from cycloid.checks import claims

# name -> (verdict, least value, greatest value)
EXPECTED = {
    "derivative-of-a-cubic": ("true", 14 - 1e-9, 14 + 1e-9),
    "backpropagation-is-the-gradient": ("true", 0.0, 1e-12),
    "differences-lose-digits": ("false", 2.0, 7.0),
    "gradient-is-steepest": ("true", 0.0, 0.1),
    "four-point-regression": ("true", 0.0, 1e-12),
    "four-point-regression-is-done": ("false", 8.0, 14.0),
    "learning-rate-of-a-hundredth": ("false", 14.0, 15.0),
    "learning-rate-too-large": ("true", 0.1445, 0.1455),
    "momentum-accelerates": ("true", 4.0, 10.0),
    "bias-correction": ("false", 3_500, 4_500),
    "reach-against-depth": ("true", 28 - 1e-6, 28 + 1e-6),
    "zero-gradient-is-a-minimum": ("false", -2.0, -2.0),
    "sleep-matters-more": ("depends", 50.0, 75.0),
    "descent-finds-the-best": ("false", 0.5, 3.0),
    "gradient-share": ("cannot be checked here", math.nan, math.nan),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_claim_is_measured_and_judged(name):
    verdict, least, greatest = EXPECTED[name]
    (found,) = claims.run([name])[:1]
    assert found.name == name
    assert found.verdict == verdict
    if math.isnan(least):
        assert (found.measured, found.range) == ("—", "—")
    else:
        assert least <= found.value <= greatest
        assert found.low <= found.value <= found.high
    assert found.sentence.endswith(".")


@pytest.mark.slow
def test_adam_is_faster_than_sgd_on_digits_but_not_as_much_as_is_said():
    (found,) = claims.run(["adam-is-faster"])
    assert found.verdict == "depends"  # less than 3 times on the classifier, more than 5 on one autoencoder
    assert 1.0 < found.low < 3.0 < found.high < 9.0
    assert found.low < found.value < found.high


def test_every_claim_has_an_expectation_or_is_slow():
    known = claims.known()
    assert {c.name for c in known if not c.slow} == set(EXPECTED)
    assert [c.name for c in known if c.slow] == ["adam-is-faster"]


def test_claims_are_selected_by_a_word_in_name_or_branch():
    assert [c.name for c in claims.known(["bias"])] == ["bias-correction"]
    assert {c.branch for c in claims.known(["differentiate"])} == {"differentiate"}
    assert len(claims.known(["bias", "momentum"])) == 2


def test_a_word_that_selects_nothing_is_answered_with_the_nearest_name():
    with pytest.raises(ValueError, match="Did you mean 'momentum-accelerates'"):
        claims.known(["momentum-acelerates"])


def test_progress_is_told_before_each_claim():
    told = []
    claims.run(["gradient-share"], progress=told.append)
    assert [c.name for c in told] == ["gradient-share"]


def test_a_claim_whose_verdict_is_no_word_of_the_four_is_an_error(monkeypatch):
    broken = claims.Claim("x", "x", "x", "x", lambda: claims.Measured(1.0, 1.0, 1.0, "maybe", "x."))
    monkeypatch.setattr(claims, "known", lambda select=None: [broken])
    with pytest.raises(ValueError, match="maybe"):
        claims.run()


@pytest.mark.parametrize(
    ("value", "low", "high", "shown"),
    [(14.0, 14.0, 14.0, "exact"), (14.0, 14.0 - 1e-9, 14.0 + 1e-9, "± 1e-9"), (2.0, 1.5, 2.5, "1.5 to 2.5")],
)
def test_an_interval_is_written_as_narrow_as_it_is(value, low, high, shown):
    found = claims.Finding("n", "t", "s", "b", value, low, high, "", "true", "s.")
    assert found.range == shown


def test_a_share_of_none_or_all_has_an_interval_inside_zero_and_one():
    assert claims.share_interval(0, 50)[0] >= 0
    assert claims.share_interval(50, 50)[1] <= 1
