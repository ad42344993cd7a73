"""What the training page asks: data sets, uploads, runs and their events."""

from __future__ import annotations

import dataclasses
import json
import threading
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from cycloid.lab.orders import BUNDLED, BadOrder, read_order
from cycloid.lab.sessions import Busy, Session, Sessions
from cycloid.lab.uploads import BadUpload, Uploads


def _sessions(request: Request) -> Sessions:
    return request.app.state.sessions


def _uploads(request: Request) -> Uploads:
    return request.app.state.uploads


def _trouble(message: str, status: int) -> JSONResponse:
    return JSONResponse({"message": message}, status)


async def datasets(request: Request) -> Response:
    """``GET /api/datasets``: the bundled sets. Asking is a sign that training is near, so the worker warms up."""
    warm = getattr(_sessions(request).trainer, "warm", None)
    if warm is not None and not getattr(request.app.state, "warmed", False):
        request.app.state.warmed = True
        threading.Thread(target=warm, daemon=True, name="warm-up").start()
    return JSONResponse([dataclasses.asdict(one) for one in BUNDLED])


async def upload(request: Request) -> Response:
    """``POST /api/uploads?name=``: a CSV file as the body; its columns and first rows come back."""
    try:
        stored = await _uploads(request).add(request.query_params.get("name", ""), request.stream())
    except BadUpload as error:
        return _trouble(str(error), 422)
    shown = {"id": stored.id, "name": stored.name, "rows": stored.rows}
    return JSONResponse({**shown, "columns": stored.columns, "preview": stored.preview})


async def start(request: Request) -> Response:
    """``POST /api/runs``: an order as JSON; the id of the run comes back at once."""
    try:
        asked: Any = json.loads(await request.body())
    except ValueError:
        return _trouble("The order is not JSON.", 400)
    try:
        session = _sessions(request).start(read_order(asked, _uploads(request)))
    except BadOrder as error:
        return _trouble(str(error), 422)
    except Busy as error:
        return _trouble(str(error), 429)
    return JSONResponse({"id": session.id}, 202)


def _session(request: Request) -> Session | None:
    return _sessions(request).get(request.path_params["id"])


async def events(request: Request) -> Response:
    """``GET /api/runs/{id}/events``: the run as server-sent events, from its beginning or from where a reader was."""
    session = _session(request)
    if session is None:
        return _trouble("This run is no longer remembered.", 404)
    last = request.headers.get("last-event-id", "")
    begin = int(last) + 1 if last.isdigit() else 0
    return StreamingResponse(
        session.events(begin), media_type="text/event-stream", headers={"cache-control": "no-store"}
    )


async def cancel(request: Request) -> Response:
    """``POST /api/runs/{id}/cancel``: ask the run to stop."""
    session = _session(request)
    if session is None:
        return _trouble("This run is no longer remembered.", 404)
    _sessions(request).cancel(session)
    return JSONResponse({"id": session.id})


ROUTES = [
    Route("/api/datasets", datasets),
    Route("/api/uploads", upload, methods=["POST"]),
    Route("/api/runs", start, methods=["POST"]),
    Route("/api/runs/{id}/events", events),
    Route("/api/runs/{id}/cancel", cancel, methods=["POST"]),
]
