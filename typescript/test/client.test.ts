// The client against the scripted server: calls, turns, parks, limits.
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { CancelledError, ServerError, SmoothError, TimeoutError } from "../src/index.js";
import type { Event } from "../src/index.js";
import type { ScriptedEvent } from "../src/testing.js";
import { collect, connectTo, message, mockTime, pass, server, settle } from "./fixture.js";

test("an action is a typed call, and an id of its own brings the answer back", async () => {
  const client = connectTo();
  const session = await client.createConversationSession({ agentId: "a", userName: "Alice" });
  assert.equal(session.agentId, "a");
  assert.equal((await client.ping()).type, "pong");
  const [first, second] = server.actions;
  assert.notEqual(first?.requestId, second?.requestId);
  assert.equal(client.connected, true);
});

test("every action reaches the server under its own name", async () => {
  const client = connectTo();
  const ids = { sessionId: "s", requestId: "r" };
  for (const name of [
    "get_session",
    "get_conversation_messages",
    "list_conversations",
    "rename_conversation",
    "confirm_tool_action",
    "verify_otp",
    "submit_interaction",
  ] as const) {
    server.on(name, (_, reply) => reply.error("FORBIDDEN", "no"));
  }
  server.on("send_message", (_, reply) => reply.error("FORBIDDEN", "no"));
  const calls = [
    client.getSession(ids),
    client.getConversationMessages({ ...ids, limit: 5 }),
    client.listConversations(),
    client.renameConversation({ conversationId: "c", title: "t" }),
    client.confirmToolAction({ ...ids, approved: false }),
    client.verifyOtp({ ...ids, code: "123456" }),
    client.submitInteraction({ ...ids, interactionId: "i", declined: true }),
    client.sendMessage(message),
  ];
  for (const result of await Promise.allSettled(calls)) assert.equal(result.status, "rejected");
  client.cancel({ requestId: "r" });
  await server.received("cancel");
  assert.equal(new Set(server.actions.map(({ action }) => action)).size, 9);
});

test("many calls and turns share one connection, whatever the order of the answers", async () => {
  const client = connectTo();
  const answers: (() => void)[] = [];
  server.on("send_message", (action, reply) => {
    reply.accepted();
    answers.push(() => reply.token(action.message).done(action.message));
  });
  const turns = Array.from({ length: 64 }, (_, index) =>
    client.sendMessage({ ...message, message: `m${index}` }),
  );
  const pings = Promise.all(Array.from({ length: 64 }, () => client.ping()));
  await server.received("send_message", 64);
  await pings;
  answers.reverse().forEach((answer) => answer());
  assert.deepEqual(
    await Promise.all(turns.map((turn) => turn.text())),
    turns.map((_, index) => `m${index}`),
  );
  assert.equal(server.connections, 1);
});

test("a turn is iterated and awaited", async () => {
  const client = connectTo();
  server.on("send_message", (_, reply) => reply.accepted().token("17 ").token("days").done("17 days"));
  const turn = client.sendMessage(message);
  const types = (await collect(turn)).map(({ type }) => type);
  assert.deepEqual(types, ["immediate_response", "stream_token", "stream_token", "eventual_response"]);
  assert.deepEqual((await turn).response.responseParts, ["17 days"]);
  assert.equal(turn.ended, true);
  assert.deepEqual(await collect(turn), []);
});

test("a turn that is only awaited, or neither iterated nor awaited, keeps little and hangs nowhere", async () => {
  const client = connectTo();
  server.on("send_message", (_, reply) => {
    reply.accepted();
    for (let index = 0; index < 5_000; index++) {
      reply.token("a");
      if (index % 5 === 0) {
        const data = { requestId: "r", node: "search", state: {} };
        reply.event({ type: "stream_chunk", node: "search", data });
      }
    }
    reply.done("done");
  });
  client.sendMessage(message);
  const turn = client.sendMessage(message);
  assert.equal(await turn.text(), "done");
  const kept = await collect(turn);
  assert.ok(kept.length <= 1025 && turn.dropped > 0, `${kept.length} events, ${turn.dropped} dropped`);
  const tokens = kept.map((event) => (event.type === "stream_token" ? event.token : "")).join("");
  assert.equal(tokens.length, 5_000, "no text is lost");
  assert.equal(kept.at(-1)?.type, "eventual_response");
});

test("a turn that fails and that nobody waits for does not end the process", async () => {
  const client = connectTo();
  server.on("send_message", (_, reply) => reply.accepted().error("AGENT_ERROR", "no"));
  const turn = client.sendMessage(message);
  await collect(turn);
  assert.equal(turn.ended, true);
  // By then Node has ended a process for a rejection that nobody handles.
  await new Promise((looked) => setImmediate(looked));
});

test("an event that this version does not know is delivered, to its turn or to the client", async () => {
  const seen: Event[] = [];
  const client = connectTo({ onEvent: (event) => seen.push(event) });
  server.on("send_message", (_, reply) =>
    reply.accepted().raw({ type: "budget_warning", left: 0.1 }).done(""),
  );
  const events = await collect(client.sendMessage(message));
  const unknown = events.find((event) => event.type === "$unknown");
  assert.equal(unknown?.rawType, "budget_warning");
  server.send({ type: "$unknown", rawType: "news", raw: { type: "news", text: "hello" } });
  server.sendText("this is no frame");
  server.sendText('{"type":"pong"}');
  await client.ping();
  assert.deepEqual(seen, [{ type: "$unknown", rawType: "news", raw: { type: "news", text: "hello" } }]);
});

test("a refusal is a ServerError that says what to do", async () => {
  const client = connectTo();
  server.on("get_session", (_, reply) =>
    reply.error("RATE_LIMITED", "too many", { field: "/sessionId", retryAfterMs: 1200 }),
  );
  const error = await client.getSession({ sessionId: "s" }).catch((reason: unknown) => reason);
  assert.ok(error instanceof ServerError && error instanceof SmoothError && error instanceof Error);
  const { code, status, retryable, retryAfter, field } = error;
  assert.deepEqual(
    { code, status, retryable, retryAfter, field },
    { code: "RATE_LIMITED", status: 429, retryable: true, retryAfter: 1200, field: "/sessionId" },
  );
  assert.match(error.hint ?? "", /retryAfterMs/);
  assert.equal(Object(error.cause).type, "error", "the event itself is the cause");
  assert.equal(error.name, "ServerError");
});

test("a reply of another shape is an error that names the place", async () => {
  const client = connectTo();
  server.on("get_session", (_, reply) => reply.data({ sessionId: 1 }));
  await assert.rejects(client.getSession({ sessionId: "s" }), (error) => {
    return (
      error instanceof SmoothError &&
      error.code === "BAD_REPLY" &&
      /\/sessionId must be a string/.test(error.message)
    );
  });
});

test("an event that is not what it says fails whoever waits for it, and nobody else", async () => {
  const client = connectTo();
  server.on("ping", (_, reply) => reply.raw({ type: "pong", data: {} }));
  server.on("send_message", (_, reply) => reply.accepted().raw({ type: "eventual_response", status: "200" }));
  const turn = client.sendMessage(message);
  await assert.rejects(turn.text(), { code: "BAD_EVENT" });
  await assert.rejects(client.ping(), /data\/timestamp is required/);
  assert.equal((await client.createConversationSession()).agentName, "Support");
});

test("a turn that the server ends with an error gives the event, then rejects", async () => {
  const client = connectTo();
  server.on("send_message", (_, reply) => reply.error("TURN_IN_PROGRESS", "one at a time"));
  const turn = client.sendMessage(message);
  assert.deepEqual(
    (await collect(turn)).map(({ type }) => type),
    ["error"],
  );
  await assert.rejects(turn.text(), { code: "TURN_IN_PROGRESS", retryable: true });
});

test("cancelling the work ends the turn; aborting the signal ends only the waiting", async () => {
  const client = connectTo();
  const replies: (() => void)[] = [];
  server.on("send_message", (_, reply) => {
    reply.accepted().token("a");
    replies.push(() => reply.cancelled());
  });
  server.on("cancel", () => replies[0]?.());
  const turn = client.sendMessage(message);
  await server.received("send_message");
  turn.cancel();
  await assert.rejects(
    turn.text(),
    (error) => error instanceof CancelledError && error.requestId === turn.requestId,
  );
  assert.equal((await server.received("cancel")).requestId, turn.requestId);

  const abort = new AbortController();
  const other = client.sendMessage(message, { signal: abort.signal });
  await server.received("send_message", 2);
  assert.equal(getEventListeners(abort.signal, "abort").length, 1);
  abort.abort(new Error("enough"));
  await assert.rejects(other.text(), /enough/);
  await assert.rejects(collect(other), /enough/);
  assert.equal(getEventListeners(abort.signal, "abort").length, 0, "nothing hangs on the caller's signal");
  await assert.rejects(client.ping({}, { signal: AbortSignal.abort(new Error("never")) }), /never/);
  await client.ping();
  assert.equal(server.actions.filter(({ action }) => action === "cancel").length, 1);
});

test("a turn that is cancelled before it could be sent is never sent", async () => {
  mockTime();
  const client = connectTo({ heartbeat: Infinity });
  await client.connect();
  server.drop();
  await settle();
  const turn = client.sendMessage(message);
  turn.cancel();
  await assert.rejects(turn.text(), CancelledError);
  pass(500);
  await client.ping();
  assert.equal(
    server.actions.some(({ action }) => action === "send_message"),
    false,
  );
});

test("a verdict under the turn's own id is answered, and the turn goes on", async () => {
  const client = connectTo();
  let resume = (_: boolean): void => {};
  server.on("send_message", (_, reply) => {
    reply.accepted().confirmation("refund_order", "Refund order 4417.");
    resume = (approved) => reply.token(approved ? "done" : "left").done(approved ? "done" : "left");
  });
  server.on("confirm_tool_action", ({ sessionId, approved }, reply) => {
    reply.data({ sessionId, approved });
    resume(approved);
  });
  const turn = client.sendMessage(message);
  for await (const event of turn) {
    if (event.type !== "write_confirmation_required") continue;
    assert.equal(turn.parked?.type, "write_confirmation_required");
    const reply = await client.confirmToolAction({
      sessionId: "s",
      requestId: turn.requestId,
      approved: true,
    });
    assert.equal(reply.approved, true);
  }
  assert.equal(await turn.text(), "done");
  assert.equal(turn.parked, undefined);

  const denied = client.sendMessage(message);
  await server.received("send_message", 2);
  await denied.confirm(false);
  assert.equal(await denied.text(), "left");
});

test("a verdict that was taken lets the clocks run again, one that was refused does not", async () => {
  mockTime();
  const client = connectTo({ heartbeat: Infinity, timeouts: { idle: 300 } });
  server.on("send_message", (_, reply) =>
    reply.accepted().confirmation("refund_order", "Refund order 4417."),
  );
  server.on("confirm_tool_action", (_, reply) => reply.error("RATE_LIMITED", "slow down"));
  await client.connect();
  const turn = client.sendMessage(message);
  await settle();
  await assert.rejects(turn.confirm(true), { code: "RATE_LIMITED" });
  pass(86_400_000);
  assert.equal(turn.parked?.type, "write_confirmation_required");
  server.on("confirm_tool_action", ({ sessionId, approved }, reply) => reply.data({ sessionId, approved }));
  await turn.confirm(true);
  assert.equal(turn.parked, undefined);
  pass(299);
  assert.equal(turn.ended, false);
  pass(1);
  await assert.rejects(turn.text(), { kind: "idle" });
});

test("a failure of the turn is no answer to its verdict", async () => {
  const client = connectTo();
  let fail = (): void => {};
  server.on("send_message", (_, reply) => {
    reply.accepted().confirmation("refund_order", "Refund order 4417.");
    fail = () => reply.error("AGENT_ERROR", "the model is gone");
  });
  server.on("confirm_tool_action", (_, reply) => {
    fail();
    reply.error("NO_PENDING_CONFIRMATION", "nothing waits");
  });
  const turn = client.sendMessage(message);
  await assert.rejects(turn.confirm(true), { code: "NO_PENDING_CONFIRMATION" });
  await assert.rejects(turn.text(), { code: "AGENT_ERROR" });
});

test("a refused verdict is the call's error and leaves the turn alone", async () => {
  const client = connectTo();
  let finish = (): void => {};
  server.on("send_message", (_, reply) => {
    reply.accepted();
    finish = () => reply.done("fine");
  });
  server.on("confirm_tool_action", (_, reply) => reply.error("NO_PENDING_CONFIRMATION", "nothing waits"));
  const turn = client.sendMessage(message);
  await assert.rejects(turn.confirm(true), { code: "NO_PENDING_CONFIRMATION" });
  finish();
  assert.equal(await turn.text(), "fine");
});

test("a code and a form are answered from the turn", async () => {
  const client = connectTo();
  const interaction = { interactionId: "i", kind: "identity_intake", spec: {}, reason: "to send it" };
  server.on("send_message", (_, reply) => {
    const data = {
      toolId: "t",
      actionDescription: "Show it.",
      availableChannels: ["email"],
      authLevel: "otp",
    };
    const requestId = reply.requestId ?? "";
    reply.accepted();
    reply.event({ type: "otp_verification_required", data: { requestId, data } });
    reply.event({
      type: "otp_sent",
      data: { requestId, data: { channel: "email", maskedDestination: "v***@example.com" } },
    });
  });
  server.on("verify_otp", ({ requestId }, reply) => {
    reply.event({ type: "otp_verified", data: { requestId, data: { message: "Thank you." } } });
    reply.event({ type: "interaction_required", data: { requestId, data: interaction } });
  });
  server.on("submit_interaction", ({ sessionId, interactionId, values, declined }, reply) => {
    reply.data({ sessionId, interactionId, ...(values ? { values } : { declined: declined ?? false }) });
    reply.done(values ? JSON.stringify(values) : "declined");
  });
  for (const declines of [false, true]) {
    const turn = client.sendMessage(message);
    await assert.rejects(turn.submit({}), { code: "NO_PENDING_INTERACTION" });
    for await (const event of turn) {
      if (event.type === "otp_sent") {
        assert.equal(turn.parked?.type, "otp_verification_required");
        assert.equal((await turn.verify("123456")).type, "otp_verified");
      }
      if (event.type !== "interaction_required") continue;
      if (declines) await turn.decline();
      else await turn.submit({ email: "visitor@example.com" });
    }
    assert.equal(await turn.text(), declines ? "declined" : '{"email":"visitor@example.com"}');
  }
});

test("a turn goes on without the tool when no attempt at its code is left", async () => {
  const client = connectTo();
  server.on("send_message", (_, reply) => {
    const requestId = reply.requestId ?? "";
    const data = {
      toolId: "refund",
      actionDescription: "Refund it.",
      availableChannels: ["email"],
      authLevel: "otp",
    };
    reply.accepted().event({ type: "otp_verification_required", data: { requestId, data } });
  });
  let attemptsRemaining = 2;
  server.on("verify_otp", ({ requestId }, reply) => {
    attemptsRemaining -= 1;
    reply.event({ type: "otp_invalid", data: { requestId, data: { attemptsRemaining, message: "No." } } });
  });
  const turn = client.sendMessage(message);
  for await (const { type } of turn) if (type === "otp_verification_required") break;
  assert.equal((await turn.verify("000000")).type, "otp_invalid");
  assert.equal(turn.parked?.type, "otp_verification_required");
  assert.equal((await turn.verify("000000")).type, "otp_invalid");
  assert.equal(turn.parked, undefined);
});

test("values that a form does not take are the call's error, and the form still waits", async () => {
  const client = connectTo();
  const interaction = { interactionId: "i", kind: "identity_intake", spec: {}, reason: "to send it" };
  server.on("send_message", (_, reply) => {
    const data = { requestId: reply.requestId ?? "", data: interaction };
    reply.accepted().event({ type: "interaction_required", data });
  });
  server.on("submit_interaction", ({ requestId }, reply) => {
    const errors = [{ field: "email", message: "must be a valid email address" }];
    const data = {
      interactionId: "i",
      kind: "identity_intake",
      errors,
      message: "Some fields need attention.",
    };
    reply.event({ type: "interaction_invalid", data: { requestId, data } });
  });
  const turn = client.sendMessage(message);
  const seen: string[] = [];
  for await (const { type } of turn) {
    seen.push(type);
    if (type === "interaction_invalid") break;
    if (type !== "interaction_required") continue;
    const refused = { name: "ServerError", code: "INTERACTION_INVALID", retryable: false };
    await assert.rejects(turn.submit({ email: "no" }), refused);
  }
  assert.deepEqual(seen, ["immediate_response", "interaction_required", "interaction_invalid"]);
  assert.equal(turn.parked?.type, "interaction_required");
});

test("a call that is not answered fails when its limit has passed, a turn when it is silent or too long", async () => {
  mockTime();
  const client = connectTo({ heartbeat: Infinity, timeouts: { request: 100, idle: 300, turn: 1000 } });
  server.on("ping", () => {});
  server.on("send_message", (_, reply) => reply.accepted());
  const failed = (kind: string) => (error: unknown) =>
    error instanceof TimeoutError && error.kind === kind && error.retryable && error.code === "TIMEOUT";
  await client.connect();
  const ping = client.ping({}, { timeouts: { request: 50 } });
  const turn = client.sendMessage(message);
  await settle();
  pass(50);
  await assert.rejects(ping, failed("request"));
  pass(250);
  await assert.rejects(turn.text(), failed("idle"));
  await assert.rejects(collect(turn), failed("idle"));
  const mute = client.sendMessage(message);
  await settle();
  server.on("send_message", () => {});
  const unheard = client.sendMessage(message);
  await settle();
  pass(100);
  await assert.rejects(unheard.text(), failed("request"));
  assert.equal(mute.ended, false);
});

test("a turn has limits of its own where the call sets them", async () => {
  mockTime();
  const client = connectTo({ heartbeat: Infinity, timeouts: { idle: 10, turn: 20 } });
  let say = (): void => {};
  server.on("send_message", (_, reply) => {
    reply.accepted();
    say = () => reply.token("a");
  });
  await client.connect();
  const idle = client.sendMessage(message, { timeouts: { idle: 300, turn: 1000 } });
  await settle();
  pass(299);
  assert.equal(idle.ended, false);
  pass(1);
  await assert.rejects(idle.text(), { kind: "idle" });
  const whole = client.sendMessage(message, { timeouts: { idle: Infinity, turn: 500 } });
  await settle();
  pass(499);
  say();
  await settle();
  assert.equal(whole.ended, false);
  pass(1);
  await assert.rejects(whole.text(), { kind: "turn" });
});

test("an event moves the idle clock, but not that of the whole turn", async () => {
  mockTime();
  const client = connectTo({ heartbeat: Infinity, timeouts: { idle: 300, turn: 1000 } });
  let say = (): void => {};
  server.on("send_message", (_, reply) => {
    reply.accepted();
    say = () => reply.token("a");
  });
  await client.connect();
  const turn = client.sendMessage(message);
  await settle();
  for (let passed = 0; passed < 999; passed += 111) {
    pass(111);
    say();
    await settle();
    assert.equal(turn.ended, false);
  }
  pass(1);
  await assert.rejects(turn.text(), { kind: "turn" });
  const silent = client.sendMessage(message);
  await settle();
  pass(299);
  say();
  await settle();
  pass(299);
  assert.equal(silent.ended, false);
  pass(1);
  await assert.rejects(silent.text(), { kind: "idle" });
});

test("the clocks of a turn stand still while it waits for a person, and go on with what was left", async () => {
  mockTime();
  const client = connectTo({ heartbeat: Infinity, timeouts: { idle: 300, turn: 500 } });
  const data = { requestId: "r" };
  const otp = { toolId: "t", actionDescription: "d", availableChannels: ["email"], authLevel: "otp" };
  const form = { interactionId: "i", kind: "choices", spec: {}, reason: "to know" };
  const parks: ScriptedEvent[] = [
    { type: "write_confirmation_required", data: { ...data, data: { toolId: "t", actionDescription: "d" } } },
    { type: "otp_verification_required", data: { ...data, data: otp } },
    { type: "interaction_required", data: { ...data, data: form } },
  ];
  const toolCall = { id: "c", name: "n", arguments: "{}" };
  const leaveItParked: object[] = [
    { type: "keepalive", data: { ...data, node: "n" } },
    { type: "otp_sent", data: { ...data, data: { channel: "email", maskedDestination: "v***" } } },
    { type: "stream_chunk", node: "n", data: { ...data, node: "n", state: { rawResponse: { toolCall } } } },
    { type: "stream_chunk", node: "n", data: { ...data, node: "n", state: {} } },
    { type: "news" },
  ];
  await client.connect();
  for (const park of parks) {
    let say = (_: object): void => {};
    server.on("send_message", (_, reply) => {
      reply.accepted();
      say = (frame) => reply.raw(frame);
    });
    const turn = client.sendMessage(message);
    await settle();
    pass(200);
    say(park);
    await settle();
    for (const event of leaveItParked) {
      pass(86_400_000);
      say(event);
      await settle();
      assert.equal(turn.parked?.type, park.type);
    }
    pass(86_400_000);
    assert.equal(turn.ended, false);
    const goOn = { type: "stream_token", token: "a", data: { ...data, token: "a" } };
    say(goOn);
    await settle();
    assert.equal(turn.parked, undefined);
    pass(200);
    say(goOn);
    await settle();
    pass(99);
    assert.equal(turn.ended, false);
    pass(1);
    await assert.rejects(turn.text(), { kind: "turn" });
  }
});

test("a frame that is too big fails alone", async () => {
  const client = connectTo();
  await assert.rejects(client.renameConversation({ conversationId: "c", title: "é".repeat(600_000) }), {
    code: "FRAME_TOO_BIG",
  });
  await client.ping();
});

test("two turns cannot have one id", async () => {
  const client = connectTo();
  await client.connect();
  client.sendMessage({ ...message, requestId: "mine" });
  await assert.rejects(client.sendMessage({ ...message, requestId: "mine" }).text(), {
    code: "DUPLICATE_REQUEST_ID",
  });
});
