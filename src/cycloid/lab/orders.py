"""What a person asked to be trained, checked before anything starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cycloid.lab.uploads import Uploads

MODELS = ("auto", "linear", "logistic", "softmax", "mlp")
METHODS = ("gradient-descent", "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw")


@dataclass(frozen=True)
class Bundled:
    """A data set that comes with scikit-learn."""

    name: str
    title: str
    rows: int
    columns: int
    task: str
    about: str


BUNDLED = (
    Bundled("diabetes", "Diabetes", 442, 10, "regression", "How far the illness is a year on, from ten measures."),
    Bundled("breast_cancer", "Breast cancer", 569, 30, "binary", "Benign or malignant, from thirty measures of cells."),
    Bundled("wine", "Wine", 178, 13, "multiclass", "Which of three growers made the wine, from thirteen analyses."),
    Bundled("iris", "Iris", 150, 4, "multiclass", "Which of three irises, from the lengths of petals and sepals."),
    Bundled("digits", "Digits", 1797, 64, "multiclass", "Which digit was written, from 8 × 8 dots."),
)  # fmt: skip


class BadOrder(ValueError):
    """An order that cannot be carried out; the message says what to change."""


@dataclass(frozen=True)
class Order:
    """One training run as asked for.

    Attributes:
        source: name of a bundled set, or path of an uploaded CSV file.
        title: what to call the data.
        target: name of the column to predict; None for the bundled sets, which know theirs.
        model: one of `MODELS`; "auto" is the simplest that fits the target.
        hidden: widths of the hidden layers of an MLP.
        method: one of `METHODS`.
        learning_rate: η.
        batch_size: rows in one step.
        max_steps: the most steps.
        seed: of the split, the weights and the batches.
        early: stop when the rows kept apart no longer improve, and keep the best model.
    """

    source: str
    title: str
    target: str | None
    model: str = "auto"
    hidden: tuple[int, ...] = (64, 64)
    method: str = "adam"
    learning_rate: float = 1e-2
    batch_size: int = 32
    max_steps: int = 600
    seed: int = 0
    early: bool = False

    @property
    def patience(self) -> int | None:
        """Steps without improvement that end an early stopping run: a quarter of all, but not too few."""
        return max(50, self.max_steps // 4) if self.early else None

    @property
    def record_every(self) -> int:
        """Steps between two records: some two hundred records whatever the length."""
        return max(1, self.max_steps // 200)


def read_order(asked: Any, uploaded: Uploads) -> Order:
    """Turn the page's JSON into an order.

    Args:
        asked: the decoded body.
        uploaded: the files that were uploaded.

    Raises:
        BadOrder: something is missing, of the wrong kind or out of range.
    """
    if not isinstance(asked, dict):
        raise BadOrder("The order must be a JSON object.")
    source, title, target = _source(asked, uploaded)
    return Order(
        source,
        title,
        target,
        model=_choice(asked, "model", "auto", MODELS),
        hidden=_widths(asked.get("hidden", [64, 64])),
        method=_choice(asked, "method", "adam", METHODS),
        learning_rate=_number(asked, "learning_rate", 1e-2, 1e-8, 100.0),
        batch_size=int(_number(asked, "batch_size", 32, 1, 65_536, whole=True)),
        max_steps=int(_number(asked, "max_steps", 600, 1, 100_000, whole=True)),
        seed=int(_number(asked, "seed", 0, 0, 2**31 - 1, whole=True)),
        early=asked.get("early", False) is True,
    )


def _source(asked: dict[str, Any], uploaded: Uploads) -> tuple[str, str, str | None]:
    name, upload = asked.get("bundled"), asked.get("upload")
    if upload is not None:
        file = uploaded.get(str(upload))
        if file is None:
            raise BadOrder("The uploaded file is no longer here: please choose it again.")
        target = asked.get("target")
        if not target:
            raise BadOrder("Choose the column to predict.")
        if target not in file.columns:
            raise BadOrder(f"The file has no column {target!r}: choose one of its columns as the target.")
        return str(file.path), file.name, str(target)
    for bundled in BUNDLED:
        if bundled.name == name:
            return bundled.name, bundled.title, None
    raise BadOrder(f"Choose one of the data sets {', '.join(one.name for one in BUNDLED)}, or upload a CSV file.")


def _choice(asked: dict[str, Any], field: str, default: str, known: tuple[str, ...]) -> str:
    value = asked.get(field, default)
    if value not in known:
        raise BadOrder(f"The {field} must be one of {', '.join(known)}; it was {value!r}.")
    return value


_NAMES = {"learning_rate": "learning rate", "batch_size": "batch size", "max_steps": "number of steps", "seed": "seed"}


def _number(
    asked: dict[str, Any], field: str, default: float, low: float, high: float, *, whole: bool = False
) -> float:
    value = asked.get(field, default)
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
    if not fits or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        raise BadOrder(f"The {_NAMES[field]} must be {kind} from {low:g} to {high:g}; it was {value!r}.")
    return value


def _widths(value: Any) -> tuple[int, ...]:
    fits = isinstance(value, list) and 1 <= len(value) <= 6
    if not fits or not all(type(width) is int and 1 <= width <= 1024 for width in value):
        raise BadOrder("The hidden layers are one to six widths from 1 to 1024, such as 64, 64.")
    return tuple(value)
