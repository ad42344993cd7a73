"""Numbers as people read them: a few significant digits, powers of ten, intervals with their unit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def numeral(x: Any, digits: int = 4, typeset: bool = False) -> str:
    """One number with so many significant digits; an integer in full.

    Args:
        x: a number or an array of one element.
        digits: how many significant digits.
        typeset: True for a true minus and powers of ten, as in print; False for what a program can read back.

    Example:
        >>> numeral(14.0), numeral(1.23456e-9), numeral(-1.5e-7, typeset=True), numeral(float("nan")), numeral(-0.0)
        ('14', '1.235e-9', '−1.5 × 10⁻⁷', 'not a number', '0')
    """
    number = np.asarray(x)
    if number.dtype.kind in "biu":
        return str(number.item()).replace("-", "−" if typeset else "-")
    value = float(number) + 0.0  # −0 is written 0
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("infinite" if value > 0 else "minus infinite")
    text = f"{value:.{digits}g}"
    mantissa, _, exponent = text.partition("e")
    if exponent and 0 < int(exponent) < 7:  # 12345.6 with four digits reads better as 12346 than as 1.235e4
        mantissa, exponent = f"{value:.0f}", ""
    if not typeset:
        return f"{mantissa}e{int(exponent)}" if exponent else mantissa
    mantissa = mantissa.replace("-", "−")
    return f"{mantissa} × 10{str(int(exponent)).translate(_RAISED)}" if exponent else mantissa


def numerals(values: Any, digits: int = 4, typeset: bool = False, most: int = 6) -> str:
    """Text as it is, one number, or the first few of many in brackets.

    Example:
        >>> numerals([1.0, 0.25]), numerals("SGD"), numerals(range(9), most=2)
        ('[1, 0.25]', 'SGD', '[0, 1, … 9 in all]')
    """
    if values is None:
        return "—"
    if isinstance(values, str):
        return values
    if isinstance(values, (list, tuple)) and any(isinstance(v, str) for v in values):
        return ", ".join(str(v) for v in values)
    array = np.asarray(list(values) if isinstance(values, range) else values)
    if array.ndim == 0:
        return numeral(array, digits, typeset)
    flat = array.ravel()
    shown = [numeral(v, digits, typeset) for v in flat[:most]]
    if flat.size > most:
        shown.append(f"… {flat.size} in all")
    return f"[{', '.join(shown)}]"


def interval(low: Any, high: Any, unit: str = "", digits: int = 4, typeset: bool = False) -> str:
    """An interval with its unit: "0.91 to 0.97 mmol/l".

    Example:
        >>> interval(0.912345, 0.97, digits=3)
        '0.912 to 0.97'
    """
    ends = f"{numeral(low, digits, typeset)} to {numeral(high, digits, typeset)}"
    return f"{ends} {unit}".rstrip()
