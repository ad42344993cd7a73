"""Landscapes with known answers: the classical ones and the tutorials' own, shared by tests, lab and docs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

Point = tuple[float, ...]

REGRESSION_X = ((1.0, 1.0), (1.0, 2.0), (2.0, 2.0), (2.0, 3.0))
REGRESSION_Y = (1.0, 2.0, 2.0, 3.0)


@dataclasses.dataclass(frozen=True)
class Landscape:
    """A function of one or two variables and what is known about it.

    Attributes:
        name: the key in `LANDSCAPES`.
        title: for people.
        function: x -> scalar, x of shape (d,).
        text: the same as a formula that `cy.formula` reads.
        variables: their names, in the order of x.
        start: where walks usually begin.
        best: the points where the least value is taken (the greatest for sense="max"); empty where there is none.
        value: the function there; None where it has no bound.
        lower: corner of the window worth drawing.
        upper: the opposite corner.
        tags: what makes it hard.
        story: a sentence or two for the reader.
        sense: "min" when one walks down, "max" when one climbs.
    """

    name: str
    title: str
    function: Callable[[Float[Array, " d"]], Float[Array, ""]]
    text: str
    variables: tuple[str, ...]
    start: Point
    best: tuple[Point, ...]
    value: float | None
    lower: Point
    upper: Point
    tags: tuple[str, ...]
    story: str
    sense: Literal["min", "max"] = "min"

    @property
    def downhill(self) -> Callable[[Float[Array, " d"]], Float[Array, ""]]:
        """The function to minimise: itself, or its negative where one climbs."""
        return self.function if self.sense == "min" else self._negative

    def _negative(self, x: Float[Array, " d"]) -> Float[Array, ""]:
        return -self.function(x)


def rosenbrock(x: Float[Array, "2"]) -> Float[Array, ""]:
    """(1 − x)² + 100 (y − x²)². Reference: Rosenbrock, An automatic method for finding the greatest value, 1960."""
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def himmelblau(x: Float[Array, "2"]) -> Float[Array, ""]:
    """(x² + y − 11)² + (x + y² − 7)². Reference: Himmelblau, Applied nonlinear programming, 1972."""
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


def sphere(x: Float[Array, " d"]) -> Float[Array, ""]:
    """Σ xᵢ², in any dimension."""
    return jnp.sum(x**2)


def saddle(x: Float[Array, "2"]) -> Float[Array, ""]:
    """x² − y²."""
    return x[0] ** 2 - x[1] ** 2


def monkey_saddle(x: Float[Array, "2"]) -> Float[Array, ""]:
    """x³ − 3 x y²: two legs and a tail."""
    return x[0] ** 3 - 3 * x[0] * x[1] ** 2


def ackley(x: Float[Array, "2"]) -> Float[Array, ""]:
    """−20 exp(−0.2 √(½(x² + y²))) − exp(½(cos 2πx + cos 2πy)) + e + 20.

    The root has no derivative at the minimum itself; there the gradient is set to zero, its value by symmetry.

    Reference: Ackley, A connectionist machine for genetic hillclimbing, 1987.
    """
    square = (x[0] ** 2 + x[1] ** 2) / 2
    inside = square > 0  # both branches of a where are differentiated: keep the root away from 0
    radius = jnp.where(inside, jnp.sqrt(jnp.where(inside, square, 1.0)), 0.0)
    waves = (jnp.cos(2 * jnp.pi * x[0]) + jnp.cos(2 * jnp.pi * x[1])) / 2
    return -20 * jnp.exp(-0.2 * radius) - jnp.exp(waves) + math.e + 20


def rastrigin(x: Float[Array, "2"]) -> Float[Array, ""]:
    """20 + Σ (xᵢ² − 10 cos 2πxᵢ). Reference: Rastrigin, Systems of extremal control, 1974."""
    return 20 + jnp.sum(x**2 - 10 * jnp.cos(2 * jnp.pi * x))


def reach_and_depth(x: Float[Array, "2"]) -> Float[Array, ""]:
    """R = 10 reach + 8 depth − reach² − depth² − reach · depth: either one costs, and each costs more beside the other.

    Both partial derivatives, 10 − 2 reach − depth and 8 − reach − 2 depth, vanish at (4, 2), where R = 28.
    """
    reach, depth = x[0], x[1]
    return 10 * reach + 8 * depth - reach**2 - depth**2 - reach * depth


def sleep_and_nutrition(x: Float[Array, "2"]) -> Float[Array, ""]:
    """P = 100 exp(−((sleep − 8)/3)² − ((nutrition − 7)/4)²), performance in percent.

    Args:
        x: hours of sleep a night, quality of nutrition from 0 to 10.
    """
    return 100 * jnp.exp(-(((x[0] - 8) / 3) ** 2) - ((x[1] - 7) / 4) ** 2)


def four_point_regression(w: Float[Array, "2"]) -> Float[Array, ""]:
    """The mean squared error of w·x against y on four points, ¼ Σ (w·xᵢ − yᵢ)²; zero at w = (0, 1)."""
    points, targets = jnp.asarray(REGRESSION_X, w.dtype), jnp.asarray(REGRESSION_Y, w.dtype)
    return jnp.mean((points @ w - targets) ** 2)


def cubic(x: Float[Array, "1"]) -> Float[Array, ""]:
    """x³ + 2x + 1, whose derivative 3x² + 2 is 14 at x = 2 and zero nowhere."""
    return x[0] ** 3 + 2 * x[0] + 1


_ALL = (
    Landscape(
        name="rosenbrock",
        title="Rosenbrock's banana valley",
        function=rosenbrock,
        text="(1-x)^2 + 100*(y-x^2)^2",
        variables=("x", "y"),
        start=(-1.2, 1.0),
        best=((1.0, 1.0),),
        value=0.0,
        lower=(-2.0, -1.0),
        upper=(2.0, 3.0),
        tags=("curved valley", "ill conditioned"),
        story="Finding the valley is easy, following its bend to the end is not: the curvatures differ by 2500.",
    ),
    Landscape(
        name="himmelblau",
        title="Himmelblau's four valleys",
        function=himmelblau,
        text="(x^2+y-11)^2 + (x+y^2-7)^2",
        variables=("x", "y"),
        start=(0.0, 0.0),
        best=(
            (3.0, 2.0),
            (-2.805118086952745, 3.131312518250573),
            (-3.779310253377747, -3.283185991286170),
            (3.584428340330492, -1.848126526964404),
        ),
        value=0.0,
        lower=(-6.0, -6.0),
        upper=(6.0, 6.0),
        tags=("several minima",),
        story="Four minima of the same depth: the start decides which one is found.",
    ),
    Landscape(
        name="sphere",
        title="A round bowl",
        function=sphere,
        text="x^2 + y^2",
        variables=("x", "y"),
        start=(3.0, -2.0),
        best=((0.0, 0.0),),
        value=0.0,
        lower=(-4.0, -4.0),
        upper=(4.0, 4.0),
        tags=("convex", "well conditioned"),
        story="The gradient points straight away from the bottom: with η = 1/2 one step is enough.",
    ),
    Landscape(
        name="saddle",
        title="A saddle",
        function=saddle,
        text="x^2 - y^2",
        variables=("x", "y"),
        start=(2.0, 0.001),
        best=(),
        value=None,
        lower=(-3.0, -3.0),
        upper=(3.0, 3.0),
        tags=("saddle", "unbounded"),
        story="Down along x, then slowly off the ridge along y: a zero gradient is not yet a minimum.",
    ),
    Landscape(
        name="monkey-saddle",
        title="A monkey saddle",
        function=monkey_saddle,
        text="x^3 - 3*x*y^2",
        variables=("x", "y"),
        start=(1.0, 0.1),
        best=(),
        value=None,
        lower=(-2.0, -2.0),
        upper=(2.0, 2.0),
        tags=("degenerate saddle", "unbounded"),
        story="Three ways down and three up; at the centre even the Hessian is zero.",
    ),
    Landscape(
        name="ackley",
        title="Ackley's crater",
        function=ackley,
        text="-20*exp(-0.2*sqrt((x^2+y^2)/2)) - exp((cos(2*pi*x)+cos(2*pi*y))/2) + e + 20",
        variables=("x", "y"),
        start=(2.5, 1.5),
        best=((0.0, 0.0),),
        value=0.0,
        lower=(-5.0, -5.0),
        upper=(5.0, 5.0),
        tags=("many local minima", "flat far away", "kink at the minimum"),
        story="A nearly flat plain full of dimples round one deep hole.",
    ),
    Landscape(
        name="rastrigin",
        title="Rastrigin's egg box",
        function=rastrigin,
        text="20 + x^2 + y^2 - 10*cos(2*pi*x) - 10*cos(2*pi*y)",
        variables=("x", "y"),
        start=(2.2, -1.3),
        best=((0.0, 0.0),),
        value=0.0,
        lower=(-5.12, -5.12),
        upper=(5.12, 5.12),
        tags=("many local minima",),
        story="A bowl under regular waves: going downhill ends in the nearest of about a hundred dimples.",
    ),
    Landscape(
        name="reach-and-depth",
        title="Reach against depth",
        function=reach_and_depth,
        text="R(reach, depth) = 10*reach + 8*depth - reach^2 - depth^2 - reach*depth",
        variables=("reach", "depth"),
        start=(1.0, 5.0),
        best=((4.0, 2.0),),
        value=28.0,
        lower=(0.0, 0.0),
        upper=(7.0, 6.0),
        tags=("trade-off", "concave"),
        story="More reach leaves less for depth: the best point is where both partial derivatives are zero.",
        sense="max",
    ),
    Landscape(
        name="sleep-and-nutrition",
        title="Sleep and nutrition",
        function=sleep_and_nutrition,
        text="P(sleep, nutrition) = 100*exp(-((sleep-8)/3)^2 - ((nutrition-7)/4)^2)",
        variables=("sleep", "nutrition"),
        start=(5.0, 3.0),
        best=((8.0, 7.0),),
        value=100.0,
        lower=(3.0, 0.0),
        upper=(12.0, 10.0),
        tags=("sensitivity", "flat far away"),
        story="Which of the two would help more, from where you are? The larger partial derivative says it.",
        sense="max",
    ),
    Landscape(
        name="four-point-regression",
        title="The bowl of a regression on four points",
        function=four_point_regression,
        text="((a+b-1)^2 + (a+2*b-2)^2 + (2*a+2*b-2)^2 + (2*a+3*b-3)^2)/4",
        variables=("a", "b"),
        start=(0.0, 0.0),
        best=((0.0, 1.0),),
        value=0.0,
        lower=(-2.0, -1.0),
        upper=(2.0, 3.0),
        tags=("convex", "ill conditioned"),
        story="A stretched bowl: the curvature is 13.8 along (0.59, 0.80) and 0.2 across, a ratio of 69.",
    ),
    Landscape(
        name="cubic",
        title="x³ + 2x + 1",
        function=cubic,
        text="x^3 + 2*x + 1",
        variables=("x",),
        start=(2.0,),
        best=(),
        value=None,
        lower=(-2.0,),
        upper=(2.0,),
        tags=("no critical point", "unbounded"),
        story="The slope 3x² + 2 is 14 at x = 2 and never zero: going downhill never ends.",
    ),
)

LANDSCAPES: dict[str, Landscape] = {landscape.name: landscape for landscape in _ALL}
