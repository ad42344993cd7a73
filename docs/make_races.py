"""Write the measured parts of docs/races.md: what `cycloid race digits` prints, and what each method is best for.

It takes minutes on a quiet machine, most of them for the networks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import cycloid as cy
from cycloid.cli.races import protocol, rows, summary
from cycloid.optimize import Milestones
from cycloid.problems.digit_networks import TASKS
from cycloid.problems.landscapes import LANDSCAPES

DOCS = Path(__file__).parent
PAGE = DOCS / "races.md"
PICTURED = "logistic-autoencoder"
FIRST_ORDER = ("gradient-descent", "momentum", "adagrad", "rmsprop", "adam")


def contests() -> dict[str, Milestones]:
    """Those of `cycloid race digits`, with its defaults."""
    found = {}
    for name, task in TASKS.items():
        f, score = task.on_batches()
        found[name] = cy.optimize.milestones(
            f, task.start, targets=task.targets, evaluations=task.steps, score=score, key=jax.random.key(0), every=10,
            timed=True,
        )  # fmt: skip
        print(f"{name} …", flush=True)
    return found


def digits(found: Mapping[str, Milestones]) -> str:
    """The tables of the command, and its last lines first."""
    parts = [summary(list(found.values())).replace("\n", " ")]
    for name, contest in found.items():
        columns, lines = rows(contest)
        parts.append(f"**{TASKS[name].name}**")
        parts.append(_table(columns, lines))
    return "\n\n".join([*parts, protocol(next(iter(found.values()))).splitlines()[0]])


def kinds() -> dict[str, tuple[Callable[..., Any] | str, Any, int, Any]]:
    """What is descended on: words -> (f, start, evaluations, score)."""
    curvatures, start = jnp.geomspace(1.0, 1000.0, 20), jnp.ones(20)
    turn = jnp.asarray(np.linalg.qr(np.random.default_rng(0).normal(size=(20, 20)))[0])
    valley = lambda x: 0.5 * jnp.sum(curvatures * x**2)
    turned = lambda x: valley(turn @ x)
    noisy = lambda x, key: turned(x - 0.1 * jax.random.normal(key, (20,)))
    rosenbrock = LANDSCAPES["rosenbrock"]
    features, rare = _rare_features()
    return {
        "a straight valley along the axes, 20 variables, condition number 1000": (valley, start, 500, None),
        "the same valley, turned": (turned, start, 500, None),
        "a curved valley (Rosenbrock)": (rosenbrock.text, rosenbrock.start, 500, None),
        "the turned valley with noisy gradients": (noisy, start, 500, turned),
        "rare and frequent features, mini-batches": (features, jnp.zeros(100), 500, rare),
    }  # fmt: skip


def _rare_features() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Logistic regression on 100 yes-or-no features, the most frequent in every other row, the rarest in one of 200."""
    random = np.random.default_rng(0)
    x = (random.random((2000, 100)) < np.geomspace(0.5, 0.005, 100)).astype(float)
    y = jnp.asarray(np.where(random.random(2000) < 1 / (1 + np.exp(-x @ random.normal(size=100) * 2)), 1.0, -1.0))
    x = jnp.asarray(x)
    loss = lambda w, x, y: jnp.mean(jax.nn.softplus(-y * (x @ w))) + 1e-4 * jnp.sum(w**2)

    def on_batch(w: Any, key: Any) -> Any:
        chosen = jax.random.randint(key, (32,), 0, len(x))
        return loss(w, x[chosen], y[chosen])

    return on_batch, lambda w: loss(w, x, y)


def best_for() -> str:
    """A race on every kind: who is the best in what."""
    lines = []
    for words, (f, start, evaluations, score) in kinds().items():
        chance = score is not None
        race = cy.race(
            f, start, methods=FIRST_ORDER if chance else (*FIRST_ORDER, "lbfgs"), evaluations=evaluations,
            key=jax.random.key(0), score=score, every=5 if chance else None,
        )  # fmt: skip
        cells = []
        for measure, column in (("lowest", "objective"), ("fewest", "evaluations_to_target")):
            won = [
                f"`{race.value['method'][i]}` {race.value[column][i]:.3g}"
                for i, wins in enumerate(race.value["best_for"]) if measure in wins
            ]  # fmt: skip
            cells.append(", ".join(won) or "no difference")
        lines.append([words, str(evaluations), *cells])
        print(f"{words} …", flush=True)
    return _table(["kind", "budget", "lowest objective", "fewest evaluations to the target"], lines)


def _table(columns: list[str], lines: list[list[Any]]) -> str:
    made = [columns, ["---"] * len(columns), *lines]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in made)


def write(parts: Mapping[str, str]) -> None:
    """Fill the generated parts of the page."""
    page = PAGE.read_text(encoding="utf-8")
    for name, text in parts.items():
        part = re.compile(rf"(<!-- {name}: [^>]*-->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        page, count = part.subn(lambda m, text=text: f"{m[1]}{text}\n{m[2]}", page)
        if count != 1:
            raise ValueError(f"{PAGE.name} has {count} parts called {name}; it should have one.")
    PAGE.write_text(page, encoding="utf-8")


def picture(found: Milestones) -> None:
    """One of the contests, drawn."""
    fig = cy.figure(found, title=TASKS[PICTURED].name)
    cy.figures.save(fig, str(DOCS / "images" / "figure-milestones.png"), width=900, height=480, scale=1.6)


def main() -> None:
    """Measure and write."""
    cy.enable_x64()
    cy.enable_all_cores()
    write({"best-for": best_for()})
    found = contests()
    write({"digits": digits(found)})
    picture(found[PICTURED])


if __name__ == "__main__":
    main()
