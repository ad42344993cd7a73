"""The law of every step: what it computes and its local derivatives, as formulas where they are short, else in words.

A formula is kept only when it gives the numbers that were computed, forward and backward, at the values at hand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from cycloid.core.chain_rule import derivative
from cycloid.core.formulas import formula
from cycloid.core.syntax import Node, number, substitute
from cycloid.explain.folding import Group
from cycloid.explain.rules import ELEMENTARY, elementary
from cycloid.explain.shortening import shortest

# Operations entry by entry, as formulas in a and b: primitives and library functions by name.
ELEMENTWISE: Final[dict[str, str]] = {
    **{name: f"{name}(a)" for name in (
        "exp", "log", "sqrt", "cbrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "acos", "atan", "asinh",
        "acosh", "atanh", "abs", "sign", "floor", "ceil", "erf", "erfc", "digamma", "lgamma", "relu", "softplus", "sigmoid",
    )},
    "add": "a + b", "add_any": "a + b", "sub": "a - b", "mul": "a*b", "div": "a/b", "neg": "-a", "square": "a^2",
    "pow": "a^b", "max": "max(a, b)", "min": "min(a, b)", "atan2": "atan2(a, b)", "logistic": "sigmoid(a)",
    "rsqrt": "1/sqrt(a)", "exp2": "2^a", "log1p": "log(1 + a)", "expm1": "exp(a) - 1", "silu": "a*sigmoid(a)",
    "swish": "a*sigmoid(a)", "log_sigmoid": "-softplus(-a)", "soft_sign": "a/(abs(a) + 1)",
    "gelu": "a*(1 + tanh(sqrt(2/pi)*(a + 0.044715*a^3)))/2", "elu": "where(a > 0, a, exp(a) - 1)",
    "leaky_relu": "where(a >= 0, a, 0.01*a)", "relu6": "min(max(a, 0), 6)", "maximum": "max(a, b)", "minimum": "min(a, b)",
    "hypot": "sqrt(a^2 + b^2)", "sinc": "sin(pi*a)/(pi*a)", "reciprocal": "1/a", "logaddexp": "log(exp(a) + exp(b))",
    "mish": "a*tanh(softplus(a))", "expit": "sigmoid(a)", "logit": "log(a/(1 - a))", "deg2rad": "a*pi/180",
    "radians": "a*pi/180", "log2": "log2(a)", "log10": "log10(a)", "copy": "a", "convert_element_type": "a",
}  # fmt: skip

_NAMES: Final[dict[str, str]] = {
    "add": "sum", "add_any": "sum", "sub": "difference", "mul": "product", "div": "quotient", "neg": "sign", "square": "square",
    "integer_pow": "power", "pow": "power", "max": "larger of two", "min": "smaller of two", "maximum": "larger of two",
    "minimum": "smaller of two", "logistic": "logistic function", "rsqrt": "inverse square root", "exp2": "power of two",
    "log1p": "logarithm of 1 + a", "expm1": "exponential less 1", "gelu": "GELU", "relu": "ReLU", "silu": "SiLU", "swish": "SiLU",
    "elu": "ELU", "reduce_sum": "sum of entries", "sum": "sum of entries", "reduce_max": "largest entry", "amax": "largest entry",
    "reduce_min": "smallest entry", "amin": "smallest entry", "mean": "mean", "var": "variance", "std": "standard deviation",
    "norm": "norm", "dot_general": "matrix product", "dot": "matrix product", "matmul": "matrix product", "getitem": "selected entries",
    "softmax": "softmax", "log_softmax": "log-softmax", "logsumexp": "log-sum-exp", "reduce_prod": "product of entries",
    "prod": "product of entries", "select_n": "choice", "where": "choice", "broadcast_in_dim": "copies", "reshape": "reshaped",
    "transpose": "transposed", "squeeze": "reshaped", "concatenate": "joined", "stack": "stacked", "slice": "selected entries",
    "gather": "selected entries", "dynamic_slice": "selected entries", "pad": "padded", "cumsum": "running sum", "sort": "sorted",
    "stop_gradient": "stopped gradient", "convert_element_type": "other precision", "clamp": "clipped", "clip": "clipped",
    "while": "loop", "scan": "loop", "Affine": "dense layer", "Linear": "dense layer", "dense": "dense layer",
    "LayerNorm": "layer normalisation", "log_gamma": "logarithm of the gamma function", "truediv": "quotient",
    "Conv2d": "convolution", "Conv1d": "convolution", "Embedding": "embedding", "squared error": "squared error",
    "cross entropy": "cross-entropy", "lt": "comparison", "le": "comparison", "gt": "comparison", "ge": "comparison",
    "eq": "comparison", "ne": "comparison", "is_finite": "comparison", "einsum": "sum of products", "tensordot": "sum of products",
    "rem": "remainder", "mod": "remainder", "stack_p": "stacked", "iota": "counting", "argmax": "place of the largest",
    "argmin": "place of the smallest", "round": "rounded", "copy": "copy",
}  # fmt: skip

# Steps on whole arrays: forward law, local derivative, in text with u for the input and v for the output; LaTeX of both.
WHOLE: Final[dict[str, tuple[str, str, str]]] = {
    "reduce_sum": ("v = Σ uᵢ", "∂v/∂uᵢ = 1", r"v=\sum_i u_i,\quad \frac{\partial v}{\partial u_i}=1"),
    "mean": ("v = Σ uᵢ / n", "∂v/∂uᵢ = 1/n", r"v=\tfrac1n\sum_i u_i,\quad \frac{\partial v}{\partial u_i}=\frac1n"),
    "reduce_max": (
        "v = max uᵢ", "∂v/∂uᵢ = 1 at the largest entry, 0 elsewhere",
        r"v=\max_i u_i,\quad \frac{\partial v}{\partial u_i}=[u_i=v]",
    ),
    "reduce_min": (
        "v = min uᵢ", "∂v/∂uᵢ = 1 at the smallest entry, 0 elsewhere",
        r"v=\min_i u_i,\quad \frac{\partial v}{\partial u_i}=[u_i=v]",
    ),
    "reduce_prod": ("v = Π uᵢ", "∂v/∂uᵢ = v/uᵢ", r"v=\prod_i u_i,\quad \frac{\partial v}{\partial u_i}=\frac{v}{u_i}"),
    "var": (
        "v = mean of (u − mean u)²", "∂v/∂uᵢ = 2(uᵢ − mean u)/n",
        r"v=\tfrac1n\sum_i(u_i-\bar u)^2,\quad \frac{\partial v}{\partial u_i}=\tfrac2n(u_i-\bar u)",
    ),
    "std": (
        "v = √(mean of (u − mean u)²)", "∂v/∂uᵢ = (uᵢ − mean u)/(n·v)",
        r"v=\sqrt{\tfrac1n\sum_i(u_i-\bar u)^2},\quad \frac{\partial v}{\partial u_i}=\frac{u_i-\bar u}{n\,v}",
    ),
    "norm": ("v = ‖u‖", "∂v/∂uᵢ = uᵢ/v", r"v=\lVert u\rVert,\quad \frac{\partial v}{\partial u_i}=\frac{u_i}{v}"),
    "softmax": (
        "vᵢ = e^uᵢ / Σ e^uⱼ", "∂vᵢ/∂uⱼ = vᵢ·(δᵢⱼ − vⱼ)",
        r"v_i=\frac{e^{u_i}}{\sum_j e^{u_j}},\quad \frac{\partial v_i}{\partial u_j}=v_i(\delta_{ij}-v_j)",
    ),
    "log_softmax": (
        "vᵢ = uᵢ − ln Σ e^uⱼ", "∂vᵢ/∂uⱼ = δᵢⱼ − softmax(u)ⱼ",
        r"v_i=u_i-\ln\sum_j e^{u_j},\quad \frac{\partial v_i}{\partial u_j}=\delta_{ij}-\mathrm{softmax}(u)_j",
    ),
    "logsumexp": (
        "v = ln Σ e^uᵢ", "∂v/∂uᵢ = softmax(u)ᵢ",
        r"v=\ln\sum_i e^{u_i},\quad \frac{\partial v}{\partial u_i}=\mathrm{softmax}(u)_i",
    ),
    "matmul": ("V = A·B", "Ā = V̄·Bᵀ, B̄ = Aᵀ·V̄", r"V=AB,\quad \bar A=\bar V B^\top,\quad \bar B=A^\top\bar V"),
    "dense": (
        "Z = X·W + b", "X̄ = Z̄·Wᵀ, W̄ = Xᵀ·Z̄, b̄ = Σ Z̄",
        r"Z=XW+b,\quad \bar X=\bar Z W^\top,\quad \bar W=X^\top\bar Z,\quad \bar b=\sum\bar Z",
    ),
    "squared error": (
        "vᵢ = (ŷᵢ − yᵢ)²", "∂vᵢ/∂ŷᵢ = 2(ŷᵢ − yᵢ)", r"v_i=(\hat y_i-y_i)^2,\quad \frac{\partial v_i}{\partial\hat y_i}=2(\hat y_i-y_i)",
    ),
    "absolute error": (
        "vᵢ = |ŷᵢ − yᵢ|", "∂vᵢ/∂ŷᵢ = sign(ŷᵢ − yᵢ)", r"v_i=|\hat y_i-y_i|,\quad \frac{\partial v_i}{\partial\hat y_i}=\operatorname{sign}(\hat y_i-y_i)",
    ),
    "huber": (
        "vᵢ = h(ŷᵢ − yᵢ)", "∂vᵢ/∂ŷᵢ = ŷᵢ − yᵢ, held within ±δ", r"v_i=h(\hat y_i-y_i),\quad \frac{\partial v_i}{\partial\hat y_i}=\operatorname{clip}(\hat y_i-y_i,-\delta,\delta)",
    ),
    "cross entropy": (
        "vᵢ = −ln p(yᵢ), p = softmax(z)", "∂vᵢ/∂zᵢ = p − onehot(yᵢ)",
        r"v_i=-\ln p_{y_i},\quad \frac{\partial v_i}{\partial z_i}=p-\mathrm{onehot}(y_i)",
    ),
    "squared weights": ("v = Σ w²", "∂v/∂w = 2w", r"v=\sum w^2,\quad \frac{\partial v}{\partial w}=2w"),
    "moved": (
        "the entries of u, at other places", "each slope goes back to where its entry came from",
        r"\text{entries moved; each slope goes back to where its entry came from}",
    ),
    "copies": (
        "copies of u", "the slopes of all copies are added", r"\text{copies of }u\text{; the slopes of all copies are added}",
    ),
    "select_n": (
        "v = u where it was chosen", "1 where it was chosen, 0 elsewhere",
        r"\text{the slope is }1\text{ where }u\text{ was chosen, }0\text{ elsewhere}",
    ),
    "cumsum": ("vᵢ = u₁ + … + uᵢ", "ūⱼ = Σ of v̄ᵢ with i ≥ j", r"v_i=\sum_{j\le i}u_j,\quad \bar u_j=\sum_{i\ge j}\bar v_i"),
    "stop_gradient": ("v = u", "0: no slope passes, by stop_gradient", r"v=u,\quad \frac{\partial v}{\partial u}:=0"),
    "clip": (
        "v = u, held within its bounds", "1 inside the bounds, 0 outside",
        r"\frac{\partial v}{\partial u}=[\text{inside the bounds}]",
    ),
    "LayerNorm": (
        "v = γ·(u − mean u)/std u + β", "û = (u − mean u)/std u: ū = γ·(v̄ − mean v̄ − û·mean(v̄·û))/std u",
        r"v=\gamma\hat u+\beta,\quad \hat u=\frac{u-\bar u}{\sigma}",
    ),
    "jump": ("v is constant between its jumps", "0", r"\frac{\partial v}{\partial u}=0"),
    "loop": (
        "the body, over and over", "the slope goes back through every turn",
        r"\bar c_t=\left(\frac{\partial c_{t+1}}{\partial c_t}\right)^{\!\top}\bar c_{t+1}",
    ),
}  # fmt: skip

_SAME: Final[dict[str, str]] = {
    "sum": "reduce_sum", "max": "reduce_max", "amax": "reduce_max", "min": "reduce_min", "amin": "reduce_min", "prod": "reduce_prod",
    "dot_general": "matmul", "dot": "matmul", "Affine": "dense", "Linear": "dense", "dense layer": "dense",
    **dict.fromkeys(("transpose", "reshape", "squeeze", "ravel", "concatenate", "stack", "slice", "getitem", "gather", "rev", "flip",
                     "dynamic_slice", "pad", "sort", "split", "roll", "take", "expand_dims", "moveaxis", "swapaxes", "hstack",
                     "vstack", "column_stack", "tile", "repeat", "atleast_1d"), "moved"),
    "broadcast_in_dim": "copies", "broadcast_to": "copies", "where": "select_n", "clamp": "clip",
    **dict.fromkeys(("round", "floor", "ceil", "sign", "argmax", "argmin", "iota", "eq", "ne", "lt", "le", "gt", "ge", "is_finite",
                     "and", "or", "not", "one_hot"), "jump"),
    "scan": "loop", "while": "loop",
}  # fmt: skip


@dataclass(frozen=True)
class Law:
    """What a step computes and how it passes slopes on.

    Attributes:
        name: in the words of a textbook.
        rule: forward law and local derivative in general, as text; "" where only the name is known.
        latex: the same in LaTeX.
        tree: the result as a formula of the inputs a and b, entry by entry, or None. To be tried before it is shown.
    """

    name: str
    rule: str
    latex: str
    tree: Node | None


def law_of(group: Group) -> Law:
    """The law of a step, by its one operation or by the library function that it is."""
    key = _key(group)
    entry = WHOLE.get(_SAME.get(key, key))
    rule, latex = ("", "") if entry is None else (f"{entry[0]}; {entry[1]}", entry[2])
    return Law(_name(key, group), rule, latex, _tree(key, group))


def _key(group: Group) -> str:
    main = group.main
    if group.module in _SAME:
        return group.module
    if group.single and not main.called and (main.name in _NAMES or main.name in ELEMENTWISE or main.name in WHOLE):
        return main.name
    if not group.single and group.name == "max":
        return "reduce_max"
    return group.name or main.called or main.name


def _name(key: str, group: Group) -> str:
    if key in ELEMENTARY and key not in _NAMES:
        return elementary(key)[0].name.partition(",")[0]
    name = _NAMES.get(key, key).replace("_", " ")
    if group.main.name.startswith("custom_") and key not in _NAMES and key not in ELEMENTWISE:
        return f"{name} (a derivative rule of its own)"
    return name


def _tree(key: str, group: Group) -> Node | None:
    """The step as a formula of its inputs, where it works entry by entry."""
    if key == "integer_pow":
        power = int(group.main.params["y"])
        return formula("a^2", ("a",)).tree if power == 2 else substitute(_parsed("a^b"), {"b": number(power)})
    text = ELEMENTWISE.get(key)
    return None if text is None else _parsed(text)


@cache
def _parsed(text: str) -> Node:
    return formula(text, ("a", "b")).tree


@cache
def partial(tree: Node, variable: str) -> Node:
    """The partial derivative of a law with respect to a or b, in the form in which it is taught."""
    from cycloid.explain.differentiation import differentiated

    try:
        return differentiated(tree, variable).result
    except Exception:
        return shortest(derivative(tree, variable))


def is_close(first: Any, second: Any, dtype: Any) -> bool:
    """Whether two numbers agree to what a dtype can hold after a few operations."""
    eps = {"float64": 1e-9, "float32": 1e-4}.get(str(dtype), 5e-2)
    return math.isfinite(first) and abs(first - second) <= eps * (1.0 + abs(second))
