"""Training runs in the background: a few workers, a journal of events for each run, and any number of listeners."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from cycloid.lab.orders import Order

WORKERS = 2
WAITING = 6
KEPT = 16
HEARTBEAT = 15.0

log = logging.getLogger("cycloid.lab")


class Trainer(Protocol):
    """Carries out an order. Calls `report(kind, data)` as it goes and stops soon when that returns False.

    A ValueError or TypeError is the user's to read: its message is shown as it is.
    """

    def __call__(self, order: Order, report: Callable[[str, dict[str, Any]], bool]) -> None: ...


class Busy(RuntimeError):
    """Too many runs are waiting."""


class Session:
    """One run: what was asked, what has happened so far, and whether it is over."""

    def __init__(self, order: Order) -> None:
        self.id = secrets.token_urlsafe(12)
        self.order = order
        self.done = False
        self.cancelled = threading.Event()
        self._journal: list[str] = []
        self._wakers: set[Callable[[], None]] = set()
        self._lock = threading.Lock()

    def report(self, kind: str, data: dict[str, Any], *, last: bool = False) -> bool:
        """Write an event into the journal; False when the run should stop."""
        with self._lock:
            if not self.done:
                text = json.dumps(data, allow_nan=False, separators=(",", ":"))
                self._journal.append(f"id: {len(self._journal)}\nevent: {kind}\ndata: {text}\n\n")
                self.done = last
            wakers = list(self._wakers)
        for wake in wakers:
            wake()
        return not self.cancelled.is_set()

    async def events(self, start: int = 0) -> AsyncIterator[str]:
        """Server-sent events from number `start` to the end, then as they come."""
        loop = asyncio.get_running_loop()
        awake = asyncio.Event()

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(awake.set)

        with self._lock:
            self._wakers.add(wake)
        try:
            while True:
                awake.clear()
                with self._lock:
                    fresh, done = self._journal[start:], self.done
                start += len(fresh)
                if fresh:
                    yield "".join(fresh)
                if done:
                    return
                try:
                    await asyncio.wait_for(awake.wait(), HEARTBEAT)
                except TimeoutError:
                    yield ": still here\n\n"
        finally:
            with self._lock:
                self._wakers.discard(wake)


class Sessions:
    """All runs of this lab: at most `workers` train at once, the others wait their turn."""

    def __init__(self, trainer: Trainer, *, workers: int = WORKERS) -> None:
        self.trainer = trainer
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="training")
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._workers = workers

    def start(self, order: Order) -> Session:
        """Begin a run, or put it in the queue.

        Raises:
            Busy: when too many are waiting already.
        """
        if sum(not one.done for one in self._sessions.values()) >= self._workers + WAITING:
            raise Busy("Several runs are waiting already: cancel one, or wait until one has ended.")
        session = Session(order)
        self._sessions[session.id] = session
        self._forget()
        session.report("phase", {"phase": "waiting", "sentence": "Waiting for a free worker."})
        self._pool.submit(self._run, session)
        return session

    def get(self, key: str) -> Session | None:
        """The run of this id, if it is still remembered."""
        return self._sessions.get(key)

    def cancel(self, session: Session) -> None:
        """Ask a run to stop; one that still waits never starts."""
        session.cancelled.set()

    def close(self) -> None:
        """Stop everything; listeners are sent home."""
        for session in self._sessions.values():
            session.cancelled.set()
            session.report("failure", {"message": "The lab was stopped."}, last=True)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _forget(self) -> None:
        finished = [key for key, session in self._sessions.items() if session.done]
        for key in finished[: max(0, len(self._sessions) - KEPT)]:
            del self._sessions[key]

    def _run(self, session: Session) -> None:
        if session.cancelled.is_set():
            session.report("cancelled", {"message": "Cancelled before it began."}, last=True)
            return
        session.report("phase", {"phase": "preparing", "sentence": "Reading the data."})
        try:
            self.trainer(session.order, session.report)
        except (ValueError, TypeError) as error:
            session.report("failure", {"message": str(error)}, last=True)
        except Exception:
            log.exception("training failed")
            message = "Training broke down for a reason the lab did not expect; the terminal shows the details."
            session.report("failure", {"message": message}, last=True)
        else:
            ended = "cancelled" if session.cancelled.is_set() else "finished"
            session.report(ended, {"message": "Cancelled." if ended == "cancelled" else ""}, last=True)
