"""Kronecker factors of a model's curvature: which arrays are layers, what enters them, what slopes come back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import Literal
from jaxtyping import PRNGKeyArray

from cycloid.optimize.model_objectives import ModelObjective

# Calls of functions inside the model that are looked into; loops are not.
INLINED = ("jit", "pjit", "closed_call", "checkpoint", "remat2")


class Layer(NamedTuple):
    """A matrix that multiplies inputs, and the vector added to the product.

    Attributes:
        weight: number of the matrix among the parameter arrays.
        axis: of the matrix along which inputs lie.
        bias: number of the vector, or None.
    """

    weight: int
    axis: int
    bias: int | None


class Factors(NamedTuple):
    """The curvature of a layer as A ⊗ G.

    Attributes:
        inputs: A, the mean of a aᵀ over the inputs a (with a 1 appended where there is a bias).
        slopes: G, the mean over examples of the summed g gᵀ, g the slope of the loss at the layer's output.
    """

    inputs: Any
    slopes: Any


class _Weight(NamedTuple):
    leaf: int
    axes: tuple[int, ...]  # of the array, in the order in which they stand now


class _Bias(NamedTuple):
    leaf: int
    axis: int


class _Sum(NamedTuple):
    call: int
    axis: int


class _Call(NamedTuple):
    weight: int
    axis: int
    out: int
    inputs: Any


class _Tap:
    """Runs a program of primitives, notes what multiplies a parameter matrix, and adds a probe to every product."""

    def __init__(self, probes: Sequence[Any] | None):
        self.probes = probes
        self.calls: list[_Call] = []
        self.products: list[Any] = []
        self.biases: dict[int, int] = {}  # call -> parameter array

    def layers(self) -> list[Layer]:
        """The layer of each call."""
        return [Layer(call.weight, call.axis, self.biases.get(number)) for number, call in enumerate(self.calls)]

    def run(self, jaxpr: Any, consts: Sequence[Any], values: Sequence[Any], marks: Sequence[Any]) -> Any:
        """(outputs, marks of the outputs)."""
        env = dict(zip(jaxpr.constvars, consts, strict=True)) | dict(zip(jaxpr.invars, values, strict=True))
        seen = {var: mark for var, mark in zip(jaxpr.invars, marks, strict=True) if mark is not None}
        read = lambda atom: atom.val if isinstance(atom, Literal) else env[atom]
        mark_of = lambda atom: None if isinstance(atom, Literal) else seen.get(atom)
        for equation in jaxpr.eqns:
            given, known = [read(v) for v in equation.invars], [mark_of(v) for v in equation.invars]
            made, new = self._one(equation, given, known)
            env |= zip(equation.outvars, made, strict=True)
            seen |= {var: mark for var, mark in zip(equation.outvars, new, strict=True) if mark is not None}
        return [read(v) for v in jaxpr.outvars], [mark_of(v) for v in jaxpr.outvars]

    def _one(self, equation: Any, values: list[Any], marks: list[Any]) -> tuple[list[Any], list[Any]]:
        name, params = equation.primitive.name, equation.params
        if name in INLINED and "jaxpr" in params:
            inner = params["jaxpr"]
            consts = getattr(inner, "consts", ())
            return self.run(getattr(inner, "jaxpr", inner), consts, values, marks)
        made = equation.primitive.bind(*values, **equation.primitive.get_bind_params(params))
        made = list(made) if equation.primitive.multiple_results else [made]
        if name == "dot_general":
            product, mark = self._multiply(params["dimension_numbers"], values, marks, made[0])
            return [product], [mark]
        rule = _FOLLOW.get(name)
        if rule is not None and marks[0] is not None:
            return made, [rule(marks[0], params, values[0])]
        if name in ("add", "add_any"):
            self._add(values, marks)
        return made, [None] * len(made)

    def _multiply(self, numbers: Any, values: list[Any], marks: list[Any], product: Any) -> tuple[Any, Any]:
        """A product with a parameter matrix becomes a call, and gets its probe."""
        contracted, batch = numbers
        sides = [i for i in (0, 1) if isinstance(marks[i], _Weight)]
        if len(sides) != 1 or batch[0] or len(contracted[0]) != 1 or len(marks[sides[0]].axes) != 2:
            return product, None
        side = sides[0]
        weight, other = marks[side], values[1 - side]
        out = product.ndim - 1 if side else 0
        inputs = jnp.moveaxis(other, contracted[1 - side][0], -1)
        self.calls.append(_Call(weight.leaf, weight.axes[contracted[side][0]], out, inputs))
        number = len(self.calls) - 1
        if self.probes is not None:
            product = product + self.probes[number]
        self.products.append(product)
        return product, _Sum(number, out)

    def _add(self, values: list[Any], marks: list[Any]) -> None:
        """A vector added along the outputs of a call is its bias."""
        for one, other in ((0, 1), (1, 0)):
            total, bias = marks[one], marks[other]
            if not (isinstance(total, _Sum) and isinstance(bias, _Bias) and total.axis == bias.axis):
                continue
            shapes = values[one].shape, values[other].shape
            if len(shapes[0]) == len(shapes[1]) and shapes[0][total.axis] == shapes[1][bias.axis]:
                self.biases[total.call] = bias.leaf


def _transposed(mark: Any, params: Any, value: Any) -> Any:
    order = tuple(int(axis) for axis in params["permutation"])
    if isinstance(mark, _Weight):
        return _Weight(mark.leaf, tuple(mark.axes[axis] for axis in order))
    return mark._replace(axis=order.index(mark.axis))


def _broadcast(mark: Any, params: Any, value: Any) -> Any:
    return mark._replace(axis=int(params["broadcast_dimensions"][mark.axis])) if isinstance(mark, _Bias) else None


def _reshaped(mark: Any, params: Any, value: Any) -> Any:
    """A vector that was only given axes of length 1."""
    sizes = params["new_sizes"]
    if not isinstance(mark, _Bias) or value.ndim != 1 or value.size not in sizes:
        return None
    return _Bias(mark.leaf, sizes.index(value.size)) if value.size == max(sizes) else None


_FOLLOW: dict[str, Callable[[Any, Any, Any], Any]] = {
    "transpose": _transposed,
    "broadcast_in_dim": _broadcast,
    "reshape": _reshaped,
    "convert_element_type": lambda mark, params, value: mark,
    "copy": lambda mark, params, value: mark,
}


def factors(objective: ModelObjective, params: Any, key: PRNGKeyArray) -> dict[Layer, Factors]:
    """A and G of every layer, from inputs and from slopes on targets sampled from the model.

    A layer is a matrix of parameters that multiplies something of the examples, wherever in the model that is written;
    one that is used several times (in time, in space) counts each use as an input. Matrices inside a `jax.lax.scan` are
    not seen.

    Cost: a forward pass, a forward and backward pass, and the products.

    Raises:
        ValueError: when the model has no such matrix, or the loss no known slopes.

    Reference: Martens, Grosse, Optimizing neural networks with Kronecker-factored approximate curvature, 2015,
    sections 3 and 5; Grosse, Martens, A Kronecker-factored approximate Fisher matrix for convolution layers, 2016.
    """
    if objective.slopes is None:
        raise ValueError(
            "Kronecker factors need the gradients of the loss on targets sampled from the model, and of this loss none "
            'are known: take "mse", "huber", "cross_entropy" or "binary_cross_entropy", give model_objective slopes=, '
            'or take HessianFree(preconditioner="diagonal").'
        )
    run = _program(objective, params)
    probes = [jnp.zeros(size.shape, size.dtype) for size in _dry(run).products]
    taps: list[_Tap] = []

    def outputs(probes: Any) -> tuple[Any, Any]:
        z, tap = run(probes)
        taps.append(tap)
        return z, [call.inputs for call in tap.calls]

    z, pull, inputs = jax.vjp(outputs, probes, has_aux=True)
    slopes = pull(objective.slopes(z, objective.y, key).astype(z.dtype))[0]
    return _summed(taps[-1], inputs, slopes, objective.count)


def layers(objective: ModelObjective, params: Any) -> list[Layer]:
    """The layers of a model, found without computing anything.

    Raises:
        ValueError: when there is none to be seen.
    """
    return list(dict.fromkeys(_dry(_program(objective, params)).layers()))


def _program(objective: ModelObjective, params: Any) -> Callable[[Any], tuple[Any, _Tap]]:
    """probes -> (the model's outputs, what was noted on the way)."""
    leaves, structure = jax.tree.flatten(params)
    outputs = lambda *arrays: objective.outputs(jax.tree.unflatten(structure, arrays), objective.x)
    program = jax.make_jaxpr(outputs)(*leaves)
    matrices = {i: _Weight(i, (0, 1)) for i, leaf in enumerate(leaves) if leaf.ndim == 2}
    vectors = {i: _Bias(i, 0) for i, leaf in enumerate(leaves) if leaf.ndim == 1}
    marks = [matrices.get(i) or vectors.get(i) for i in range(len(leaves))]

    def run(probes: Any) -> tuple[Any, _Tap]:
        tap = _Tap(probes)
        made, _ = tap.run(program.jaxpr, program.consts, leaves, marks)
        return made[0], tap

    return run


def _dry(run: Callable[[Any], tuple[Any, _Tap]]) -> _Tap:
    """What a run notes, shapes alone."""
    taps: list[_Tap] = []

    def noted() -> Any:
        z, tap = run(None)
        taps.append(tap)
        return z, tap.products

    _, products = jax.eval_shape(noted)
    if not products:
        raise ValueError(
            "the model has no layer that Kronecker factors can see: a matrix of parameters multiplied with the "
            'examples outside of any loop. Take HessianFree(preconditioner="diagonal") instead.'
        )
    taps[-1].products = products
    return taps[-1]


def _summed(tap: _Tap, inputs: Sequence[Any], slopes: Sequence[Any], count: int) -> dict[Layer, Factors]:
    """The uses of each layer put together."""
    uses: dict[Layer, list[tuple[Any, Any]]] = {}
    for layer, call, entered, slope in zip(tap.layers(), tap.calls, inputs, slopes, strict=True):
        a = entered.reshape(-1, entered.shape[-1])
        if layer.bias is not None:
            a = jnp.concatenate([a, jnp.ones((len(a), 1), a.dtype)], axis=1)
        g = jnp.moveaxis(slope, call.out, -1)
        uses.setdefault(layer, []).append((a, g.reshape(-1, g.shape[-1])))
    result = {}
    for layer, pairs in uses.items():
        rows = sum(len(a) for a, _ in pairs)
        result[layer] = Factors(sum(a.T @ a for a, _ in pairs) / rows, sum(g.T @ g for _, g in pairs) / count)
    return result


def inverses(found: dict[Layer, Factors], damping: Any) -> dict[Layer, Factors]:
    """(A + π √λ I)⁻¹ and (G + √λ/π I)⁻¹ of every layer, π² = (tr A / dim A) / (tr G / dim G).

    Args:
        found: by `factors`.
        damping: λ.
    """
    root = jnp.sqrt(damping)
    solved = {}
    for layer, pair in found.items():
        tiny = jnp.finfo(pair.inputs.dtype).tiny ** 0.5
        sizes = [jnp.maximum(jnp.trace(matrix) / len(matrix), tiny) for matrix in pair]
        balance = jnp.sqrt(sizes[0] / sizes[1])
        solved[layer] = Factors(
            _damped_inverse(pair.inputs, balance * root), _damped_inverse(pair.slopes, root / balance)
        )
    return solved


def apply_inverses(solved: dict[Layer, Factors], damping: Any, vectors: Sequence[Any]) -> list[Any]:
    """(F̆ + λ)⁻¹ v on parameter arrays; those that belong to no layer are divided by λ.

    Args:
        solved: by `inverses`.
        damping: λ.
        vectors: v, one array for each parameter array.
    """
    out = [v / damping for v in vectors]
    for layer, (a, g) in solved.items():
        matrix = vectors[layer.weight] if layer.axis == 0 else vectors[layer.weight].T
        if layer.bias is not None:
            matrix = jnp.concatenate([matrix, vectors[layer.bias][None]])
        matrix = a @ matrix @ g
        if layer.bias is not None:
            out[layer.bias], matrix = matrix[-1], matrix[:-1]
        out[layer.weight] = matrix if layer.axis == 0 else matrix.T
    return out


def room(leaf: Any) -> Any:
    """Zeros in which the two factors of a matrix of parameters fit, whichever its inputs; () for other arrays."""
    return tuple(jnp.zeros((size + 1, size + 1), leaf.dtype) for size in leaf.shape) if leaf.ndim == 2 else ()


def pack(layer: Layer, pair: Factors, leaves: Sequence[Any]) -> tuple[Any, Any]:
    """A pair of factors in the room of its matrix."""
    first, second = pair if layer.axis == 0 else pair[::-1]
    rows, columns = leaves[layer.weight].shape
    return _fitted(first, rows), _fitted(second, columns)


def _fitted(matrix: Any, size: int) -> Any:
    return jnp.pad(matrix, (0, size + 1 - len(matrix)))


def unpack(layer: Layer, kept: tuple[Any, Any], leaves: Sequence[Any]) -> Factors:
    """The pair that `pack` put there."""
    shape = leaves[layer.weight].shape
    a, g = kept if layer.axis == 0 else kept[::-1]
    inputs, outputs = shape[layer.axis] + (layer.bias is not None), shape[1 - layer.axis]
    return Factors(a[:inputs, :inputs], g[:outputs, :outputs])


def _damped_inverse(matrix: Any, damping: Any) -> Any:
    identity = jnp.eye(len(matrix), dtype=matrix.dtype)
    # Rounding may leave eigenvalues of -eps ‖M‖: the damping must not be smaller.
    least = 10 * jnp.finfo(matrix.dtype).eps * jnp.trace(matrix)
    factor = jax.scipy.linalg.cho_factor(matrix + jnp.maximum(damping, least) * identity)
    return jax.scipy.linalg.cho_solve(factor, identity)
