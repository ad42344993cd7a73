"""Saved results come back with the same bits, and a broken file is answered with a sentence."""

import zipfile
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cycloid.core.results import Result, Status
from cycloid.core.storage import load, plain, save, to_json, write_atomically
from cycloid.core.tolerance import Tolerance


def same(a, b):
    la, lb = jax.tree.leaves(a), jax.tree.leaves(b)
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(la, lb, strict=True):
        if hasattr(x, "dtype"):
            assert x.dtype == y.dtype
        assert np.array_equal(np.asarray(x), np.asarray(y), equal_nan=np.asarray(x).dtype.kind == "f")


TREES = {
    "plain values": {"a": 1, "b": 2.5, "c": "x", "d": None, "e": True, "f": float("inf")},
    "containers": {"list": [1, (2, 3)], "nested": {"empty": [], "pair": (1,)}},
    "arrays": {"x": np.arange(6.0).reshape(2, 3), "i": np.int32(4), "none": np.zeros((0, 2))},
    "jax arrays": {"w": jnp.arange(3.0), "b": jnp.asarray(1, jnp.bfloat16), "flag": jnp.asarray(True)},
    "ours": {"tol": Tolerance(1e-8, 0.0), "status": Status.named("stalled")},
}


@pytest.mark.parametrize("name", TREES)
def test_round_trip(tmp_path, name):
    path = tmp_path / "tree.cycloid"
    save(TREES[name], path)
    same(load(path), TREES[name])


def test_keys_of_a_dict_may_be_tuples_and_numbers(tmp_path):
    tree = {(1, 2): "tuple", 3: "number", "s": "text"}
    save(tree, tmp_path / "d")
    assert load(tmp_path / "d") == tree


def test_typed_keys_come_back(tmp_path):
    key = jax.random.key(7)
    save({"key": key}, tmp_path / "k")
    back = load(tmp_path / "k")["key"]
    assert jax.random.normal(back) == jax.random.normal(key)


@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int8, np.bool_]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    )
)
def test_any_array_keeps_its_bits(tmp_path_factory, array):
    path = tmp_path_factory.mktemp("arrays") / "a"
    save([array], path)
    (back,) = load(path)
    assert back.dtype == array.dtype
    assert back.tobytes() == array.tobytes()


class Net(eqx.Module):
    weight: jax.Array
    act: object


def test_a_class_from_outside_needs_like(tmp_path):
    save({"model": Net(jnp.ones(3), jnp.tanh)}, tmp_path / "m")
    with pytest.raises(ValueError, match=r"a Net, a class outside Cycloid.*like=model"):
        load(tmp_path / "m")
    back = load(tmp_path / "m", like=Net(jnp.zeros(3), jnp.tanh))["model"]
    assert back.weight.tolist() == [1, 1, 1]
    assert back.act is jnp.tanh
    with pytest.raises(ValueError, match=r"shapes"):
        load(tmp_path / "m", like=Net(jnp.zeros(4), jnp.tanh))


def test_broken_files_are_answered_in_words(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    with pytest.raises(ValueError, match=r"not a file written by save"):
        Result.load(text)
    with pytest.raises(FileNotFoundError):
        Result.load(tmp_path / "nothing")
    with zipfile.ZipFile(tmp_path / "evil", "w") as archive:
        archive.writestr("tree.json", '{"format": "cycloid 1", "tree": {"class": "os:system", "fields": {}}}')
    with pytest.raises(ValueError, match="not one of Cycloid's"):
        load(tmp_path / "evil")
    with zipfile.ZipFile(tmp_path / "evil", "w") as archive:
        inner = '{"class": "cycloid.core.storage:save", "fields": {}}'
        archive.writestr("tree.json", f'{{"format": "cycloid 1", "tree": {inner}}}')
    with pytest.raises(ValueError, match="does not have"):
        load(tmp_path / "evil")
    save(Tolerance(1.0, 0.0), tmp_path / "tol")
    with pytest.raises(ValueError, match="holds a Tolerance, not a Result"):
        Result.load(tmp_path / "tol")


def test_what_is_no_data_is_refused(tmp_path):
    with pytest.raises(TypeError, match="cannot be saved"):
        save({"f": lambda x: x}, tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


def test_writing_is_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, "old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


class Pair(NamedTuple):
    left: float
    right: float


def test_plain_data_for_json():
    assert plain({"a": jnp.asarray([1.0, jnp.nan]), "z": 1 + 2j, "p": Pair(1.0, 2.0)}) == {
        "a": [1.0, None],
        "z": {"real": 1.0, "imaginary": 2.0},
        "p": [1.0, 2.0],
    }
    assert to_json({"f": abs}) == '{"f": "abs"}'
