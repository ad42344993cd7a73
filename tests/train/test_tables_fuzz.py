"""Any bytes at all: a table comes out, or a ValueError with a sentence; nothing else."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import jax
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import cycloid as cy

KEY = jax.random.key(0)
cells = st.one_of(
    st.sampled_from(
        ["", "NA", "?", "1", "2.5", "-3e4", "1e999", "nan", "inf", "yes", "no", "2024-02-30", "2024-01-05"]
    ),
    st.sampled_from(["1e300", "-1e300", "1e-300", "1.7976931348623157e308"]),
    st.sampled_from(
        ['"', '""', "a,b", "'", "1,5", "0x10", "1_000", "٣", "½", "\u00a0", "=1+1", "1;2", "True", "\ufeff"]
    ),
    st.text(max_size=4),
    st.floats(allow_nan=False).map(str),
    st.integers(-5, 5).map(str),
)


def attempt(content):
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        path = Path(folder) / "table.csv"
        path.write_bytes(content)
        data, said = None, ""
        try:
            data = cy.train.load(path, "y", key=KEY)
        except ValueError as error:
            said = str(error)
    if data is None:
        assert said.strip().endswith((".", "?")), said
        return
    for part in (data.train, data.validation, data.test):
        assert np.isfinite(np.asarray(part.x)).all()
        assert np.isfinite(np.asarray(part.y, float)).all()


@settings(max_examples=150)
@given(st.binary(max_size=300))
def test_bytes(content):
    attempt(content)


@settings(max_examples=150)
@given(st.lists(st.tuples(cells, cells, cells), min_size=12, max_size=40), st.sampled_from([",", ";", "\t"]))
def test_cells(rows, separator):
    lines = [separator.join(["a", "b", "y"]), *(separator.join(row) for row in rows)]
    attempt("\n".join(lines).encode("utf-8", "surrogatepass"))


@settings(max_examples=100)
@given(
    st.lists(st.sampled_from(["1", "2", "3.5", "", "NA", "7", "1e300", "-1.7e308"]), min_size=30, max_size=30),
    st.lists(st.sampled_from(["red", "green", "", "blue", "RED "]), min_size=30, max_size=30),
    st.lists(st.sampled_from(["1.5", "2", "-4", "8.25", "", "0", "1e300", "-1e300"]), min_size=30, max_size=30),
)
def test_columns_of_one_kind(numbers, colours, targets):
    lines = ["a,b,y", *(",".join(row) for row in zip(numbers, colours, targets, strict=True))]
    attempt("\n".join(lines).encode())
