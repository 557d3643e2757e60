// Who gets which event, without a socket.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClosedError, decodeEvent } from "../src/index.js";
import type { Event, TurnResult } from "../src/index.js";
import { Call, Mux } from "../src/mux.js";
import { Pending } from "../src/pending.js";

/** A turn that only notes what it gets. */
class NotedTurn extends Pending<TurnResult> {
  readonly isTurn = true;
  sent = false;
  readonly events: string[] = [];
  resumed = 0;

  constructor() {
    super();
    this.result.catch(() => {});
  }

  offer(event: Event): boolean {
    this.events.push(event.type);
    return true;
  }

  resume(): void {
    this.resumed += 1;
  }
}

const reply = (requestId: string, status = 200): Event =>
  decodeEvent({ type: "immediate_response", requestId, timestamp: 0, status, message: "", data: {} });
const pong = (requestId: string): Event =>
  decodeEvent({ type: "pong", requestId, timestamp: 0, data: { timestamp: 0 } });
const refusal = (requestId: string, code: string): Event => {
  const error = { code, message: "no" };
  return decodeEvent({ type: "error", requestId, timestamp: 0, error, data: { error } });
};

/** A call that is answered by a pong. */
const ping = (): Call<string> =>
  new Call<string>("ping", (event) => (event.type === "pong" ? event.type : undefined));
/** A call that is answered by data. */
const verdict = (): Call<string> =>
  new Call("confirm_tool_action", (event) =>
    event.type === "immediate_response" && event.status !== 202 ? event.message : undefined,
  );

test("an answer ends the call of its id alone, and what nobody waits for is told", async () => {
  const mux = new Mux();
  const [one, two] = [ping(), ping()];
  mux.add("1", one);
  mux.add("2", two);
  assert.equal(mux.deliver(reply("1")), true, "it is no answer, but the id is known");
  assert.equal(mux.deliver(pong("1")), true);
  assert.equal(await one.result, "pong");
  assert.deepEqual([one.ended, two.ended], [true, false]);
  assert.equal(mux.deliver(pong("1")), false);
  assert.equal(mux.deliver(pong("3")), false);
  assert.equal(mux.deliver(decodeEvent({ type: "news", text: "hello" })), false);
  two.fail(new Error("given up"));
  assert.equal(mux.deliver(pong("2")), false, "whoever gave up is forgotten");
  await assert.rejects(two.result, /given up/);
});

test("calls of one id are answered in their order", async () => {
  const mux = new Mux();
  const [one, two] = [ping(), ping()];
  mux.add("p", one);
  mux.add("p", two);
  mux.deliver(pong("p"));
  assert.deepEqual([one.ended, two.ended], [true, false]);
  mux.deliver(pong("p"));
  await two.result;
});

test("a verdict under the turn's id takes its answer, and the turn all else", async () => {
  const mux = new Mux();
  const [turn, taken, refused] = [new NotedTurn(), verdict(), verdict()];
  mux.add("t", turn);
  mux.add("t", taken);
  mux.deliver(reply("t", 202));
  mux.deliver(reply("t"));
  await taken.result;
  assert.deepEqual([turn.events, turn.resumed], [["immediate_response"], 1]);
  mux.add("t", refused);
  mux.deliver(refusal("t", "AGENT_ERROR"));
  assert.equal(refused.ended, false, "a code that ends turns is the turn's");
  mux.deliver(refusal("t", "NO_PENDING_CONFIRMATION"));
  await assert.rejects(refused.result, { code: "NO_PENDING_CONFIRMATION" });
  assert.deepEqual([turn.events, turn.resumed], [["immediate_response", "error"], 1]);
});

test("one id has one turn, ids differ, and a loss ends everything", async () => {
  const mux = new Mux();
  const [turn, other, call] = [new NotedTurn(), new NotedTurn(), ping()];
  mux.add("t", turn);
  mux.add("t", other);
  assert.deepEqual([turn.sent, other.sent, other.ended], [true, false, true]);
  await assert.rejects(other.result, { code: "DUPLICATE_REQUEST_ID" });
  mux.add("c", call);
  mux.fail(new ClosedError());
  await assert.rejects(call.result, ClosedError);
  await assert.rejects(turn.result, ClosedError);
  assert.equal(mux.deliver(pong("c")), false);
  assert.equal(new Set(Array.from({ length: 1000 }, () => mux.newId())).size, 1000);
});
