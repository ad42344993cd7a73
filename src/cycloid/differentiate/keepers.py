"""With what a compiled derivative lives: with its function object, or, for formulas and modules, among the last used.

What a program holds must not keep the user's function alive, and with it the data that the function closes over:
programs are kept under a weak reference to the function and find it by that reference.
"""

from __future__ import annotations

import threading
import types
import weakref
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import equinox as eqx
import jax

from cycloid.core.formulas import Formula
from cycloid.differentiate.programs import Program

# Programs kept for formulas and modules, whose text or structure may come again in another object.
MOST = 256

_LAST_USED: dict[Hashable, Program] = {}
_BY_FUNCTION: weakref.WeakKeyDictionary[Any, Home] = weakref.WeakKeyDictionary()
_BORN: weakref.WeakSet[types.CodeType] = weakref.WeakSet()
# Held while these tables are read and changed; re-entrant, because collecting garbage may run a user's code inside.
_LOCK = threading.RLock()


class Home(NamedTuple):
    """The programs of one function, and whether others were made by the same line of code before it."""

    programs: dict[Hashable, Program]
    has_siblings: bool


class Keeper(NamedTuple):
    """How programs of one function are kept.

    Args:
        find: gives the function.
        anchor: what is held weakly; None where the program is kept among the last used.
        key: tells the functions apart that have one anchor; None where nothing can be shared.
    """

    find: Callable[[], Any]
    anchor: Any
    key: Hashable


def keeper(root: Any) -> Keeper:
    """The keeper of a user's function."""
    if isinstance(root, Formula):
        return Keeper(lambda: root, None, root)
    if holds_arrays(root):
        settings = [leaf for leaf in jax.tree.leaves(root) if not eqx.is_array(leaf)]
        return Keeper(lambda: root, None, (type(root), jax.tree.structure(root), *settings))
    if isinstance(root, types.MethodType) and _is_anchor(root.__self__):
        function, owner = root.__func__, weakref.ref(root.__self__)
        return Keeper(lambda: types.MethodType(function, owner()), root.__self__, function)
    if _is_anchor(root) and not isinstance(root, types.MethodType):
        return Keeper(weakref.ref(root), root, "itself")
    return Keeper(lambda: root, None, None)


def holds_arrays(function: Any) -> bool:
    """True for a module or a partial of JAX: its arrays are arguments, so that new weights are no new program."""
    return not isinstance(function, Formula) and jax.tree.leaves(function) != [function]


def _is_anchor(owner: Any) -> bool:
    """Whether it can be held weakly, and equals itself alone."""
    return type(owner).__hash__ is object.__hash__ and type(owner).__weakrefoffset__ != 0


def kept(keeping: Keeper, layers: Hashable, make: Callable[[bool], Program]) -> Program:
    """The program of these operators on this function; `make(hesitant)` where there is none."""
    key = (keeping.key, layers)
    if keeping.key is None or not hashable(key):
        return make(False)
    with _LOCK:
        programs, hesitant = _LAST_USED, False
        if keeping.anchor is not None:
            if keeping.anchor not in _BY_FUNCTION:
                _BY_FUNCTION[keeping.anchor] = Home({}, _has_siblings(keeping.anchor))
            programs, hesitant = _BY_FUNCTION[keeping.anchor]
        program = programs.pop(key, None) or make(hesitant)
        programs[key] = program  # last in line
        if len(programs) > MOST:
            del programs[next(iter(programs))]
        return program


def _has_siblings(function: Any) -> bool:
    """Whether another function came from the same line: one made anew in a loop is seldom called twice."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, types.CodeType):
        return False
    if code in _BORN:
        return True
    _BORN.add(code)
    return False


def hashable(value: Any) -> bool:
    """Whether it can tell programs apart."""
    try:
        hash(value)
    except TypeError:
        return False
    return True
