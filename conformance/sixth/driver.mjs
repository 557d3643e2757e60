// A driver for a client of somebody's own: it speaks conformance/driver/driver.json over its pipes, with nothing
// but Node. Node 20 has its WebSocket behind a flag: `node --experimental-websocket driver.mjs`.
import { stdin, stdout } from "node:process";
import { Client, ClientError } from "./client.mjs";

/** The events that this client knows; others are told as they came, too. */
const known = [
  "cancelled",
  "error",
  "eventual_response",
  "immediate_response",
  "interaction_invalid",
  "interaction_required",
  "keepalive",
  "otp_invalid",
  "otp_sent",
  "otp_verification_required",
  "otp_verified",
  "pong",
  "stream_chunk",
  "stream_preamble",
  "stream_reasoning",
  "stream_token",
  "write_confirmation_required",
];
const clients = new Map();
const turns = new Map();

function report(what) {
  const body = Buffer.from(JSON.stringify(what));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  stdout.write(Buffer.concat([length, body]));
}

function named(all, kind, name) {
  if (!all.has(name)) throw new Error(`no ${kind} named ${name}`);
  return all.get(name);
}

const seen = (event) => ({ event, known: known.includes(event.type) });

const limits = ({ connectMs, requestMs, idleMs, turnMs } = {}) =>
  Object.fromEntries(
    Object.entries({ connect: connectMs, request: requestMs, idle: idleMs, turn: turnMs }).filter(
      ([, ms]) => ms !== undefined,
    ),
  );

const errorSeen = (error) =>
  error instanceof ClientError
    ? error.seen
    : { kind: "other", code: "UNKNOWN", retryable: false, message: String(error) };

function tokenOf(tokens = []) {
  const left = [...tokens];
  return left.length > 1 ? async () => (left.length > 1 ? left.shift() : left[0]) : left[0];
}

async function iterate(started, ended) {
  try {
    for await (const event of started.turn.events()) {
      await started.gate;
      ended.events += 1;
      report({ saw: "turn_event", turn: ended.turn, ...seen(event) });
    }
  } catch (error) {
    ended.iterationError = errorSeen(error);
  }
}

async function awaitEnd({ turn }, ended) {
  try {
    ended.result = await turn.result;
    ended.text = ended.result.response.responseParts.join("");
  } catch (error) {
    ended.error = errorSeen(error);
  }
}

const readers = {
  iterate: [iterate],
  await: [awaitEnd],
  both: [iterate, awaitEnd],
  neither: [iterate, awaitEnd],
};

function pause(started) {
  started.gate = new Promise((open) => (started.open = open));
}

function close(name) {
  named(clients, "client", name).close();
  for (const { client, open } of turns.values()) if (client === name) open();
}

const closeAll = () => [...clients.keys()].forEach(close);

/** What each command does; what it gives back is its reply. */
const commands = {
  async open({ client, url, tokens, tokenBy, heartbeatMs, timeouts }) {
    const stray = (event) => report({ saw: "stray_event", client, ...seen(event) });
    const options = {
      url,
      token: tokenOf(tokens),
      tokenBy,
      heartbeat: heartbeatMs,
      timeouts: limits(timeouts),
      stray,
    };
    const opened = new Client(options);
    clients.set(client, opened);
    await opened.connect();
  },
  async call({ client, action, params, timeouts }) {
    const caller = named(clients, "client", client);
    if (action !== "cancel") return { reply: await caller.call(action, params, limits(timeouts)) };
    caller.post({ action, ...params });
    return { reply: null };
  },
  async answer_park({ turn: name, answer: { kind, approved, code, values } }) {
    const { turn } = named(turns, "turn", name);
    if (kind === "confirm") return { reply: await turn.answer("confirm_tool_action", { approved }) };
    if (kind === "code") return { reply: await turn.answer("verify_otp", { code }) };
    const fields = kind === "form" ? { values } : { declined: true };
    return { reply: await turn.answer("submit_interaction", fields) };
  },
  start_turn({ id, client, turn: name, params, read, timeouts }) {
    const turn = named(clients, "client", client).startTurn(params, limits(timeouts));
    const started = { client, turn, gate: Promise.resolve(), open: () => {} };
    if (read === "neither") pause(started);
    turns.set(name, started);
    report({ saw: "started", id, requestId: turn.requestId });
    const ended = { saw: "turn_ended", turn: name, events: 0 };
    (read === "neither" ? started.gate : Promise.resolve())
      .then(() => Promise.all(readers[read].map((reader) => reader(started, ended))))
      .then(() => report(ended));
    return "told";
  },
  cancel_turn: ({ turn }) => named(turns, "turn", turn).turn.cancel(),
  abandon_turn({ turn: name }) {
    const { turn, open } = named(turns, "turn", name);
    turn.fail(new ClientError("abandoned", "ABANDONED", "nobody waits any more"));
    open();
  },
  pause_reading: ({ turn }) => pause(named(turns, "turn", turn)),
  go_on: ({ turn }) => named(turns, "turn", turn).open(),
  // Without types a frame is whatever JSON says; what is no JSON is refused.
  decode({ text }) {
    try {
      return { reply: JSON.parse(text) };
    } catch {
      throw new ClientError("invalid", "INVALID", "this is no JSON", { field: "" });
    }
  },
  close: ({ client }) => close(client),
  exit: closeAll,
};

async function take(text) {
  const command = JSON.parse(text);
  const { id } = command;
  try {
    if (!Object.hasOwn(commands, command.do)) throw new Error(`this driver cannot ${command.do}`);
    const result = await commands[command.do](command);
    if (result?.reply !== undefined) report({ saw: "replied", id, ...result });
    else if (result !== "told") report({ saw: "done", id });
    if (command.do === "exit") stdin.destroy();
  } catch (error) {
    if (error instanceof ClientError) report({ saw: "failed", id, error: errorSeen(error) });
    else report({ saw: "broken", id, message: error.message });
  }
}

if (globalThis.WebSocket === undefined) {
  console.error("this Node hides its WebSocket: start it with --experimental-websocket");
  process.exit(1);
}
report({ saw: "ready", language: "javascript", client: "sixth 0.1.0" });
let unread = Buffer.alloc(0);
stdin.on("data", (piece) => {
  unread = Buffer.concat([unread, piece]);
  while (unread.length >= 4 && unread.length >= 4 + unread.readUInt32BE()) {
    const end = 4 + unread.readUInt32BE();
    void take(unread.toString("utf8", 4, end));
    unread = unread.subarray(end);
  }
});
stdin.on("end", closeAll);
