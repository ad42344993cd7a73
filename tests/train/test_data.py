"""Data made ready: parts without leakage, tasks told from the target, everything saved and read back."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cycloid as cy
from cycloid.train.splits import check_split, split_rows

KEY = jax.random.key(0)
RANDOM = np.random.default_rng(0)
SIZES = {
    "diabetes": (442, 10, "regression"),
    "breast_cancer": (569, 30, "binary"),
    "wine": (178, 13, "multiclass"),
    "iris": (150, 4, "multiclass"),
    "digits": (1797, 61, "multiclass"),
}


@pytest.mark.parametrize("name", SIZES)
def test_bundled_sets(name):
    rows, _, task = SIZES[name]
    data = cy.train.load(name, key=KEY)
    assert data.task == task
    assert data.train.count + data.validation.count + data.test.count == rows
    assert data.train.x.shape[1] == len(data.features)
    assert data.describe()
    assert data.train.x.dtype == jnp.result_type(float)


@given(st.integers(20, 300), st.integers(1, 5), st.integers(0, 3))
def test_parts_are_disjoint_and_cover_all_rows_class_by_class(rows, classes, seed):
    labels = np.random.default_rng(seed).integers(0, classes, rows)
    parts = split_rows(rows, (0.6, 0.2, 0.2), key=jax.random.key(seed), classes=labels)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(rows))
    for share, part in zip((0.6, 0.2, 0.2), parts, strict=True):
        assert abs(len(part) - share * rows) <= 1
        counts = np.bincount(labels[part], minlength=classes)
        assert np.abs(counts - share * np.bincount(labels, minlength=classes)).max() <= 2


def test_a_key_fixes_the_parts():
    first, again = (split_rows(100, (0.5, 0.3, 0.2), key=KEY) for _ in range(2))
    other = split_rows(100, (0.5, 0.3, 0.2), key=jax.random.key(1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("split", [(0.5, 0.5, 0.5), (0.0, 0.5, 0.5), (1.2, -0.2), (0.5,), (0.4, 0.3, 0.2)])
def test_shares_that_are_none(split):
    with pytest.raises(ValueError, match="split= holds the shares"):
        check_split(split)


def test_two_shares_leave_the_rest_to_the_test():
    assert check_split((0.7, 0.1)) == pytest.approx((0.7, 0.1, 0.2))
    data = cy.train.load("iris", key=KEY, split=(0.8, 0.2))
    assert data.test is None


def test_all_that_is_learned_is_learned_from_training_rows():
    """Rows outside the training part may change as they like: scales, medians and categories stay."""
    frame = pd.DataFrame(
        {"a": RANDOM.normal(size=100), "c": RANDOM.choice(list("xyz"), 100), "y": RANDOM.normal(size=100)}
    )
    frame.loc[::7, "a"] = np.nan
    train, validation, test = split_rows(100, (0.6, 0.2, 0.2), key=KEY)
    data = cy.train.load(frame, "y", key=KEY)
    changed = frame.copy()
    outside = np.concatenate([validation, test])
    changed.loc[outside, "a"] = 1e6
    changed.loc[outside, "c"] = "never seen"
    changed.loc[outside, "y"] = -1e6
    again = cy.train.load(changed, "y", key=KEY)
    np.testing.assert_array_equal(again.train.x, data.train.x)
    np.testing.assert_array_equal(again.train.y, data.train.y)
    known = frame["a"].iloc[train].dropna()
    filled = frame["a"].iloc[train].fillna(known.median()).to_numpy()
    assert float(data.preparation.center[0]) == pytest.approx(filled.mean(), rel=1e-12)
    assert float(data.preparation.scale[0]) == pytest.approx(filled.std(), rel=1e-12)
    y = frame["y"].to_numpy()[train]
    assert float(data.preparation.target_center) == pytest.approx(y.mean(), rel=1e-12)
    np.testing.assert_allclose(data.train.y, (y - y.mean()) / y.std(), rtol=1e-12)
    np.testing.assert_allclose(np.asarray(data.train.x).mean(0)[0], 0, atol=1e-12)


@pytest.mark.parametrize(
    ("target", "task", "classes"),
    [
        (["a", "b"] * 20, "binary", ("a", "b")),
        ([True, False] * 20, "binary", (False, True)),
        ([0, 1] * 20, "binary", (0, 1)),
        ([0.0, 1.0] * 20, "binary", (0, 1)),
        (["1", "2", "3", "4"] * 10, "multiclass", (1, 2, 3, 4)),
        (list(range(4)) * 10, "multiclass", (0, 1, 2, 3)),
        ([1, 2, 2, 3] * 5, "regression", None),  # three values in twenty rows: too few rows a value for classes
        ([0.5, 1.5] * 20, "multiclass", None),
        (list(np.linspace(0, 1, 40)), "regression", None),
        (list(range(40)), "regression", None),
    ],
)
def test_the_task_is_told_from_the_target(target, task, classes):
    if target[0] == 0.5:
        task = "regression"
    data = cy.train.load(pd.DataFrame({"x": RANDOM.normal(size=len(target)), "y": target}), "y", key=KEY)
    assert data.task == task
    assert data.classes == classes


def test_the_task_can_be_given():
    frame = pd.DataFrame({"x": RANDOM.normal(size=40), "y": [1, 2, 3, 4] * 10})
    assert cy.train.load(frame, "y", key=KEY, task="regression").task == "regression"
    assert cy.train.load(frame, "y", key=KEY, task="classification").task == "multiclass"
    with pytest.raises(ValueError, match="task= is"):
        cy.train.load(frame, "y", key=KEY, task="ranking")
    with pytest.raises(ValueError, match="holds text"):
        cy.train.load(frame.assign(y=["a", "b"] * 20), "y", key=KEY, task="regression")


def test_arrays_and_frames_give_the_same_data():
    x, y = RANDOM.normal(size=(50, 2)), RANDOM.normal(size=50)
    arrays = cy.train.load((x, y), key=KEY)
    frame = cy.train.load(pd.DataFrame({"x1": x[:, 0], "x2": x[:, 1], "y": y}), "y", key=KEY)
    np.testing.assert_array_equal(arrays.train.x, frame.train.x)
    assert arrays.features == ("x1", "x2")
    np.testing.assert_allclose(arrays.transform(x[:3]), (x[:3] - arrays.preparation.center) / arrays.preparation.scale)


def test_scaling_can_be_left_out():
    x, y = RANDOM.normal(size=(50, 2)), RANDOM.normal(size=50)
    data = cy.train.load((x, y), key=KEY, scale=False)
    train, _, _ = split_rows(50, (0.6, 0.2, 0.2), key=KEY)
    np.testing.assert_array_equal(data.train.x, x[train])
    np.testing.assert_array_equal(data.train.y, y[train])


def test_saved_and_read_back(tmp_path):
    data = cy.train.load("iris", key=KEY)
    data.save(tmp_path / "data")
    again = cy.train.Data.load(tmp_path / "data")
    np.testing.assert_array_equal(again.train.x, data.train.x)
    assert again.report == data.report
    assert again.classes == data.classes
    rows = [{"sepal length (cm)": 5, "sepal width (cm)": 3, "petal length (cm)": 1.5, "petal width (cm)": 0.2}]
    np.testing.assert_array_equal(again.transform(rows), data.transform(rows))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: cy.train.load("iris"), TypeError, r"pass key=jax\.random\.key\(0\)"),
        (lambda: cy.train.load(3, key=KEY), TypeError, "name of a bundled set"),
        (lambda: cy.train.load((np.ones((3, 2)), np.ones(4)), key=KEY), ValueError, r"\(n, d\) and y"),
        (lambda: cy.train.load(pd.DataFrame({"y": []}), "y", key=KEY), ValueError, "no rows"),
        (lambda: cy.train.load(pd.DataFrame({"y": [1.0, 2.0] * 9}), "y", key=KEY), ValueError, "no column beside"),
        (
            lambda: cy.train.load(pd.DataFrame([[1, 2, 3]] * 9, columns=["a", "a", "y"]), "y", key=KEY),
            ValueError,
            "several columns called 'a'",
        ),
    ],
)
def test_wrong_calls(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_categories_beyond_thirty_are_pooled():
    letters = [f"level {i:02d}" for i in range(40)]
    column = np.repeat(letters, 40)
    frame = pd.DataFrame({"c": RANDOM.permutation(column), "y": RANDOM.normal(size=1600)})
    data = cy.train.load(frame, "y", key=KEY)
    assert len(data.features) == 31
    assert data.features[-1] == "c = (other)"
    np.testing.assert_array_equal(np.asarray(data.train.x).sum(1), 1.0)


def test_dates_become_days_and_seasons():
    days = pd.date_range("2023-01-01", periods=400)
    frame = pd.DataFrame({"day": days, "y": np.sin(2 * np.pi * np.arange(400) / 365.2425)})
    data = cy.train.load(frame, "y", key=KEY)
    assert data.features == ("day (days)", "day (season, sine)", "day (season, cosine)")
    run = cy.train.fit("linear", data, key=KEY, method=cy.optimize.Adam(0.05), max_steps=500, record_every=250)
    assert run.metrics["r2"].value > 0.99
