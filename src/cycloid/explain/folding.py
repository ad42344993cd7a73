"""Equations gathered into the steps that a person would name: a softmax is a softmax, an affine map a dense layer.

Only neighbours are gathered, so that whatever is gathered can be computed and differentiated as one function: folding
changes what is shown, never what is computed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cycloid.core.sources import Frame, library_of
from cycloid.explain.recording import Constant, Equation, Folds, Loop, Program, run

# Folders of JAX whose public functions are names that a user writes; their other files are machinery.
_NAMED_FOLDERS = tuple(
    os.path.join("jax", "_src", folder) + os.sep for folder in ("numpy", "nn", "scipy", "lax", "ops")
)
_MACHINERY = ("array_methods.py", "ufunc_api.py", "indexing.py", "control_flow", "utils.py", "util.py", "array.py")
# Modules that only call their parts.
_CONTAINERS = frozenset(
    ("MLP", "Sequential", "Lambda", "Dropout", "Identity", "StatefulLayer", "Applied", "AbstractLoss")
)
# Functions of Cycloid that are one idea each.
_OWN = {
    "Affine.__call__": "Affine", "SquaredError.examples": "squared error", "AbsoluteError.examples": "absolute error",
    "Huber.examples": "huber", "CrossEntropy.examples": "cross entropy", "squared_weights": "squared weights",
}  # fmt: skip
_EVALUATION = os.path.join("cycloid", "core", "evaluation")  # where formulas are computed
# Operations that move or retype entries and compute nothing.
STRUCTURAL = frozenset(
    "convert_element_type copy copy_p broadcast_in_dim reshape squeeze expand_dims transpose".split()  # noqa: SIM905
)


@dataclass
class Group:
    """Neighbouring equations shown as one step.

    Attributes:
        equations: at least one.
        name: the library function that they are, or "" for a single operation.
        module: the class of the layer, "" where there is none.
        frame: where in the user's code; None where no line of it is known.
        inputs: numbers of the values read from outside, in the order of their first use.
        outputs: numbers of the values that others use.
        ends_line: whether this is the last step of its expression in the code.
    """

    equations: list[Equation]
    name: str
    module: str
    frame: Frame | None
    key: Any = None
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    ends_line: bool = True

    def run(self, *values: Any) -> list[Any]:
        """The outputs from the inputs."""
        found = run(self.equations, dict(zip(self.inputs, values, strict=True)))
        return [found[number] for number in self.outputs]

    @property
    def main(self) -> Equation:
        """The equation that a step of one operation is about."""
        telling = [e for e in self.equations if e.name not in STRUCTURAL]
        return telling[-1] if telling else self.equations[-1]

    @property
    def loop(self) -> Loop | None:
        """The loop, where the step is nothing else."""
        return self.main.loop if len([e for e in self.equations if e.name not in STRUCTURAL]) == 1 else None

    @property
    def single(self) -> bool:
        """Whether only one equation computes something."""
        return sum(e.name not in STRUCTURAL for e in self.equations) <= 1


def fold(program: Program, folds: Folds) -> list[Group]:
    """The steps of a program."""
    groups: list[Group] = []
    for equation in program.equations:
        key, name, module, frame = _place(equation, folds)
        last = groups[-1] if groups else None
        if last is not None and key is not None and last.key == key and not _again(last, equation):
            last.equations.append(equation)
        else:
            groups.append(Group([equation], name, module, frame, key))
    if folds.unfold is not True:
        groups = _absorbed(groups)
        groups = _dense(groups)
    connect(groups, program)
    return groups


def connect(groups: Sequence[Group], program: Program) -> None:
    """Fill in what each group reads and what others read of it."""
    final = {atom for atom in program.outputs if isinstance(atom, int)}
    for i, group in enumerate(groups):
        made = {n for e in group.equations for n in e.outputs}
        read = [a for e in group.equations for a in e.inputs if isinstance(a, int) and a not in made]
        group.inputs = list(dict.fromkeys(read))
        later = {a for g in groups[i + 1 :] for e in g.equations for a in e.inputs if isinstance(a, int)}
        group.outputs = [n for e in group.equations for n in e.outputs if n in later | final]
        following = groups[i + 1] if i + 1 < len(groups) else None
        turn = following is not None and following.key == group.key and group.key is not None
        group.ends_line = following is None or following.frame != group.frame or turn


# -- which call an equation belongs to -----------------------------------------------------------------------------


def _place(equation: Equation, folds: Folds) -> tuple[Any, str, str, Frame | None]:
    """(what the equations of one call share, its name, its module, the line of the user's code)."""
    frames = equation.frames
    users = [i for i, frame in enumerate(frames) if library_of(frame.file, folds.own) is None]
    user = users[0] if users else len(frames)
    frame = frames[user] if users else None
    for i in reversed(users):
        name = frames[i].function.rpartition(".")[2]
        if name in folds.fold:
            call = frames[i + 1 :]
            return (name, call), name, "", call[0] if call else frames[i]
    if folds.unfold is True:
        return None, equation.called, "", frame
    operator = next((f for f in reversed(frames[:user]) if "array_methods" in f.file), None)
    opened = user
    for i in range(user - 1, -1, -1):
        if operator is not None and frames[i] is operator and "method" not in operator.function:
            break
        if not _named(frames[i], folds.own):
            continue
        opened, (name, module) = i, _title(frames[i])
        if not (isinstance(folds.unfold, frozenset) and name in folds.unfold):
            return (name, frames[i + 1 :]), name, module, frame
    if equation.called:
        return None, equation.called, "", frame
    # An operator: what shares a line of the user's, or a node of a formula.
    inside = frames[opened].file if opened < user else _EVALUATION  # the lines of a library function that was opened
    start = next((i for i, f in enumerate(frames[:user]) if inside in f.file), user)
    return (("", frames[start:]) if start < len(frames) else None), _operator(frames[:user]), "", frame


def _operator(frames: Sequence[Frame]) -> str:
    """The name of the Python operator that was used: "getitem" for x[0]."""
    for frame in frames:
        if "array_methods" in frame.file and frame.function.startswith(("_operator_", "_getitem")):
            return frame.function.removeprefix("_operator_").strip("_")
    return ""


def _named(frame: Frame, own: str) -> bool:
    """Whether a frame of a library is a function that users call by its name."""
    name = frame.function.rpartition(".")[2]
    library = library_of(frame.file, own)
    if library == "jax":
        folder = any(part in frame.file for part in _NAMED_FOLDERS)
        machinery = any(part in frame.file for part in _MACHINERY)
        return folder and not machinery and not name.startswith("_") and "<" not in frame.function
    if library == "equinox":
        parts = frame.function.split(".")
        return (
            f"equinox{os.sep}nn{os.sep}" in frame.file
            and len(parts) == 2
            and name == "__call__"
            and parts[0] not in _CONTAINERS
        )
    if library == "cycloid":
        return frame.function in _OWN
    known = library not in (None, "python", "jaxlib", "numpy", "jaxtyping", "beartype", "contextlib.py", "functools.py")
    return known and not name.startswith("_") and "<" not in frame.function and not str(library).endswith(".py")


def _title(frame: Frame) -> tuple[str, str]:
    """The name of a library function, and the class of a layer."""
    if frame.function in _OWN:
        module = frame.function.partition(".")[0] if frame.function == "Affine.__call__" else ""
        return _OWN[frame.function], module
    first, _, last = frame.function.partition(".")
    return (first, first) if last == "__call__" else (frame.function.rpartition(".")[2], "")


def _again(group: Group, equation: Equation) -> bool:
    """Whether an operation was there already, so that it belongs to the next turn of a Python loop."""
    if equation.name in STRUCTURAL:
        return False
    return any(e.name == equation.name and e.frames == equation.frames for e in group.equations)


# -- what else belongs together ------------------------------------------------------------------------------------


def _absorbed(groups: list[Group]) -> list[Group]:
    """Steps that only retype a number become part of the step after them, which is what asked for it."""
    kept: list[Group] = []
    waiting: list[Equation] = []
    for group in groups:
        silent = all(e.name == "convert_element_type" for e in group.equations) and not group.name
        if silent and group is not groups[-1]:
            waiting += group.equations
            continue
        if waiting:
            read = {a for e in group.equations for a in e.inputs if isinstance(a, int)}
            mine = [e for e in waiting if read & set(e.outputs)]
            others = [e for e in waiting if e not in mine]
            if others:
                kept.append(Group(others, "", "", group.frame))
            group.equations = [*mine, *group.equations]
            waiting = []
        kept.append(group)
    return kept


def _dense(groups: list[Group]) -> list[Group]:
    """A product with a matrix and the addition of a bias behind it, as one affine map."""
    kept: list[Group] = []
    for group in groups:
        before = kept[-1] if kept else None
        if before is not None and _is_product(before) and _adds_bias(before, group):
            later = groups[groups.index(group) + 1 :]
            made = {n for e in before.equations for n in e.outputs}
            if not any(a in made for g in later for e in g.equations for a in e.inputs if isinstance(a, int)):
                before.equations += group.equations
                before.name, before.module, before.frame = "dense layer", "dense", group.frame
                continue
        kept.append(group)
    return kept


def _is_product(group: Group) -> bool:
    telling = [e for e in group.equations if e.name not in STRUCTURAL]
    return len(telling) == 1 and telling[0].name == "dot_general" and not group.module


def _adds_bias(product: Group, group: Group) -> bool:
    """Whether a step is one addition of the product and of something smaller."""
    telling = [e for e in group.equations if e.name not in STRUCTURAL]
    if len(telling) != 1 or telling[0].name != "add" or group.module:
        return False
    made = {n for e in (*product.equations, *group.equations) for n in e.outputs}
    read = [a for e in group.equations for a in e.inputs]
    outside = [a for a in read if isinstance(a, Constant) or a not in made]
    return len(outside) == 1 and any(isinstance(a, int) and a in made for a in read)
