// The client's connection against the scripted server: tokens, refusals, losses, heartbeats, closing.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { inspect } from "node:util";
import { ClosedError, ConnectionError, SmoothAgentClient, SmoothError } from "../src/index.js";
import { collect, connectTo, message, mockTime, pass, server, settle } from "./fixture.js";

test("a connection that cannot be made is refused with its reason; the next attempt may succeed", async () => {
  const client = connectTo();
  server.refuse(503);
  await assert.rejects(client.connect(), (error) => {
    return error instanceof ConnectionError && error.code === "CONNECTION_FAILED" && error.status === 503;
  });
  await client.connect();
  assert.equal(client.connected, true);
  const broken = new Error("the vault is closed");
  const throws = (): never => {
    throw broken;
  };
  for (const token of [throws, () => Promise.reject(broken)]) {
    await assert.rejects(connectTo({ token }).connect(), { code: "CONNECTION_FAILED", cause: broken });
  }
});

test("a refusal for good is told at once, also to a call, and says what to look at", async () => {
  const message =
    /^cannot connect: (302|404).*; are the address of the WebSocket endpoint and the token right\?$/;
  for (const status of [302, 404]) {
    server.refuse(status, status);
    const refused = { code: "CONNECTION_FAILED", status, retryable: false, message };
    await assert.rejects(connectTo().connect(), refused);
    await assert.rejects(connectTo().ping(), refused);
  }
  for (const status of [408, 429, 500]) {
    server.refuse(status);
    await assert.rejects(connectTo().connect(), { retryable: true, message: `cannot connect: ${status}` });
  }
});

test("what no WebSocket takes is told at once and not repeated", async () => {
  const before = Object.getOwnPropertyDescriptor(globalThis, "WebSocket");
  class Picky {
    constructor(...what: unknown[]) {
      throw new SyntaxError(`these are not valid: ${what.join()}`);
    }
  }
  Object.defineProperty(globalThis, "WebSocket", { value: Picky, configurable: true });
  try {
    const client = new SmoothAgentClient({ url: "nowhere?token=secret", token: "secret=" });
    await assert.rejects(client.ping(), (error) => {
      assert.ok(error instanceof SmoothError && !error.retryable);
      assert.equal(error.code, "BAD_URL");
      assert.doesNotMatch(inspect(error), /secret|nowhere/);
      return true;
    });
  } finally {
    if (before) Object.defineProperty(globalThis, "WebSocket", before);
    else Reflect.deleteProperty(globalThis, "WebSocket");
  }
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
  const token = async ({ refused }: { refused: boolean }): Promise<string> => {
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
  server.on("get_session", () => server.drop(4401));
  await assert.rejects(client.getSession({ sessionId: "s" }), { code: "CONNECTION_LOST" });
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

test("a token that is no longer accepted and cannot be had anew ends the connection; a call tries again", async () => {
  mockTime();
  const client = connectTo({ token: "fixed" });
  server.on("send_message", (_, reply) => reply.accepted());
  await client.connect();
  const turn = client.sendMessage(message);
  await settle();
  server.drop(4401);
  await assert.rejects(turn.text(), { code: "CONNECTION_LOST", status: 4401 });
  await settle();
  pass(60_000);
  await settle();
  assert.equal(server.tokens.length, 1, "nobody knocks without need");
  server.refuse(401);
  await assert.rejects(client.ping(), { code: "UNAUTHENTICATED", status: 401 });
  assert.equal((await client.ping()).type, "pong");
});

test("a call and a turn wait for a lost connection up to their limit, and are not sent after it", async () => {
  mockTime();
  mock.method(Math, "random", () => 0.999);
  const client = connectTo({ heartbeat: Infinity, timeouts: { request: 300 } });
  await client.connect();
  server.drop();
  await settle();
  const ping = assert.rejects(client.ping(), { code: "TIMEOUT", kind: "request" });
  const turn = assert.rejects(client.sendMessage(message).text(), { code: "TIMEOUT", kind: "request" });
  pass(300);
  await Promise.all([ping, turn]);
  pass(200);
  await settle();
  assert.equal(client.connected, true);
  assert.deepEqual(server.actions, []);
});

test("a client that never had a connection stops knocking when nobody waits any more", async () => {
  mockTime();
  const client = connectTo({ timeouts: { request: 5_000 } });
  server.refuse(...Array<number>(100).fill(503));
  const ping = assert.rejects(client.ping(), { kind: "request" });
  for (let passed = 0; passed < 5_000; passed += 100) {
    await settle();
    pass(100);
  }
  await ping;
  const attempts = server.tokens.length;
  assert.ok(attempts > 1, `${attempts} attempts`);
  for (let passed = 0; passed < 100_000; passed += 10_000) {
    pass(10_000);
    await settle();
  }
  assert.ok(server.tokens.length <= attempts + 1, "only the one that was under way");
});

test("without a logger nothing is said", async () => {
  const said: string[] = [];
  for (const name of ["debug", "error", "info", "log", "warn"] as const) {
    mock.method(console, name, (...all: unknown[]) => said.push(all.join(" ")));
  }
  const client = connectTo({ token: () => "secret" });
  server.refuse(401);
  await client.connect();
  server.sendText("this is no frame");
  server.send({ type: "$unknown", rawType: "news", raw: { type: "news" } });
  await client.ping();
  server.on("get_session", () => server.drop());
  await assert.rejects(client.getSession({ sessionId: "s" }), { code: "CONNECTION_LOST" });
  await client.ping();
  client.close();
  // Node itself says that the clock of these tests is an experiment.
  const ours = said.filter((text) => !text.includes("MockTimers"));
  assert.deepEqual(ours, []);
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
  const started = mock.method(globalThis, "setTimeout");
  const stopped = mock.method(globalThis, "clearTimeout");
  const client = connectTo();
  server.on("ping", () => {});
  server.on("send_message", (_, reply) => reply.accepted());
  await client.connect();
  const calls = [client.ping(), client.sendMessage(message).text(), collect(client.sendMessage(message))];
  const rejected = calls.map((call) => assert.rejects(call, ClosedError));
  await server.received("send_message", 2);
  client.close();
  client.close();
  await Promise.all(rejected);
  await assert.rejects(client.ping(), ClosedError);
  await assert.rejects(client.connect(), ClosedError);
  await assert.rejects(client.sendMessage(message).text(), ClosedError);
  await settle();
  assert.equal(server.connections, 0);
  const running = new Set<unknown>(started.mock.calls.map(({ result }) => result));
  assert.ok(running.size > 0);
  for (const call of stopped.mock.calls) running.delete(call.arguments[0]);
  assert.equal(running.size, 0);
});

test("closing while connecting, and while waiting for the next attempt, is clean", async () => {
  mockTime();
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
