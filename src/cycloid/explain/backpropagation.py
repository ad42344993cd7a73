"""Backpropagation on the user's own network: δ and ∂L/∂w of every layer, the textbook's formulas beside the numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from cycloid.core.formulas import formula
from cycloid.core.numerals import numeral
from cycloid.core.results import Question
from cycloid.core.syntax import Variable, substitute
from cycloid.explain.chains import chain
from cycloid.explain.derivations import AGREES, DISAGREES, Check, Derivation, concluded
from cycloid.explain.handwriting import written
from cycloid.explain.lawbook import ELEMENTWISE
from cycloid.explain.laws import partial
from cycloid.explain.networks import Block, Layer, Line, Network, blocks_of, shifted, table_of
from cycloid.explain.probing import settled
from cycloid.explain.sweeps import direction
from cycloid.learn.losses import AbstractLoss, as_loss, outputs

_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_LEVELS, _RATIO, _LONGEST = 8, 3.0, 0.05

# δ of the last layer for the losses that textbooks know, when nothing is applied behind the last affine map:
# text, LaTeX, and the numbers from the output, the target and the loss.
_LAST: dict[str, tuple[str, str, Callable[[Any, Any, Any], Any]]] = {
    "mse": ("2(ŷ − y)/n", r"\tfrac2n(\hat y-y)", lambda z, y, _: 2.0 * (z - y) / z.size),
    "mae": ("sign(ŷ − y)/n", r"\tfrac1n\operatorname{sign}(\hat y-y)", lambda z, y, _: jnp.sign(z - y) / z.size),
    "huber": (
        "(ŷ − y, held within ±δ)/n",
        r"\tfrac1n\operatorname{clip}(\hat y-y,-\delta,\delta)",
        lambda z, y, loss: jnp.clip(z - y, -loss.delta, loss.delta) / z.size,
    ),
    "cross_entropy": (
        "(p − onehot(y))/n",
        r"\tfrac1n(p-\mathrm{onehot}(y))",
        lambda z, y, _: (
            (jax.nn.softmax(z) - jax.nn.one_hot(y, z.shape[1])) / len(z)
            if z.shape[1] > 1
            else (jax.nn.sigmoid(z) - y) / len(z)
        ),
    ),
}


def backprop(model: Any, batch: Any, loss: Any = "mse") -> Derivation:
    """Backpropagation through a network, layer by layer: the textbook's equations beside the numbers of this model.

    With the examples as rows, Zˡ = Aˡ⁻¹·Wˡ + bˡ and Aˡ = σ(Zˡ), the slope δˡ = ∂L/∂Zˡ is

        δᴸ = ∂L/∂Aᴸ ⊙ σ′(Zᴸ),   δˡ = (δˡ⁺¹·Wˡ⁺¹ᵀ) ⊙ σ′(Zˡ),   ∂L/∂Wˡ = Aˡ⁻¹ᵀ·δˡ,   ∂L/∂bˡ = Σ over examples of δˡ.

    Each is computed by these formulas, and checked against `jax.grad` of the loss and against differences.

    Args:
        model: `cy.learn.MLP` or `Affine`, `eqx.nn.MLP`, `Linear`, or `Sequential` of linear maps and activations. Any
            other callable module is explained step by step by `chain`.
        batch: (x, y), examples along the first axis.
        loss: a name ("mse", "cross_entropy" …), a loss of `cy.learn`, or a function loss(model, batch).

    Returns:
        A `Derivation`: `value` is the gradient, shaped like the model; `evidence` is the `Network` of its layers.

    Raises:
        TypeError: when the model is no module, or the batch no pair of arrays.

    Cost: two gradients, one pass forward, and 16 evaluations of the loss for each parameter array.

    Example:
        >>> import jax, jax.numpy as jnp, cycloid as cy
        >>> from cycloid.explain import backprop
        >>> net = cy.learn.perceptron(2, None, (3,), key=jax.random.key(0), activation="tanh")
        >>> found = backprop(net, (jnp.array([[0.0, 1.0], [1.0, 0.5]]), jnp.array([1.0, 0.0])), "mse")
        >>> [line.left for line in found.evidence.layers[0].backward], found.status
        (['δ¹', '∂L/∂W¹', '∂L/∂b¹'], <converged>)

    Reference: D. Rumelhart, G. Hinton and R. Williams, Learning representations by back-propagating errors, 1986.
    """
    loss = as_loss(loss)
    _check_call(model, batch)
    blocks = blocks_of(model)
    deltas = None if blocks is None else _deltas(model, blocks, batch, loss)
    if blocks is None or deltas is None:
        return _step_by_step(model, batch, loss)
    moving, rest = eqx.partition(model, eqx.is_inexact_array)
    of_model = lambda part: loss(eqx.combine(part, rest), batch)
    value, gradient = eqx.filter_jit(jax.value_and_grad(of_model))(moving)
    heights = _differences(of_model, moving)
    network, runs = _network(model, blocks, batch, loss, deltas, gradient, heights, float(value))
    return concluded(
        "backpropagation",
        f"Backpropagation through {_shape_words(blocks)}, {_called(loss)} = {numeral(network.value, 8, typeset=True)} "
        f"on {network.examples} examples",
        gradient,
        network,
        checks=network.checks,
        evaluations=runs,
        question=Question(loss, {"model": model, "batch": batch}),
    )


def _called(loss: Any) -> str:
    return getattr(loss, "name", None) or getattr(loss, "__name__", "loss")


def _check_call(model: Any, batch: Any) -> None:
    if not callable(model):
        raise TypeError(
            f"backprop takes a model called on one example, such as eqx.nn.MLP; it was a {type(model).__name__}."
        )
    if not any(eqx.is_inexact_array(leaf) for leaf in jax.tree.leaves(model)):
        raise TypeError(
            "backprop takes a model with floating-point parameters, such as cy.learn.perceptron(…) or eqx.nn.MLP(…); "
            f"this {type(model).__name__} has none. A function and its parameters are explained by chain(f, params, x)."
        )
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise TypeError(
            f"batch is a pair (x, y) with the examples along the first axis; it was a {type(batch).__name__}."
        )


def _step_by_step(model: Any, batch: Any, loss: Any) -> Derivation:
    """Any other model: by its operations."""

    def of_model(model: Any) -> Any:
        return loss(model, batch)

    of_model.__name__ = "loss"
    return chain(of_model, model)


def _deltas(model: Any, blocks: list[Block], batch: Any, loss: Any) -> tuple[list[Any], list[Any]] | None:
    """(δ of each layer, what each layer reads and gives) by `jax.grad` with respect to shifts; None where the model, or
    the loss, is more than the row of layers."""
    x, y = batch
    x = jnp.asarray(x)
    if x.ndim != 2 or x.shape[1] != blocks[0].matrix.shape[0]:
        return None
    shifts = [jnp.zeros((x.shape[0], block.matrix.shape[1]), x.dtype) for block in blocks]
    run = shifted(blocks)
    try:
        same = np.allclose(np.asarray(jax.vmap(run)((x, shifts))), np.asarray(outputs(model, x)), rtol=1e-5, atol=1e-6)
        found = jax.jit(jax.grad(lambda push: loss(_Shifted(model, run), ((x, push), y))))(shifts)
    except Exception:  # a loss that looks into x, or a model that is more than its layers
        return None
    passed: list[Any] = [x]
    for block in blocks:
        z = passed[-1] @ block.matrix + (0.0 if block.bias is None else jnp.ravel(block.bias))
        passed += [z, block.activation(z)]
    return (found, passed) if same else None


class _Shifted(eqx.Module):
    """The model with shifts, in the place of the model: a loss that penalises weights still finds them."""

    model: Any
    run: Callable[[Any], Any] = eqx.field(static=True)

    def __call__(self, pair: Any) -> Any:
        return self.run(pair)


# -- the lines -----------------------------------------------------------------------------------------------------


def _network(
    model: Any,
    blocks: list[Block],
    batch: Any,
    loss: Any,
    deltas: tuple[list[Any], list[Any]],
    gradient: Any,
    heights: dict[int, Check],
    value: float,
) -> tuple[Network, int]:
    exact, passed = deltas
    leaves = jax.tree_util.tree_leaves(eqx.filter(model, eqx.is_inexact_array))
    slopes = {id(leaf): (i, g) for i, (leaf, g) in enumerate(zip(leaves, jax.tree.leaves(gradient), strict=True))}
    penalty = loss.l2 if isinstance(loss, AbstractLoss) else 0.0
    layers: list[Layer] = []
    for l in range(len(blocks), 0, -1):
        block, (a, z) = blocks[l - 1], (passed[2 * l - 2], passed[2 * l - 1])
        local = _slope_of(block, z)
        lines = [_delta_line(l, blocks, loss, exact, local, z, batch[1])]
        lines += _parameter_lines(l, block, a, exact[l - 1], slopes, heights, penalty)
        inputs, outputs = map(int, block.matrix.shape)
        forward = _forward(l, block, passed)
        layers.append(Layer(l, block.label, inputs, outputs, block.name, _law(block), forward, tuple(lines)))
    words = loss.formula if isinstance(loss, AbstractLoss) else _called(loss)
    found = Network(type(model).__name__, words, value, int(passed[0].shape[0]), tuple(layers[::-1]))
    return found, 2 * _LEVELS * len(leaves) + 3


def _raised(l: int) -> str:
    return str(l).translate(_RAISED)


def _forward(l: int, block: Block, passed: Sequence[Any]) -> tuple[Line, ...]:
    z, a = passed[2 * l - 1], passed[2 * l]
    before = "X" if l == 1 else f"A{_raised(l - 1)}"
    before_latex = "X" if l == 1 else f"A^{{{l - 1}}}"
    bias = ("", "") if block.bias is None else (f" + b{_raised(l)}", f"+b^{{{l}}}")
    lines = [
        Line(
            f"Z{_raised(l)}",
            f"{before}·W{_raised(l)}{bias[0]}",
            f"Z^{{{l}}}={before_latex}W^{{{l}}}{bias[1]}",
            table_of(z),
        )
    ]
    if block.name != "identity":
        lines.append(
            Line(
                f"A{_raised(l)}",
                f"{block.name}(Z{_raised(l)})",
                rf"A^{{{l}}}=\mathrm{{{_upright(block.name)}}}(Z^{{{l}}})",
                table_of(a),
            )
        )
    return tuple(lines)


def _upright(name: str) -> str:
    return name.replace("_", r"\_")


def _slope_of(block: Block, z: Any) -> Any:
    """σ′ at every entry; None where the function mixes entries (softmax)."""
    if block.name == "identity":
        return jnp.ones_like(z)
    _, slope = jax.jvp(block.activation, (z,), (jnp.ones_like(z),))
    probe = jnp.zeros_like(z[0]).at[0].set(1.0)
    _, single = jax.jvp(block.activation, (z[0],), (probe,))
    return slope if z.shape[1] == 1 or not bool(jnp.any(single[1:] != 0)) else None


def _last_line(l: int, block: Block, loss: Any, here: Any, z: Any, target: Any) -> Line:
    """δ of the last layer: by the formula of a known loss, else as the slope of the loss."""
    k = _raised(l)
    known = _LAST.get(loss.name) if isinstance(loss, AbstractLoss) and block.name == "identity" else None
    if known is not None:
        target = jnp.asarray(target)
        labels = loss.name == "cross_entropy" and z.shape[1] > 1
        own = known[2](z, target if labels else target.reshape(z.shape), loss)
        check = _same(f"jax.grad with respect to Z{k}", own, here)
        if check.verdict == AGREES:
            return Line(f"δ{k}", known[0], rf"\delta^{{{l}}}={known[1]}", table_of(own), (check,))
    return Line(f"δ{k}", f"∂L/∂Z{k}", rf"\delta^{{{l}}}=\frac{{\partial L}}{{\partial Z^{{{l}}}}}", table_of(here))


def _delta_line(l: int, blocks: list[Block], loss: Any, exact: Sequence[Any], local: Any, z: Any, target: Any) -> Line:
    """δ of a layer: from the loss for the last, else from the layer behind."""
    block, last = blocks[l - 1], l == len(blocks)
    k, here = _raised(l), exact[l - 1]
    if last:
        return _last_line(l, block, loss, here, z, target)
    nxt = _raised(l + 1)
    pulled = exact[l] @ blocks[l].matrix.T
    right, latex = f"δ{nxt}·W{nxt}ᵀ", rf"\delta^{{{l + 1}}}{{W^{{{l + 1}}}}}^\top"
    if block.name != "identity":
        right, latex = (
            f"({right}) ⊙ {block.name}′(Z{k})",
            rf"\left({latex}\right)\odot\mathrm{{{_upright(block.name)}}}'(Z^{{{l}}})",
        )
    if local is None:
        return Line(f"δ{k}", right, rf"\delta^{{{l}}}={latex}", table_of(here))
    delta = pulled * local
    return Line(
        f"δ{k}",
        right,
        rf"\delta^{{{l}}}={latex}",
        table_of(delta),
        (_same("jax.grad with respect to Z" + k, delta, here),),
    )


def _parameter_lines(
    l: int,
    block: Block,
    a: Any,
    delta: Any,
    slopes: dict[int, tuple[int, Any]],
    heights: dict[int, Check],
    penalty: float,
) -> list[Line]:
    k, before = _raised(l), "X" if l == 1 else f"A{_raised(l - 1)}"
    before_latex = "X" if l == 1 else f"A^{{{l - 1}}}"
    index, slope = slopes[id(block.weight)]
    own = a.T @ delta + (2.0 * penalty * block.matrix if penalty else 0.0)
    more = (f" + 2·{penalty:g}·W{k}", rf"+2\cdot {penalty:g}\,W^{{{l}}}") if penalty else ("", "")
    there = jnp.asarray(slope if block.rows else slope.T).reshape(own.shape)
    lines = [
        Line(
            f"∂L/∂W{k}",
            f"{before}ᵀ·δ{k}{more[0]}",
            rf"\frac{{\partial L}}{{\partial W^{{{l}}}}}={{{before_latex}}}^\top\delta^{{{l}}}{more[1]}",
            table_of(own),
            (_same("jax.grad of the loss", own, there), heights[index]),
        )
    ]
    if block.bias is not None:
        index, slope = slopes[id(block.bias)]
        total = jnp.sum(delta, axis=0)
        lines.append(
            Line(
                f"∂L/∂b{k}",
                f"Σ over the examples of δ{k}",
                rf"\frac{{\partial L}}{{\partial b^{{{l}}}}}=\sum_i\delta^{{{l}}}_i",
                table_of(total),
                (_same("jax.grad of the loss", total, jnp.ravel(slope)), heights[index]),
            )
        )
    return lines


def _law(block: Block) -> str:
    """The derivative of the activation as a formula, where that is short."""
    text = ELEMENTWISE.get(block.name)
    if text is None:
        return ""
    slope = written(substitute(partial(formula(text, ("a", "b")).tree, "a"), {"a": Variable("z")}))
    return f"{block.name}′(z) = {slope}" if len(slope) < 60 else ""


def _shape_words(blocks: list[Block]) -> str:
    """2 → 3 (tanh) → 1."""
    words = [str(blocks[0].matrix.shape[0])]
    words += [f"{b.matrix.shape[1]}" + ("" if b.name == "identity" else f" ({b.name})") for b in blocks]
    return " → ".join(words)


# -- checks --------------------------------------------------------------------------------------------------------


def _same(method: str, first: Any, second: Any) -> Check:
    a, b = np.asarray(first, float), np.asarray(second, float)
    apart = float(np.max(np.abs(a - b), initial=0.0))
    eps = float(jnp.finfo(jnp.asarray(second).dtype).eps)
    allowance = 1e4 * eps * max(float(np.max(np.abs(b), initial=0.0)), eps)
    norms = float(np.linalg.norm(a.ravel())), float(np.linalg.norm(b.ravel()))
    return Check(method, (), norms[:1], norms[1:], apart, allowance, AGREES if apart <= allowance else DISAGREES)


def _differences(of_model: Callable[[Any], Any], moving: Any) -> dict[int, Check]:
    """The slope of the loss along one direction of each parameter array, by differences and by `jax.grad`."""
    leaves, structure = jax.tree.flatten(moving)
    ways = [direction(leaf.shape, leaf.dtype) for leaf in leaves]
    steps = _LONGEST * _RATIO ** -np.arange(_LEVELS)

    def height(which: Any, step: Any) -> Any:
        pushed = [
            leaf + jnp.where(which == i, step, 0.0).astype(leaf.dtype) * way
            for i, (leaf, way) in enumerate(zip(leaves, ways, strict=True))
        ]
        return of_model(jax.tree.unflatten(structure, pushed))

    signed = np.concatenate([steps, -steps])
    rows = jnp.repeat(jnp.arange(len(leaves)), len(signed)), jnp.asarray(np.tile(signed, len(leaves)))
    table = np.asarray(jax.jit(lambda r: jax.lax.map(lambda p: height(*p), r))(rows), float).reshape(
        len(leaves), 2, _LEVELS
    )
    value, gradient = jax.jit(jax.value_and_grad(of_model))(moving)
    found, doubt = settled([(table[:, 0, k] - table[:, 1, k]) / (2 * steps[k]) for k in range(_LEVELS)], _RATIO**2)
    checks = {}
    for i, (slope, way) in enumerate(zip(jax.tree.leaves(gradient), ways, strict=True)):
        claimed = float(jnp.sum(slope * way))
        eps = float(jnp.finfo(slope.dtype).eps)
        allowance = 10 * float(doubt[i]) + 100 * eps ** (2 / 3) * max(abs(claimed), abs(float(value)), eps)
        apart = abs(claimed - float(found[i]))
        verdict = AGREES if apart <= allowance else DISAGREES
        checks[i] = Check("differences", (), (claimed,), (float(found[i]),), apart, allowance, verdict)
    return checks
