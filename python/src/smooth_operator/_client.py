"""The client: options, and how each kind of action travels."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar, cast

from ._errors import ClosedError, SmoothError
from ._generated.actions import Action, ActionCalls, SendMessageParams
from ._generated.events import Event, ImmediateResponseEvent, decode_event
from ._generated.settings import DEFAULT_TIMEOUTS, HEARTBEAT, Limit, Timeouts
from ._generated.wire import DecodeError, Reader, decode_text, read_object, required_string, stringify
from ._mux import Mux, Take
from ._socket import LONGEST_FRAME, Backoff, Connection, Target, Token, TokenBy, logger, within
from ._turn import Limits, Turn

ResultT = TypeVar("ResultT")
EventT = TypeVar("EventT")


class SmoothAgentClient(ActionCalls[Timeouts, Turn]):
    """A connection to a smooth-operator server. It opens when it is first needed, by `connect` or by `async
    with`, is opened again when it is lost, and ends with `close`. It belongs to the event loop that uses it.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token | None = None,
        token_by: TokenBy = "header",
        timeouts: Timeouts | None = None,
        heartbeat: float = HEARTBEAT,
        backoff: Backoff | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        """
        `url` is `ws://` or `wss://` with the path, such as `ws://127.0.0.1:8787/ws`.
        `token` travels in a header, or as a subprotocol, but never in the URL; a function is called for each
        connection, and again when the server refused its token. `heartbeat` is the seconds between two signs
        of life. `on_event` gets the events that belong to no call and no turn of this client.
        """
        self._limits = _limits(timeouts, DEFAULT_TIMEOUTS)
        self._on_event = on_event
        self._mux = Mux()
        self._tasks: set[asyncio.Task[None]] = set()
        target = Target(url, token, token_by, self._limits["connect"], heartbeat, backoff or Backoff())
        self._connection = Connection(target, self._read, self._mux.fail)

    @property
    def connected(self) -> bool:
        """Whether there is a connection at this moment."""
        return self._connection.is_open

    async def connect(self, *, timeouts: Timeouts | None = None) -> None:
        """Connects, or raises why that cannot be. Not needed: every call connects where it must."""
        limit = _limits(timeouts, self._limits)["connect"]
        await within("connect", limit, self._connection.open(once=limit))

    async def close(self) -> None:
        """Ends the connection. What still waits fails with a `ClosedError`; nothing keeps running."""
        self._mux.fail(ClosedError())
        for task in self._tasks:
            task.cancel()
        await self._connection.close()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def __aenter__(self) -> SmoothAgentClient:
        try:
            await self.connect()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _request_data(
        self, action: Action, read: Reader[ResultT], timeouts: Timeouts | None
    ) -> ResultT:
        def take(event: Event, answer: asyncio.Future[object]) -> bool:
            if not isinstance(event, ImmediateResponseEvent) or event.status == 202:
                return False
            try:
                answer.set_result(read(event.data))
            except DecodeError as error:
                failure = SmoothError("BAD_REPLY", f"{action.action}: {error}", request_id=event.request_id)
                failure.__cause__ = error
                answer.set_exception(failure)
            return True

        return cast(ResultT, await self._call(action, take, timeouts))

    async def _request_event(
        self, action: Action, types: tuple[type[EventT], ...], timeouts: Timeouts | None
    ) -> EventT:
        def take(event: Event, answer: asyncio.Future[object]) -> bool:
            if isinstance(event, types):
                answer.set_result(event)
            # A turn that the answer concerns sees it too.
            return False

        return cast(EventT, await self._call(action, take, timeouts))

    def _start_turn(self, action: Action, timeouts: Timeouts | None) -> Turn:
        request_id = action.request_id or self._mux.new_id()
        session_id = action.session_id if isinstance(action, SendMessageParams) else ""
        limits = _limits(timeouts, self._limits)
        turn = Turn(self, session_id, request_id, limits, self._connection)
        work = self._begin(turn, action)
        task = asyncio.create_task(work, name=f"smooth_operator turn {request_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Closing may cancel it before its first step.
        task.add_done_callback(lambda task: turn.fail(ClosedError()) if task.cancelled() else None)
        turn.when_ended(lambda: turn.sent or task.cancel())
        return turn

    async def _post(self, action: Action) -> None:
        if self.connected:
            await self._send(action)

    async def _begin(self, turn: Turn, action: Action) -> None:
        """Sends a turn, whose events come by the mux until it has ended."""
        try:
            await self._connection.open()
            self._mux.add_turn(turn.request_id, turn)
            turn.sent = True
            turn.when_ended(lambda: self._mux.remove_turn(turn.request_id))
            await self._send(action, turn.request_id)
        except SmoothError as error:
            turn.fail(error)

    async def _call(self, action: Action, take: Take, timeouts: Timeouts | None) -> object:
        request_id = action.request_id or self._mux.new_id()
        work = self._exchange(action, request_id, take)
        limit = _limits(timeouts, self._limits)["request"]
        return await within("request", limit, work, self._connection)

    async def _exchange(self, action: Action, request_id: str, take: Take) -> object:
        await self._connection.open()
        with self._mux.call(request_id, take) as answer:
            await self._send(action, request_id)
            return await answer

    async def _send(self, action: Action, request_id: str | None = None) -> None:
        frame = action.encode()
        if request_id is not None:
            frame["requestId"] = request_id
        text = stringify(frame)
        if len(text.encode()) > LONGEST_FRAME:
            raise SmoothError("FRAME_TOO_BIG", f"{action.action} is longer than 1 MiB")
        await self._connection.send(text)

    def _read(self, text: str) -> None:
        try:
            event = decode_text(text, decode_event)
        except DecodeError as error:
            failure = SmoothError("BAD_EVENT", f"a frame is not what the protocol says: {error}")
            failure.__cause__ = error
            logger.warning("%s", failure)
            # Whoever waits for this frame would wait in vain.
            with contextlib.suppress(DecodeError):
                self._mux.fail_one(decode_text(text, _request_id), failure)
            return
        if not self._mux.deliver(event) and self._on_event:
            try:
                self._on_event(event)
            except Exception:
                logger.exception("on_event failed")


def _limits(timeouts: Timeouts | None, general: Limits) -> Limits:
    """The limits, with the general ones for what is left out."""
    if timeouts is None:
        return general

    def limit(name: Limit) -> float:
        own: float | None = getattr(timeouts, name, None)
        return general[name] if own is None else own

    return {name: limit(name) for name in general}


def _request_id(frame: object) -> str:
    return required_string(read_object(frame), "requestId")
