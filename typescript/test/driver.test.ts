// The drivers of the conformance harness that run on Node, ours and that of a client of somebody's own, over their
// pipes, against the fake server.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { afterEach, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Command, Report } from "../conformance/generated/index.js";
import { decodeReport, parseJson } from "../conformance/generated/index.js";
import { FakeServer } from "../src/testing.js";
import { listen } from "./listen.js";
import type { Listening } from "./listen.js";

const drivers = {
  typescript: ["../conformance/dist/driver.mjs"],
  javascript: ["../../conformance/sixth/driver.mjs", "--experimental-websocket"],
};
type Language = keyof typeof drivers;
const message = { sessionId: "s", message: "How long is your return window?" };

let fake: FakeServer;
let server: Listening;
let driver: ChildProcess;
let ended: Promise<unknown[]>;
let reports: Report[];
let wake: () => void;

beforeEach(async () => {
  fake = new FakeServer();
  server = await listen(fake);
});

async function start(language: Language): Promise<void> {
  const [path = "", ...flags] = drivers[language];
  const program = [...flags, "--no-warnings", fileURLToPath(new URL(path, import.meta.url))];
  driver = spawn(process.execPath, program, { stdio: ["pipe", "pipe", "inherit"] });
  ended = once(driver, "exit");
  reports = [];
  wake = () => {};
  let unread = Buffer.alloc(0);
  driver.stdout?.on("data", (piece: Buffer) => {
    unread = Buffer.concat([unread, piece]);
    while (unread.length >= 4 && unread.length >= 4 + unread.readUInt32BE()) {
      const end = 4 + unread.readUInt32BE();
      reports.push(decodeReport(parseJson(unread.toString("utf8", 4, end))));
      unread = unread.subarray(end);
      wake();
    }
  });
  assert.equal((await next("ready")).language, language);
}

afterEach(() => {
  driver.kill();
  server.close();
});

/** A frame, in as many pieces as it has bytes. */
function say(command: Command): void {
  const body = Buffer.from(JSON.stringify(command));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  for (const byte of Buffer.concat([length, body])) driver.stdin?.write(Buffer.of(byte));
}

/** The first report of a kind that has not been taken yet. */
async function next<Saw extends Report["saw"]>(
  saw: Saw,
  id?: number,
): Promise<Extract<Report, { saw: Saw }>> {
  const is = (report: Report): report is Extract<Report, { saw: Saw }> =>
    report.saw === saw && (id === undefined || ("id" in report && report.id === id));
  while (true) {
    const found = reports.find(is);
    if (found) {
      reports.splice(reports.indexOf(found), 1);
      return found;
    }
    await new Promise<void>((resolve) => (wake = resolve));
  }
}

async function openClient(): Promise<void> {
  say({ do: "open", id: 1, client: "alice", url: server.url, tokens: ["secret"], heartbeatMs: 60_000 });
  await next("done", 1);
  assert.deepEqual(fake.tokens, ["secret"]);
}

for (const language of ["typescript", "javascript"] as const) {
  test(`${language}: a client is opened, a turn iterated and awaited, and the process ends with status 0`, async () => {
    await start(language);
    fake.on("send_message", (_, reply) =>
      reply.accepted().token("17 days").raw({ type: "news", n: 1 }).done("17 days"),
    );
    await openClient();
    say({ do: "call", id: 2, client: "alice", action: "create_conversation_session", params: {} });
    assert.equal(Object(await next("replied", 2)).reply.agentName, "Support");
    say({ do: "call", id: 3, client: "alice", action: "ping", params: { requestId: "p" } });
    assert.equal(Object(await next("replied", 3)).reply.requestId, "p");
    const begin = { do: "start_turn", client: "alice", params: message } as const;
    say({ ...begin, id: 4, turn: "t", read: "both" });
    const end = await next("turn_ended");
    assert.deepEqual([end.events, end.text, Object(end.result).needsEscalation], [4, "17 days", false]);
    const { requestId } = await next("started", 4);
    const events = [await next("turn_event"), await next("turn_event"), await next("turn_event")];
    assert.deepEqual(
      events.map(({ event }) => event["type"]),
      ["immediate_response", "stream_token", "news"],
    );
    assert.deepEqual(
      events.map(({ known }) => known),
      [true, true, false],
    );
    assert.ok(events.every(({ event }) => event["requestId"] === requestId));
    await next("turn_event");
    say({ ...begin, id: 5, turn: "later", read: "neither" });
    await next("started", 5);
    say({ do: "call", id: 6, client: "alice", action: "cancel", params: {} });
    assert.equal((await next("replied", 6)).reply, null);
    assert.deepEqual(reports, [], "a turn that is not read says nothing");
    say({ do: "go_on", id: 7, turn: "later" });
    assert.deepEqual([(await next("turn_ended")).events, (await next("done", 7)).id], [4, 7]);
    say({ do: "exit", id: 8 });
    await next("done", 8);
    assert.deepEqual(await ended, [0, null]);
  });

  test(`${language}: errors are told by their kind, and what cannot be done is broken`, async () => {
    await start(language);
    fake.on("get_session", (_, reply) => reply.error("RATE_LIMITED", "slow down", { retryAfterMs: 7 }));
    fake.on("send_message", (_, reply) => reply.accepted());
    await openClient();
    const session = { sessionId: "s" };
    say({ do: "call", id: 2, client: "alice", action: "get_session", params: session });
    const { error } = await next("failed", 2);
    assert.deepEqual(
      [error.kind, error.code, error.retryable, error.retryAfterMs],
      ["server", "RATE_LIMITED", true, 7],
    );
    say({ do: "call", id: 4, client: "bob", action: "ping", params: {} });
    assert.match((await next("broken")).message, /no client named bob/);
    const begin = { do: "start_turn", client: "alice", params: message, read: "both" } as const;
    say({ ...begin, id: 7, turn: "left" });
    await next("turn_event");
    say({ do: "abandon_turn", id: 8, turn: "left" });
    assert.equal((await next("turn_ended")).error?.kind, "abandoned");
    say({ ...begin, id: 9, turn: "slow", timeouts: { idleMs: 20 } });
    await next("turn_event");
    const slow = await next("turn_ended");
    assert.deepEqual(
      [slow.error?.kind, slow.error?.timeout, slow.iterationError?.kind],
      ["timeout", "idle", "timeout"],
    );
    say({ ...begin, id: 10, turn: "cut" });
    await next("turn_event");
    say({ do: "close", id: 11, client: "alice" });
    assert.equal((await next("turn_ended")).error?.kind, "closed");
  });

  test(`${language}: the end of the commands ends the process`, async () => {
    await start(language);
    await openClient();
    driver.stdin?.end();
    assert.deepEqual(await ended, [0, null]);
  });
}

test("typescript: what the generated code refuses is invalid, and where it is", async () => {
  await start("typescript");
  await openClient();
  say({ do: "call", id: 3, client: "alice", action: "get_session", params: { sessionId: 1 } });
  const invalid = (await next("failed", 3)).error;
  assert.deepEqual([invalid.kind, invalid.field], ["invalid", "/sessionId"]);
  say({ do: "decode", id: 5, text: '{"type":"pong","timestamp":1,"data":{"timestamp":1}}' });
  assert.equal(Object(await next("replied", 5)).reply.type, "pong");
  say({ do: "decode", id: 6, text: '{"type":"pong","timestamp":1,"data":{}}' });
  assert.equal((await next("failed", 6)).error.field, "/data/timestamp");
});
