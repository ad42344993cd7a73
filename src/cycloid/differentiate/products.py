"""Products of a vector with a matrix of curvature that is never formed: Hessian, Gauss-Newton, Fisher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp

from cycloid.core.formulas import Formula
from cycloid.core.functions import as_function
from cycloid.core.results import is_traced
from cycloid.differentiate.arguments import direction, real_value, restrict, scalar_value
from cycloid.differentiate.derived import Derived
from cycloid.differentiate.second_order import along, check_mode, linearized

Function = Callable[..., Any]


@final
class Product(eqx.Module):
    """v ↦ M v at one point, what depends on the point alone computed once and kept.

    A pytree of arrays: hand it to `jax.jit` as an argument, and another point is no new program.

    Args:
        maps: linear maps, applied in turn.
        point: the parameters at which M was taken.
        kind: the operator that made it.
        formula: where the function is one.
    """

    maps: tuple[Function, ...]
    point: Any
    kind: str = eqx.field(static=True)
    formula: Formula | None = eqx.field(static=True, default=None)

    def __call__(self, v: Any) -> Any:
        """M v.

        Raises:
            ValueError: when v has not the shape of the point.
        """
        v = direction(v, self.point, self.kind, self.formula)
        apply = _applied if is_traced((self.maps, v)) else _applied_jitted
        return apply(self.maps, self.point, v)

    def block(self, vectors: Any) -> Any:
        """M V for several vectors at once, in one call.

        Args:
            vectors: shaped like the point, with one more axis in front of every leaf that counts the vectors.

        Raises:
            ValueError: when they have not the shape of the point behind that axis.
        """
        like = jax.tree.map(lambda leaf: leaf[0] if jnp.ndim(leaf) else leaf, vectors)
        if any(jnp.ndim(leaf) == 0 for leaf in jax.tree.leaves(vectors)):
            raise ValueError(f"{self.kind}: block takes several vectors, stacked along a first axis of every leaf.")
        direction(like, self.point, self.kind, self.formula)
        vectors = jax.vmap(lambda v: direction(v, self.point, self.kind, self.formula))(vectors)
        apply = _blocked if is_traced((self.maps, vectors)) else _blocked_jitted
        return apply(self.maps, self.point, vectors)


def _applied(maps: tuple[Function, ...], point: Any, v: Any) -> Any:
    if len(maps) == 1:
        return maps[0](v)
    push, curvature = maps  # Gauss-Newton: Jᵀ H J
    return jax.linear_transpose(push, point)(curvature(push(v)))[0]


def _blocked(maps: tuple[Function, ...], point: Any, vectors: Any) -> Any:
    """On a CPU one after another in one program: side by side, its small products run 1.1 to 6 times more slowly."""
    each = lambda v: _applied(maps, point, v)
    return jax.lax.map(each, vectors) if jax.default_backend() == "cpu" else jax.vmap(each)(vectors)


_applied_jitted, _blocked_jitted = jax.jit(_applied), jax.jit(_blocked)


def hvp(f: Function | str, mode: str = "auto") -> Function:
    """Products H(x) v of the Hessian of f with a direction, without the matrix.

    The derivative of the gradient along v: forward mode over reverse mode.

    Args:
        f: the function with one real value: callable, formula or text.
        mode: the outer mode: "forward"; "reverse", which asks f for reverse rules alone (`jax.custom_vjp`) and costs
            a third more; "auto": forward, and reverse where a rule forbids it.

    Returns:
        product(x, v, *args, **kwargs) with x the point, v a direction shaped like the parameters of x, and the rest
        handed on to f. Without v it evaluates the gradient at x once and returns a `Product`, the linear function
        v ↦ H(x) v, for many products at one point (conjugate gradients, Lanczos); its `block` takes several at once.

    Raises:
        ValueError: when v has not the shape of x, or for another mode.
        TypeError: when the value is not one real number, or x holds nothing to differentiate; when a rule of a
            function's own blocks both modes (the message names it).

    Transformations: jit, vmap, grad. Cost: about 2 gradients; with v left out about 1.5 for each product.

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.differentiate import hvp
        >>> f = lambda x: x[0] ** 2 * x[1] + x[1] ** 3
        >>> x = jnp.array([1.0, 2.0])
        >>> hvp(f)(x, jnp.array([1.0, 0.0])).tolist()
        [4.0, 2.0]
        >>> product = hvp(f)(x)
        >>> product(jnp.array([0.0, 1.0])).tolist()
        [2.0, 12.0]
        >>> product.block(jnp.eye(2)).tolist()
        [[4.0, 2.0], [2.0, 12.0]]

    Reference: B. A. Pearlmutter, Fast exact multiplication by the Hessian, Neural Computation 6, 1994.
    """
    return Derived("hvp", _hvp, as_function(f), (check_mode(mode, "hvp"),))


def _hvp(function: Function, mode: str, args: tuple, kwargs: dict) -> Any:
    x, v, rest = _point_and_direction(args, "hvp")
    restricted, point = restrict(function, (x, *rest), kwargs, None, "hvp")
    gradient = gradient_of(restricted, "hvp")
    if v is not None:
        return along(gradient, point, direction(v, point, "hvp", function), mode, "hvp")
    return Product((linearized(gradient, point, mode, "hvp"),), point, "hvp", _formula(function))


def gradient_of(function: Function, caller: str) -> Function:
    """The gradient of a function of its parameters alone."""
    return jax.grad(lambda x: scalar_value(function(x), caller))


def _formula(function: Function) -> Formula | None:
    return function if isinstance(function, Formula) else None


def _point_and_direction(args: tuple, caller: str) -> tuple[Any, Any, tuple]:
    if not args:
        raise TypeError(f"{caller} is called with the point x and the direction v: {caller}(f)(x, v).")
    return args[0], args[1] if len(args) > 1 else None, args[2:]


def ggnvp(loss: Function | str, model: Function) -> Function:
    """Products G v with the generalised Gauss-Newton matrix of loss(model(params)).

    G = Jᵀ H J with J the Jacobian of `model` at params and H the Hessian of `loss` at the model's outputs. It is the
    Hessian without the curvature of the model itself, and positive semidefinite where the loss is convex.

    Args:
        loss: from the outputs to one real number.
        model: from the parameters (any pytree) to the outputs (an array or a pytree), such as
            `lambda params: network(params, x)`.

    Returns:
        product(params, v, *args) with v shaped like the parameters and the rest handed on to the model;
        product(params) evaluates model and loss once and returns a `Product`, the linear function v ↦ G v, for many
        products at one point; its `block` takes several at once.

    Raises:
        ValueError: when v has not the shape of the parameters.
        TypeError: when the loss is not one real number, or there is nothing to differentiate.

    Transformations: jit, vmap, grad. Cost: about 1.5 gradients of loss(model(params)); with v left out
    about 1.1 for each product.

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.differentiate import ggnvp
        >>> X, y = jnp.array([[1.0, 1.0], [1.0, 2.0]]), jnp.array([1.0, 2.0])
        >>> product = ggnvp(lambda out: jnp.sum((out - y) ** 2), lambda w: X @ w)
        >>> product(jnp.zeros(2), jnp.array([1.0, 0.0])).tolist()
        [4.0, 6.0]

    Reference: N. N. Schraudolph, Fast curvature matrix-vector products, Neural Computation 14, 2002.
    """
    return Derived("ggnvp", _ggnvp, as_function(model, "model"), (as_function(loss, "loss"), "ggnvp"))


def _ggnvp(model: Function, loss: Function, caller: str, args: tuple, kwargs: dict) -> Any:
    x, v, rest = _point_and_direction(args, caller)
    restricted, point = restrict(model, (x, *rest), kwargs, None, caller)
    outputs, push = jax.linearize(lambda p: real_value(restricted(p), caller), point)
    curvature = linearized(gradient_of(loss, caller), outputs, "auto", caller)
    product = Product((push, curvature), point, caller, _formula(model))
    return product if v is None else product(v)


def fvp(family: str | Function, model: Function) -> Function:
    """Products F v with the Fisher information of a model whose outputs are the natural parameters of a family.

    F = (1/n) Σ_i J_iᵀ A″(z_i) J_i with z_i the outputs for the i-th of n examples, J_i their Jacobian at params, and A
    the log-partition function of the family, whose Hessian is the covariance of its statistics. For these families F is
    the Gauss-Newton matrix of the mean negative log-likelihood, whatever the targets.

    Args:
        family: "categorical" (z logits, classes on the last axis), "bernoulli" (z a logit), "poisson" (z a log rate),
            "normal" (z a mean, variance 1); "empirical": the model returns log-likelihoods of the data at hand, and
            F = (1/n) Σ ∇z_i ∇z_iᵀ, which is another matrix away from the optimum; or a function A(z) of your own, one
            number for all the outputs.
        model: from the parameters (any pytree) to the outputs, an array whose first axis holds the examples.

    Returns:
        product(params, v, *args), or product(params), a `Product`; as `ggnvp`.

    Raises:
        ValueError: for an unknown family, or when v has not the shape of the parameters.
        TypeError: when there is nothing to differentiate.

    Transformations: jit, vmap, grad. Cost: as `ggnvp`.

    Example:
        >>> import jax.numpy as jnp
        >>> from cycloid.differentiate import fvp
        >>> X = jnp.array([[1.0, 0.0], [1.0, 1.0]])
        >>> fvp("bernoulli", lambda w: X @ w)(jnp.zeros(2), jnp.array([1.0, 0.0])).tolist()
        [0.25, 0.125]

    Reference: J. Martens, New insights and perspectives on the natural gradient method, JMLR 21, 2020; on the empirical
    one F. Kunstner, L. Balles and P. Hennig, Limitations of the empirical Fisher approximation, 2019.
    """
    if isinstance(family, str) and family in FAMILIES:
        family = FAMILIES[family]
    elif isinstance(family, str) or not callable(family):
        raise ValueError(
            f"fvp: family is one of {', '.join(FAMILIES)}, or the log-partition function; it was {family!r}."
        )
    return Derived("fvp", _ggnvp, as_function(model, "model"), (as_function(family, "family"), "fvp"))


def _categorical(z: Any) -> Any:
    return jnp.mean(jax.nn.logsumexp(z, axis=-1))


def _bernoulli(z: Any) -> Any:
    return _mean_over_examples(jax.nn.softplus(z))


def _poisson(z: Any) -> Any:
    return _mean_over_examples(jnp.exp(z))


def _normal(z: Any) -> Any:
    return _mean_over_examples(z**2 / 2)


def _mean_over_examples(terms: Any) -> Any:
    return jnp.sum(terms) / (terms.shape[0] if jnp.ndim(terms) else 1)


# The log-partition function of each family, averaged over the examples.
FAMILIES: dict[str, Function] = {
    "categorical": _categorical,
    "bernoulli": _bernoulli,
    "poisson": _poisson,
    "normal": _normal,
    "empirical": _normal,
}
