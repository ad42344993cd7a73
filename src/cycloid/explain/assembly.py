"""From the numbers of a computation to its graph: names, laws that were tried at the values, edges and paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cycloid.core.sources import captured_names, source_at
from cycloid.core.syntax import Apply, Node, Variable, is_constant, number, substitute
from cycloid.core.syntax import names as variables
from cycloid.explain.derivations import Check
from cycloid.explain.folding import STRUCTURAL, Group
from cycloid.explain.graphs import Edge, Graph, Operation, Path, Quantity, Turns, count_paths, kept, size_of
from cycloid.explain.labels import Names, constant_label, function_name
from cycloid.explain.laws import Law, partial
from cycloid.explain.probing import evaluate
from cycloid.explain.recording import Constant, Program
from cycloid.explain.sweeps import Link, Sweep
from cycloid.explain.tidying import tidy

_TRIED = 4096  # entries at which a formula is tried


class Assembly:
    """Builds the graph, one step after another."""

    def __init__(self, program: Program, links: Sequence[Link], found: Sweep, names: Sequence[str], function: Any):
        self.program, self.links, self.found, self.function = program, links, found, function
        self.names = Names()
        self.symbol = {i: self.names.of_leaf(label) for i, label in enumerate(names)}
        self.label = dict(enumerate(names))
        self.place = {i: i for i in range(len(names))}  # number of a value -> number of its quantity
        self.maker: dict[int, int | None] = dict.fromkeys(range(len(names)))
        constants = [
            a.value for item in links for e in item.group.equations for a in e.inputs if isinstance(a, Constant)
        ]
        self.known = captured_names(getattr(function, "function", function), constants)
        self.operations: list[Operation] = []
        self.edges: list[Edge] = []

    def add(self, index: int, result: int) -> None:
        """One more step."""
        item = self.links[index]
        group = item.group
        source = source_at(group.frame) if group.frame is not None else None
        for k, out in enumerate(group.outputs):
            name = self.names.of_step(group, k, index + 1)
            if out == result and name == f"v_{index + 1}":
                self.names.taken.discard(name)
                name = self.names.unique(function_name(self.function))
            self.symbol[out] = name
            self.label[out] = source.expression if source is not None and source.expression else name
            self.place[out] = len(self.place)
            self.maker[out] = index
        law = item.law
        operands, formula, slopes = self._tried(item, law)
        inside = _inside(group)
        self.operations.append(
            Operation(
                name=law.name,
                rule="" if formula is not None else law.rule,
                rule_latex="" if formula is not None else law.latex,
                formula=formula,
                inputs=tuple(self.place[n] for n in item.operands),
                outputs=tuple(self.place[n] for n in group.outputs),
                constants=tuple(constant_label(a.value, self.known) for a in operands if isinstance(a, Constant)),
                source=source,
                inside=inside,
                loop=self._turns(index),
                note=next((e.note for e in group.equations if e.note), ""),
            )
        )
        self._edges(index, slopes)

    def _edges(self, index: int, slopes: list[Node | None]) -> None:
        item = self.links[index]
        for i, source in enumerate(item.operands):
            share = self.found.shares[index][i]
            for j, out in enumerate(item.group.outputs):
                local = self.found.locals[index][i][j]
                if share is None or (local is None and not _moves(self.found.values[out])):
                    continue
                entries = None if local is None else np.asarray(local, float)
                single = entries is not None and entries.ndim == 0
                spread = entries is not None and entries.size > 0 and slopes[i] is not None and not single
                self.edges.append(
                    Edge(
                        source=self.place[source],
                        target=self.place[out],
                        operation=index,
                        slope=float(entries) if entries is not None and single else None,
                        range=(float(entries.min()), float(entries.max())) if entries is not None and spread else None,
                        formula=slopes[i],
                        share=float(share) if np.ndim(share) == 0 else float(np.linalg.norm(np.asarray(share, float))),
                    )
                )

    # -- laws that hold at the values at hand --------------------------------------------------------------------------

    def _tried(self, item: Link, law: Law) -> tuple[list[int | Constant], Node | None, list[Node | None]]:
        """What the letters of a law stand for, the step as a formula, and its partial derivatives; None where the
        formula does not give the numbers that were computed."""
        nothing: list[Node | None] = [None] * len(item.operands)
        group = item.group
        operands = _operands(group)
        if law.tree is None or len(group.outputs) != 1 or not 1 <= len(operands) <= 2:
            return operands, None, nothing
        for order in (operands, operands[::-1]) if len(operands) == 2 and not group.single else (operands,):
            letters = dict(zip("ab", order, strict=False))
            if not variables(law.tree) <= letters.keys():
                continue
            values = {name: self._value(atom) for name, atom in letters.items()}
            if not _same(evaluate(law.tree, values), self.found.values[group.outputs[0]]):
                continue
            nodes = {name: self._node(atom) for name, atom in letters.items()}
            slopes = self._slopes(item, law.tree, letters, values, nodes)
            return operands, _plain(substitute(law.tree, nodes)), slopes
        return operands, None, nothing

    def _slopes(
        self, item: Link, tree: Node, letters: dict[str, Any], values: dict[str, Any], nodes: dict[str, Node]
    ) -> list[Node | None]:
        index = self.links.index(item)
        slopes: list[Node | None] = []
        used: set[str] = set()
        for i, source in enumerate(item.operands):
            mine = [
                name for name, atom in letters.items() if isinstance(atom, int) and atom == source and name not in used
            ]
            local = self.found.locals[index][i][0]
            if not mine or local is None:
                slopes.append(None)
                continue
            twice = len(item.operands) < sum(isinstance(atom, int) for atom in letters.values())
            used.add(mine[0])
            derived = partial(tree, mine[0])
            right = not twice and _same(evaluate(derived, values), local)
            slopes.append(substitute(derived, nodes) if right else None)
        return slopes

    def _value(self, atom: int | Constant) -> Any:
        value = atom.value if isinstance(atom, Constant) else self._found(atom)
        return np.asarray(value, float)

    def _found(self, n: int) -> Any:
        return self.found.values[n]

    def _node(self, atom: int | Constant) -> Node:
        if isinstance(atom, int):
            return Variable(self.symbol[atom])
        value = np.asarray(atom.value)
        if value.size == 1 and value.dtype.kind in "fiu" and np.isfinite(value).all():
            return number(value.item())
        return Variable(self.known.get(id(atom.value), "c"))

    def _turns(self, index: int) -> Turns | None:
        loop = self.links[index].group.loop
        if loop is None:
            return None
        carried, adjoints = self.found.turns[index]
        return Turns(loop.kind, loop.turns, loop.inside, tuple(map(float, carried)), tuple(map(float, adjoints)))

    def quantities(self, result: int, checks: dict[int, Check]) -> tuple[Quantity, ...]:
        """Every quantity, in the order of its number."""
        made = []
        for n in self.place:
            value, adjoint = self.found.values[n], self.found.adjoints.get(n)
            role = "input" if self.maker[n] is None else "result" if n == result else "step"
            if adjoint is None and role == "input" and _moves(value):
                adjoint = np.zeros_like(value)
            made.append(
                Quantity(
                    self.symbol[n],
                    self.label[n],
                    role,
                    tuple(map(int, value.shape)),
                    str(value.dtype),
                    kept(value),
                    size_of(value),
                    None if adjoint is None else kept(adjoint),
                    None if adjoint is None else size_of(adjoint),
                    self.maker[n],
                    checks.get(n),
                )
            )
        return tuple(made)


def assembled(
    program: Program,
    links: Sequence[Link],
    found: Sweep,
    ways: Sequence[Any],
    names: Sequence[str],
    function: Any,
    checks: dict[int, Check],
    totals: Sequence[Check],
) -> Graph:
    """The graph of a computation whose numbers are known."""
    (output,) = program.outputs
    result = output if isinstance(output, int) else -1
    building = Assembly(program, links, found, names, function)
    for index in range(len(links)):
        building.add(index, result)
    inputs = tuple(range(len(program.leaves)))
    edges = tuple(building.edges)
    last = building.place.get(result, -1)
    return Graph(
        name=function_name(function),
        quantities=building.quantities(result, checks),
        operations=tuple(building.operations),
        edges=edges,
        inputs=inputs,
        result=last,
        paths=tuple(_path(way, share, building, links, result) for way, share in zip(ways, found.paths, strict=True)),
        path_counts=tuple(count_paths(inputs, last, edges)),
        totals=tuple(totals),
    )


def _path(
    way: Sequence[tuple[int, int, int]], share: Any, building: Assembly, links: Sequence[Link], result: int
) -> Path:
    """One path, its quantities and factors from the input on."""
    passed = [building.place[result], *(building.place[links[i].operands[k]] for i, _, k in way)]
    factors: list[float] | None = []
    for i, j, k in way:
        local = building.found.locals[i][k][j]
        if local is None or np.ndim(local):
            factors = None
            break
        factors.append(float(local))
    total = float(share) if np.ndim(share) == 0 else float(np.linalg.norm(np.asarray(share, float)))
    return Path(tuple(passed[::-1]), None if factors is None else tuple(factors[::-1]), total)


def _operands(group: Group) -> list[int | Constant]:
    """The inputs of a step as its operation reads them, retyping and copying left out."""
    if not group.single:
        return list(group.inputs)
    made = {n: e for e in group.equations if e.name in STRUCTURAL for n in e.outputs}

    def origin(atom: int | Constant) -> int | Constant:
        while isinstance(atom, int) and atom in made and made[atom] is not group.main:
            atom = made[atom].inputs[0]
        return atom

    return [origin(atom) for atom in group.main.inputs]


def _inside(group: Group) -> tuple[str, ...]:
    """The operations that a step was folded from; () where it is one."""
    if group.single and not group.main.inside:
        return ()
    names: dict[str, None] = {}
    for equation in group.equations:
        names.update(dict.fromkeys(equation.inside or (equation.name,)))
    return tuple(names)


def _plain(tree: Node) -> Node:
    """A product with its number in front."""
    if isinstance(tree, Apply) and tree.head == "mul" and any(is_constant(arg) for arg in tree.args):
        return tidy(tree)
    return tree


def _moves(value: Any) -> bool:
    return np.asarray(value).dtype.kind in "fV"


def _same(first: Any, second: Any) -> bool:
    """Whether a formula gave the numbers that were computed, to what their precision can hold."""
    second = np.asarray(second)
    eps = {8: 1e-9, 4: 1e-4}.get(second.dtype.itemsize, 5e-2)
    try:
        a = np.broadcast_to(np.asarray(first), second.shape).ravel()[:_TRIED]
    except ValueError:
        return False
    b = second.astype(float).ravel()[:_TRIED]
    with np.errstate(all="ignore"):
        close = np.abs(np.real(a) - b) <= eps * (1.0 + np.abs(b))
    return bool(np.all(close | (np.isnan(a) & np.isnan(b)) | (a == b)))
