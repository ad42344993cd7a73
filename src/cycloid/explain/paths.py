"""The ways from the inputs of a computation to its result."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cycloid.explain.sweeps import Link

Step = tuple[int, int, int]  # (link, output, operand)
MOST, LONGEST = 48, 400  # paths are listed when there are no more, and no more steps in all of them


def routes(
    links: Sequence[Link], inputs: Sequence[int], result: int, moves: Callable[[int], bool]
) -> list[tuple[Step, ...]]:
    """Every path from an input to the result, each as its steps from the result back; none where there are too many.

    Args:
        links: the steps.
        inputs: numbers of the arguments' values.
        result: number of the result.
        moves: whether slopes with respect to a value make sense.
    """
    into: dict[int, list[tuple[Step, int]]] = {}
    for i, item in enumerate(links):
        for j, out in enumerate(item.group.outputs):
            for k, source in enumerate(item.operands):
                if moves(out) and moves(source):
                    into.setdefault(out, []).append(((i, j, k), source))
    wanted, found = set(inputs), list[tuple[Step, ...]]()
    stack: list[tuple[int, tuple[Step, ...]]] = [(result, ())]
    turns = 0
    while stack:
        turns += 1
        number, way = stack.pop()
        if number in wanted:
            found.append(way)
        if len(found) > MOST or turns > 50 * LONGEST or sum(map(len, found)) > LONGEST:
            return []
        for step, source in into.get(number, []):
            stack.append((source, (*way, step)))
    order = {number: place for place, number in enumerate(inputs)}
    ends = lambda way: order.get(links[way[-1][0]].operands[way[-1][2]], 0) if way else order.get(result, 0)
    return sorted(found, key=lambda way: (ends(way), len(way)))
