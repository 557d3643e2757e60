// The client against the scripted server: calls, turns, parks, limits, lost connections, closing.
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import {
  CancelledError,
  ClosedError,
  ConnectionError,
  ServerError,
  SmoothAgentClient,
  SmoothError,
  TimeoutError,
} from "../src/index.js";
import type { ClientOptions, Event } from "../src/index.js";
import { FakeServer } from "../src/testing.js";

let server: FakeServer;
let open: SmoothAgentClient[];
let now = 0;

beforeEach(() => {
  server = new FakeServer();
  open = [];
});

afterEach(() => {
  for (const client of open) client.close();
  mock.timers.reset();
  mock.restoreAll();
});

function connectTo(options: Partial<ClientOptions> = {}): SmoothAgentClient {
  const client = new SmoothAgentClient({ url: server.url, openSocket: server.openSocket, ...options });
  open.push(client);
  return client;
}

/** From now on time passes only by {@link pass}. */
function mockTime(): void {
  mock.timers.enable({ apis: ["setTimeout"] });
  // Whole, so that sums of it are exact.
  now = Math.ceil(performance.now());
  mock.method(performance, "now", () => now);
}

function pass(milliseconds: number): void {
  now += milliseconds;
  mock.timers.tick(milliseconds);
}

/** Lets everything happen that needs no time. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

async function collect(events: AsyncIterable<Event>): Promise<Event[]> {
  const out: Event[] = [];
  for await (const event of events) out.push(event);
  return out;
}

const message = { sessionId: "s", message: "How long is your return window?" };

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
  await server.received("send_message");
  await settle();
  assert.equal(turn.ended, true);
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
  abort.abort(new Error("enough"));
  await assert.rejects(other.text(), /enough/);
  await assert.rejects(client.ping({}, { signal: AbortSignal.abort(new Error("never")) }), /never/);
  await client.ping();
  assert.equal(server.actions.filter(({ action }) => action === "cancel").length, 1);
});

test("a turn that is cancelled before it could be sent is never sent", async () => {
  const client = connectTo();
  await client.connect();
  server.drop();
  await settle();
  const turn = client.sendMessage(message);
  turn.cancel();
  await assert.rejects(turn.text(), CancelledError);
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

test("the clocks of a turn stand still while it waits for a person", async () => {
  mockTime();
  const client = connectTo({ heartbeat: Infinity, timeouts: { idle: 300 } });
  let go = (): void => {};
  server.on("send_message", (_, reply) => {
    reply.accepted().confirmation("t", "Do it.");
    go = () => reply.token("on");
  });
  await client.connect();
  const turn = client.sendMessage(message);
  await settle();
  pass(86_400_000);
  assert.equal(turn.ended, false);
  go();
  await settle();
  pass(300);
  await assert.rejects(turn.text(), { kind: "idle" });
});

test("a connection that cannot be made is refused with its reason; the next attempt may succeed", async () => {
  const client = connectTo();
  server.refuse(503);
  await assert.rejects(client.connect(), (error) => {
    return error instanceof ConnectionError && error.code === "CONNECTION_FAILED" && error.status === 503;
  });
  await client.connect();
  assert.equal(client.connected, true);
});

test("a connection that does not come about ends at its limit", async () => {
  mockTime();
  const handlers = { onopen: null, onmessage: null, onclose: null, onerror: null };
  const silent = { ...handlers, send: () => {}, close: () => {} };
  const client = connectTo({ openSocket: () => silent, timeouts: { connect: 100 } });
  const connecting = assert.rejects(client.connect(), { code: "TIMEOUT", kind: "connect" });
  await settle();
  pass(100);
  await connecting;
  let ended = false;
  const patient = client.connect({ timeouts: { connect: 500 } }).finally(() => (ended = true));
  await settle();
  pass(499);
  await settle();
  assert.equal(ended, false, "a call may wait longer than the client's own limit");
  pass(1);
  await assert.rejects(patient, { kind: "connect" });
});

test("a lost connection ends its turns with an error that says so, and is opened again with full jitter", async () => {
  mockTime();
  const random = mock.method(Math, "random", () => 0.999);
  const warnings: string[] = [];
  const logger = { debug: () => {}, warn: (text: string) => warnings.push(text) };
  const client = connectTo({ heartbeat: Infinity, logger, timeouts: { request: 120_000 } });
  server.on("send_message", (_, reply) => reply.accepted().token("a"));
  await client.connect();
  const turn = client.sendMessage(message);
  await settle();
  server.drop();
  await assert.rejects(turn.text(), { code: "CONNECTION_LOST", retryable: true });
  await assert.rejects(collect(turn), ConnectionError);
  assert.equal(client.connected, false);

  server.refuse(503, 503, 503, 503, 503, 503, 503);
  const ping = client.ping();
  const pauses = [499, 999, 1998, 3996, 7992, 15984, 19980];
  for (const [index, pause] of pauses.entries()) {
    await settle();
    pass(pause - 1);
    await settle();
    assert.equal(server.tokens.length, index + 1, `no attempt before ${pause} ms`);
    pass(2);
    await settle();
    assert.equal(server.tokens.length, index + 2);
  }
  pass(20_000);
  await settle();
  assert.equal((await ping).type, "pong");
  assert.ok(random.mock.callCount() >= 8);
  assert.ok(warnings.length > 0);
});

test("a token is fetched for each connection, and anew when it was refused", async () => {
  const refusals: boolean[] = [];
  const token = ({ refused }: { refused: boolean }): string => {
    refusals.push(refused);
    return `t${refusals.length}`;
  };
  const logged: unknown[] = [];
  const logger = {
    debug: (...all: unknown[]) => logged.push(all),
    warn: (...all: unknown[]) => logged.push(all),
  };
  const client = connectTo({ token, logger });
  server.refuse(401);
  await client.connect();
  assert.deepEqual(server.tokens, ["t1", "t2"]);
  assert.deepEqual(refusals, [false, true]);
  server.drop(4401);
  await settle();
  await client.ping();
  assert.deepEqual(refusals, [false, true, true]);
  assert.doesNotMatch(JSON.stringify(logged), /t1|t2|t3/);
});

test("a server that accepts every token and refuses it at once is not asked at full speed", async () => {
  mockTime();
  mock.method(Math, "random", () => 0.999);
  const client = connectTo({ heartbeat: Infinity, token: () => "t" });
  await client.connect();
  for (const [pause, attempts] of [
    [1, 2],
    [1, 3],
    [1, 3],
    [2000, 4],
  ] as const) {
    server.drop(4401);
    await settle();
    pass(pause);
    await settle();
    assert.equal(server.tokens.length, attempts);
  }
});

test("a token that stays refused ends the attempts", async () => {
  const client = connectTo({ token: "fixed" });
  server.refuse(401, 401);
  await assert.rejects(client.connect(), { code: "UNAUTHENTICATED", status: 401, retryable: false });
  await assert.rejects(client.ping(), { code: "UNAUTHENTICATED" });
  assert.equal(server.tokens.length, 2);
});

test("a server that falls silent is asked for a sign of life, then given up", async () => {
  mockTime();
  const client = connectTo({ heartbeat: 1000 });
  await client.connect();
  for (let beat = 0; beat < 10; beat++) {
    pass(1000);
    await settle();
  }
  assert.equal(server.tokens.length, 1, "it answers, and stays connected");
  const asked = server.actions.length;
  assert.ok(asked > 0);
  server.on("ping", () => {});
  const turn = client.sendMessage(message);
  for (let beat = 0; beat < 5; beat++) {
    pass(1000);
    await settle();
  }
  await assert.rejects(turn.text(), { code: "CONNECTION_LOST" });
});

test("closing ends everything that waits, and nothing keeps running", async () => {
  const before = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const client = connectTo();
  server.on("ping", () => {});
  server.on("send_message", (_, reply) => reply.accepted());
  await client.connect();
  const calls = [client.ping(), client.sendMessage(message).text(), collect(client.sendMessage(message))];
  await server.received("send_message", 2);
  client.close();
  client.close();
  for (const call of calls) await assert.rejects(call, ClosedError);
  await assert.rejects(client.ping(), ClosedError);
  await assert.rejects(client.connect(), ClosedError);
  await assert.rejects(client.sendMessage(message).text(), ClosedError);
  await settle();
  assert.equal(server.connections, 0);
  assert.equal(process.getActiveResourcesInfo().filter((name) => name === "Timeout").length, before);
});

test("closing while connecting, and while waiting for the next attempt, is clean", async () => {
  const one = connectTo();
  const connecting = assert.rejects(one.connect(), ClosedError);
  one.close();
  await connecting;
  const other = connectTo();
  await other.connect();
  server.drop();
  await settle();
  const ping = assert.rejects(other.ping(), ClosedError);
  await settle();
  other.close();
  await ping;
  assert.equal(server.connections, 0);
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
