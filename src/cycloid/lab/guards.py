"""What stands between the lab and the rest of the world: host, origin and size checks, and the security headers."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = frozenset({"127.0.0.1", "localhost"})

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class TooLarge(Exception):
    """More bytes arrived than the lab accepts."""


def _host_name(value: str) -> str:
    """Host of a ``Host`` or ``Origin`` header without its port; empty when there is none."""
    try:
        return urlsplit(value if "//" in value else f"//{value}").hostname or ""
    except ValueError:
        return ""


def refusal(method: str, headers: Headers) -> str | None:
    """Say why a request is not for this server, or None.

    A page elsewhere can point its own name at 127.0.0.1 (DNS rebinding), so the host must be a loopback name; and a
    page elsewhere can post here blindly, so a request that changes something must come from the lab's own pages.
    """
    host = headers.get("host", "")
    if _host_name(host) not in HOSTS:
        return "The lab answers only to 127.0.0.1 and localhost: open it under one of these names."
    if method in {"GET", "HEAD"}:
        return None
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        return "The lab takes orders only from its own pages."
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return "The lab takes orders only from its own pages."
    return None


class Guard:
    """ASGI middleware: refuse foreign hosts and origins, stop bodies above ``max_bytes``, add the headers."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        dressed = _dress(send)
        reason = refusal(scope["method"], headers)
        if reason is not None:
            await JSONResponse({"message": reason}, status_code=403)(scope, receive, dressed)
            return
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > self.max_bytes:
            await too_large(self.max_bytes)(scope, receive, dressed)
            return
        await self.app(scope, _counted(receive, self.max_bytes), dressed)


def too_large(max_bytes: int) -> JSONResponse:
    """The answer to a body that is too long."""
    accepted = f"{max_bytes / 1e6:.0f} MB"
    message = f"That is more than the lab accepts ({accepted}). Train from the command line instead."
    return JSONResponse({"message": message}, status_code=413)


def _counted(receive: Receive, max_bytes: int) -> Receive:
    """Count the bytes as they arrive: a chunked body declares no length."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > max_bytes:
            raise TooLarge
        return message

    return counted


def _dress(send: Send) -> Send:
    """Add the security headers to every response, and make the browser ask again for every file."""

    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("cache-control", "no-cache")
        await send(message)

    return dressed
