"""Shuffled epochs: every row once an epoch, at any place, evenly spread."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cycloid.learn.batches import rows_in_order
from cycloid.learn.feeds import ResidentSource, Rows, StreamSource

ordered = jax.jit(rows_in_order, static_argnums=(3, 4))
KEY = jax.random.key(0)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 7, 64, 65, 997, 10_001])
def test_every_row_comes_once_an_epoch(rows):
    order = np.asarray(ordered(KEY, 3, 0, 2 * rows, rows))
    assert np.array_equal(np.sort(order[:rows]), np.arange(rows))
    assert np.array_equal(np.sort(order[rows:]), np.arange(rows))


@given(st.integers(0, 29), st.integers(0, 5))
def test_a_place_in_the_sequence_is_a_number(offset, epoch):
    whole = np.asarray(ordered(KEY, epoch, 0, 60, 30))
    assert np.array_equal(np.asarray(ordered(KEY, epoch, offset, 30, 30)), whole[offset : offset + 30])


def test_orders_differ_by_epoch_and_by_key():
    first, second = (np.asarray(ordered(KEY, epoch, 0, 100, 100)) for epoch in (0, 1))
    other = np.asarray(ordered(jax.random.key(1), 0, 0, 100, 100))
    assert (first != second).mean() > 0.9
    assert (first != other).mean() > 0.9


def test_rows_fall_evenly_on_places():
    """20 rows, 20000 epochs: how often row i stands at place j, and which row follows which, against uniformity."""
    rows, epochs = 20, 20_000
    many = jax.jit(jax.vmap(functools.partial(rows_in_order, jax.random.key(7), offset=0, count=rows, rows=rows)))
    order = np.asarray(many(jnp.arange(epochs)))
    placed = np.stack([np.bincount(order[:, place], minlength=rows) for place in range(rows)])
    statistic = ((placed - epochs / rows) ** 2 / (epochs / rows)).sum()
    assert statistic < stats.chi2.ppf(1 - 1e-6, (rows - 1) ** 2)
    pairs = np.zeros((rows, rows))
    np.add.at(pairs, (order[:, 4], order[:, 5]), 1)
    expected = epochs / (rows * (rows - 1))
    off = ~np.eye(rows, dtype=bool)
    assert not pairs.diagonal().any()
    assert ((pairs[off] - expected) ** 2 / expected).sum() < stats.chi2.ppf(1 - 1e-6, rows * (rows - 1) - 1)


def test_a_chunk_reads_the_rows_from_its_step_on():
    rows = Rows(jnp.arange(10.0)[:, None], jnp.arange(10))
    source = ResidentSource(rows, 4, KEY)
    seen = []
    for step in (0, 3):
        feed, count = source.feed(step, 3, 3)
        assert count == 3
        batch = feed.batches(4, 3)
        seen += [np.asarray(batch(i).y) for i in range(3)]
    together = np.concatenate(seen)[:20]
    assert np.array_equal(np.sort(together[:10]), np.arange(10))
    assert np.array_equal(np.sort(together[10:]), np.arange(10))


def test_a_large_batch_is_all_rows_in_their_order():
    rows = Rows(jnp.arange(4.0)[:, None], jnp.arange(4))
    feed, _ = ResidentSource(rows, 128, None).feed(5, 1, 1)
    assert np.array_equal(np.asarray(feed.batches(4, 1)(0).y), np.arange(4))
    with pytest.raises(TypeError, match="key=jax"):
        ResidentSource(rows, 2, None)


def _stream(count=5, size=3, last=1):
    sizes = [size] * count + [last] * (last > 0)
    return [(np.full((n, 2), float(i)), np.full(n, i)) for i, n in enumerate(sizes)]


def test_a_list_of_batches_begins_again():
    source = StreamSource(_stream())
    feed, count = source.feed(0, 7, 8)
    assert count == 7
    assert [int(feed.batches(3, 8)(i).y[0]) for i in range(7)] == [0, 1, 2, 3, 4, 0, 1]
    assert source.left_out == 1


def test_a_generator_ends():
    source = StreamSource(iter(_stream(last=0)))
    assert source.feed(0, 3, 3)[1] == 3
    assert source.feed(3, 3, 3)[1] == 2
    assert source.feed(5, 3, 3) is None


def test_a_function_opens_each_pass_and_skipping_is_reading():
    opened = []

    def batches():
        opened.append(1)
        return iter(_stream(last=0))

    source = StreamSource(batches)
    source.skip(6)
    feed, _ = source.feed(6, 1, 1)
    assert int(feed.batches(3, 1)(0).y[0]) == 1
    assert len(opened) == 2


@pytest.mark.parametrize(
    ("batches", "error", "words"),
    [
        ([], ValueError, "is empty"),
        ([np.zeros(3)], TypeError, r"pairs \(x, y\)"),
        (lambda: 3, TypeError, "iterable of"),
    ],
)
def test_streams_that_are_none(batches, error, words):
    with pytest.raises(error, match=words):
        StreamSource(batches)


def test_a_batch_that_grows_is_refused():
    source = StreamSource([(np.zeros((2, 1)), np.zeros(2)), (np.zeros((3, 1)), np.zeros(3))])
    with pytest.raises(ValueError, match="same number of rows"):
        source.feed(0, 2, 2)
