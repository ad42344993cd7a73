"""Training orders carried out by `cycloid.train`; JAX is loaded here, in the worker, and nowhere else in the lab."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cycloid.lab.orders import Order
from cycloid.lab.uploads import sentence

Report = Callable[[str, dict[str, Any]], bool]


class FitTrainer:
    """Loads the data, fits the model, reports the chain as it is recorded, and the verdict at the end."""

    def warm(self) -> None:
        """Load what training needs before anyone presses the button."""
        import cycloid.train  # noqa: F401

    def __call__(self, order: Order, report: Report) -> None:
        import jax

        from cycloid import train
        from cycloid.core.tolerance import enable_x64

        enable_x64()
        split, fit = jax.random.split(jax.random.key(order.seed))
        try:
            data = train.load(order.source, order.target, key=split)
            if not report("data", _describe(order, data)):
                return
            run = train.fit(
                _model(order, data.task),
                data,
                key=fit,
                method=_method(order),
                max_steps=order.max_steps,
                batch_size=order.batch_size,
                record_every=order.record_every,
                patience=order.patience,
                callback=_Narrator(data, report),
                throw=False,
            )
        except FileNotFoundError as error:
            raise ValueError("The uploaded file is no longer here: please choose it again.") from error
        except (ValueError, TypeError) as error:
            raise ValueError(_named(order, sentence(str(error)))) from error
        report("result", _conclude(order, run, data))


def _named(order: Order, text: str) -> str:
    """The text with an uploaded file called as its owner calls it, not as it lies in the temporary folder."""
    if order.target is None:
        return text
    return text.replace(order.source, order.title).replace(Path(order.source).name, order.title)


def _model(order: Order, task: str) -> Any:
    from cycloid.train import mlp
    from cycloid.train.models import SIMPLEST

    if order.model == "mlp":
        return mlp(hidden=order.hidden)
    return SIMPLEST[task] if order.model == "auto" else order.model


def _method(order: Order) -> Any:
    from cycloid.optimize import method

    return method(order.method, learning_rate=order.learning_rate)


def _describe(order: Order, data: Any) -> dict[str, Any]:
    parts = {name: getattr(data, name) for name in ("train", "validation", "test")}
    rows = {name: 0 if part is None else part.count for name, part in parts.items()}
    used = {"train": "to learn from", "validation": "kept apart", "test": "for the final metric"}
    counts = ", ".join(f"{rows[name]} rows {purpose}" for name, purpose in used.items() if rows[name])
    return {"task": data.task, "rows": rows, "sentence": f"{counts}. Compiling the first steps."}


class _Narrator:
    """The callback of `fit`: names the layers once, then passes every record on."""

    def __init__(self, data: Any, report: Report) -> None:
        self.data = data
        self.report = report
        self.introduced = False

    def __call__(self, progress: Any) -> bool:
        from cycloid.core.storage import plain

        if not self.introduced:
            self.introduced = True
            self.report("model", self._introduce(progress.model))
        return self.report("record", {"step": progress.step, **plain(progress.record)})

    def _introduce(self, model: Any) -> dict[str, Any]:
        from cycloid.learn import layer_names
        from cycloid.train.examples import as_examples
        from cycloid.train.metrics import choose

        groups = as_examples(self.data, loss=None, model=None, batch_size=None).groups
        title = choose(None, self.data.task)[0].title
        return {"layers": layer_names(model), "groups": list(groups), "metric": title}


def _conclude(order: Order, run: Any, data: Any) -> dict[str, Any]:
    from cycloid.checks import check
    from cycloid.core.storage import plain
    from cycloid.train.metrics import choose

    titles = {measure.name: measure.title for measure in choose(list(run.metrics) or None, run.task)}
    metrics = [{**plain(metric._asdict()), "title": titles.get(name, name)} for name, metric in run.metrics.items()]
    return {
        "steps": run.steps,
        "best_step": run.best_step,
        "status": str(run.status),
        "explanation": run.explanation,
        "loss_formula": run.loss_formula,
        "metrics": metrics,
        "verdict": None if run.verdict is None else plain(run.verdict._asdict()),
        "card": check(run).to_dict(),
        "report": [_named(order, line) for line in dict.fromkeys([*data.report, *run.report])],
    }
