"""What quantities are called: the user's own names where there are some, else v_1, v_2, …"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from cycloid.core.formulas import Formula
from cycloid.core.functions import Traceable
from cycloid.core.sources import assigned_names
from cycloid.core.syntax import is_name
from cycloid.explain.folding import Group

_ARRAYS = (jax.Array, np.ndarray, np.generic)
_LETTERS = {"weight": "W", "bias": "b", "kernel": "W"}


def function_name(f: Callable[..., Any]) -> str:
    """How the function is called."""
    if isinstance(f, Formula):
        return f.name
    inner = f.function if isinstance(f, Traceable) else f
    name = getattr(inner, "__name__", None) or type(inner).__name__
    return "f" if name == "<lambda>" else name


def argument_names(f: Callable[..., Any], count: int) -> list[str]:
    """The names of the first positional arguments."""
    if isinstance(f, Formula):
        return list(f.variables)[:count]
    inner = f.function if isinstance(f, Traceable) else f
    try:
        found = list(inspect.signature(inner).parameters.values())
    except (TypeError, ValueError):
        found = []
    names: list[str] = []
    for parameter in found:
        if parameter.kind is parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}[{i}]" for i in range(count - len(names))]
        elif parameter.kind is not parameter.VAR_KEYWORD:
            names.append(parameter.name)
    names += [f"argument {i + 1}" for i in range(len(names), count)]
    return names[:count]


def split(argument: Any, name: str) -> tuple[Any, Any]:
    """An argument's parameters and the rest: real floating-point arrays and plain floats, inside modules arrays alone.

    Raises:
        TypeError: at a complex number.
    """

    def moves(node: Any) -> Any:
        if isinstance(node, eqx.Module):
            return jax.tree.map(lambda leaf: isinstance(leaf, _ARRAYS) and real(leaf), node)
        if isinstance(node, complex) and not isinstance(node, _ARRAYS):
            raise TypeError(f"explain.chain follows real numbers; {name} holds the complex number {node}.")
        return isinstance(node, float) or (isinstance(node, _ARRAYS) and real(node))

    def real(array: Any) -> bool:
        if jnp.issubdtype(array.dtype, jnp.complexfloating):
            raise TypeError(f"explain.chain follows real numbers; {name} holds a complex array of dtype {array.dtype}.")
        return bool(jnp.issubdtype(array.dtype, jnp.floating))

    mask = jax.tree.map(moves, argument, is_leaf=lambda node: isinstance(node, eqx.Module))
    return eqx.partition(argument, mask)


def leaf_labels(tree: Any, name: str) -> list[str]:
    """How the code reaches each leaf: "params['w'][0]", "model.layers[1].bias"."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [name + jax.tree_util.keystr(path) for path, _ in leaves]


class Names:
    """Gives every quantity a short name of its own, one that a formula may use."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def unique(self, wished: str) -> str:
        """The name wished for, or that with a number behind it."""
        base = wished if is_name(wished) else _sanitised(wished)
        name, k = base, 2
        while name in self.taken:
            name, k = f"{base}_{k}", k + 1
        self.taken.add(name)
        return name

    def of_leaf(self, label: str) -> str:
        """A short name for a leaf of an argument."""
        layer = re.search(r"layers\[(\d+)\]\.(weight|bias)$", label)
        if layer:
            return self.unique(f"{_LETTERS[layer[2]]}_{int(layer[1]) + 1}")
        last = re.search(r"\.(weight|bias|kernel)$", label)
        if last:
            return self.unique(_LETTERS[last[1]])
        key = re.search(r"\['([^']+)'\]$|\.([A-Za-z]\w*)$", label)
        if key:
            return self.unique(key[1] or key[2])
        return self.unique(re.sub(r"\W+", "_", label).strip("_"))

    def of_step(self, group: Group, output: int, number: int) -> str:
        """The name that a step's output is assigned to, or v_ with the number of the step."""
        found = assigned_names(group.frame) if group.frame is not None and group.ends_line else ()
        if len(found) == len(group.outputs):
            return self.unique(found[output])
        return self.unique(f"v_{number}")


def _sanitised(name: str) -> str:
    cleaned = re.sub(r"_+", "_", re.sub(r"\W+", "_", name, flags=re.ASCII)).strip("_")[:24].strip("_")
    return cleaned if is_name(cleaned) else f"v_{cleaned}" if is_name(f"v_{cleaned}") else "v"


def constant_label(value: Any, known: dict[int, str]) -> str:
    """How an input that does not depend on the arguments is written."""
    if id(value) in known:
        return known[id(value)]
    array = np.asarray(value)
    if array.ndim == 0 and array.dtype.kind in "fiub":
        return repr(array.item())
    return f"constant {'×'.join(map(str, array.shape))}" if array.shape else "constant"


def shape_text(shape: Sequence[int]) -> str:
    """3×4, or "" for a number."""
    return "×".join(map(str, shape))
