"""Curves with certified answers: NIST's statistical reference data sets for nonlinear regression.

The files in `nist/` are those of the Statistical Reference Datasets of the National Institute of Standards and
Technology, unchanged: works of the United States government, in the public domain.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

FOLDER = Path(__file__).parent / "nist"
SETS = tuple(sorted(path.stem for path in FOLDER.glob("*.dat")))
_PARAMETER = re.compile(r"\s*(b\d+)\s*=\s*(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s*$")
_MODEL = re.compile(r"\s*(log\(y\)|y)\s*=(.*)")


@dataclasses.dataclass(frozen=True)
class Regression:
    """One data set with its model, two starts and the certified answer.

    Attributes:
        name: of the set.
        level: of difficulty, as NIST has it: Lower, Average or Higher.
        model: the text of the formula.
        x: the columns of data, by name.
        y: the observations; their logarithm where the model is one of it.
        starts: two dicts of parameters, the first far from the answer, the second near.
        parameters: the certified values.
        standard_errors: the certified standard deviations of the parameters.
        residual_sd: the certified residual standard deviation.
    """

    name: str
    level: str
    model: str
    x: dict[str, Float[np.ndarray, " n"]]
    y: Float[np.ndarray, " n"]
    starts: tuple[dict[str, float], dict[str, float]]
    parameters: dict[str, float]
    standard_errors: dict[str, float]
    residual_sd: float


@functools.cache
def regression(name: str) -> Regression:
    """One of `SETS`.

    Raises:
        ValueError: when there is no such set.

    Example:
        >>> misra = regression("Misra1a")
        >>> misra.model, misra.parameters["b1"], len(misra.y)
        ('b1*(1-exp(-b2*x))', 238.94212918, 14)
    """
    if name not in SETS:
        raise ValueError(f"there is no data set {name!r}; there are {', '.join(SETS)}.")
    lines = (FOLDER / f"{name}.dat").read_text().splitlines()
    head = max(i for i, line in enumerate(lines) if line.startswith("Data:"))
    columns = lines[head].removeprefix("Data:").split()
    table = np.array([[float(cell) for cell in line.split()] for line in lines[head + 1 :] if line.strip()])
    rows = [match.groups() for line in lines[:head] if (match := _PARAMETER.match(line))]
    first, second, values, errors = ({row[0]: float(row[i]) for row in rows} for i in range(1, 5))
    left, right = _model(lines)
    spread = next(line.split(":")[1] for line in lines if line.startswith("Residual Standard Deviation"))
    level = next(word for line in lines for word in ("Lower", "Average", "Higher") if f"{word} Level" in line)
    return Regression(
        name, level, right, dict(zip(columns[1:], table[:, 1:].T)), np.log(table[:, 0]) if left != "y" else table[:, 0],
        (first, second), values, errors, float(spread),
    )  # fmt: skip


def _model(lines: list[str]) -> tuple[str, str]:
    """Both sides of the model's equation, in the notation of formulas and without its error term e."""
    plain = [line.replace("[", "(").replace("]", ")") for line in lines]
    begin = next(i for i, line in enumerate(plain) if _MODEL.match(line))
    end = next(i for i in range(begin, len(plain)) if not plain[i].strip())
    found = _MODEL.match(" ".join(line.strip() for line in plain[begin:end]))
    assert found is not None
    right = re.sub(r"\s*\+\s*e\s*$", "", found[2]).strip()
    return found[1], re.sub(r"\s+", " ", right)
