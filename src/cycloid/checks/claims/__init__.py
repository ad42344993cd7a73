"""What tutorials say, measured: each claim is a function that runs the experiment and returns what it found.

>>> from cycloid.checks import claims
>>> found = claims.run(["derivative-of-a-cubic"])[0]
>>> found.measured, found.verdict
('14', 'true')
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from cycloid.core.numerals import interval, numeral

TRUE, FALSE, DEPENDS, UNCHECKED = "true", "false", "depends", "cannot be checked here"
VERDICTS = (TRUE, FALSE, DEPENDS, UNCHECKED)
# Where each branch's claims are; a room is opened when the claims are first asked for.
_ROOMS = ("differentiation", "descent", "terrain", "training", "surveys")


class Measured(NamedTuple):
    """What an experiment found.

    Attributes:
        value: the number; NaN where nothing was measured.
        low, high: the interval in which it lies, 95 % where chance is involved, rounding where it is not.
        verdict: "true", "false", "depends" or "cannot be checked here".
        sentence: what was done and what it means.
        unit: of the value; "" for a pure number.
    """

    value: float
    low: float
    high: float
    verdict: str
    sentence: str
    unit: str = ""


@dataclasses.dataclass(frozen=True)
class Claim:
    """A sentence often read, and the experiment that tests it.

    Attributes:
        name: for selecting it.
        text: the claim.
        source: where it is said.
        branch: of calculus.
        measure: () -> Measured; computed anew at each call.
        slow: True when it takes longer than a few seconds.
    """

    name: str
    text: str
    source: str
    branch: str
    measure: Callable[[], Measured]
    slow: bool = False


@dataclasses.dataclass(frozen=True)
class Finding:
    """A claim with what was measured.

    Attributes:
        name, text, source, branch: of the claim.
        value, low, high, unit, verdict, sentence: as in `Measured`.
    """

    name: str
    text: str
    source: str
    branch: str
    value: float
    low: float
    high: float
    unit: str
    verdict: str
    sentence: str

    @property
    def measured(self) -> str:
        """The value with its unit, or a dash."""
        if self.value != self.value:
            return "—"
        return f"{numeral(self.value, 4)} {self.unit}".rstrip()

    @property
    def range(self) -> str:
        """The interval: both ends, or ± where they are close."""
        if not self.high >= self.low:
            return "—"
        half = (self.high - self.low) / 2
        if half <= 1e-4 * abs(self.value):
            return "exact" if half == 0 else f"± {numeral(half, 1)}"
        return interval(self.low, self.high, digits=3)


_CLAIMS: dict[str, Claim] = {}


def claim(name: str, text: str, *, source: str, branch: str, slow: bool = False) -> Callable[[Any], Any]:
    """Decorator: the function measures this claim.

    Args:
        name: words joined by hyphens.
        text: the claim, a sentence.
        source: where it is said.
        branch: of calculus, the name of its folder.
        slow: whether it takes longer than a few seconds.
    """

    def keep(measure: Callable[[], Measured]) -> Callable[[], Measured]:
        _CLAIMS[name] = Claim(name, text, source, branch, measure, slow)
        return measure

    return keep


def known(select: Iterable[str] | None = None) -> list[Claim]:
    """The claims there are, in the order of the branches.

    Args:
        select: keeps those whose name or branch contains one of these words; None keeps all.

    Raises:
        ValueError: when a word selects nothing; the nearest name is suggested.
    """
    for room in _ROOMS:
        importlib.import_module(f"{__name__}.{room}")
    words = [word.lower() for word in select or []]
    for word in words:
        if not any(word in c.name or word in c.branch for c in _CLAIMS.values()):
            near = difflib.get_close_matches(word, _CLAIMS, n=1, cutoff=0.4)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"no claim has {word!r} in its name or branch.{hint} They are {', '.join(_CLAIMS)}.")
    return [c for c in _CLAIMS.values() if not words or any(word in c.name or word in c.branch for word in words)]


def run(select: Iterable[str] | None = None, progress: Callable[[Claim], Any] | None = None) -> list[Finding]:
    """Measure the claims now; nothing is stored.

    Args:
        select: as for `known`.
        progress: called with each claim before it is measured.

    Returns:
        One finding a claim. Measured in float64 where `cy.enable_x64()` was called.
    """
    findings = []
    for each in known(select):
        if progress is not None:
            progress(each)
        found = each.measure()
        if found.verdict not in VERDICTS:
            raise ValueError(f"the verdict on {each.name} is one of {', '.join(VERDICTS)}; it was {found.verdict!r}.")
        findings.append(Finding(each.name, each.text, each.source, each.branch, **found._asdict()))
    return findings


@functools.cache
def student(count: int) -> float:
    """Student's quantile for a two-sided 95 % interval from `count` replicates."""
    from scipy import stats

    return float(stats.t.ppf(0.975, count - 1))


def share_interval(hits: int, trials: int) -> tuple[float, float]:
    """Wilson's 95 % interval for a share of successes, sound for shares near 0 and 1.

    Reference: E. B. Wilson, Probable inference, the law of succession, and statistical inference, 1927.
    """
    z, share = 1.959964, hits / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * ((share * (1 - share) + z * z / (4 * trials)) / trials) ** 0.5 / (1 + z * z / trials)
    return middle - half, middle + half
