"""An explanation in LaTeX: the lines of a derivation in an align environment, for a document with amsmath."""

from __future__ import annotations

import re

from cycloid.core.syntax import Node, Number, substitute
from cycloid.core.typesetting import as_latex as formula_latex
from cycloid.core.typesetting import latex_name
from cycloid.explain.derivations import Derivation, Step
from cycloid.explain.rendering.wording import conclusion, has_value, is_open, shown_number

# What LaTeX reads as a command, and how it is written as itself.
_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": r"\textminus{}", "·": r"\textperiodcentered{}",
    "×": r"\ensuremath{\times}", "√": r"\ensuremath{\surd}", "…": r"\ldots{}", "′": "'",
    "∂": r"\ensuremath{\partial}", "∫": r"\ensuremath{\int}", "→": r"\ensuremath{\to}", "Σ": r"\ensuremath{\Sigma}",
    "ᵀ": r"\textsuperscript{T}", "δ": r"\ensuremath{\delta}", "ŷ": r"\ensuremath{\hat y}", "ᵢ": r"\textsubscript{i}",
    "ⱼ": r"\textsubscript{j}", "σ": r"\ensuremath{\sigma}", "π": r"\ensuremath{\pi}", "≤": r"\ensuremath{\le}",
    "≥": r"\ensuremath{\ge}", "⊙": r"\ensuremath{\odot}", "‖": r"\ensuremath{\|}",
}  # fmt: skip


_RAISED, _LOWERED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "₀₁₂₃₄₅₆₇₈₉"


def as_latex(derivation: Derivation) -> str:
    """The whole explanation."""
    if isinstance(derivation.evidence, tuple):
        lines = [line for top in derivation.evidence for line in tree_lines(top, 0)]
        body = "\\begin{align*}\n" + " \\\\\n".join(lines) + "\n\\end{align*}"
    else:
        from cycloid.explain.rendering.papers_graphs import evidence_block

        body = evidence_block(derivation.evidence)
    closing = [*derivation.notes, conclusion(derivation)]
    return "\n".join([rf"\paragraph{{{plain(derivation.heading)}}}", body, *map(plain, closing)])


def plain(text: str) -> str:
    """A sentence in LaTeX's text mode, no character of it a command."""
    out = "".join(_SPECIAL.get(c, c) for c in text)
    for digits, command in ((_RAISED, "textsuperscript"), (_LOWERED, "textsubscript")):
        read = str.maketrans(digits, "0123456789-+"[: len(digits)])
        out = re.sub(f"[{digits}]+", lambda found, c=command, r=read: rf"\{c}{{{found[0].translate(r)}}}", out)
    return out


def tree_lines(step: Step, depth: int) -> list[str]:
    """A step and the steps below it, indented."""
    quad = r"\quad " * depth
    reason = "" if step.kind == "value" else rf" && \text{{{plain(step.rule)}: }} {step.law_latex}"
    return [
        f"{quad}{_statement(step, depth == 0)}{reason}",
        *(line for s in step.steps for line in tree_lines(s, depth + 1)),
    ]


def _statement(step: Step, top: bool) -> str:
    x = latex_name(step.variable) if step.variable else ""
    if step.kind == "value":
        at = ",\\ ".join(f"{latex_name(name)}={formula_latex(tree)}" for name, tree in step.where)
        inserted = formula_latex(substitute(step.given, dict(step.where)))
        if not has_value(step):
            return rf"\text{{at }} {at}:\quad & {inserted} \text{{ has no finite value}}"
        return rf"\text{{at }} {at}:\quad & {inserted} = {_typeset(shown_number(step))}"
    parts = [step.applied, step.result] if step.applied is not None else [step.result]
    right = " = ".join(formula_latex(part) for part in parts)
    if step.kind == "derivative":
        return rf"\frac{{d}}{{d{x}}}\left[{formula_latex(step.given)}\right] &= {right}"
    if step.kind == "definite":
        (_, low), (_, high) = step.where
        ends = rf"_{{{_bound(low)}}}^{{{_bound(high)}}}"
        value = r"\text{no value}" if step.result == step.given else _typeset(shown_number(step))
        middle = "" if step.applied is None else f"{formula_latex(step.applied)} = "
        return rf"\int{ends} {_integrand(step.given)}\,d{x} &= {middle}{value}"
    if step.kind == "coefficient":
        return _coefficient(step)
    if step.kind == "series":
        n = int(getattr(step.where[0][1], "value", 0))
        base = x if step.where[1][1] == Number(0) else rf"\left({x}-{formula_latex(step.where[1][1])}\right)"
        return rf"f({x}) &= {formula_latex(step.result)} + O\left({base}^{{{n + 1}}}\right)"
    if step.kind == "integral":
        answer = "\\text{?}" if is_open(step) else right + (" + C" if top else "")
        return rf"\int {_integrand(step.given)}\,d{x} &= {answer}"
    return rf"{formula_latex(step.given)} &= {right}"


def _coefficient(step: Step) -> str:
    (_, k), (_, a) = step.where
    order = int(getattr(k, "value", 0))
    f = "f" + ("'" * order if order < 4 else f"^{{({order})}}")
    if step.check is None:
        return rf"{f}({formula_latex(a)}) &\text{{ has no value}}"
    c = f"c_{{{order}}} = {formula_latex(step.result)}"
    if step.applied is None:
        return f"&{c}"
    x = latex_name(step.variable)
    value = f"{f}({formula_latex(a)}) = {formula_latex(step.applied)}"
    return rf"{f}({x}) &= {formula_latex(step.given)},\quad {value},\quad {c}"


def _bound(tree: Node) -> str:
    return formula_latex(tree).replace(r"\mathrm{∞}", r"\infty").replace("∞", r"\infty")


def _integrand(tree: Node) -> str:
    text = formula_latex(tree)
    return rf"\left({text}\right)" if getattr(tree, "head", "") in ("add", "neg") else text


def _typeset(number: str) -> str:
    """1.5 × 10⁻⁷ in mathematical mode."""
    mantissa, times, power = number.replace("−", "-").partition(" × 10")
    return (
        rf"{mantissa}\cdot 10^{{{power.translate(str.maketrans('⁰¹²³⁴⁵⁶⁷⁸⁹⁻', '0123456789-'))}}}" if times else mantissa
    )
