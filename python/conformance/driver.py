"""The driver of the Python client: does what the conformance harness says by the public client alone, and
reports what it sees. It judges nothing. The protocol is conformance/driver/driver.json.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.metadata
import struct
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import BinaryIO, Protocol, TypeVar, cast

import smooth_operator as so
from smooth_operator import Json, JsonObject, SmoothAgentClient, Turn

from . import wire as to
from .wire.wire import decode_text, stringify

LONGEST_FRAME = 16 * 1024 * 1024

NamedT = TypeVar("NamedT")


class Encodes(Protocol):
    def encode(self) -> JsonObject: ...


class Broken(Exception):
    """A command that cannot be carried out: the driver's fault or the harness's, never the client's."""


@dataclasses.dataclass
class Started:
    """A turn, whether its reader may go on, and the tasks that wait for it."""

    client: str
    turn: Turn
    gate: asyncio.Event
    waits: list[asyncio.Task[None]] = dataclasses.field(default_factory=list[asyncio.Task[None]])


@dataclasses.dataclass
class Ended:
    """What becomes a `TurnEndedReport`."""

    events: int = 0
    text: str | None = None
    result: Json | to.Unset = to.UNSET
    error: to.ErrorSeen | None = None
    iteration_error: to.ErrorSeen | None = None


class Driver:
    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._clients: dict[str, SmoothAgentClient] = {}
        self._turns: dict[str, Started] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, commands: asyncio.StreamReader) -> None:
        """Carries commands out, each in a task of its own, until `exit` or the end of the input."""
        version = importlib.metadata.version("smooth-operator") if _installed() else "from source"
        self._report(to.ReadyReport(language="python", client=f"smooth-operator {version}"))
        while True:
            try:
                (length,) = struct.unpack(">I", await commands.readexactly(4))
                if length > LONGEST_FRAME:
                    raise ValueError(f"a command of {length} bytes is longer than 16 MiB")
                command = to.decode_command(decode_text(await commands.readexactly(length), _as_it_is))
            except asyncio.IncompleteReadError:
                return await self._close_all()
            except to.DecodeError as error:
                self._report(to.BrokenReport(message=f"not a command: {error}"))
                continue
            if isinstance(command, to.ExitCommand):
                await self._close_all()
                return self._report(to.DoneReport(id=command.id))
            self._begin(self._take(command))

    def _begin(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _report(self, report: to.Report) -> None:
        body = stringify(report.encode()).encode()
        self._out.write(struct.pack(">I", len(body)) + body)
        self._out.flush()

    async def _take(self, command: to.Command) -> None:
        try:
            match command:
                case to.OpenCommand():
                    await self._open(command)
                case to.CallCommand():
                    reply = await self._call(command)
                    return self._report(to.RepliedReport(id=command.id, reply=reply))
                case to.StartTurnCommand():
                    return self._start_turn(command)
                case to.AnswerParkCommand():
                    reply = await self._answer(self._turn(command.turn).turn, command.answer)
                    return self._report(to.RepliedReport(id=command.id, reply=reply))
                case to.DecodeCommand(text=text):
                    return self._report(to.RepliedReport(id=command.id, reply=_decoded(text)))
                case to.CancelTurnCommand():
                    await self._turn(command.turn).turn.cancel()
                case to.AbandonTurnCommand():
                    for wait in self._turn(command.turn).waits:
                        wait.cancel()
                case to.PauseReadingCommand():
                    self._turn(command.turn).gate.clear()
                case to.GoOnCommand():
                    self._turn(command.turn).gate.set()
                case to.CloseCommand():
                    await self._close(command.client)
                case to.ExitCommand():
                    pass
            self._report(to.DoneReport(id=command.id))
        except Broken as error:
            self._report(to.BrokenReport(id=command.id, message=str(error)))
        except Exception as error:
            self._report(to.FailedReport(id=command.id, error=_seen(error)))

    def _client(self, name: str) -> SmoothAgentClient:
        return _named(self._clients, "client", name)

    def _turn(self, name: str) -> Started:
        return _named(self._turns, "turn", name)

    async def _open(self, command: to.OpenCommand) -> None:
        def stray(event: so.Event) -> None:
            self._report(
                to.StrayEventReport(client=command.client, event=event.encode(), known=_known(event))
            )

        timeouts, beat = _limits(command.timeouts_), command.heartbeat_ms
        client = SmoothAgentClient(
            command.url,
            token=_token(command.tokens or []),
            token_by=command.token_by or "header",
            timeouts=timeouts,
            heartbeat=15.0 if beat is None else beat / 1000,
            on_event=stray,
        )
        self._clients[command.client] = client
        await client.connect()

    async def _call(self, command: to.CallCommand) -> Json:
        client = self._client(command.client)
        action = so.decode_action({**command.params, "action": command.action})
        method = cast("Callable[..., Awaitable[Encodes | None]]", getattr(client, action.action))
        limits = {} if isinstance(action, so.CancelParams) else {"timeouts": _limits(command.timeouts_)}
        reply = await method(**_fields(action), **limits)
        return None if reply is None else reply.encode()

    def _start_turn(self, command: to.StartTurnCommand) -> None:
        client, name = self._client(command.client), command.turn
        action = so.SendMessageParams.decode({**command.params, "action": "send_message"})
        send = cast("Callable[..., Turn]", client.send_message)
        started = Started(
            command.client, send(**_fields(action), timeouts=_limits(command.timeouts_)), asyncio.Event()
        )
        if command.read != "neither":
            started.gate.set()
        self._turns[name] = started
        self._report(to.StartedReport(id=command.id, request_id=started.turn.request_id))
        ended, at_once = Ended(), command.read != "neither"
        if command.read != "await":
            started.waits.append(self._begin(self._iterate(started, name, ended)))
        if command.read != "iterate":
            started.waits.append(self._begin(self._await(started, ended, at_once)))
        self._begin(self._end(started, name, ended))

    async def _iterate(self, started: Started, name: str, ended: Ended) -> None:
        try:
            await started.gate.wait()
            async for event in started.turn:
                await started.gate.wait()
                ended.events += 1
                self._report(to.TurnEventReport(turn=name, event=event.encode(), known=_known(event)))
        except (asyncio.CancelledError, so.SmoothError) as error:
            ended.iteration_error = _seen(error)

    async def _await(self, started: Started, ended: Ended, at_once: bool) -> None:
        try:
            if not at_once:
                await started.gate.wait()
            ended.result = (await started.turn).encode()
            ended.text = await started.turn.text()
        except (asyncio.CancelledError, so.SmoothError) as error:
            ended.error = _seen(error)

    async def _end(self, started: Started, name: str, ended: Ended) -> None:
        await asyncio.wait(started.waits)
        self._report(
            to.TurnEndedReport(
                turn=name,
                events=ended.events,
                text=ended.text,
                result=ended.result,
                error=ended.error,
                iteration_error=ended.iteration_error,
            )
        )

    async def _answer(self, turn: Turn, answer: to.ParkAnswer) -> Json:
        match answer:
            case to.ConfirmAnswer(approved=approved):
                return (await turn.confirm(approved)).encode()
            case to.CodeAnswer(code=code):
                return (await turn.verify(code)).encode()
            case to.FormAnswer(values=values):
                return (await turn.submit(values)).encode()
            case to.DeclineAnswer():
                return (await turn.decline()).encode()

    async def _close(self, name: str) -> None:
        await self._client(name).close()
        for started in self._turns.values():
            if started.client == name:
                started.gate.set()

    async def _close_all(self) -> None:
        for name in list(self._clients):
            await self._close(name)
        while self._tasks:
            await asyncio.wait(self._tasks)


def _named(all_of_them: Mapping[str, NamedT], kind: str, name: str) -> NamedT:
    if name not in all_of_them:
        raise Broken(f"no {kind} named {name}")
    return all_of_them[name]


def _installed() -> bool:
    return any(found.name == "smooth-operator" for found in importlib.metadata.distributions())


def _as_it_is(value: object) -> object:
    return value


def _known(event: so.Event) -> bool:
    return not isinstance(event, so.UnknownEvent)


def _decoded(text: str) -> Json:
    """One event by the generated code: read, checked, written."""
    event = so.decode_event(decode_text(text, _as_it_is))
    if broken := event.validate():
        raise so.DecodeError(broken.message, broken.pointer)
    return event.encode()


def _fields(action: so.Action) -> dict[str, object]:
    return {field.name: getattr(action, field.name) for field in dataclasses.fields(action)}


def _limits(timeouts: to.Timeouts | None) -> so.Timeouts:
    def seconds(milliseconds: int | None) -> float | None:
        return None if milliseconds is None else milliseconds / 1000

    given = timeouts or to.Timeouts()
    return so.Timeouts(
        connect=seconds(given.connect_ms),
        request=seconds(given.request_ms),
        idle=seconds(given.idle_ms),
        turn=seconds(given.turn_ms),
    )


def _token(tokens: list[str]) -> so.Token | None:
    left = list(tokens)

    async def following() -> str:
        return left.pop(0) if len(left) > 1 else left[0]

    return following if len(left) > 1 else left[0] if left else None


def _seen(error: BaseException) -> to.ErrorSeen:
    kinds: dict[type[so.SmoothError], to.ErrorKind] = {
        so.ServerError: "server",
        so.TurnCancelledError: "cancelled",
        so.SmoothTimeoutError: "timeout",
        so.SmoothConnectionError: "connection",
        so.ClosedError: "closed",
    }
    match error:
        case so.DecodeError(pointer=pointer):
            seen = to.ErrorSeen(
                kind="invalid", code="INVALID", retryable=False, message=str(error), field=pointer
            )
        case asyncio.CancelledError():
            seen = to.ErrorSeen(kind="abandoned", code="ABANDONED", retryable=False, message="abandoned")
        case so.SmoothError(retry_after=wait):
            server = error if isinstance(error, so.ServerError) else None
            seen = to.ErrorSeen(
                kind=kinds.get(type(error), "other"),
                code=error.code,
                retryable=error.retryable,
                message=str(error),
                retry_after_ms=None if wait is None else round(wait * 1000),
                request_id=error.request_id,
                field=server.field if server else None,
                hint=server.hint if server else None,
                timeout=error.limit if isinstance(error, so.SmoothTimeoutError) else None,
            )
        case _:
            seen = to.ErrorSeen(kind="other", code="UNKNOWN", retryable=False, message=repr(error))
    return seen


async def main() -> None:
    commands = asyncio.StreamReader(limit=LONGEST_FRAME)
    pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    await Driver(sys.stdout.buffer).serve(commands)
    pipe.close()


if __name__ == "__main__":
    asyncio.run(main())
