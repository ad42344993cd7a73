"""The Starlette application of the lab, and the server that binds it to this machine."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from cycloid.lab import formula_routes, training_routes
from cycloid.lab.guards import Guard, TooLarge, too_large
from cycloid.lab.instruments import INSTRUMENTS, Instrument
from cycloid.lab.pages import ROOT, page
from cycloid.lab.sessions import Sessions, Trainer
from cycloid.lab.trainer import FitTrainer
from cycloid.lab.uploads import Uploads

LOOPBACK = "127.0.0.1"
PORT = 8642
MAX_UPLOAD_BYTES = 20_000_000


def create_app(*, max_upload_bytes: int = MAX_UPLOAD_BYTES, trainer: Trainer | None = None) -> Starlette:
    """Build the lab: one page per instrument, its files, and the services the instruments ask.

    Args:
        max_upload_bytes: Largest request body accepted, in bytes; anything longer is answered with status 413.
        trainer: Carries out training orders in a worker thread; `cycloid.train.fit` when None.

    Returns:
        A Starlette application; any ASGI server runs it, but only under the names 127.0.0.1 and localhost.

    Example:
        >>> create_app().url_path_for("terrain")
        '/terrain'
    """

    async def on_too_large(request: Request, error: Exception) -> Response:
        return too_large(max_upload_bytes)

    app = Starlette(
        routes=[
            Route("/", lambda request: RedirectResponse(f"/{INSTRUMENTS[0].slug}"), name="home"),
            *(Route(f"/{one.slug}", _page_route(one), name=one.slug) for one in INSTRUMENTS),
            *formula_routes.ROUTES,
            *training_routes.ROUTES,
            Mount("/shell", StaticFiles(directory=ROOT / "shell")),
            Mount("/widgets", StaticFiles(directory=ROOT / "widgets")),
        ],
        middleware=[Middleware(Guard, max_bytes=max_upload_bytes)],
        exception_handlers={404: _not_found, TooLarge: on_too_large},
        lifespan=_lifespan,
    )
    app.state.sessions = Sessions(FitTrainer() if trainer is None else trainer)
    app.state.uploads = Uploads()
    return app


def _page_route(instrument: Instrument) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return HTMLResponse(page(instrument))

    return endpoint


async def _not_found(request: Request, error: Exception) -> Response:
    return JSONResponse({"message": f"There is nothing at {request.url.path}."}, status_code=404)


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    try:
        yield
    finally:
        app.state.sessions.close()
        app.state.uploads.close()


def serve(host: str = LOOPBACK, port: int = PORT, *, open_browser: bool = True) -> None:
    """Serve the lab on this machine until interrupted.

    Args:
        host: 127.0.0.1, or localhost, which means the same. The lab runs code on uploaded data and has no login, so it
            never listens to a network.
        port: A free port; when the usual one is taken the next free one is used. 0 lets the system choose.
        open_browser: Open the first page in the default browser.

    Raises:
        ValueError: ``host`` is not this machine's own address.
        OSError: ``port`` was chosen by hand and is taken.
    """
    import uvicorn

    if host not in {LOOPBACK, "localhost"}:
        raise ValueError(
            f"The lab listens on 127.0.0.1 only, not on {host!r}: reach it from afar through an SSH tunnel."
        )
    listener = _listen(port)
    address = f"http://{LOOPBACK}:{listener.getsockname()[1]}/"
    print(f"Cycloid lab: {address}   (Ctrl+C stops it)", file=sys.stderr)
    if open_browser:
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    config = uvicorn.Config(create_app(), log_level="warning", lifespan="on", timeout_graceful_shutdown=2)
    with contextlib.closing(listener), contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


def _listen(port: int) -> socket.socket:
    """Bind before the server starts, so that the browser can already knock."""
    candidates = range(PORT, PORT + 20) if port == PORT else (port,)
    for candidate in candidates:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, candidate))
        except OSError:
            listener.close()
            continue
        listener.listen(128)
        return listener
    raise OSError(f"Port {port} of 127.0.0.1 is taken: stop what runs there, or choose another port.")
