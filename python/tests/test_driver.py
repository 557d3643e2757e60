"""The driver of the conformance harness, over its pipes, against the fake server."""

from __future__ import annotations

import asyncio
import struct
import sys
import unittest
from pathlib import Path
from typing import TypeVar

import smooth_operator as so
from conformance import wire as to
from conformance.wire.wire import decode_text, stringify
from smooth_operator.testing import FakeServer, Reply

ROOT = Path(__file__).resolve().parents[1]
BOUND = 20.0
PARAMS: so.JsonObject = {"sessionId": "s", "message": "How long is your return window?"}

ReportT = TypeVar("ReportT")


async def only_accepts(_: so.SendMessageParams, reply: Reply) -> None:
    await reply.accepted()


class Driver(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        self.server = FakeServer()
        await self.server.__aenter__()
        self.addAsyncCleanup(self.server.__aexit__, None, None, None)
        self.driver = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-W", "error", "-m", "conformance.driver"),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self.addAsyncCleanup(self.ended)
        self.reports: list[to.Report] = []
        self.assertEqual((await self.next(to.ReadyReport)).language, "python")

    async def ended(self) -> int:
        """The status of the process, whose input has come to its end."""
        assert self.driver.stdin
        self.driver.stdin.close()
        return await asyncio.wait_for(self.driver.wait(), BOUND)

    def say(self, command: to.Command) -> None:
        assert self.driver.stdin
        body = stringify(command.encode()).encode()
        self.driver.stdin.write(struct.pack(">I", len(body)) + body)

    async def next(self, kind: type[ReportT], number: int | None = None) -> ReportT:
        """The first report of a kind that has not been taken yet."""
        while True:
            for report in self.reports:
                if isinstance(report, kind) and number in (None, getattr(report, "id", None)):
                    self.reports.remove(report)
                    return report
            self.reports.append(await asyncio.wait_for(self.read(), BOUND))

    async def read(self) -> to.Report:
        assert self.driver.stdout
        (length,) = struct.unpack(">I", await self.driver.stdout.readexactly(4))
        return decode_text(await self.driver.stdout.readexactly(length), to.decode_report)

    async def open_client(self) -> None:
        self.say(to.OpenCommand(id=1, client="alice", url=self.server.url, tokens=["secret"]))
        await self.next(to.DoneReport, 1)
        self.assertEqual(self.server.tokens, ["secret"])

    def call(self, number: int, action: str, params: so.JsonObject, client: str = "alice") -> None:
        self.say(to.CallCommand(id=number, client=client, action=action, params=params))

    def start(
        self, number: int, turn: str, read: to.Reading = "both", timeouts: to.Timeouts | None = None
    ) -> None:
        self.say(
            to.StartTurnCommand(
                id=number, client="alice", turn=turn, params=PARAMS, read=read, timeouts_=timeouts
            )
        )

    async def test_a_client_is_opened_a_turn_iterated_and_awaited_and_the_process_ends_with_status_0(
        self,
    ) -> None:
        async def script(_: so.SendMessageParams, reply: Reply) -> None:
            await reply.accepted()
            await reply.token("17 days")
            await reply.raw({"type": "news"})
            await reply.done("17 days")

        self.server.on(so.SendMessageParams, script)
        await self.open_client()
        self.call(2, "create_conversation_session", {})
        reply = (await self.next(to.RepliedReport, 2)).reply
        self.assertEqual(so.CreateConversationSessionReply.decode(reply).agent_name, "Support")
        self.call(3, "ping", {"requestId": "p"})
        pong = so.decode_event((await self.next(to.RepliedReport, 3)).reply)
        assert isinstance(pong, so.PongEvent)
        self.assertEqual(pong.request_id, "p")
        self.start(4, "t")
        started = await self.next(to.StartedReport, 4)
        ended = await self.next(to.TurnEndedReport)
        self.assertEqual((ended.events, ended.text, ended.error), (4, "17 days", None))
        self.assertFalse(so.TurnResult.decode(ended.result).needs_escalation)
        events = [await self.next(to.TurnEventReport) for _ in range(4)]
        self.assertEqual(
            [(event.event["type"], event.known) for event in events],
            [
                ("immediate_response", True),
                ("stream_token", True),
                ("news", False),
                ("eventual_response", True),
            ],
        )
        self.assertTrue(all(event.event["requestId"] == started.request_id for event in events))
        self.start(5, "later", "neither")
        await self.next(to.StartedReport, 5)
        self.call(6, "cancel", {})
        self.assertIsNone((await self.next(to.RepliedReport, 6)).reply)
        self.assertEqual(self.reports, [], "a turn that is not read says nothing")
        self.say(to.GoOnCommand(id=7, turn="later"))
        self.assertEqual((await self.next(to.TurnEndedReport)).events, 4)
        self.say(to.ExitCommand(id=8))
        await self.next(to.DoneReport, 8)
        self.assertEqual(await asyncio.wait_for(self.driver.wait(), BOUND), 0)

    async def test_errors_are_told_by_their_kind_and_what_cannot_be_done_is_broken(self) -> None:
        async def slow_down(_: so.GetSessionParams, reply: Reply) -> None:
            await reply.error("RATE_LIMITED", "slow down", retry_after_ms=7)

        self.server.on(so.GetSessionParams, slow_down)
        self.server.on(so.SendMessageParams, only_accepts)
        await self.open_client()
        self.call(2, "get_session", {"sessionId": "s"})
        error = (await self.next(to.FailedReport, 2)).error
        self.assertEqual(
            (error.kind, error.code, error.retryable, error.retry_after_ms),
            ("server", "RATE_LIMITED", True, 7),
        )
        self.call(3, "get_session", {"sessionId": 1})
        error = (await self.next(to.FailedReport, 3)).error
        self.assertEqual((error.kind, error.field), ("invalid", "/sessionId"))
        self.call(4, "ping", {}, client="bob")
        self.assertIn("no client named bob", (await self.next(to.BrokenReport)).message)
        self.say(to.DecodeCommand(id=5, text='{"type":"pong","timestamp":1,"data":{"timestamp":1}}'))
        self.assertIsInstance(so.decode_event((await self.next(to.RepliedReport, 5)).reply), so.PongEvent)
        self.say(to.DecodeCommand(id=6, text='{"type":"pong","timestamp":1,"data":{}}'))
        self.assertEqual((await self.next(to.FailedReport, 6)).error.field, "/data/timestamp")
        self.start(7, "left")
        await self.next(to.TurnEventReport)
        self.say(to.AbandonTurnCommand(id=8, turn="left"))
        ended = await self.next(to.TurnEndedReport)
        assert ended.error and ended.iteration_error
        self.assertEqual((ended.error.kind, ended.iteration_error.kind), ("abandoned", "abandoned"))
        self.start(9, "slow", timeouts=to.Timeouts(idle_ms=20))
        ended = await self.next(to.TurnEndedReport)
        assert ended.error
        self.assertEqual((ended.error.kind, ended.error.timeout), ("timeout", "idle"))
        self.start(10, "cut")
        await self.next(to.StartedReport, 10)
        await self.server.received(so.SendMessageParams, 3)
        self.say(to.CloseCommand(id=11, client="alice"))
        ended = await self.next(to.TurnEndedReport)
        assert ended.error
        self.assertEqual(ended.error.kind, "closed")

    async def test_the_end_of_the_commands_ends_the_process(self) -> None:
        await self.open_client()
        self.assertEqual(await self.ended(), 0)
