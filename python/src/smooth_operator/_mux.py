"""Which call or turn an event is for. There is no socket here."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import uuid
from collections.abc import Callable, Generator
from typing import Protocol, TypeAlias

from ._errors import ServerError, SmoothError
from ._generated.errors import error_info
from ._generated.events import ErrorEvent, Event, InteractionInvalidEvent, UnknownEvent

Take: TypeAlias = Callable[[Event, "asyncio.Future[object]"], bool]
"""Settles the future when the event answers a call; whether nobody else shall see the event."""


def _ends_turn(event: ErrorEvent) -> bool:
    """Whether a turn ends by an error, which is then no answer to a verdict under the turn's id."""
    info = error_info(event.error.code)
    return info is not None and info.ends_turn


def _unknown_id(event: UnknownEvent) -> str | None:
    request_id = event.raw.get("requestId")
    return request_id if isinstance(request_id, str) else None


class Receiver(Protocol):
    """A turn, as far as events go."""

    def deliver(self, event: Event) -> None: ...

    def fail(self, error: SmoothError) -> None: ...


class Mux:
    """The calls and turns that wait, by request id."""

    def __init__(self) -> None:
        self._calls: dict[str, dict[asyncio.Future[object], Take]] = {}
        self._turns: dict[str, Receiver] = {}
        self._prefix = uuid.uuid4().hex[:12]
        self._numbers = itertools.count(1)

    def new_id(self) -> str:
        """An id that no other client has."""
        return f"{self._prefix}-{next(self._numbers)}"

    @contextlib.contextmanager
    def call(self, request_id: str, take: Take) -> Generator[asyncio.Future[object], None, None]:
        """Waits for the answer to a call, which the future gets."""
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        calls = self._calls.setdefault(request_id, {})
        calls[answer] = take
        try:
            yield answer
        finally:
            # An answer that came too late is nobody's: it must not be reported as never retrieved.
            _ = answer.cancel() or answer.cancelled() or answer.exception()
            del calls[answer]
            if not calls:
                del self._calls[request_id]

    def add_turn(self, request_id: str, turn: Receiver) -> None:
        """Gives a turn its events from now on."""
        if request_id in self._turns:
            problem = f"a turn {request_id} is running"
            raise SmoothError("DUPLICATE_REQUEST_ID", problem, request_id=request_id)
        self._turns[request_id] = turn

    def remove_turn(self, request_id: str) -> None:
        self._turns.pop(request_id, None)

    def deliver(self, event: Event) -> bool:
        """Whether somebody waited for the event."""
        request_id = _unknown_id(event) if isinstance(event, UnknownEvent) else event.request_id
        if request_id is None:
            return False
        turn, calls = self._turns.get(request_id), self._calls.get(request_id)
        taken = turn is not None
        if calls and not (turn and isinstance(event, ErrorEvent) and _ends_turn(event)):
            for answer, take in calls.items():
                if answer.done():
                    continue
                if isinstance(event, ErrorEvent):
                    answer.set_exception(ServerError(event))
                    return True
                if isinstance(event, InteractionInvalidEvent):
                    answer.set_exception(ServerError(event))
                elif take(event, answer):
                    return True
                taken = taken or answer.done()
        if turn:
            turn.deliver(event)
        return taken

    def fail_one(self, request_id: str, error: SmoothError) -> None:
        """Fails what waits under one id."""
        for answer in self._calls.get(request_id, ()):
            if not answer.done():
                answer.set_exception(error)
        if turn := self._turns.get(request_id):
            turn.fail(error)

    def fail(self, error: SmoothError) -> None:
        """Fails all that waits."""
        for request_id in {*self._calls, *self._turns}:
            self.fail_one(request_id, error)
