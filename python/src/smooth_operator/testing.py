"""A server for tests, scripted, on a free port of this machine."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import TypeVar, cast

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from ._generated.actions import (
    Action,
    CreateConversationSessionParams,
    CreateConversationSessionReply,
    PingParams,
    decode_action,
)
from ._generated.errors import ErrorCode, error_info
from ._generated.events import (
    CancelledData,
    CancelledEvent,
    ErrorBody,
    ErrorData,
    ErrorDetails,
    ErrorEvent,
    Event,
    EventualResponseData,
    EventualResponseEvent,
    ImmediateResponseEvent,
    PongData,
    PongEvent,
    StreamTokenEvent,
    TurnResponse,
    TurnResult,
    WriteConfirmation,
    WriteConfirmationRequiredData,
    WriteConfirmationRequiredEvent,
)
from ._generated.types import TokenData
from ._generated.wire import DecodeError, Json, JsonObject, decode_text, stringify

ActionT = TypeVar("ActionT")


def _now() -> int:
    return int(time.time() * 1000)


class Reply:
    """How a script answers one action: every event carries the action's request id."""

    def __init__(self, socket: ServerConnection, request_id: str | None) -> None:
        self.request_id = request_id
        self._socket = socket

    @property
    def _id(self) -> str:
        return self.request_id or ""

    async def event(self, event: Event) -> None:
        """Any event; it gets the request id when it has none."""
        await self.raw(event.encode())

    async def raw(self, frame: Mapping[str, Json]) -> None:
        """A frame that need not be of the protocol."""
        own: JsonObject = {} if self.request_id is None else {"requestId": self.request_id}
        await self.text(stringify({**own, "timestamp": _now(), **frame}))

    async def text(self, text: str) -> None:
        """A text that need not be a frame."""
        try:
            await self._socket.send(text)
        except ConnectionClosed:
            # The client has gone: there is nobody to answer.
            return

    async def data(self, data: JsonObject) -> None:
        """The answer to an action."""
        await self._immediate(200, "OK", data)

    async def accepted(self) -> None:
        """A turn is accepted."""
        await self._immediate(202, "Accepted", {})

    async def _immediate(self, status: int, message: str, data: JsonObject) -> None:
        event = ImmediateResponseEvent(timestamp=_now(), status=status, message=message, data=data)
        await self.event(event)

    async def token(self, token: str) -> None:
        """A piece of the answer."""
        data = TokenData(request_id=self._id, token=token)
        await self.event(StreamTokenEvent(timestamp=_now(), token=token, data=data))

    async def confirmation(self, tool_id: str, action_description: str) -> None:
        """The turn stops until a tool call is approved or denied."""
        inner = WriteConfirmation(tool_id=tool_id, action_description=action_description)
        data = WriteConfirmationRequiredData(request_id=self._id, data=inner)
        await self.event(WriteConfirmationRequiredEvent(timestamp=_now(), data=data))

    async def done(self, text: str, result: TurnResult | None = None) -> None:
        """The end of a turn."""
        response = TurnResponse(
            response_parts=[text],
            customer_happiness_score=0.5,
            needs_satisfaction_score=0.5,
            request_summary="",
            resolution_status="in_progress",
            suggested_next_actions=[],
        )
        message_id = "8c5f0e24-b9d7-4136-a5c8-e17b3d62f940"
        inner = result or TurnResult(message_id=message_id, response=response, needs_escalation=False)
        data = EventualResponseData(request_id=self._id, status=200, data=inner)
        await self.event(EventualResponseEvent(timestamp=_now(), status=200, data=data))

    async def error(
        self, code: ErrorCode, message: str, *, field: str | None = None, retry_after_ms: int | None = None
    ) -> None:
        """An action is refused, or a turn fails."""
        info = error_info(code)
        details = ErrorDetails(
            status=info.status if info else 500,
            retryable=info.retryable if info else False,
            field=field,
            retry_after_ms=retry_after_ms,
        )
        error = ErrorBody(code=code, message=message)
        data = ErrorData(error=error, details=details)
        await self.event(ErrorEvent(timestamp=_now(), error=error, data=data))

    async def cancelled(self) -> None:
        """A turn was cancelled."""
        await self.event(CancelledEvent(timestamp=_now(), status=499, data=CancelledData(status=499)))


Script = Callable[[ActionT, Reply], Awaitable[None]]


async def _pong(_: PingParams, reply: Reply) -> None:
    await reply.event(PongEvent(timestamp=_now(), data=PongData(timestamp=_now())))


async def _session(action: CreateConversationSessionParams, reply: Reply) -> None:
    ids = [f"00000000-0000-4000-8000-{digit * 12}" for digit in "12345"]
    session = CreateConversationSessionReply(
        session_id=ids[0],
        conversation_id=ids[1],
        agent_id=action.agent_id or ids[2],
        agent_name="Support",
        user_participant_id=ids[3],
        agent_participant_id=ids[4],
    )
    await reply.data(session.encode())


def _select(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return next((name for name in offered if name == "smooth-operator"), None)


class FakeServer:
    """A server whose answers a test writes: `async with FakeServer() as server`. It knows `ping` and
    `create_conversation_session` from the start.
    """

    def __init__(self) -> None:
        self.actions: list[Action] = []
        """Every action that has arrived, in order."""
        self.tokens: list[str | None] = []
        """The token of every connection that was tried, in order."""
        self.requests: list[Headers] = []
        """The headers of every connection that was tried, in order."""
        self._scripts: dict[type[object], Script[object]] = {}
        self._sockets: set[ServerConnection] = set()
        self._refusals: list[int] = []
        self._changed = asyncio.Condition()
        self._server: Server | None = None
        self.on(PingParams, _pong)
        self.on(CreateConversationSessionParams, _session)

    async def __aenter__(self) -> FakeServer:
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            0,
            process_request=self._admit,
            select_subprotocol=_select,
            # It says nothing of its own accord.
            ping_interval=None,
            close_timeout=1,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server:
            self._server.close()
            await self._server.wait_closed()

    @property
    def url(self) -> str:
        """To be given to the client."""
        assert self._server, "the server has not started: use `async with`"
        port = cast("tuple[str, int]", next(iter(self._server.sockets)).getsockname())[1]
        return f"ws://127.0.0.1:{port}/ws"

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._sockets)

    def on(self, action: type[ActionT], script: Script[ActionT]) -> None:
        """Answers an action, named by the class of its parameters, from now on."""
        self._scripts[action] = cast("Script[object]", script)

    def refuse(self, *statuses: int) -> None:
        """Refuses the next connections, with these HTTP statuses."""
        self._refusals.extend(statuses)

    async def drop(self, code: int | None = None) -> None:
        """Ends every connection: with a code, or without a word."""
        for socket in list(self._sockets):
            if code is None:
                socket.transport.abort()
            else:
                await socket.close(code)

    def freeze(self) -> None:
        """Falls silent on every connection: nothing is read any more, and no ping is answered."""
        for socket in self._sockets:
            socket.transport.pause_reading()

    async def send(self, event: Event) -> None:
        """Sends an event that answers nothing."""
        await self.send_text(stringify(event.encode()))

    async def send_text(self, text: str) -> None:
        """Sends a text that need not be a frame of the protocol."""
        for socket in list(self._sockets):
            await socket.send(text)

    async def received(self, action: type[ActionT], count: int = 1) -> ActionT:
        """Waits until an action has arrived for the `count`th time."""

        def found() -> list[ActionT]:
            return [each for each in self.actions if isinstance(each, action)]

        async with self._changed:
            await self._changed.wait_for(lambda: len(found()) >= count)
        return found()[count - 1]

    async def attempted(self, count: int) -> None:
        """Waits until that many connections were tried."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.tokens) >= count)

    async def _admit(self, socket: ServerConnection, request: Request) -> Response | None:
        header = request.headers.get("Authorization", request.headers.get("Sec-WebSocket-Protocol"))
        async with self._changed:
            self.requests.append(request.headers)
            self.tokens.append(
                None if header is None else re.sub("^Bearer |^smooth-operator, bearer[.]", "", header)
            )
            self._changed.notify_all()
        if not self._refusals:
            return None
        status = HTTPStatus(self._refusals.pop(0))
        return socket.respond(status, f"{status.phrase}\n")

    async def _serve(self, socket: ServerConnection) -> None:
        self._sockets.add(socket)
        scripts: set[asyncio.Task[None]] = set()
        try:
            async for text in socket:
                script = asyncio.create_task(self._receive(socket, text))
                scripts.add(script)
                script.add_done_callback(scripts.discard)
        except ConnectionClosed:
            return
        finally:
            self._sockets.discard(socket)
            for script in scripts:
                script.cancel()

    async def _receive(self, socket: ServerConnection, text: str | bytes) -> None:
        try:
            action = decode_text(text, decode_action)
        except DecodeError as error:
            await Reply(socket, None).error("VALIDATION_ERROR", str(error), field=error.pointer)
            return
        async with self._changed:
            self.actions.append(action)
            self._changed.notify_all()
        if script := self._scripts.get(type(action)):
            await script(action, Reply(socket, action.request_id))
