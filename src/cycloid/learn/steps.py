"""A chunk of training steps as one compiled program: plain steps, then one whose chain is recorded.

Compiled once for each structure and shape. How many plain steps a chunk has is a number, not a shape, so the first,
the middle and the last chunk run the same program, and so do a run and its resumption.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from cycloid.core.dispatch import Dispatched
from cycloid.core.parallel import map_chunks, sum_in_order
from cycloid.learn.chain import Packed, measure, pack
from cycloid.learn.curvatures import batch_objective
from cycloid.learn.feeds import Rows
from cycloid.learn.losses import AbstractLoss, outputs, penalized
from cycloid.optimize.methods import apply_update
from cycloid.optimize.model_objectives import AbstractCurvatureMethod


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a compiled chunk depends on beside shapes.

    Args:
        loss: an `AbstractLoss`, or a function loss(model, batch).
        score: (outputs, targets) -> the metric recorded with the chain; None without one.
        batch_size: rows a step.
        length: the most steps in a chunk, the interval between records.
        accumulate: in how many micro-batches a batch is cut; their gradients are summed in index order.
        mesh: the devices that share the micro-batches.
        precision: None, or "bfloat16" for the forward and backward pass over weights kept as they are.
        groups: how many groups of examples the loss is split into; 0 for none.
    """

    loss: Any
    score: Callable[[Any, Any], Any] | None
    batch_size: int
    length: int
    accumulate: int = 1
    mesh: Mesh | None = None
    precision: str | None = None
    groups: int = 0


class Training(NamedTuple):
    """What one step hands to the next.

    Attributes:
        params: the inexact arrays of the model.
        memory: the state of the method.
    """

    params: Any
    memory: Any


class Probes(NamedTuple):
    """The rows on which losses and the metric are watched; a fixed sample of each part.

    Attributes:
        train: of the training part.
        validation: of the validation part, or None.
    """

    train: Rows
    validation: Rows | None


class Witness(NamedTuple):
    """One step as it was made, for its chain to be measured.

    Attributes:
        before: the parameters before it.
        after: the parameters after it.
        loss: of the batch, before it.
        gradient: on the batch, before it.
        batch: the rows it saw.
        notes: what the method told of it.
    """

    before: Any
    after: Any
    loss: Any
    gradient: Any
    batch: Rows
    notes: dict[str, Any]


@Dispatched
def advance(
    recipe: Recipe, static: Any, method: Any, state: Training, feed: Any, probes: Probes | None, count: Any
) -> tuple[Training, Any, Any]:
    """`count` plain steps and one that is witnessed.

    Args:
        recipe: what is compiled in.
        static: the model without its parameters.
        method: an `AbstractGradientMethod` whose learning rate is an array, or an `AbstractCurvatureMethod`, which
            is handed the objective of each batch.
        state: where to begin.
        feed: the batches.
        probes: the rows watched; None to leave the chain to `measure_step`.
        count: plain steps, 0 ... length − 1, a number that changes without compiling again.

    Returns:
        (state, chain of the last step or its witness, loss before each of the steps; NaN where there was none).
    """
    objective = Objective(recipe, static)
    batch_at = feed.batches(recipe.batch_size, recipe.length)

    def plain(i: Any, carry: tuple[Training, Any]) -> tuple[Training, Any]:
        state, loss, _ = make_step(objective, method, carry[0], batch_at(i))
        return state, carry[1].at[i].set(loss)

    dtype = jax.eval_shape(objective.gradient, state.params, batch_at(0))[0].dtype
    losses = jnp.full(recipe.length, jnp.nan, dtype)
    state, losses = jax.lax.fori_loop(0, count, plain, (state, losses))
    batch = batch_at(count)
    after, loss, gradient = make_step(objective, method, state, batch)
    witness = Witness(state.params, after.params, loss, gradient, batch, method.notes(after.memory))
    seen = witness if probes is None else pack(measure(objective, witness, probes))
    return after, seen, losses.at[count].set(loss)


def make_step(objective: Objective, method: Any, state: Training, batch: Rows) -> tuple[Training, Any, Any]:
    """(state after one step on a batch, loss before it, gradient before it)."""
    if isinstance(method, AbstractCurvatureMethod):
        update, memory, seen = method.step(batch_objective(objective, batch), state.params, state.memory)
        return Training(apply_update(state.params, update), memory), seen.value, seen.gradient
    loss, gradient = objective.gradient(state.params, batch)
    update, memory = method.update(gradient, state.params, state.memory, value=loss)
    return Training(apply_update(state.params, update), memory), loss, gradient


@Dispatched
def measure_step(recipe: Recipe, static: Any, witness: Witness, probes: Probes) -> Packed:
    """The chain of a witnessed step by a program of its own, which runs on one device and so alike for every mesh."""
    return pack(measure(Objective(recipe, static), witness, probes))


class Objective:
    """The loss as a function of the parameters, its gradient, and its parts, by one recipe.

    Args:
        recipe: loss, precision, micro-batches.
        static: the model without its parameters.
    """

    def __init__(self, recipe: Recipe, static: Any):
        self.recipe, self.static = recipe, static
        self.by_example = isinstance(recipe.loss, AbstractLoss)

    def outputs(self, params: Any, x: Any) -> Any:
        """The model on every row, in the dtype of the parameters whatever the precision inside."""
        return _widen(outputs(self._model(params), self._narrow(x)), params)

    def examples(self, params: Any, rows: Rows) -> Any:
        """The loss of each example (for a function loss(model, batch): of the batch), without the penalty."""
        if self.by_example:
            return self.recipe.loss.examples(self.outputs(params, rows.x), rows.y)
        value = self.recipe.loss(self._model(params), (self._narrow(rows.x), rows.y))
        return _widen(value, params)

    def penalty(self, params: Any) -> list[Any]:
        """The arrays whose squares, times l2, are added to the loss."""
        return penalized(params) if self.by_example and self.recipe.loss.l2 else []

    def value(self, params: Any, rows: Rows) -> Any:
        """The loss of a batch."""
        return jnp.mean(self.examples(params, rows)) + self.penalty_value(params)

    def gradient(self, params: Any, rows: Rows) -> tuple[Any, Any]:
        """(loss, gradient) of a batch; with micro-batches, their sums in index order."""
        if self.recipe.accumulate == 1:
            return jax.value_and_grad(self.value)(params, rows)
        chunks, weights = self._cut(rows)

        def part(chunk: tuple[Rows, Any]) -> tuple[Any, Any]:
            return jax.value_and_grad(self._weighted)(params, *chunk)

        loss, gradient = sum_in_order(map_chunks(part, (chunks, weights), mesh=self.recipe.mesh))
        if not self.penalty(params):
            return loss, gradient
        extra, slope = jax.value_and_grad(self.penalty_value)(params)
        return loss + extra, jax.tree.map(jnp.add, gradient, slope)

    def _weighted(self, params: Any, rows: Rows, weights: Any) -> Any:
        """A micro-batch's share of the mean; a row that only pads has weight zero."""
        examples = self.examples(params, rows)
        if jnp.ndim(examples) == 0:  # a function loss(model, batch): the mean of equal parts
            return examples * (1.0 / self.recipe.accumulate)
        return jnp.sum(jnp.where(weights > 0, examples * weights.astype(examples.dtype), 0.0))

    def _cut(self, rows: Rows) -> tuple[Rows, Any]:
        count, parts = rows.count, self.recipe.accumulate
        pad = -count % parts

        def fold(leaf: Any) -> Any:
            padded = jnp.concatenate([leaf, jnp.repeat(leaf[:1], pad, axis=0)]) if pad else leaf
            return padded.reshape(parts, -1, *leaf.shape[1:])

        weights = jnp.where(jnp.arange(count + pad) < count, 1.0 / count, 0.0).reshape(parts, -1)
        return jax.tree.map(fold, rows), weights

    def penalty_value(self, params: Any) -> Any:
        """What the penalty adds to the loss."""
        arrays = self.penalty(params)
        return self.recipe.loss.l2 * sum(jnp.sum(jnp.square(w)) for w in arrays) if arrays else 0.0

    def _model(self, params: Any) -> Any:
        return eqx.combine(self._narrow(params), self.static)

    def _narrow(self, tree: Any) -> Any:
        if self.recipe.precision is None:
            return tree
        narrow = lambda leaf: leaf.astype(self.recipe.precision) if eqx.is_inexact_array(leaf) else leaf
        return jax.tree.map(narrow, tree)


def _widen(tree: Any, params: Any) -> Any:
    dtype = jnp.result_type(*jax.tree.leaves(params))
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if eqx.is_inexact_array(leaf) else leaf, tree)
