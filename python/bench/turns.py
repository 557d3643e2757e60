"""What the client costs: turns against a relay, beside a read loop with `websockets` and `json`. Started once
per round by `cargo xtask bench clients`; prints one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import gc
import itertools
import json
import statistics
import time
import tracemalloc
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import websockets
from websockets.asyncio.client import ClientConnection

import smooth_operator as so
from smooth_operator import Event, SmoothAgentClient, Timeouts

NEUTRAL: dict[str, so.Json] = {
    "customerHappinessScore": 0.5,
    "needsSatisfactionScore": 0.5,
    "requestSummary": "",
    "resolutionStatus": "in_progress",
    "suggestedNextActions": [],
}


class Talker(Protocol):
    """One connection with a session, and what it can do."""

    async def turn(self, message: str) -> None:
        """One turn; the answer is checked against what was streamed."""

    async def hold(self) -> None:
        """Begins a turn that does not end; returns at its first token."""


Connect = Callable[[str], AbstractAsyncContextManager[Talker]]


class WithClient:
    def __init__(self, client: SmoothAgentClient, session_id: str) -> None:
        self._client = client
        self._session_id = session_id
        self._held: list[so.Turn] = []

    async def turn(self, message: str) -> None:
        turn = self._client.send_message(session_id=self._session_id, message=message)
        parts: list[str] = []
        async for event in turn:
            if isinstance(event, so.StreamTokenEvent):
                parts.append(event.token)
        check("".join(parts), (await turn).response.response_parts[0])

    async def hold(self) -> None:
        turn = self._client.send_message(session_id=self._session_id, message="hold")
        self._held.append(turn)
        async for event in turn:
            if isinstance(event, so.StreamTokenEvent):
                return


@contextlib.asynccontextmanager
async def connect_client(url: str) -> AsyncGenerator[Talker, None]:
    async with SmoothAgentClient(url, timeouts=Timeouts(request=600, idle=600)) as client:
        session = await client.create_conversation_session()
        yield WithClient(client, session.session_id)


@dataclasses.dataclass(slots=True)
class PlainTurn:
    parts: list[str]
    token: asyncio.Event
    done: asyncio.Future[None]


class Plain:
    """The loop that somebody writes who has no client."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._turns: dict[str, PlainTurn] = {}
        self._session: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._numbers = itertools.count()

    async def read(self) -> None:
        async for text in self._socket:
            frame: dict[str, Any] = json.loads(text)
            if "sessionId" in frame["data"]:
                self._session.set_result(frame["data"]["sessionId"])
            elif turn := self._turns.get(frame["requestId"]):
                if frame["type"] == "stream_token":
                    turn.parts.append(frame["token"])
                    turn.token.set()
                elif frame["type"] == "eventual_response":
                    del self._turns[frame["requestId"]]
                    check("".join(turn.parts), frame["data"]["data"]["response"]["responseParts"][0])
                    turn.done.set_result(None)

    async def open(self) -> None:
        await self._socket.send(json.dumps({"action": "create_conversation_session", "requestId": "s"}))
        await self._session

    async def turn(self, message: str) -> None:
        await (await self._send(message)).done

    async def hold(self) -> None:
        await (await self._send("hold")).token.wait()

    async def _send(self, message: str) -> PlainTurn:
        request = f"r-{next(self._numbers)}"
        turn = PlainTurn([], asyncio.Event(), asyncio.get_running_loop().create_future())
        self._turns[request] = turn
        action = {
            "action": "send_message",
            "requestId": request,
            "sessionId": self._session.result(),
            "message": message,
        }
        await self._socket.send(json.dumps(action))
        return turn


@contextlib.asynccontextmanager
async def connect_plain(url: str) -> AsyncGenerator[Talker, None]:
    async with websockets.connect(url, ping_interval=None) as socket:
        plain = Plain(socket)
        reading = asyncio.create_task(plain.read())
        await plain.open()
        yield plain
        reading.cancel()
        await asyncio.wait({reading})


def check(streamed: str, whole: str) -> None:
    if streamed != whole:
        raise ValueError(f"{streamed!r} was streamed, {whole!r} is the answer")


async def run(talker: Talker, message: str, turns: int, at_once: int) -> None:
    """So many turns, of which so many at a time."""
    left = iter(range(turns))

    async def lane() -> None:
        for _ in left:
            await talker.turn(message)

    await asyncio.gather(*(lane() for _ in range(at_once)))


async def measured(work: Awaitable[None]) -> tuple[float, float]:
    """Seconds, and seconds of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    await work
    return time.perf_counter() - wall, time.process_time() - processor


async def memory_per_turn(connect: Connect, url: str, turns: int) -> float:
    async with connect(url) as talker:

        async def weight(count: int) -> int:
            await asyncio.gather(*(talker.hold() for _ in range(count)))
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        before = await weight(64)
        after = await weight(turns)
        tracemalloc.stop()
    return (after - before) / turns


def frames() -> list[str]:
    """The frames of a turn of 500 tokens."""
    head = {"requestId": "r", "timestamp": 0}
    tokens = [f"w{n} " for n in range(500)]
    pieces = [
        {"type": "stream_token", **head, "token": token, "data": {"requestId": "r", "token": token}}
        for token in tokens
    ]
    inner = {
        "messageId": "00000000-0000-4000-8000-000000000000",
        "response": {"responseParts": ["".join(tokens)], **NEUTRAL},
        "needsEscalation": False,
    }
    data = {"requestId": "r", "status": 200, "data": inner}
    end = {"type": "eventual_response", **head, "status": 200, "data": data}
    return [json.dumps(frame, separators=(",", ":")) for frame in [*pieces, end]]


def decode_micros(decode: Callable[[str], object], repetitions: int) -> float:
    texts = frames()

    def once() -> float:
        begin = time.process_time()
        for text in texts:
            decode(text)
        return (time.process_time() - begin) * 1e6

    for _ in range(10):
        once()
    return statistics.median(once() for _ in range(repetitions))


def decode_by_client(text: str) -> Event:
    return so.decode_event(json.loads(text))


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=["client", "plain"], required=True)
    for name in ("url", "hold"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("turns", "long", "open", "decodes"):
        parser.add_argument(f"--{name}", type=int, required=True)
    flags = parser.parse_args()
    by_client = flags.mode == "client"
    connect: Connect = connect_client if by_client else connect_plain
    async with connect(flags.url) as talker:
        await run(talker, "tokens=20", max(64, flags.turns // 4), 64)
        seconds, processor = await measured(run(talker, "tokens=20", flags.turns, 64))
        await run(talker, "tokens=500", 8, 8)
        _, streaming = await measured(run(talker, "tokens=500", flags.long, 8))
    line = {
        "language": "python",
        "mode": flags.mode,
        "turns": flags.turns,
        "turnsSeconds": seconds,
        "turnsCpuSeconds": processor,
        "tokens": 500 * flags.long,
        "tokensCpuSeconds": streaming,
        "openTurns": flags.open,
        "openTurnBytes": await memory_per_turn(connect, flags.hold, flags.open),
        "decodeMicros": decode_micros(decode_by_client if by_client else json.loads, flags.decodes),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    asyncio.run(main())
