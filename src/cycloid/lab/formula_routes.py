"""What the instruments ask about a formula: is it one, how is it written, and the ES module that computes it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cycloid.core.chain_rule import derivative
from cycloid.core.formulas import Formula, FormulaError, formula, javascript_module
from cycloid.lab.mathml import equation, partial_equation


def _asked(request: Request) -> str:
    return request.query_params.get("text", "")


def _trouble(error: FormulaError) -> JSONResponse:
    """The fault, its column (counted from 0, for a caret) and what would be right."""
    message = error.message[:1].upper() + error.message[1:]
    column = None if error.column is None else error.column - 1
    return JSONResponse({"message": message.rstrip(".") + ".", "column": column, "hint": _sentence(error.hint)}, 422)


def _sentence(hint: str | None) -> str | None:
    return None if not hint else hint[:1].upper() + hint[1:].rstrip(".") + "."


@lru_cache(maxsize=256)
def _read(text: str) -> Formula:
    return formula(text)


@lru_cache(maxsize=256)
def _describe(text: str) -> dict[str, Any]:
    f = _read(text)
    only = len(f.variables) == 1
    slopes = {variable: derivative(f.tree, variable) for variable in f.variables}
    return {
        "text": f.text,
        "name": f.name,
        "variables": list(f.variables),
        "mathml": equation(f.name, f.variables, f.tree),
        "partials": [partial_equation(f.name, variable, slope, only=only) for variable, slope in slopes.items()],
    }


async def describe(request: Request) -> Response:
    """``GET /api/formula?text=``: the formula read and typeset, or status 422 with what is wrong and where."""
    try:
        return JSONResponse(await run_in_threadpool(_describe, _asked(request)))
    except FormulaError as error:
        return _trouble(error)


async def module(request: Request) -> Response:
    """``GET /formula.js?text=``: an ES module with ``variables``, ``f(...)`` and ``gradient(...)``."""
    try:
        source = await run_in_threadpool(lambda: javascript_module(_read(_asked(request))))
    except FormulaError as error:
        return _trouble(error)
    return Response(source, media_type="text/javascript")


ROUTES = [Route("/api/formula", describe), Route("/formula.js", module)]
