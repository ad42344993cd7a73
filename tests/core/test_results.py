"""Results, statuses, errors: what every branch promises about its answers."""

import json
import pickle

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

import cycloid as cy
from cycloid.core.results import ConvergenceError, ErrorKind, Question, Result, Status, conclude, is_traced


class Answer(Result):
    value: Array
    error: Array
    error_kind: ErrorKind
    evaluations: Array
    status: Status
    replicates: Array | None = None


def answer(value=1.0, error=0.1, kind="standard error", status="converged", replicates=None):
    return Answer(
        jnp.asarray(value), jnp.asarray(error), ErrorKind.named(kind), jnp.asarray(3), Status.named(status), replicates
    )


def test_statuses_are_sentences_with_a_cure():
    for name, sentence in Status.sentences:
        assert sentence.endswith("."), name
        status = Status.named(name)
        assert status.name == name
        assert status.message == sentence
        assert status.ok is (name in Status.fine)


def test_a_batch_of_statuses_survives_jit_and_vmap():
    @jax.jit
    @jax.vmap
    def judge(x):
        return Status.where(x > 0, Status.named("converged"), Status.named("nonfinite"))

    batch = judge(jnp.asarray([1.0, -1.0]))
    assert batch.name == ["converged", "nonfinite"]
    assert batch.ok.tolist() == [True, False]
    assert (batch == Status.named("converged")).tolist() == [True, False]
    assert (batch != Status.named("converged")).tolist() == [False, True]
    assert repr(batch) == "<converged, nonfinite>"


def test_unknown_status_lists_the_known_ones():
    with pytest.raises(ValueError, match="Status has no 'fine'; it has converged"):
        Status.named("fine")


def test_a_bad_status_raises_with_the_result_attached_and_a_cure():
    result = answer(status="max_steps")
    with pytest.raises(ConvergenceError, match=r"Raise max_steps=.*\.result") as caught:
        conclude(result, throw=True)
    assert caught.value.result is result
    assert conclude(result, throw=False) is result
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.result.status == Status.named("max_steps")


def test_a_batch_says_how_many_members_failed():
    batch = jax.vmap(lambda s: eqx.tree_at(lambda r: r.status.code, answer(), s))(jnp.asarray([0, 4, 4]))
    with pytest.raises(ConvergenceError, match="2 of 3 members"):
        batch.raise_for_status()


def test_traced_calls_only_record_the_status():
    @jax.jit
    def run(x):
        result = answer(value=x, status="diverged")
        assert is_traced(result)
        concluded = conclude(result, throw=True, question=Question(abs, {}))
        assert concluded.question is None
        return concluded

    assert run(2.0).status == Status.named("diverged")


def test_flattening_drops_the_question():
    result = conclude(answer(), throw=True, question=Question(abs, {"x": 1.0}))
    assert result.question == Question(abs, {"x": 1.0})
    assert jax.tree.map(lambda leaf: leaf, result).question is None


@pytest.mark.parametrize(("level", "quantile"), [(0.95, 1.959963984540054), (0.5, 0.6744897501960817)])
def test_interval_of_a_standard_error_is_normal(level, quantile):
    low, high = answer().interval(level)
    assert low == pytest.approx(1.0 - 0.1 * quantile)
    assert high == pytest.approx(1.0 + 0.1 * quantile)


def test_interval_with_replicates_is_students():
    low, high = answer(replicates=jnp.zeros(8)).interval(0.95)
    assert high - low == pytest.approx(2 * 0.1 * 2.3646242515927844)  # t quantile, 7 degrees of freedom


def test_interval_of_a_bound_is_the_bound_and_of_nothing_is_nan():
    assert answer(kind="bound").interval(0.5)[1] == pytest.approx(1.1)
    assert np.isnan(answer(error=np.nan, kind="none").interval()[0])
    with pytest.raises(ValueError, match=r"strictly between 0 and 1, such as 0\.95; it was 95"):
        answer().interval(95)


def test_to_json_is_strict_and_readable():
    data = json.loads(answer(error=np.inf).to_json())
    assert data["status"] == "converged"
    assert data["error"] is None
    assert data["value"] == 1.0
    assert data["error_kind"] == "standard error"


def test_the_package_names_what_it_has():
    assert cy.ConvergenceError is ConvergenceError
    assert {"differentiate", "optimize", "train", "check", "figure", "formula", "enable_x64"} <= set(dir(cy))
    with pytest.raises(AttributeError, match="cycloid has no 'diferentiate'; it has"):
        cy.diferentiate
