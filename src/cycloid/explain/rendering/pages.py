"""An explanation as an HTML fragment: its own style, nothing from outside, formulas as MathML, every text escaped."""

from __future__ import annotations

from html import escape

from cycloid.core.mathml import bracket, drawn, name_of, row
from cycloid.core.syntax import Node, substitute
from cycloid.explain.derivations import Check, Derivation, Step
from cycloid.explain.rendering.style import STYLE
from cycloid.explain.rendering.wording import (
    GLUE,
    MARKS,
    conclusion,
    has_value,
    is_open,
    law,
    rest_term,
    said,
    shown_number,
)


def as_html(derivation: Derivation, *, style: bool = True) -> str:
    """The whole explanation; without its style element where the page has one already."""
    if isinstance(derivation.evidence, tuple):
        body = f"<ol>{''.join(map(tree_item, derivation.evidence))}</ol>"
    else:
        from cycloid.explain.rendering.pages_graphs import evidence_section

        body = evidence_section(derivation.evidence)
    notes = "".join(f"<p>{escape(note)}</p>" for note in derivation.notes)
    status = "" if derivation.status.ok else f"<p><strong>{escape(derivation.status.message)}</strong></p>"
    return (
        f'<section class="cy-explain">{f"<style>{STYLE}</style>" if style else ""}<h3>{escape(derivation.heading)}</h3>'
        f'{body}{notes}{status}<p class="foot">{escape(conclusion(derivation))}</p></section>'
    )


def math(*parts: str) -> str:
    """One formula, set by the browser."""
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML" displaystyle="true">{row(*parts)}</math>'


def mark(check: Check | None) -> str:
    """The mark of a check, which says what was found when it is pointed at."""
    if check is None:
        return "<span></span>"
    kind = check.verdict.split()[0]
    told, verdict = escape(said(check)), escape(check.verdict)
    return f'<span class="mark {kind}" title="{told}" aria-label="{verdict}">{MARKS[check.verdict]}</span>'


def tree_item(step: Step) -> str:
    """A step and the steps below it, as a list item."""
    return _item(step, top=True)


def _item(step: Step, top: bool) -> str:
    below = f"<ol>{''.join(_item(inner, top=False) for inner in step.steps)}</ol>" if step.steps else ""
    last = ' class="last"' if step.kind in ("value", "definite", "series") else ""
    return f"<li{last}>{_line(step, top)}{below}</li>"


def _line(step: Step, top: bool) -> str:
    if step.kind == "value":
        why = escape(said(step.check)) if step.check is not None else ""
        reason = f'<span class="law">{why}</span>'
    else:
        note = f'<span class="law">{escape(step.note)}</span>' if step.note else ""
        reason = f'<span class="rule">{escape(step.rule)}</span> <span class="law">{escape(law(step))}</span>{note}'
    formulas = " ".join(
        f"<span>{formula}</span>&#8195;" if step.kind == "coefficient" else f"<span>{formula}</span>"
        for formula in _statement(step, top)
    )
    return (
        f'<div class="line"><span class="said">{formulas}</span>{mark(step.check)}'
        f'<span class="why">{reason.replace(GLUE, "&#160;")}</span></div>'
    )


def _statement(step: Step, top: bool) -> list[str]:
    """The formulas of a line, one for each side of an equals sign, so that a long line breaks between them."""
    if step.kind == "value":
        return [math(*_value(step))]
    given = drawn(step.given)
    if step.kind == "derivative":
        operator = f"<mfrac><mi>d</mi>{row('<mi>d</mi>', name_of(step.variable))}</mfrac>"
        left = [operator, row("<mo>[</mo>", given, "<mo>]</mo>")]
    elif step.kind == "integral":
        tail = row("<mspace width='0.2em'></mspace><mi>d</mi>", name_of(step.variable))
        left = ["<mo>∫</mo>", bracket(given) if _is_sum(step.given) else row(given), tail]
    elif step.kind == "definite":
        return _definite(step)
    elif step.kind == "coefficient":
        return _coefficient(step)
    elif step.kind == "series":
        f = f"<mi>f</mi>{bracket(name_of(step.variable))}"
        return [math(f, "<mo>=</mo>", drawn(step.result), "<mo>+</mo>", f"<mtext>{escape(rest_term(step))}</mtext>")]
    else:
        left = [given]
    if is_open(step):
        return [math(*left), math("<mo form='infix'>=</mo>", "<mo>?</mo>")]
    constant = ["<mo>+</mo>", "<mi>C</mi>"] if top and step.kind == "integral" else []
    right = [step.result] if step.applied is None else [step.applied, step.result]
    sides = [["<mo form='infix'>=</mo>", drawn(tree)] for tree in right]
    return [math(*left), *(math(*side, *(constant if i == len(sides) - 1 else [])) for i, side in enumerate(sides))]


def _coefficient(step: Step) -> list[str]:
    """A derivative, its value at the centre, the coefficient."""
    (_, k), (_, a) = step.where
    order = int(getattr(k, "value", 0))
    mark_ = "<mo>" + "′" * order + "</mo>" if order < 4 else f"<mrow><mo>(</mo><mn>{order}</mn><mo>)</mo></mrow>"
    f = f"<msup><mi>f</mi>{mark_}</msup>" if order else "<mi>f</mi>"
    at = f"{f}{bracket(drawn(a))}"
    if step.check is None:
        return [math(at), "has no value"]
    c = math(f"<msub><mi>c</mi><mn>{order}</mn></msub>", "<mo>=</mo>", drawn(step.result))
    if step.applied is None:
        return [c]
    value = math(at, "<mo>=</mo>", drawn(step.applied))
    return [math(f"{f}{bracket(name_of(step.variable))}", "<mo>=</mo>", drawn(step.given)), value, c]


def _definite(step: Step) -> list[str]:
    """The integral between its bounds."""
    (_, low), (_, high) = step.where
    given = bracket(drawn(step.given)) if _is_sum(step.given) else drawn(step.given)
    tail = row("<mspace width='0.2em'></mspace><mi>d</mi>", name_of(step.variable))
    left = math(f"<msubsup><mo>∫</mo>{row(drawn(low))}{row(drawn(high))}</msubsup>", row(given), tail)
    if step.result == step.given:
        return [left, "has no value"]
    middle = [] if step.applied is None else [math("<mo form='infix'>=</mo>", drawn(step.applied))]
    return [left, *middle, math("<mo form='infix'>=</mo>", f"<mn>{escape(shown_number(step))}</mn>")]


def _is_sum(tree: Node) -> bool:
    return getattr(tree, "head", "") in ("add", "neg")


def _value(step: Step) -> list[str]:
    """At x = 2: what is inserted, and what it comes to."""
    inserted = drawn(substitute(step.given, dict(step.where)))
    at = "<mo>,</mo>".join(f"{name_of(name)}<mo>=</mo>{drawn(tree)}" for name, tree in step.where)
    start = ["<mtext>at&#160;</mtext>", at, "<mtext>:&#160;&#160;</mtext>", inserted]
    if not has_value(step):
        return [*start, "<mtext>&#160;has no finite value</mtext>"]
    return [*start, "<mo>=</mo>", f"<mn>{escape(shown_number(step))}</mn>"]
