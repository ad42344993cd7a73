"""Results on disk: a zip of one JSON document and the arrays, written whole or not at all, without pickle."""

from __future__ import annotations

import dataclasses
import importlib
import io
import json
import math
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

FORMAT = "cycloid 1"


def save(tree: Any, path: str | os.PathLike[str]) -> None:
    """Write a tree of Cycloid's classes, containers, arrays and plain values to one file, atomically.

    Modules of classes outside Cycloid keep their arrays alone; `load(path, like=...)` puts them back.

    Raises:
        TypeError: when the tree holds something that is no data (a closure outside a module).
    """
    arrays: list[np.ndarray] = []
    document = {"format": FORMAT, "tree": _encode(tree, arrays)}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("tree.json", json.dumps(document))
        for index, array in enumerate(arrays):
            content = io.BytesIO()
            np.save(content, array, allow_pickle=False)
            archive.writestr(f"{index}.npy", content.getvalue())
    write_atomically(path, buffer.getvalue())


def load(path: str | os.PathLike[str], like: Any = None) -> Any:
    """Read what `save` wrote.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when the file was not written by `save`, or `like` is needed and missing.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            document = json.loads(archive.read("tree.json"))
            count = len(archive.namelist()) - 1
            arrays = [np.load(io.BytesIO(archive.read(f"{i}.npy")), allow_pickle=False) for i in range(count)]
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError, EOFError) as error:
        raise ValueError(f"{os.fspath(path)} is not a file written by save().") from error
    if document.get("format") != FORMAT:
        raise ValueError(f"{os.fspath(path)} has the format {document.get('format')!r}; this version reads {FORMAT!r}.")
    return _decode(document["tree"], arrays, like)


def write_atomically(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Write a file whole or not at all: to a neighbour first, flushed to the disk, then renamed over it."""
    target = Path(path)
    data = content.encode() if isinstance(content, str) else content
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _encode(tree: Any, arrays: list[np.ndarray]) -> Any:
    if tree is None or isinstance(tree, (bool, int, str)):
        return tree
    if isinstance(tree, float):
        return tree if math.isfinite(tree) else {"float": repr(float(tree))}  # of numpy too, whose repr differs
    if eqx.is_array(tree) or isinstance(tree, (np.ndarray, np.generic)):
        return _encode_array(tree, arrays)
    if isinstance(tree, dict):
        return {"dict": [[_encode(k, arrays), _encode(v, arrays)] for k, v in tree.items()]}
    if isinstance(tree, list):
        return {"list": [_encode(v, arrays) for v in tree]}
    if isinstance(tree, tuple) and not (_is_ours(type(tree)) and hasattr(tree, "_fields")):
        return {"tuple": [_encode(v, arrays) for v in tree]}
    if _is_ours(type(tree)):
        return {"class": _path(type(tree)), "fields": {k: _encode(v, arrays) for k, v in _fields(tree).items()}}
    if isinstance(tree, eqx.Module):
        leaves = [_encode_array(leaf, arrays) for leaf in jax.tree.leaves(tree) if eqx.is_array(leaf)]
        return {"foreign": type(tree).__qualname__, "arrays": leaves}
    raise TypeError(f"a {type(tree).__name__} cannot be saved: results hold arrays, plain values and containers.")


def _encode_array(array: Any, arrays: list[np.ndarray]) -> dict[str, Any]:
    node: dict[str, Any] = {"array": len(arrays), "numpy": isinstance(array, (np.ndarray, np.generic))}
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        node["key"] = str(jax.random.key_impl(array))
        array = jax.random.key_data(array)
    plain_array = np.asarray(array)
    if plain_array.dtype.kind == "V":  # bfloat16 and the 8-bit floats: npy keeps bits, not their names
        node["dtype"] = plain_array.dtype.name
        plain_array = plain_array.view(f"u{plain_array.dtype.itemsize}")
    if plain_array.dtype == object:
        raise TypeError("an array of Python objects cannot be saved.")
    arrays.append(plain_array)
    return node


def _decode(node: Any, arrays: list[np.ndarray], like: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if "float" in node:
        return float(node["float"])
    if "array" in node:
        return _decode_array(node, arrays)
    if "dict" in node:
        return {_key(_decode(k, arrays, like)): _decode(v, arrays, like) for k, v in node["dict"]}
    if "list" in node:
        return [_decode(v, arrays, like) for v in node["list"]]
    if "tuple" in node:
        return tuple(_decode(v, arrays, like) for v in node["tuple"])
    if "class" in node:
        fields = {k: _decode(v, arrays, like) for k, v in node["fields"].items()}
        return _rebuild(node["class"], fields)
    return _decode_foreign(node, arrays, like)


def _decode_array(node: dict[str, Any], arrays: list[np.ndarray]) -> Any:
    array = arrays[node["array"]]
    if "dtype" in node:
        array = array.view(jnp.dtype(node["dtype"]))
    if "key" in node:
        return jax.random.wrap_key_data(jnp.asarray(array), impl=node["key"])
    if node["numpy"]:
        return array
    restored = jnp.asarray(array)
    if restored.dtype != array.dtype:
        raise ValueError(f"the file holds {array.dtype} numbers: call cy.enable_x64() before loading it.")
    return restored


def _decode_foreign(node: dict[str, Any], arrays: list[np.ndarray], like: Any) -> Any:
    if like is None:
        raise ValueError(
            f"the file holds a {node['foreign']}, a class outside Cycloid: build one of the same shape and "
            f"pass it as load(path, like=model)."
        )
    leaves = [_decode_array(leaf, arrays) for leaf in node["arrays"]]
    present, rest = eqx.partition(like, eqx.is_array)
    expected, structure = jax.tree.flatten(present)
    shapes = [np.shape(leaf) for leaf in leaves]
    if shapes != [np.shape(leaf) for leaf in expected]:
        raise ValueError(f"like= has arrays of shapes {[np.shape(x) for x in expected]}; the file has {shapes}.")
    return eqx.combine(jax.tree.unflatten(structure, leaves), rest)


def _key(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key


def _is_ours(cls: type) -> bool:
    named = cls.__module__.partition(".")[0] == "cycloid"
    return named and (dataclasses.is_dataclass(cls) or hasattr(cls, "_fields"))


def _path(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _fields(tree: Any) -> dict[str, Any]:
    if hasattr(tree, "_fields"):
        return tree._asdict()
    return {f.name: getattr(tree, f.name) for f in dataclasses.fields(tree)}


def _rebuild(path: str, fields: dict[str, Any]) -> Any:
    module, _, name = path.partition(":")
    if module.partition(".")[0] != "cycloid":
        raise ValueError(f"the file names the class {path}, which is not one of Cycloid's.")
    cls: Any = importlib.import_module(module)
    for part in name.split("."):
        cls = getattr(cls, part, None)
    if not isinstance(cls, type) or not _is_ours(cls):
        raise ValueError(f"the file names the class {path}, which this version of Cycloid does not have.")
    if hasattr(cls, "_fields"):
        return cls(**fields)
    known = {f.name for f in dataclasses.fields(cls)}
    if known != set(fields):
        raise ValueError(f"{name} has the fields {sorted(known)}; the file has {sorted(fields)}.")
    instance = object.__new__(cls)
    for field, value in fields.items():
        object.__setattr__(instance, field, value)
    return instance


def plain(tree: Any) -> Any:
    """Plain data for JSON: arrays as lists, statuses as words, functions by name, what is not finite as None."""
    from cycloid.core.results import AbstractCode

    if tree is None or isinstance(tree, (bool, int, str)):
        return tree
    if isinstance(tree, float):
        return tree if math.isfinite(tree) else None
    if isinstance(tree, AbstractCode):
        return tree.name
    if eqx.is_array(tree) or isinstance(tree, (np.ndarray, np.generic)):
        if jnp.issubdtype(tree.dtype, jax.dtypes.prng_key):
            keys: Any = tree
            return np.asarray(jax.random.key_data(keys)).tolist()
        array = np.asarray(tree)
        return plain((array.astype(float) if array.dtype.kind == "V" else array).tolist())
    if isinstance(tree, dict):
        return {str(k): plain(v) for k, v in tree.items()}
    if dataclasses.is_dataclass(tree) or (_is_ours(type(tree)) and hasattr(tree, "_fields")):
        return {k: plain(v) for k, v in _fields(tree).items()}
    if isinstance(tree, (list, tuple)):
        return [plain(v) for v in tree]
    if isinstance(tree, complex):
        return {"real": plain(tree.real), "imaginary": plain(tree.imag)}
    return getattr(tree, "__name__", None) or str(tree)


def to_json(tree: Any) -> str:
    """The plain data of a tree as JSON text, valid under the strictest reader."""
    return json.dumps(plain(tree), allow_nan=False)
