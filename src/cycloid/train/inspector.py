"""`inspect`: a model of any framework, a batch and a loss; the whole chain opened, and what is wrong with it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import PRNGKeyArray

from cycloid.adapters import adapt
from cycloid.adapters.models import Adapted
from cycloid.core.results import ErrorKind, Question, Status
from cycloid.train.diagnosis import as_parts, read
from cycloid.train.evidence import Evidence
from cycloid.train.examination import examine, judge
from cycloid.train.hardware import cost_of_step
from cycloid.train.input_effects import input_effects
from cycloid.train.inspections import Report
from cycloid.train.jacobian_chain import chain_of_jacobians
from cycloid.train.recorder import parameter_facts
from cycloid.train.rehearsals import rehearse

LARGE = 20_000_000  # parameters from which on one gradient is taken and no step is made
ROWS = 512  # of the batch that are looked at
PARTS = 8  # of the batch, whose gradients give the noise scale


def inspect(
    model: Any,
    batch: Any,
    *,
    loss: Any = None,
    data: Any = None,
    method: Any = None,
    max_steps: int = 40,
    names: Any = None,
    key: PRNGKeyArray | None = None,
) -> Report:
    """Open a model on a batch: loss by example, gradient and signal by layer, shapes and scales, and what is wrong.

    The model is examined in evaluation mode on the batch, then a copy is rehearsed for some steps by `method`, on
    `data` where given and on the batch otherwise, every step recorded. The model itself is left as it is.

    Args:
        model: of JAX (equinox, flax, haiku), PyTorch or Keras; what `cycloid.adapters.adapt` takes.
        batch: (x, y), shapes (n, ...) and (n, ...).
        loss: a name, loss(outputs, targets) (of the model's own framework too) or loss(model, batch); cross entropy or
            mean square by the targets when None.
        data: (x, y, x_validation, y_validation) or what `cy.train.load` returns: for leaks, labels and overfitting.
        method: an optax transformation, or a learning rate for Adam; Adam(1e-3) when None.
        max_steps: of the rehearsal; 0 leaves it out.
        names: of the inputs.
        key: for the order of rows; fixed when None.

    Returns:
        `Report`: value holds the findings, evidence every number. Print it; `cy.figure(report)` draws the heatmap of
        layers, `cycloid.figures.write_inspection(path, report)` the whole as one page.

    Raises:
        TypeError, ValueError: for a model or a batch that is none.

    Transformations:
        None: it works on the host.

    Cost:
        Three gradients for each rehearsed step, nine for the noise scale, a loss for each of at most 48 inputs. A model
        of more than 2·10⁷ parameters is not rehearsed: one gradient, which the notes say.

    Example:
        >>> import jax, jax.numpy as jnp, equinox as eqx, cycloid as cy
        >>> model = eqx.nn.Linear(3, 1, key=jax.random.key(0))
        >>> x = jax.random.normal(jax.random.key(1), (64, 3))
        >>> report = cy.train.inspect(model, (x, x[:, 0]), loss=lambda p, y: ((p - y) ** 2).mean(), max_steps=4)
        >>> report.value[0].fault
        'targets broadcast against predictions'

    Reference: McCandlish, Kaplan, Amodei, An empirical model of large-batch training, 2018 (noise scale).
    """
    x, y = _pair(batch)
    adapted = adapt(model)
    notes: list[str] = []
    if len(x) > ROWS:
        notes.append(f"{ROWS} of the {len(x):,} rows of the batch were looked at.")
        x, y = x[:ROWS], y[:ROWS]
    seen, count = _seen(model, adapted, x, y, loss, data, method, max_steps, key, notes)
    own = judge(loss, seen.task or "other")
    function = adapted.in_mode("eval").objective(own.of)
    objective = lambda parameters, part: function(parameters, part)
    finite = not seen.first_nonfinite and bool(np.isfinite(seen.batch_loss if seen.batch_loss is not None else np.nan))
    if finite and adapted.size <= LARGE:
        seen = seen.replace(gradient_noise_scale=_noise_scale(objective, adapted, x, y))
    effects = _effects(objective, adapted, x, y, names, notes) if finite else None
    rule = optax.adam(method or 1e-3) if method is None or isinstance(method, float) else method
    compiled = adapted.path == "jax"
    cost = None
    if finite and adapted.size <= LARGE:
        cost = cost_of_step(objective, adapted.parameters, (jnp.asarray(x), jnp.asarray(y)), rule, len(x), compiled)
    report = Report(
        value=read(seen), error=np.float64(np.nan), error_kind=ErrorKind.named("none"), evaluations=np.int64(count),
        status=Status.named("all_steps"), evidence=seen, model=adapted.name, framework=adapted.framework,
        size=adapted.size, class_losses=_by_class(seen, y), reaches=chain_of_jacobians(adapted, x), effects=effects,
        cost=cost, notes=tuple(dict.fromkeys([*notes, *seen.notes])),
    )  # fmt: skip
    return report.asked(Question(model, {"batch": (x, y), "loss": loss, "data": data, "method": method}))


def _seen(
    model: Any,
    adapted: Adapted,
    x: Any,
    y: Any,
    loss: Any,
    data: Any,
    method: Any,
    steps: int,
    key: Any,
    notes: list[str],
) -> tuple[Evidence, int]:
    """Evidence by examination and rehearsal, and how many gradients it took."""
    seen = examine(adapted.in_mode("eval"), x, y, loss).replace(**_facts(adapted))
    whole = None if data is None else as_parts(data)
    if whole is not None:
        from cycloid.train.data_evidence import probe_data

        told = probe_data(*whole[:4], names=whole[4])
        seen = told.merge(seen).replace(class_counts=told.class_counts)
    if steps < 1 or len(x) < 4:
        return seen, 0
    if adapted.size > LARGE:
        notes.append(f"{adapted.size:,} parameters: one gradient was taken and no step made.")
        return seen.merge(_one_gradient(adapted, x, y, loss, seen.task or "other")), 1
    rows = (x, y) if whole is None else whole[:4]
    size = min(64, max(2, len(rows[0]) // 2))
    rehearsed = rehearse(model, rows, loss=loss, method=method, max_steps=steps, batch_size=size, key=key)
    if whole is None:  # the batch stands for the data: what only many rows can say is left out
        rehearsed = rehearsed.replace(batch_class_shares=None, batch_target_mean=None, batch_fingerprints=None)
    return rehearsed.merge(seen).replace(batch_size=rehearsed.batch_size), 3 * steps


def _facts(adapted: Adapted) -> dict[str, Any]:
    return {"framework": adapted.framework, **parameter_facts(adapted)}


def _one_gradient(adapted: Adapted, x: Any, y: Any, loss: Any, task: str) -> Evidence:
    """Norms of one gradient: twice the parameters' memory and no more."""
    function = adapted.objective(judge(loss, task).of)
    value, gradient = jax.value_and_grad(lambda p: function(p, (jnp.asarray(x), jnp.asarray(y))))(adapted.parameters)
    norms = np.array([[float(jnp.linalg.norm(jnp.ravel(gradient[name]))) for name in adapted.parameters]])
    sizes = np.array([[float(jnp.linalg.norm(jnp.ravel(adapted.parameters[n]))) for n in adapted.parameters]])
    zeros = np.array([[float(jnp.mean(gradient[name] == 0)) for name in adapted.parameters]])
    return Evidence.of(
        {"step": np.zeros(1, int), "loss": np.array([float(value)]), "gradient_norms": norms, "weight_norms": sizes,
         "zero_gradients": zeros, "gradient_norm": np.array([float(np.linalg.norm(norms))])}
    )  # fmt: skip


def _noise_scale(objective: Any, adapted: Adapted, x: Any, y: Any) -> float | None:
    """tr(Σ) / |G|² from the gradients of parts of the batch and of the whole, in examples."""
    rows = len(x) // PARTS
    if rows < 1:
        return None
    gradient = jax.grad(objective)
    gradient = jax.jit(gradient) if adapted.path == "jax" else gradient
    square = lambda part: float(sum(jnp.vdot(g, g) for g in jax.tree.leaves(gradient(adapted.parameters, part))))
    cut = lambda i: (jnp.asarray(x[i * rows : (i + 1) * rows]), jnp.asarray(y[i * rows : (i + 1) * rows]))
    small = float(np.mean([square(cut(i)) for i in range(PARTS)]))
    big = square((jnp.asarray(x[: rows * PARTS]), jnp.asarray(y[: rows * PARTS])))
    total = rows * PARTS
    signal = (total * big - rows * small) / (total - rows)
    noise = (small - big) / (1 / rows - 1 / total)
    return noise / signal if signal > 0 else float("inf")


def _effects(objective: Any, adapted: Adapted, x: Any, y: Any, names: Any, notes: list[str]) -> Any:
    if adapted.size > LARGE:
        return None
    try:
        found = input_effects(objective, adapted.parameters, x, y, names, adapted.path == "jax")
    except (TypeError, ValueError, NotImplementedError) as error:
        notes.append(f"The inputs' effects could not be taken: {error}")
        return None
    if found is not None and found.note:
        notes.append(found.note)
    return found


def _by_class(seen: Evidence, y: Any) -> dict[str, float]:
    each, labels = seen.example_losses, np.asarray(y).reshape(len(y), -1)[:, 0]
    if each is None or seen.task not in ("binary", "multiclass") or len(each) != len(labels):
        return {}
    return {str(label): float(np.mean(each[labels == label])) for label in np.unique(labels)[:50]}


def _pair(batch: Any) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(batch, (tuple, list)) or len(batch) != 2:
        raise TypeError(f"batch is a pair (x, y); it was a {type(batch).__name__}.")
    as_array = lambda part: np.asarray(part.detach().cpu() if hasattr(part, "detach") else part)
    x, y = (as_array(part) for part in batch)
    if x.ndim < 1 or len(x) != len(y) or len(x) == 0:
        raise ValueError(f"x and y have one row an example each; their shapes were {x.shape} and {y.shape}.")
    return x, y
