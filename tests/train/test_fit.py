"""`fit` from end to end: closed forms, real data, stopping, dtypes, keys, files, streams, messages."""

from __future__ import annotations

import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

import cycloid as cy
from cycloid.core.results import ConvergenceError
from learn.small import EXTENDED, KEY, LABELS, X, Y, least_squares, small_net


def leaves(run):
    return [np.asarray(leaf) for leaf in jax.tree.leaves((eqx.filter(run.value, eqx.is_array), run.history))]


def same(first, second):
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(leaves(first), leaves(second), strict=True))


def test_the_four_point_regression_is_the_plain_loop():
    """X = [[1,1],[1,2],[2,2],[2,3]], y = [1,2,2,3]: a thousand steps of 0.01 from the same start."""
    x, y = np.array([[1, 1], [1, 2], [2, 2], [2, 3]]), np.array([1, 2, 2, 3])
    start = np.random.default_rng(0).random(2)
    w = start.copy()
    for _ in range(1000):
        w -= 0.01 * (-2 * x.T.dot(y - x.dot(w)) / len(y))
    run = cy.train.fit(
        (lambda w, x: x @ w, jnp.asarray(start)),
        (x, y),
        loss="mse",
        method=cy.optimize.GradientDescent(0.01),
        max_steps=1000,
        batch_size=None,
        key=KEY,
    )
    np.testing.assert_allclose(run.value.params, w, rtol=0, atol=1e-12)
    assert run.verdict.improved == "unclear"  # no rows were kept apart
    assert run.history["metric"][-1] > 0.9


@pytest.mark.parametrize("method", ["gradient-descent", "momentum", "nesterov", "adam"])
def test_linear_regression_reaches_the_normal_equations(method):
    rate = {"adam": 0.05}.get(method, 0.05)
    run = least_squares(method=cy.optimize.method(method, learning_rate=rate), max_steps=2000, record_every=1000)
    best = np.linalg.solve(EXTENDED.T @ EXTENDED, EXTENDED.T @ Y)
    np.testing.assert_allclose(np.append(run.value.weight, run.value.bias), best, atol=1e-6)


def test_logistic_regression_reaches_its_normal_equations():
    """At the optimum the residuals y − p are orthogonal to every column."""
    loss = cy.learn.CrossEntropy(l2=0.01)
    run = cy.train.fit(
        "logistic",
        (X, LABELS),
        loss=loss,
        method="nesterov",
        max_steps=1500,
        record_every=750,
        batch_size=None,
        key=KEY,
    )
    p = 1 / (1 + np.exp(-(X @ np.asarray(run.value.weight) + float(run.value.bias))))
    np.testing.assert_allclose(X.T @ (p - LABELS) / 60 + 0.02 * np.asarray(run.value.weight), 0, atol=1e-4)
    assert abs((p - LABELS).sum()) < 1e-2


def test_diabetes_is_as_good_as_least_squares():
    from sklearn.linear_model import LinearRegression

    data = cy.train.load("diabetes", key=KEY)
    run = cy.train.fit("linear", data, key=KEY, method=cy.optimize.Adam(0.01), max_steps=1500, record_every=500)
    peer = LinearRegression().fit(np.asarray(data.train.x), np.asarray(data.train.y))
    assert run.metrics["r2"].value == pytest.approx(peer.score(data.test.x, data.test.y), abs=0.02)
    assert run.metrics["r2"].value > 0.35
    assert run.verdict.improved == "yes"
    assert 40 < run.metrics["rmse"].value < 70  # in the unit of the target
    answers = run.predict(
        np.asarray(data.test.x) * np.asarray(data.preparation.scale) + np.asarray(data.preparation.center)
    )
    y = np.asarray(data.preparation.unscaled(data.test.y))
    assert np.sqrt(np.mean((np.asarray(answers) - y) ** 2)) == pytest.approx(run.metrics["rmse"].value, rel=1e-9)


def test_breast_cancer_from_a_csv_file(tmp_path):
    from sklearn.datasets import load_breast_cancer

    frame = load_breast_cancer(as_frame=True).frame.rename(columns={"target": "benign"})
    frame["benign"] = np.where(frame["benign"] == 1, "yes", "no")
    frame.to_csv(tmp_path / "cancer.csv", index=False)
    data = cy.train.load(tmp_path / "cancer.csv", "benign", key=KEY)
    run = cy.train.fit("logistic", data, key=KEY, method=cy.optimize.Adam(0.01), max_steps=600, record_every=200)
    assert run.metrics["accuracy"].value > 0.93
    assert run.verdict.improved == "yes"
    said = run.predict(frame.drop(columns="benign"))
    assert set(said) == {"yes", "no"}
    assert (said == frame["benign"].to_numpy()).mean() > 0.95
    run.save(tmp_path / "run")
    again = cy.learn.Run.load(tmp_path / "run")
    assert np.array_equal(again.predict(frame.head(20)), said[:20])


def test_a_net_learns_what_a_line_cannot():
    random = np.random.default_rng(1)
    x = random.uniform(-1, 1, (600, 2))
    data = cy.train.load((x, (x[:, 0] * x[:, 1] > 0).astype(int)), key=KEY)
    shared = {"key": KEY, "method": cy.optimize.Adam(0.01), "max_steps": 600, "record_every": 200}
    line = cy.train.fit("logistic", data, **shared)
    net = cy.train.fit(cy.train.mlp((16,)), data, **shared)
    assert line.metrics["accuracy"].value < 0.65
    assert line.verdict.improved != "yes"
    assert net.metrics["accuracy"].value > 0.9
    assert net.verdict.improved == "yes"


def test_softmax_of_two_classes_is_logistic_regression():
    shared = {"key": KEY, "max_steps": 300, "record_every": 150, "batch_size": None, "method": cy.optimize.Adam(0.05)}
    one = cy.train.fit("logistic", (X, LABELS), **shared)
    two = cy.train.fit("softmax", (X, LABELS), loss="cross_entropy", **shared)
    logits = np.asarray(two.raw(jnp.asarray(X)))
    agree = (logits[:, 1] > logits[:, 0]) == (np.asarray(one.raw(jnp.asarray(X))) > 0)
    assert agree.mean() > 0.95


def test_patience_stops_and_returns_the_best_model():
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 20))
    y = x[:, 0] + random.normal(size=60)
    shared = {"validation": (x[40:], y[40:]), "key": KEY, "method": "adam", "record_every": 10, "batch_size": None}
    net = cy.train.mlp((32,))
    run = cy.train.fit(net, (x[:40], y[:40]), max_steps=2000, patience=50, **shared)
    assert run.status.name == "stopped_early"
    assert run.steps < 2000
    losses = run.history["validation_loss"]
    assert run.best_step == run.history["step"][np.argmin(losses)]
    assert run.steps - run.best_step == 50
    best = np.mean((np.asarray(run.raw(jnp.asarray(x[40:]))) - y[40:]) ** 2)
    assert best == pytest.approx(losses.min(), rel=1e-9)
    assert any("is returned" in remark for remark in run.verdict.remarks)


def test_a_tolerance_ends_the_run():
    run = least_squares(max_steps=2000, tol=1e-6)
    assert run.status.name == "converged"
    assert run.steps < 2000
    assert run.history["gradient_norm"][-1] <= 1e-6 * (1 + run.history["gradient_norm"][0])
    with pytest.raises(ConvergenceError, match="step limit"):
        least_squares(max_steps=20, tol=1e-6)
    assert least_squares(max_steps=20, tol=1e-6, throw=False).status.name == "max_steps"


def test_the_callback_sees_every_record_and_can_stop():
    seen = []

    def watch(progress):
        seen.append(progress)
        return progress.step < 40

    run = small_net(callback=watch)
    assert run.status.name == "cancelled"
    assert [progress.step for progress in seen] == [1, 20, 40]
    assert run.steps == 40
    record = seen[1].record
    json.dumps(record)
    assert record["loss"] == run.history["loss"][1]
    assert record["layer_gradient_norms"] == run.history["layer_gradient_norms"][1].tolist()
    whole = small_net(max_steps=40)
    np.testing.assert_array_equal(seen[2].model.layers[0].weight, whole.value.layers[0].weight)


def test_a_progress_bar_changes_nothing():
    seen = []
    assert same(small_net(progress=True, callback=lambda p: seen.append(p.step)), small_net())
    assert seen == [1, 20, 40, 60]


def test_same_key_same_bits_other_key_other_run():
    assert same(small_net(), small_net())
    assert not same(small_net(), small_net(key=jax.random.key(4)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_of_the_rows_is_kept(dtype):
    run = cy.train.fit(
        cy.train.mlp((4,)), (X.astype(dtype), Y.astype(dtype)), loss="mse", max_steps=4, record_every=2, key=KEY
    )
    assert run.value.layers[0].weight.dtype == dtype
    for name, column in run.history.items():
        assert name == "step" or column.dtype == dtype, name


def test_a_chunk_is_compiled_once(caplog):
    small_net()
    with jax.log_compiles():
        small_net(method=cy.optimize.Adam(0.0123), key=jax.random.key(7), max_steps=80)
    compiled = [r.getMessage() for r in caplog.records if "Compiling" in r.getMessage()]
    assert not [text for text in compiled if "advance" in text or "measure_step" in text], compiled


def test_any_model_that_takes_one_example():
    class Bilinear(eqx.Module):
        a: jax.Array
        name: str = "mine"

        def __call__(self, x):
            return x @ self.a @ x

    run = cy.train.fit(Bilinear(jnp.zeros((3, 3))), (X, X[:, 0] * X[:, 1]), loss="mse", max_steps=1500, key=KEY,
                       method=cy.optimize.Adam(0.02), record_every=500)  # fmt: skip
    found = np.asarray(run.value.a)
    assert found[0, 1] + found[1, 0] == pytest.approx(1.0, abs=0.02)
    assert run.value.name == "mine"
    assert run.layers == ("a",)


def test_an_optax_transformation_is_a_method():
    ours = small_net(method=cy.optimize.Adam(1e-2))
    theirs = small_net(method=optax.adam(1e-2))
    np.testing.assert_allclose(theirs.value.layers[0].weight, ours.value.layers[0].weight, rtol=1e-9)
    schedule = small_net(method=cy.optimize.Adam(optax.cosine_decay_schedule(1e-2, 60)))
    assert schedule.status.ok
    assert schedule.history["update_norm"][-1] < schedule.history["update_norm"][0]


def test_saved_read_back_and_told_as_json(tmp_path):
    run = small_net()
    run.save(tmp_path / "run")
    again = cy.learn.Run.load(tmp_path / "run")
    assert same(run, again)
    assert again.metrics == run.metrics
    assert again.verdict == run.verdict
    assert again.status == run.status
    np.testing.assert_array_equal(again.value(X[0]), run.value(X[0]))
    told = json.loads(run.to_json())
    assert told["status"] == "all_steps"
    assert told["history"]["loss"] == run.history["loss"].tolist()
    assert told["metrics"]["r2"]["value"] == run.metrics["r2"].value
    assert run.question.method.name == "adam"


def test_a_stream_is_the_same_training_as_its_rows():
    """Whole batches in their order, whether they lie on the device or come one by one."""
    batches = [(X[:40], Y[:40])]
    shared = {"loss": "mse", "method": "adam", "max_steps": 50, "record_every": 20, "key": KEY}
    apart = {"validation": (X[40:], Y[40:])}
    rows = cy.train.fit("linear", batches[0], batch_size=None, **shared, **apart)
    stream = cy.train.fit("linear", batches, **shared, **apart)
    np.testing.assert_allclose(stream.value.weight, rows.value.weight, rtol=1e-12)
    np.testing.assert_allclose(stream.history["validation_loss"], rows.history["validation_loss"], rtol=1e-12)
    assert stream.metrics["r2"].part == "validation"
    assert any("first batch of the stream" in line for line in stream.report)


def test_a_stream_that_ends_is_said():
    run = cy.train.fit(
        "logistic", ((X[:8], LABELS[:8]) for _ in range(25)), max_steps=100, record_every=10, key=KEY, throw=False
    )
    assert run.steps == 25
    assert run.recorded == [1, 10, 20, 25]
    assert run.status.name == "all_steps"
    assert run.explanation == "The batches ended after 25 of 100 steps."


def test_many_rows_are_watched_by_a_sample():
    random = np.random.default_rng(0)
    x = random.normal(size=(3000, 2))
    shared = {"loss": "mse", "key": KEY, "max_steps": 20, "record_every": 10, "batch_size": 32}
    run = cy.train.fit("linear", (x, x[:, 0]), **shared)
    assert any("taken on 256 of 3000 rows" in line for line in run.report)
    whole = cy.train.fit("linear", (x, x[:, 0]), evaluate_rows="all", **shared)
    np.testing.assert_array_equal(whole.value.weight, run.value.weight)
    expected = np.mean((x @ np.asarray(whole.value.weight) + float(whole.value.bias) - x[:, 0]) ** 2)
    assert whole.history["train_loss"][-1] == pytest.approx(expected, rel=1e-9)


def test_more_rows_than_a_block_are_evaluated_in_blocks():
    random = np.random.default_rng(0)
    x = random.normal(size=(9001, 2))
    run = cy.train.fit("linear", (x, x[:, 0]), loss="mse", key=KEY, max_steps=3, evaluate_rows="all")
    expected = np.mean((x @ np.asarray(run.value.weight) + float(run.value.bias) - x[:, 0]) ** 2)
    assert run.history["train_loss"][-1] == pytest.approx(expected, rel=1e-9)
    assert run.metrics["rmse"].value == pytest.approx(np.sqrt(expected), rel=1e-9)


def test_chunks_are_bounded_and_change_nothing(monkeypatch):
    """Three steps a program at most, records where they were asked for."""
    batches = [(X[i : i + 8], Y[i : i + 8]) for i in range(0, 56, 8)]
    shared = {"loss": "mse", "method": "adam", "max_steps": 25, "record_every": 10, "key": KEY}
    rows, stream = (cy.train.fit("linear", data, batch_size=8, **shared) for data in ((X, Y), batches))
    monkeypatch.setattr("cycloid.train.examples.CHUNK_ROWS", 24)
    monkeypatch.setattr("cycloid.train.examples.CHUNK_BYTES", 3 * 8 * (3 + 1) * 8)
    for whole, data in ((rows, (X, Y)), (stream, batches)):
        cut = cy.train.fit("linear", data, batch_size=8, **shared)
        assert cut.recorded == whole.recorded == [1, 10, 20, 25]
        np.testing.assert_allclose(cut.value.weight, whole.value.weight, rtol=1e-12)
        np.testing.assert_allclose(cut.history["loss"], whole.history["loss"], rtol=1e-12)


def test_the_interval_of_a_run_is_that_of_its_metric():
    run = small_net()
    assert run.interval() == (run.metrics["r2"].low, run.metrics["r2"].high)
    assert float(run.error) == pytest.approx((run.metrics["r2"].high - run.metrics["r2"].low) / 2)
    with pytest.raises(ValueError, match=r"level 0\.95"):
        run.interval(0.5)


IRIS = {"key": KEY, "max_steps": 2}


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: cy.train.fit("linear", (X, Y), loss="mse"), TypeError, r"pass key=jax\.random\.key\(0\)"),
        (lambda: cy.train.fit("mpl", (X, Y), **IRIS), ValueError, "Did you mean 'mlp'"),
        (lambda: cy.train.fit(3, (X, Y), **IRIS), TypeError, "model is a name"),
        (lambda: cy.train.fit("logistic", (X, Y), loss="mse", **IRIS), ValueError, 'use "linear" or "mlp"'),
        (lambda: cy.train.fit("mlp", (X, LABELS), **IRIS), ValueError, 'loss="cross_entropy"'),
        (lambda: cy.train.fit("mlp", (X, Y[:9]), **IRIS), ValueError, "same number of rows"),
        (lambda: cy.train.fit("mlp", 3, **IRIS), TypeError, "pair of arrays"),
        (lambda: cy.train.fit("mlp", (X, Y), loss="cross_entropy", **IRIS), ValueError, "classes are integers"),
        (lambda: cy.train.fit("mlp", (X, Y), max_steps=0, key=KEY), ValueError, "max_steps= is a positive integer"),
        (lambda: cy.train.fit("mlp", (X, Y), batch_size=0, **IRIS), ValueError, "batch_size= is a positive"),
        (lambda: cy.train.fit("mlp", (X, Y), record_every=1.5, **IRIS), ValueError, "record_every="),
        (lambda: cy.train.fit("mlp", (X, Y), patience=-1, **IRIS), ValueError, "patience="),
        (lambda: cy.train.fit("mlp", (X, Y), precision="float16", **IRIS), ValueError, "precision= is None"),
        (lambda: cy.train.fit("mlp", (X, Y), metrics="accuracy", **IRIS), ValueError, "not for regression"),
        (lambda: cy.train.fit("mlp", (X, Y), method="adma", **IRIS), ValueError, "Did you mean 'adam'"),
        (lambda: cy.train.fit("mlp", (X, Y), evaluate_rows="some", **IRIS), ValueError, "evaluate_rows="),
        (lambda: cy.train.fit(cy.learn.affine(5), (X, Y), **IRIS), ValueError, r"one example of shape \(3,\)"),
        (lambda: cy.train.fit(cy.learn.affine(3, 2), (X, Y), **IRIS), ValueError, r"output has shape \(2,\)"),
        (lambda: cy.train.fit("mlp", (X.reshape(60, 3, 1), Y), **IRIS), ValueError, "examples that are vectors"),
        (lambda: cy.train.fit("mlp", (X, Y), mesh=8, **IRIS), TypeError, "mesh= is a jax"),
        (lambda: cy.train.mlp(()), ValueError, "hidden= lists the widths"),
        (lambda: cy.train.mlp((8, 0)), ValueError, "hidden= lists the widths"),
        (lambda: cy.train.mlp((8,), "relo"), ValueError, "no activation"),
    ],
)
def test_wrong_calls(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_function_as_loss_meets_micro_batches_of_one_size():
    loss = lambda model, batch: jnp.mean((jax.vmap(model)(batch[0]) - batch[1]) ** 2)
    with pytest.raises(ValueError, match="use 56"):
        least_squares(loss=loss, accumulate=8)
    cut = least_squares(loss=loss, accumulate=6, max_steps=20)
    np.testing.assert_allclose(cut.value.weight, least_squares(max_steps=20).value.weight, rtol=1e-12)


def test_methods_compared_on_equal_terms(tmp_path):
    data = cy.train.load((X, Y), key=KEY)
    found = cy.train.compare("linear", data, ("sgd", "adam"), key=KEY, max_steps=40, learning_rates=(1e-3, 0.1, 10.0),
                       record_every=20, batch_size=16)  # fmt: skip
    assert found.tuning["sgd"][2] == np.inf or found.tuning["sgd"][2] > 1e3
    for row in found.rows:
        tried = found.tuning[row.method]
        assert row.learning_rate == (1e-3, 0.1, 10.0)[int(np.argmin(tried))]
        assert row.validation_loss == pytest.approx(tried.min(), rel=1e-6)
        run = found.runs[row.method]
        assert run.history["loss"][0] == found.runs["sgd"].history["loss"][0]  # same start, same batch
    assert found.rows[0].validation_loss <= found.rows[1].validation_loss
    assert found.best == found.rows[0].method
    assert found.rows[0].behind == 0
    assert int(found.evaluations) == 2 * 40 + 6 * 40
    assert set(found.steps_to()) == {"sgd", "adam"}
    found.save(tmp_path / "comparison")
    assert cy.train.Comparison.load(tmp_path / "comparison").rows == found.rows
    assert list(found.to_pandas().index) == [row.method for row in found.rows]
    json.loads(found.to_json())


def test_comparisons_that_cannot_be():
    with pytest.raises(ValueError, match="is there twice"):
        cy.train.compare("linear", (X, Y), ("sgd", "sgd"), loss="mse", key=KEY)
    with pytest.raises(TypeError, match="pass rows, not a stream"):
        cy.train.compare("linear", [(X, Y)], loss="mse", key=KEY)
    named = cy.train.compare(
        "linear", (X, Y), {"slow": cy.optimize.SGD(1e-4), "fast": cy.optimize.SGD(0.1)}, loss="mse", key=KEY,
        learning_rates=None, max_steps=20, record_every=10,
    )  # fmt: skip
    assert named.best == "fast"
    assert named.tuning["slow"].size == 0


def test_a_frame_of_new_rows_is_enough_for_a_prediction():
    data = cy.train.load("iris", key=KEY)
    run = cy.train.fit("softmax", data, key=KEY, method=cy.optimize.Adam(0.05), max_steps=200)
    row = {"sepal length (cm)": 5.0, "sepal width (cm)": 3.4, "petal length (cm)": 1.5, "petal width (cm)": 0.2}
    assert run.predict(row).tolist() == ["setosa"]
    assert run.predict(pd.DataFrame([row, row])).tolist() == ["setosa", "setosa"]
