"""Checkpoints of a training run: written whole or not at all, read back only into the run they belong to."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from cycloid.core.storage import load, save

KIND = "training checkpoint 1"


def write(
    path: str | os.PathLike[str], identity: dict[str, str], content: dict[str, Any], trees: dict[str, Any]
) -> None:
    """Write a checkpoint.

    Args:
        path: the file; an older one is replaced in one move.
        identity: what makes this run the one it is, from `identify`.
        content: plain values and arrays.
        trees: pytrees whose arrays are kept; `read` puts them into trees of the same structure.
    """
    leaves = {name: [leaf for leaf in jax.tree.leaves(tree) if eqx.is_array(leaf)] for name, tree in trees.items()}
    save({"kind": KIND, "identity": identity, "content": content, "trees": leaves}, path)


def read(
    path: str | os.PathLike[str], identity: dict[str, str], like: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """(content, trees) of a checkpoint, or None when there is no file.

    Args:
        path: the file.
        identity: of the run that wants to go on.
        like: trees of the structure written.

    Raises:
        ValueError: when the file is no checkpoint, or belongs to a run asked for differently.
    """
    if not Path(path).exists():
        return None
    found = load(path)
    name = os.fspath(path)
    if not isinstance(found, dict) or found.get("kind") != KIND:
        raise ValueError(f"{name} is not a checkpoint of a training run: choose another path for checkpoint=.")
    differing = [part for part in identity if found["identity"].get(part) != identity[part]]
    if differing:
        raise ValueError(
            f"the checkpoint {name} belongs to another run: {_listed(differing)} not the same. Ask for the run as it "
            f"was to go on with it, pass resume=False to replace it, or choose another path for checkpoint=."
        )
    return found["content"], {part: _fill(tree, found["trees"][part]) for part, tree in like.items()}


def identify(**parts: Any) -> dict[str, str]:
    """A short text for each part of a run's question: two runs with equal texts are the same run.

    Arrays enter by their bits, everything else by how it prints, without addresses in memory.
    """
    return {name: _digest(part) for name, part in parts.items()}


def _digest(part: Any) -> str:
    leaves, structure = jax.tree.flatten(part)
    digest = hashlib.blake2b(digest_size=16)
    digest.update(re.sub(r" at 0x[0-9a-fA-F]+", "", str(structure)).encode())
    for leaf in leaves:
        if eqx.is_array(leaf) or isinstance(leaf, (np.ndarray, np.generic)):
            array: Any = leaf
            if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
                array = jax.random.key_data(array)
            array = np.ascontiguousarray(array)
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(array.tobytes())
        else:
            digest.update(re.sub(r" at 0x[0-9a-fA-F]+", "", repr(leaf)).encode())
    return digest.hexdigest()


def _fill(tree: Any, arrays: list[Any]) -> Any:
    leaves, structure = jax.tree.flatten(tree)
    stored = iter(arrays)
    return jax.tree.unflatten(structure, [next(stored) if eqx.is_array(leaf) else leaf for leaf in leaves])


def _listed(names: list[str]) -> str:
    words = [f"its {name.replace('_', ' ')}" for name in names]
    joined = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
    return f"{joined} {'is' if len(words) == 1 else 'are'}"
