"""The client against the scripted server: calls, turns, parks, limits, lost connections, closing."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import socket
import traceback
import unittest
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import cast
from unittest.mock import patch

import smooth_operator as so
from smooth_operator import Backoff, Event, SmoothAgentClient, Timeouts, Turn
from smooth_operator.testing import FakeServer, Reply

BOUND = 20.0
"""No test waits longer than that, in seconds."""
QUICK = Backoff(first=0.001, longest=0.01)
HOUR = 3600.0
MESSAGE = "How long is your return window?"


class Case(unittest.IsolatedAsyncioTestCase):
    """A server for each test; what a test leaves behind is a failure."""

    async def asyncSetUp(self) -> None:
        self.server = await self.enterAsync(FakeServer())
        self.problems: list[str] = []
        self.later = 0.0
        """How many seconds the clock of the event loop, and so of all that waits in it, is ahead."""
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = math.inf
        time = loop.time
        clock = patch.object(loop, "time", lambda: time() + self.later)
        clock.start()
        self.addCleanup(clock.stop)
        loop.set_exception_handler(lambda _, context: self.problems.append(str(context)))

    async def enterAsync(self, server: FakeServer) -> FakeServer:
        self.addAsyncCleanup(server.__aexit__, None, None, None)
        return await server.__aenter__()

    @asynccontextmanager
    async def client(
        self,
        *,
        token: so.Token | None = None,
        token_by: so.TokenBy = "header",
        timeouts: Timeouts | None = None,
        heartbeat: float = 15.0,
        on_event: Callable[[Event], None] | None = None,
    ) -> AsyncGenerator[SmoothAgentClient, None]:
        client = SmoothAgentClient(
            self.server.url,
            token=token,
            token_by=token_by,
            timeouts=timeouts,
            heartbeat=heartbeat,
            backoff=QUICK,
            on_event=on_event,
        )
        try:
            yield client
        finally:
            await client.close()
            for _ in range(5):
                await asyncio.sleep(0)
            gc.collect()
            left = [task.get_name() for task in asyncio.all_tasks() if "smooth_operator" in task.get_name()]
            self.assertEqual(left + timers(), [])
            self.assertEqual(self.problems, [])

    def answers(self, *parts: str) -> None:
        """Every message is answered with these pieces."""

        async def script(_: so.SendMessageParams, reply: Reply) -> None:
            await reply.accepted()
            for part in parts:
                await reply.token(part)
            await reply.done("".join(parts))

        self.server.on(so.SendMessageParams, script)

    async def raises(self, code: str, work: Coroutine[object, object, object]) -> so.SmoothError:
        with self.assertRaises(so.SmoothError) as caught:
            await asyncio.wait_for(work, BOUND)
        self.assertEqual(caught.exception.code, code)
        return caught.exception


def timers() -> list[str]:
    """The timers of the client that will still fire."""
    loop = asyncio.get_running_loop()
    # `isinstance` would look behind a proxy whose object is gone.
    things = cast("list[object]", gc.get_objects())
    handles = [each for each in things if type(each) is asyncio.TimerHandle]
    running = (repr(each) for each in handles if not each.cancelled() and each.when() > loop.time())
    return [each for each in running if "smooth_operator" in each]


async def types(turn: Turn) -> list[str]:
    return [event.type async for event in turn]


async def until(turn: Turn, kind: str) -> None:
    """Reads up to the first event of a type."""
    async for event in turn:
        if event.type == kind:
            return


async def end(turn: Turn) -> so.TurnResult:
    return await turn


async def stays_parked(_: so.SendMessageParams, reply: Reply) -> None:
    await reply.accepted()
    await reply.confirmation("refund", "Refund 20 euros.")


async def only_accepts(_: so.SendMessageParams, reply: Reply) -> None:
    await reply.accepted()


class Calls(Case):
    async def test_an_action_is_a_typed_call_and_an_id_of_its_own_brings_the_answer_back(self) -> None:
        async with self.client() as client:
            session = await client.create_conversation_session(agent_id="a", user_name="Alice")
            self.assertEqual(session.agent_id, "a")
            self.assertEqual((await client.ping()).type, "pong")
            self.assertTrue(client.connected)
        first, second = self.server.actions
        self.assertNotEqual(first.request_id, second.request_id)

    async def test_every_action_reaches_the_server_under_its_own_name(self) -> None:
        async def forbid(_: object, reply: Reply) -> None:
            await reply.error("FORBIDDEN", "no")

        for params in (
            so.GetSessionParams,
            so.GetConversationMessagesParams,
            so.ListConversationsParams,
            so.RenameConversationParams,
            so.ConfirmToolActionParams,
            so.VerifyOtpParams,
            so.SubmitInteractionParams,
            so.SendMessageParams,
        ):
            self.server.on(params, forbid)
        async with self.client() as client:
            results = await asyncio.gather(
                client.get_session(session_id="s"),
                client.get_conversation_messages(session_id="s", limit=5),
                client.list_conversations(),
                client.rename_conversation(conversation_id="c", title="t"),
                client.confirm_tool_action(session_id="s", approved=False),
                client.verify_otp(session_id="s", request_id="r1", code="123456"),
                client.submit_interaction(session_id="s", request_id="r2", interaction_id="i", declined=True),
                client.send_message(session_id="s", message=MESSAGE),
                return_exceptions=True,
            )
            await client.cancel(request_id="r")
            await self.server.received(so.CancelParams)
        self.assertEqual([type(each) for each in results], [so.ServerError] * 8)
        self.assertEqual(len({each.action for each in self.server.actions}), 9)

    async def test_many_calls_and_turns_share_one_connection_whatever_the_order_of_the_answers(self) -> None:
        accepted: asyncio.Queue[tuple[str, Reply]] = asyncio.Queue()

        async def script(action: so.SendMessageParams, reply: Reply) -> None:
            await reply.accepted()
            await accepted.put((action.message, reply))

        self.server.on(so.SendMessageParams, script)
        async with self.client() as client:
            turns = [client.send_message(session_id="s", message=f"m{index}") for index in range(64)]
            await asyncio.gather(*(client.ping() for _ in range(64)))
            replies = [await accepted.get() for _ in turns]
            for message, reply in reversed(replies):
                await reply.token(message)
                await reply.done(message)
            texts = await asyncio.gather(*(turn.text() for turn in turns))
            self.assertEqual(texts, [f"m{index}" for index in range(64)])
            self.assertEqual(self.server.connections, 1)

    async def test_a_refusal_is_a_server_error_that_says_what_to_do(self) -> None:
        async def refuse(_: so.GetSessionParams, reply: Reply) -> None:
            await reply.error("RATE_LIMITED", "too many", field="/sessionId", retry_after_ms=1200)

        self.server.on(so.GetSessionParams, refuse)
        async with self.client() as client:
            error = await self.raises("RATE_LIMITED", client.get_session(session_id="s"))
        assert isinstance(error, so.ServerError)
        self.assertEqual((error.status, error.retryable, error.retry_after), (429, True, 1.2))
        self.assertEqual(error.field, "/sessionId")
        self.assertTrue(error.hint)

    async def test_a_reply_of_another_shape_is_an_error_that_names_the_place(self) -> None:
        async def script(_: so.GetSessionParams, reply: Reply) -> None:
            await reply.data({"sessionId": 1})

        self.server.on(so.GetSessionParams, script)
        async with self.client() as client:
            error = await self.raises("BAD_REPLY", client.get_session(session_id="s"))
        self.assertIn("/sessionId must be a string", str(error))
        self.assertIsInstance(error.__cause__, so.DecodeError)

    async def test_an_event_that_is_not_what_it_says_fails_whoever_waits_for_it_and_nobody_else(self) -> None:
        async def script(_: so.PingParams, reply: Reply) -> None:
            await reply.raw({"type": "pong", "data": {}})

        async with self.client() as client:
            await client.ping()
            self.server.on(so.PingParams, script)
            error = await self.raises("BAD_EVENT", client.ping())
            self.assertIn("/data/timestamp is required", str(error))
            await client.create_conversation_session()

    async def test_what_nobody_waits_for_goes_to_the_client(self) -> None:
        seen: list[Event] = []

        def take(event: Event) -> None:
            seen.append(event)
            raise ValueError("a fault of the caller must not end the connection")

        async with self.client(on_event=take) as client:
            await client.ping()
            news = so.UnknownEvent(tag="news", raw={"type": "news", "text": "hello"})
            with self.assertLogs("smooth_operator", logging.WARNING):
                await self.server.send(news)
                await self.server.send_text("this is no frame")
                await client.ping()
            self.assertEqual(seen, [news])

    async def test_a_call_that_is_not_answered_fails_when_its_limit_has_passed(self) -> None:
        async with self.client() as client:
            work = client.get_session(session_id="s", timeouts=Timeouts(request=0.05))
            error = await self.raises("TIMEOUT", work)
            self.assertIsInstance(error, TimeoutError)
            await client.ping()

    async def test_a_wait_that_is_cancelled_is_cancelled_and_leaves_nothing(self) -> None:
        async with self.client() as client:
            waiting = asyncio.create_task(client.get_session(session_id="s"))
            await self.server.received(so.GetSessionParams)
            waiting.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await waiting
            await client.ping()

    async def test_a_frame_that_is_too_big_fails_alone(self) -> None:
        async with self.client() as client:
            turn = client.send_message(session_id="s", message="ä" * (600 * 1024))
            await self.raises("FRAME_TOO_BIG", end(turn))
            await client.ping()


class Turns(Case):
    async def test_a_turn_is_iterated_and_awaited(self) -> None:
        self.answers("17 ", "days")
        async with self.client() as client:
            turn = client.send_message(session_id="s", message=MESSAGE)
            self.assertEqual(
                await types(turn),
                ["immediate_response", "stream_token", "stream_token", "eventual_response"],
            )
            self.assertEqual((await turn).response.response_parts, ["17 days"])
            self.assertEqual(await turn.text(), "17 days")
            self.assertTrue(turn.ended)
            self.assertEqual(await types(turn), [])

    async def test_a_turn_that_nobody_reads_keeps_little_and_loses_no_text(self) -> None:
        async def script(_: so.SendMessageParams, reply: Reply) -> None:
            await reply.accepted()
            for index in range(3_000):
                await reply.token("a")
                if index % 5 == 0:
                    data = so.StreamChunkData(request_id="r", node="search", state=so.StreamChunkState())
                    await reply.event(so.StreamChunkEvent(timestamp=0, node="search", data=data))
            await reply.done("done")

        self.server.on(so.SendMessageParams, script)
        async with self.client() as client:
            client.send_message(session_id="s", message=MESSAGE)
            turn = client.send_message(session_id="s", message=MESSAGE)
            self.assertEqual(await turn.text(), "done")
            kept = [event async for event in turn]
        self.assertLessEqual(len(kept), 1025)
        self.assertGreater(turn.dropped, 0)
        text = "".join(event.token for event in kept if isinstance(event, so.StreamTokenEvent))
        self.assertEqual(len(text), 3_000)
        self.assertEqual(kept[-1].type, "eventual_response")

    async def test_a_reader_keeps_up_with_a_burst(self) -> None:
        self.answers(*["a"] * 2_000)
        async with self.client() as client:
            await client.connect()
            turn = client.send_message(session_id="s", message=MESSAGE)
            self.assertEqual(len(await types(turn)), 2_002)

    async def test_an_event_that_this_version_does_not_know_is_delivered(self) -> None:
        async def script(_: so.SendMessageParams, reply: Reply) -> None:
            await reply.accepted()
            await reply.raw({"type": "budget_warning", "left": 0.1})
            await reply.done("")

        self.server.on(so.SendMessageParams, script)
        async with self.client() as client:
            events = [event async for event in client.send_message(session_id="s", message=MESSAGE)]
        unknown = events[1]
        assert isinstance(unknown, so.UnknownEvent)
        self.assertEqual((unknown.tag, unknown.raw["left"]), ("budget_warning", 0.1))

    async def test_a_turn_that_the_server_ends_with_an_error_gives_the_event_then_raises(self) -> None:
        async def script(_: so.SendMessageParams, reply: Reply) -> None:
            await reply.accepted()
            await reply.error("AGENT_ERROR", "the agent failed")

        self.server.on(so.SendMessageParams, script)
        async with self.client() as client:
            turn = client.send_message(session_id="s", message=MESSAGE)
            self.assertEqual(await types(turn), ["immediate_response", "error"])
            error = await self.raises("AGENT_ERROR", end(turn))
            self.assertTrue(error.retryable)
            # One that nobody waits for is no fault of the program.
            client.send_message(session_id="s", message=MESSAGE)
            await self.server.received(so.SendMessageParams, 2)
            await client.ping()

    async def test_cancelling_the_work_ends_the_turn_and_cancelling_a_wait_only_the_wait(self) -> None:
        async def cancel(_: so.CancelParams, reply: Reply) -> None:
            await reply.cancelled()

        self.server.on(so.SendMessageParams, only_accepts)
        self.server.on(so.CancelParams, cancel)
        async with self.client() as client:
            turn = client.send_message(session_id="s", message=MESSAGE)
            waiting = asyncio.create_task(end(turn))
            await self.server.received(so.SendMessageParams)
            waiting.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await waiting
            self.assertFalse(turn.ended)
            await turn.cancel()
            error = await self.raises("CANCELLED", end(turn))
            self.assertIsInstance(error, so.TurnCancelledError)
            self.assertEqual((await self.server.received(so.CancelParams)).request_id, turn.request_id)
            await turn.cancel()

    async def test_a_turn_that_is_cancelled_before_it_could_be_sent_is_never_sent(self) -> None:
        async with self.client() as client:
            turn = client.send_message(session_id="s", message=MESSAGE)
            await turn.cancel()
            await self.raises("CANCELLED", end(turn))
            await client.ping()
        self.assertEqual([each.action for each in self.server.actions], ["ping"])

    async def test_two_turns_cannot_have_one_id(self) -> None:
        self.server.on(so.SendMessageParams, only_accepts)
        async with self.client() as client:
            first = client.send_message(session_id="s", message=MESSAGE, request_id="r")
            await self.server.received(so.SendMessageParams)
            second = client.send_message(session_id="s", message=MESSAGE, request_id="r")
            await self.raises("DUPLICATE_REQUEST_ID", end(second))
            self.assertFalse(first.ended)


class Parks(Case):
    async def test_a_verdict_under_the_turns_own_id_is_answered_and_the_turn_goes_on(self) -> None:
        async def confirm(action: so.ConfirmToolActionParams, reply: Reply) -> None:
            await reply.data({"sessionId": action.session_id, "approved": action.approved})
            await reply.token("Done.")
            await reply.done("Done.")

        self.server.on(so.SendMessageParams, stays_parked)
        self.server.on(so.ConfirmToolActionParams, confirm)
        async with self.client() as client:
            turn = client.send_message(session_id="s", message="Refund me.")
            seen: list[str] = []
            async for event in turn:
                seen.append(event.type)
                if event.type == "write_confirmation_required":
                    self.assertIs(turn.parked, event)
                    self.assertEqual(event.data.data.tool_id, "refund")
                    self.assertTrue((await turn.confirm(True)).approved)
            self.assertEqual(
                seen,
                ["immediate_response", "write_confirmation_required", "stream_token", "eventual_response"],
            )
            self.assertIsNone(turn.parked)

    async def test_a_refused_verdict_is_the_calls_error_and_leaves_the_turn_alone(self) -> None:
        async def confirm(_: so.ConfirmToolActionParams, reply: Reply) -> None:
            await reply.error("NO_PENDING_CONFIRMATION", "nothing waits")

        self.server.on(so.SendMessageParams, stays_parked)
        self.server.on(so.ConfirmToolActionParams, confirm)
        async with self.client() as client:
            turn = client.send_message(session_id="s", message=MESSAGE)
            await until(turn, "write_confirmation_required")
            await self.raises("NO_PENDING_CONFIRMATION", turn.confirm(False))
            self.assertFalse(turn.ended)
            self.assertIsNotNone(turn.parked)

    async def test_a_turn_goes_on_without_the_tool_when_no_attempt_at_its_code_is_left(self) -> None:
        left = 2

        async def script(_: so.SendMessageParams, reply: Reply) -> None:
            await reply.accepted()
            required = so.OtpVerification(
                tool_id="refund", action_description="Refund it.", available_channels=[], auth_level="otp"
            )
            data = so.OtpVerificationRequiredData(request_id=reply.request_id or "", data=required)
            await reply.event(so.OtpVerificationRequiredEvent(timestamp=0, data=data))

        async def verify(_: so.VerifyOtpParams, reply: Reply) -> None:
            nonlocal left
            left -= 1
            failure = so.OtpFailure(attempts_remaining=left, message="no")
            data = so.OtpInvalidData(request_id=reply.request_id or "", data=failure)
            await reply.event(so.OtpInvalidEvent(timestamp=0, data=data))

        self.server.on(so.SendMessageParams, script)
        self.server.on(so.VerifyOtpParams, verify)
        async with self.client() as client:
            turn = client.send_message(session_id="s", message=MESSAGE)
            await until(turn, "otp_verification_required")
            self.assertEqual((await turn.verify("000000")).type, "otp_invalid")
            self.assertIsNotNone(turn.parked)
            self.assertEqual((await turn.verify("000000")).type, "otp_invalid")
            self.assertIsNone(turn.parked)

    async def test_an_error_that_ends_the_turn_is_no_answer_to_a_verdict_under_its_id(self) -> None:
        async def confirm(action: so.ConfirmToolActionParams, reply: Reply) -> None:
            await reply.error("AGENT_ERROR", "the model is gone")
            await reply.data({"sessionId": action.session_id, "approved": action.approved})

        self.server.on(so.SendMessageParams, stays_parked)
        self.server.on(so.ConfirmToolActionParams, confirm)
        async with self.client() as client:
            turn = client.send_message(session_id="s", message=MESSAGE)
            await until(turn, "write_confirmation_required")
            self.assertTrue((await turn.confirm(True)).approved)
            await self.raises("AGENT_ERROR", end(turn))

    async def test_a_code_and_a_form_are_answered_from_the_turn(self) -> None:
        declined = asyncio.Event()

        async def script(_: so.SendMessageParams, reply: Reply) -> None:
            await reply.accepted()
            await declined.wait()
            request = so.InteractionRequest(
                interaction_id="i1", kind="identity_intake", spec={"fields": []}, reason="to reach you"
            )
            data = so.InteractionRequiredData(request_id=reply.request_id or "", data=request)
            await reply.event(so.InteractionRequiredEvent(timestamp=0, data=data))

        async def submit(action: so.SubmitInteractionParams, reply: Reply) -> None:
            await reply.data({"sessionId": action.session_id, "interactionId": action.interaction_id})
            success = so.OtpSuccess(message="welcome")
            await reply.event(
                so.OtpVerifiedEvent(timestamp=0, data=so.OtpVerifiedData(request_id="r", data=success))
            )

        async def verify(_: so.VerifyOtpParams, reply: Reply) -> None:
            success = so.OtpSuccess(message="welcome")
            await reply.event(
                so.OtpVerifiedEvent(timestamp=0, data=so.OtpVerifiedData(request_id="r", data=success))
            )
            await reply.done("done")

        self.server.on(so.SendMessageParams, script)
        self.server.on(so.SubmitInteractionParams, submit)
        self.server.on(so.VerifyOtpParams, verify)
        async with self.client() as client:
            turn = client.send_message(session_id="s", message=MESSAGE)
            await self.raises("NO_PENDING_INTERACTION", turn.decline())
            declined.set()
            async for event in turn:
                if event.type == "interaction_required":
                    await turn.submit(so.IdentityIntakeValues(email="visitor@example.com"))
                if event.type == "otp_verified":
                    break
            verified = await turn.verify("123456")
            self.assertEqual(verified.type, "otp_verified")
            self.assertEqual(await turn.text(), "done")
        sent = await self.server.received(so.SubmitInteractionParams)
        self.assertEqual(sent.values, {"email": "visitor@example.com"})

    async def test_values_that_a_form_does_not_take_are_the_calls_error_and_the_form_still_waits(
        self,
    ) -> None:
        async def script(_: so.SendMessageParams, reply: Reply) -> None:
            await reply.accepted()
            request = so.InteractionRequest(
                interaction_id="i1", kind="identity_intake", spec={"fields": []}, reason="to reach you"
            )
            data = so.InteractionRequiredData(request_id=reply.request_id or "", data=request)
            await reply.event(so.InteractionRequiredEvent(timestamp=0, data=data))

        async def submit(action: so.SubmitInteractionParams, reply: Reply) -> None:
            wrong = so.InteractionRejection(
                interaction_id="i1",
                kind="identity_intake",
                errors=[so.FieldError(field="email", message="must be a valid email address")],
                message="Some fields need attention.",
            )
            data = so.InteractionInvalidData(request_id=action.request_id, data=wrong)
            await reply.event(so.InteractionInvalidEvent(timestamp=0, data=data))

        self.server.on(so.SendMessageParams, script)
        self.server.on(so.SubmitInteractionParams, submit)
        async with self.client() as client:
            turn = client.send_message(session_id="s", message=MESSAGE)
            seen: list[str] = []
            async for event in turn:
                seen.append(event.type)
                if event.type == "interaction_invalid":
                    break
                if event.type == "interaction_required":
                    error = await self.raises("INTERACTION_INVALID", turn.submit({"email": "no"}))
                    self.assertIsInstance(error, so.ServerError)
            self.assertEqual(seen, ["immediate_response", "interaction_required", "interaction_invalid"])
            self.assertIsInstance(turn.parked, so.InteractionRequiredEvent)

    async def test_the_clocks_of_a_turn_stand_still_while_it_waits_for_a_person(self) -> None:
        self.server.on(so.SendMessageParams, stays_parked)
        async with self.client(heartbeat=10 * HOUR) as client:
            hour = Timeouts(idle=HOUR, turn=HOUR)
            parked = client.send_message(session_id="s", message=MESSAGE, timeouts=hour)
            await until(parked, "write_confirmation_required")
            self.assertEqual(timers(), [])
            self.server.on(so.SendMessageParams, only_accepts)
            for limit, limits in (
                ("idle", Timeouts(idle=HOUR, turn=math.inf)),
                ("turn", Timeouts(idle=math.inf, turn=HOUR)),
            ):
                other = client.send_message(session_id="s", message=MESSAGE, timeouts=limits)
                await until(other, "immediate_response")
                self.later += 2 * HOUR
                error = await self.raises("TIMEOUT", end(other))
                assert isinstance(error, so.SmoothTimeoutError)
                self.assertEqual(error.limit, limit)
            self.assertFalse(parked.ended)
            self.assertEqual(timers(), [])

    async def test_the_limits_of_the_client_hold_for_what_has_none_of_its_own(self) -> None:
        self.server.on(so.SendMessageParams, only_accepts)
        never = math.inf
        async with self.client(timeouts=Timeouts(request=0.05, idle=0.05, turn=0.05)) as client:
            await self.raises("TIMEOUT", client.get_session(session_id="s"))
            for limit, own in (
                ("idle", Timeouts(request=never, turn=never)),
                ("turn", Timeouts(request=never, idle=never)),
            ):
                turn = client.send_message(session_id="s", message=MESSAGE, timeouts=own)
                error = await self.raises("TIMEOUT", end(turn))
                assert isinstance(error, so.SmoothTimeoutError)
                self.assertEqual(error.limit, limit)


class Connections(Case):
    async def test_a_connection_that_cannot_be_made_is_refused_with_its_reason(self) -> None:
        self.server.refuse(503)
        async with self.client() as client:
            error = await self.raises("CONNECTION_FAILED", client.connect())
            assert isinstance(error, so.SmoothConnectionError) and isinstance(error, ConnectionError)
            self.assertEqual((error.status, error.retryable), (503, True))
            await client.connect()
            await client.ping()

    async def test_a_refusal_for_good_is_told_at_once_and_says_what_to_look_at(self) -> None:
        for status in (302, 404):
            for call in (SmoothAgentClient.connect, SmoothAgentClient.ping):
                self.server.refuse(status)
                async with self.client() as client:
                    error = await self.raises("CONNECTION_FAILED", call(client))
                    said = f"HTTP {status}; are the address of the WebSocket endpoint and the token right?"
                    self.assertIn(said, str(error))
                    self.assertFalse(error.retryable)
        for status in (408, 429, 500):
            self.assertTrue(so.SmoothConnectionError("CONNECTION_FAILED", "", status).retryable)

    async def test_a_redirect_does_not_take_the_token_elsewhere(self) -> None:
        async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 302 Found\r\nLocation: {self.server.url}\r\n\r\n".encode())
            writer.close()

        async with await asyncio.start_server(redirect, "127.0.0.1", 0) as here:
            url = f"ws://127.0.0.1:{here.sockets[0].getsockname()[1]}/ws"
            client = SmoothAgentClient(url, token="secret", token_by="subprotocol")
            error = await self.raises("CONNECTION_FAILED", client.connect())
            await client.close()
        self.assertIn("HTTP 302", str(error))
        self.assertEqual(self.server.tokens, [])

    async def test_an_address_that_is_none_is_told_at_once_and_not_repeated(self) -> None:
        for url in (
            "127.0.0.1:8787/ws?token=secret",
            "http://127.0.0.1/?token=secret",
            "ws://[?token=secret",
            "",
        ):
            client = SmoothAgentClient(url)
            error = await self.raises("BAD_URL", client.ping())
            await client.close()
            self.assertFalse(error.retryable)
            self.assertIn("must begin with ws://", str(error))
            self.assertNotIn("secret", "".join(traceback.format_exception(error)))

    async def test_a_limit_that_passes_without_a_connection_tells_why_there_is_none(self) -> None:
        self.server.refuse(*[503] * 10_000)
        async with self.client(timeouts=Timeouts(connect=10 * HOUR, request=HOUR)) as client:
            turn = client.send_message(session_id="s", message=MESSAGE)
            call = asyncio.gather(client.ping(), return_exceptions=True)
            await asyncio.wait_for(self.server.attempted(2), BOUND)
            self.later += 2 * HOUR
            for error in (*await call, await self.raises("TIMEOUT", end(turn))):
                assert isinstance(error, so.SmoothTimeoutError)
                said = "the request limit of 3600 s has passed; cannot connect: HTTP 503"
                self.assertEqual(str(error), said)
                self.assertIsInstance(error.__cause__, so.SmoothConnectionError)

    async def test_async_with_connects_and_leaves_nothing_when_it_cannot(self) -> None:
        async with SmoothAgentClient(self.server.url) as client:
            self.assertTrue(client.connected)
        self.server.refuse(500)
        with self.assertRaises(so.SmoothConnectionError):
            async with SmoothAgentClient(self.server.url):
                self.fail("there is no connection")

    async def test_a_call_waits_while_the_connection_comes_back(self) -> None:
        self.server.refuse(503, 503, 503)
        async with self.client() as client:
            self.assertEqual((await asyncio.wait_for(client.ping(), BOUND)).type, "pong")
            self.assertEqual(len(self.server.tokens), 4)

    async def test_a_lost_connection_ends_its_turns_with_an_error_that_says_so_and_is_opened_again(
        self,
    ) -> None:
        self.server.on(so.SendMessageParams, only_accepts)
        async with self.client() as client:
            turn = client.send_message(session_id="s", message=MESSAGE)
            call = asyncio.create_task(client.get_session(session_id="s"))
            await self.server.received(so.SendMessageParams)
            await self.server.received(so.GetSessionParams)
            await self.server.drop()
            error = await self.raises("CONNECTION_LOST", end(turn))
            self.assertTrue(error.retryable)
            with self.assertRaises(so.SmoothConnectionError):
                await types(turn)
            with self.assertRaises(so.SmoothConnectionError):
                await call
            await asyncio.wait_for(self.server.attempted(2), BOUND)
            await client.ping()

    def test_pauses_are_drawn_from_a_span_that_doubles_up_to_its_longest(self) -> None:
        backoff = Backoff()
        for failures, longest in ((0, 0.5), (1, 1), (5, 16), (6, 20), (10_000, 20)):
            drawn = [backoff.draw(failures) for _ in range(200)]
            self.assertTrue(all(0 <= pause <= longest for pause in drawn))
            self.assertGreater(max(drawn), longest / 2)
            self.assertLess(min(drawn), longest / 2)

    async def test_a_token_is_fetched_for_each_connection_and_anew_when_it_was_refused(self) -> None:
        count = 0

        async def token() -> str:
            nonlocal count
            count += 1
            return f"t{count}"

        self.server.refuse(401)
        async with self.client(token=token) as client:
            await client.connect()
            await client.ping()
            await self.server.drop(4401)
            await asyncio.wait_for(self.server.attempted(3), BOUND)
            await client.ping()
        self.assertEqual(self.server.tokens, ["t1", "t2", "t3"])

    async def test_a_token_travels_in_the_header_or_as_a_subprotocol(self) -> None:
        for token_by in ("header", "subprotocol"):
            async with self.client(token="a.b-c", token_by=token_by) as client:
                await client.ping()
        self.assertEqual(self.server.tokens, ["a.b-c", "a.b-c"])
        by_header, by_subprotocol = self.server.requests
        self.assertEqual(by_header.get_all("Authorization"), ["Bearer a.b-c"])
        self.assertEqual(by_header.get_all("Sec-WebSocket-Protocol"), [])
        self.assertEqual(by_subprotocol.get_all("Authorization"), [])
        self.assertEqual(by_subprotocol.get_all("Sec-WebSocket-Protocol"), ["smooth-operator, bearer.a.b-c"])

    async def test_a_token_that_stays_refused_ends_the_attempts_and_is_never_logged(self) -> None:
        async def token() -> str:
            return "secret-token"

        with self.assertLogs(level=logging.DEBUG) as logs:
            logging.debug("so that there is something")
            for given, attempts in ((token, 2), ("secret-token", 1)):
                self.server.tokens.clear()
                self.server.refuse(*[401] * attempts)
                async with self.client(token=given) as client:
                    error = await self.raises("UNAUTHENTICATED", client.ping())
                    self.assertFalse(error.retryable)
                    self.assertNotIn("secret", str(error))
                    self.assertEqual(self.server.tokens, ["secret-token"] * attempts)
                    await client.ping()
        self.assertNotIn("secret", "".join(line for line in logs.output if ":websockets.server:" not in line))

    async def test_a_server_that_falls_silent_is_given_up_and_another_connection_opened(self) -> None:
        self.server.on(so.SendMessageParams, only_accepts)
        never = Timeouts(idle=math.inf, turn=math.inf)
        async with self.client(heartbeat=HOUR) as client:
            turn = client.send_message(session_id="s", message=MESSAGE, timeouts=never)
            await until(turn, "immediate_response")
            self.server.freeze()
            # A ping is sent in the first step, and missed in a later one.
            for _ in range(1_000):
                if not turn.ended:
                    self.later += 2 * HOUR
                    await asyncio.sleep(0)
            await self.raises("CONNECTION_LOST", end(turn))
            await client.ping()
            self.assertEqual(len(self.server.tokens), 2)
            await self.server.drop()

    async def test_a_connection_that_does_not_come_about_ends_at_its_limit(self) -> None:
        # The system connects; nobody answers.
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"ws://127.0.0.1:{silent.getsockname()[1]}/ws"
            client = SmoothAgentClient(url, timeouts=Timeouts(connect=0.05))
            error = await self.raises("TIMEOUT", client.connect())
            assert isinstance(error, so.SmoothTimeoutError)
            self.assertEqual(error.limit, "connect")
            await client.close()
            client = SmoothAgentClient(url, timeouts=Timeouts(connect=0.05))
            patient = Timeouts(connect=0.3)
            self.assertIn("0.3 s", str(await self.raises("TIMEOUT", client.connect(timeouts=patient))))
            await client.close()

    async def test_closing_ends_everything_that_waits(self) -> None:
        self.server.on(so.SendMessageParams, only_accepts)
        async with self.client() as client:
            turn = client.send_message(session_id="s", message=MESSAGE)
            call = asyncio.create_task(client.get_session(session_id="s"))
            await self.server.received(so.SendMessageParams)
            await self.server.received(so.GetSessionParams)
            await client.close()
            for work in (end(turn), asyncio.wait_for(call, BOUND), client.ping(), client.connect()):
                await self.raises("CLOSED", work)
            await self.raises("CLOSED", end(client.send_message(session_id="s", message=MESSAGE)))
            await client.close()

    async def test_closing_ends_a_turn_that_has_not_even_begun(self) -> None:
        async with self.client() as client:
            turn = client.send_message(session_id="s", message=MESSAGE)
            await client.close()
            await self.raises("CLOSED", end(turn))

    async def test_closing_while_connecting_and_between_attempts_is_clean(self) -> None:
        async with self.client() as client:
            waiting = asyncio.create_task(client.ping())
            await asyncio.sleep(0)
            await client.close()
            await self.raises("CLOSED", asyncio.wait_for(waiting, BOUND))
        self.server.refuse(*[503] * 1000)
        async with self.client() as client:
            waiting = asyncio.create_task(client.ping())
            await self.server.attempted(3)
            await client.close()
            await self.raises("CLOSED", asyncio.wait_for(waiting, BOUND))


if __name__ == "__main__":
    unittest.main()
