"""A turn: one message up to its terminal event. Iterate its events, await its end, both, or neither."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from typing import TYPE_CHECKING, TypeAlias

from ._errors import ServerError, SmoothError, SmoothTimeoutError, TurnCancelledError
from ._generated.actions import ConfirmToolActionReply, SubmitInteractionReply
from ._generated.events import (
    ErrorEvent,
    Event,
    EventualResponseEvent,
    InteractionRequiredEvent,
    OtpInvalidEvent,
    OtpVerifiedEvent,
    ParkEvent,
    StreamTokenEvent,
    TurnResult,
)
from ._generated.settings import Limit
from ._generated.types import ChoicesValues, IdentityIntakeValues
from ._generated.wire import JsonObject

if TYPE_CHECKING:
    from ._client import SmoothAgentClient
    from ._socket import Connection

Limits: TypeAlias = Mapping[Limit, float]
"""How long each thing may take, in seconds."""

_MOST_WAITING = 1024
"""How many events wait for a reader before pieces of text are joined and steps are dropped."""


class Turn:
    """Made by `client.send_message`. Nobody need read it: what it keeps is bounded."""

    def __init__(
        self,
        client: SmoothAgentClient,
        session_id: str,
        request_id: str,
        limits: Limits,
        connection: Connection,
    ) -> None:
        self.session_id = session_id
        self.request_id = request_id
        """The id that every event of the turn carries."""
        self.parked: ParkEvent | None = None
        """The event that the turn waits on for a person, while it does."""
        self.dropped = 0
        """How many steps and keepalives a slow reader has missed; text, parks and the end are kept."""
        self.sent = False
        self._client = client
        self._limits = limits
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._events: deque[Event] = deque()
        self._readers: set[asyncio.Future[None]] = set()
        """Who wait for the next event."""
        self._failure: SmoothError | None = None
        self._result: asyncio.Future[TurnResult] = self._loop.create_future()
        self._when_ended: list[Callable[[], object]] = []
        self._silence: Limit = "request"
        """What limits the silence."""
        self._heard = self._loop.time()
        self._over = math.inf
        """When the time of the turn is over; infinite while it stands still."""
        self._left = limits["turn"]
        self._timer: asyncio.TimerHandle | None = None
        self._running = False
        self._arm()

    @property
    def ended(self) -> bool:
        """Whether the turn has ended, in whatever way."""
        return self._result.done()

    def __await__(self) -> Generator[object, None, TurnResult]:
        """The result; raises a `SmoothError` when the turn fails or is cancelled."""
        return asyncio.shield(self._result).__await__()

    async def text(self) -> str:
        """The whole answer as text."""
        return next(iter((await self).response.response_parts), "")

    async def __aiter__(self) -> AsyncIterator[Event]:
        """The events, the terminal one included. Raises when the turn ended without one, because the
        connection was lost or a limit has passed. Leaving the loop does not stop the turn.
        """
        while True:
            if self._events:
                yield self._events.popleft()
            elif self._failure:
                raise self._failure
            elif self.ended:
                return
            else:
                reader: asyncio.Future[None] = self._loop.create_future()
                self._readers.add(reader)
                try:
                    await reader
                finally:
                    self._readers.discard(reader)

    async def confirm(self, approved: bool) -> ConfirmToolActionReply:
        """Approves or denies the tool call that the turn waits on."""
        return await self._client.confirm_tool_action(
            session_id=self.session_id, request_id=self.request_id, approved=approved
        )

    async def verify(self, code: str) -> OtpVerifiedEvent | OtpInvalidEvent:
        """Enters the one-time code that the turn waits on."""
        return await self._client.verify_otp(
            session_id=self.session_id, request_id=self.request_id, code=code
        )

    async def submit(
        self, values: IdentityIntakeValues | ChoicesValues | JsonObject
    ) -> SubmitInteractionReply:
        """Fills in the form that the turn waits on."""
        return await self._answer(values if isinstance(values, dict) else values.encode(), None)

    async def decline(self) -> SubmitInteractionReply:
        """Declines the form that the turn waits on."""
        return await self._answer(None, True)

    async def cancel(self) -> None:
        """Stops the work; the turn then ends as cancelled. Cancelling a waiting task stops only the wait."""
        if self.ended:
            return
        if self.sent:
            await self._client.cancel(session_id=self.session_id, request_id=self.request_id)
        else:
            self.fail(TurnCancelledError(self.request_id))

    async def _answer(self, values: JsonObject | None, declined: bool | None) -> SubmitInteractionReply:
        if not isinstance(self.parked, InteractionRequiredEvent):
            raise SmoothError("NO_PENDING_INTERACTION", "the turn does not wait for a form")
        form = self.parked.data.data
        return await self._client.submit_interaction(
            session_id=self.session_id,
            request_id=self.request_id,
            interaction_id=form.interaction_id,
            kind=form.kind,
            values=values,
            declined=declined,
        )

    def deliver(self, event: Event) -> None:
        """Takes an event of the server. For the client."""
        if self._result.done():
            return
        self._heard = self._loop.time()
        if event.turn_effect == "parks":
            self._park(event)
        elif not self._running and not (self.parked and event.turn_effect in ("informs", "passes")):
            self._go_on()
        if len(self._events) < _MOST_WAITING:
            self._events.append(event)
        else:
            self._keep_some(event)
        if self._readers:
            self._wake()
        if event.turn_effect != "ends":
            return
        if isinstance(event, EventualResponseEvent):
            self._result.set_result(event.data.data)
        elif isinstance(event, ErrorEvent):
            self._result.set_exception(ServerError(event))
        else:
            self._result.set_exception(TurnCancelledError(self.request_id))
        self._end()

    def fail(self, error: SmoothError) -> None:
        """Ends the turn without an event of the server. For the client."""
        if not self.ended:
            self._failure = error
            self._result.set_exception(error)
            self._end()

    def when_ended(self, run: Callable[[], object]) -> None:
        """Calls a function when the turn has ended, in whatever way."""
        self._when_ended.append(run)

    def _keep_some(self, event: Event) -> None:
        """Keeps of an event what a slow reader cannot do without."""
        if isinstance(event, StreamTokenEvent):
            self._join(event)
        elif event.turn_effect in ("streams", "passes"):
            self.dropped += 1
        else:
            self._events.append(event)

    def _join(self, event: StreamTokenEvent) -> None:
        """Joins a piece of text with the one before it, so that none is lost."""
        last = self._events[-1]
        if isinstance(last, StreamTokenEvent):
            joined = last.token + event.token
            data = dataclasses.replace(event.data, token=joined)
            self._events[-1] = dataclasses.replace(event, token=joined, data=data)
        else:
            self._events.append(event)

    def _end(self) -> None:
        # Nobody need await the end: its failure must not be reported as one that was never retrieved.
        self._result.exception()
        self._stop()
        while self._when_ended:
            self._when_ended.pop()()
        self.parked = None
        self._wake()

    def _wake(self) -> None:
        for reader in self._readers:
            if not reader.done():
                reader.set_result(None)
        self._readers.clear()

    def _park(self, event: ParkEvent) -> None:
        """The clocks stand still."""
        self.parked = event
        self._left = min(self._left, self._over - self._heard)
        self._over, self._running = math.inf, False
        self._stop()

    def _go_on(self) -> None:
        """The clocks run: from the first event, and from the first that is no mere notice after a park."""
        self.parked = None
        self._over, self._running = self._heard + self._left, True
        self._silence = "idle"
        self._arm()

    def _look(self) -> None:
        """A limit may have passed. The timer is not moved further: it looks, and goes on."""
        self._timer = None
        now, silence = self._loop.time(), self._limits[self._silence]
        if now >= self._heard + silence:
            self.fail(SmoothTimeoutError(self._silence, silence, self._connection.trouble))
        elif now >= self._over:
            self.fail(SmoothTimeoutError("turn", self._limits["turn"]))
        else:
            self._arm()

    def _arm(self) -> None:
        when = min(self._heard + self._limits[self._silence], self._over)
        if not math.isinf(when) and (self._timer is None or when < self._timer.when()):
            self._stop()
            self._timer = self._loop.call_at(when, self._look)

    def _stop(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = None
