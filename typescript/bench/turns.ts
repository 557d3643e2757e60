// What the client costs: turns against a relay, beside a read loop with `ws` and JSON.parse. Started once per
// round by `cargo xtask bench clients`; prints one line of JSON.
import { parseArgs } from "node:util";
import { SmoothAgentClient, decodeEvent, parseJson } from "@smooai/smooth-operator";
import { WebSocket } from "ws";

/** One connection with a session, and what it can do. */
interface Talker {
  /** One turn; the answer is checked against what was streamed. */
  turn(message: string): Promise<void>;
  /** Begins a turn that does not end; settles at its first token. */
  hold(): Promise<void>;
  close(): void;
}

/** What is read of a frame. */
interface Frame {
  type: string;
  requestId: string;
  token?: string;
  data: { sessionId?: string; data?: { response: { responseParts: string[] } } };
}

async function connectClient(url: string): Promise<Talker> {
  const client = new SmoothAgentClient({ url, timeouts: { request: 600_000, idle: 600_000 } });
  const { sessionId } = await client.createConversationSession();
  const held: unknown[] = [];
  return {
    async turn(message) {
      const turn = client.sendMessage({ sessionId, message });
      let text = "";
      for await (const event of turn) if (event.type === "stream_token") text += event.token;
      const [whole] = (await turn).response.responseParts;
      if (text !== whole) throw new Error(`"${text}" was streamed, "${whole}" is the answer`);
    },
    async hold() {
      const turn = client.sendMessage({ sessionId, message: "hold" });
      held.push(turn);
      turn.catch(() => {});
      for await (const event of turn) if (event.type === "stream_token") return;
    },
    close: () => client.close(),
  };
}

async function connectPlain(url: string): Promise<Talker> {
  const socket = new WebSocket(url);
  await new Promise((open, fail) => socket.once("open", open).once("error", fail));
  const turns = new Map<
    string,
    { text: string; token: () => void; done: () => void; fail: (error: Error) => void }
  >();
  let count = 0;
  const sessionId = new Promise<string>((resolve) => {
    socket.on("message", (data) => {
      const frame: Frame = JSON.parse(data.toString());
      if (frame.data.sessionId !== undefined) return resolve(frame.data.sessionId);
      const turn = turns.get(frame.requestId);
      if (turn === undefined) return;
      if (frame.type === "stream_token") {
        turn.text += frame.token;
        turn.token();
      } else if (frame.type === "eventual_response") {
        turns.delete(frame.requestId);
        if (turn.text === frame.data.data?.response.responseParts[0]) turn.done();
        else turn.fail(new Error("another text was streamed than is the answer"));
      }
    });
  });
  socket.send(JSON.stringify({ action: "create_conversation_session", requestId: "s" }));
  const session = await sessionId;
  const nothing = (): void => {};
  const send = (message: string): string => {
    const requestId = `r-${(count += 1)}`;
    socket.send(JSON.stringify({ action: "send_message", requestId, sessionId: session, message }));
    return requestId;
  };
  return {
    turn: (message) =>
      new Promise((done, fail) => turns.set(send(message), { text: "", token: nothing, done, fail })),
    hold: () =>
      new Promise((token) => turns.set(send("hold"), { text: "", token, done: nothing, fail: nothing })),
    close: () => socket.terminate(),
  };
}

/** So many turns, of which so many at a time. */
async function run(talker: Talker, message: string, turns: number, atOnce: number): Promise<void> {
  let left = turns;
  const lane = async (): Promise<void> => {
    while (left-- > 0) await talker.turn(message);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

async function measured(work: () => Promise<void>): Promise<{ seconds: number; processor: number }> {
  const from = performance.now();
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return { seconds: (performance.now() - from) / 1e3, processor: (user + system) / 1e6 };
}

async function memoryPerTurn(
  connect: (url: string) => Promise<Talker>,
  url: string,
  open: number,
): Promise<number> {
  const talker = await connect(url);
  const hold = (count: number): Promise<unknown> =>
    Promise.all(Array.from({ length: count }, () => talker.hold()));
  const live = (): number => {
    globalThis.gc?.();
    const { heapUsed, external, arrayBuffers } = process.memoryUsage();
    return heapUsed + external + arrayBuffers;
  };
  await hold(64);
  const before = live();
  await hold(open);
  const bytes = (live() - before) / open;
  talker.close();
  return bytes;
}

/** The frames of a turn of 500 tokens. */
function frames(): string[] {
  const tokens = Array.from({ length: 500 }, (_, n) => `w${n} `);
  const head = { requestId: "r", timestamp: 0 };
  const pieces: object[] = tokens.map((token) => ({
    type: "stream_token",
    ...head,
    token,
    data: { requestId: "r", token },
  }));
  const response = {
    responseParts: [tokens.join("")],
    customerHappinessScore: 0.5,
    needsSatisfactionScore: 0.5,
    requestSummary: "",
    resolutionStatus: "in_progress",
    suggestedNextActions: [],
  };
  const inner = { messageId: "00000000-0000-4000-8000-000000000000", response, needsEscalation: false };
  const data = { requestId: "r", status: 200, data: inner };
  return [...pieces, { type: "eventual_response", ...head, status: 200, data }].map((frame) =>
    JSON.stringify(frame),
  );
}

function decodeMicros(decode: (text: string) => unknown, repetitions: number): number {
  const texts = frames();
  const once = (): number => {
    const from = performance.now();
    for (const text of texts) decode(text);
    return (performance.now() - from) * 1e3;
  };
  for (let warm = 0; warm < 10; warm++) once();
  const times = Array.from({ length: repetitions }, once).sort((one, other) => one - other);
  return times[Math.floor(times.length / 2)] ?? NaN;
}

const text = { type: "string" } as const;
const { values } = parseArgs({
  options: { mode: text, url: text, hold: text, turns: text, long: text, open: text, decodes: text },
});
const { mode, url = "", hold = "" } = values;
const [turns, long, open, decodes] = [values.turns, values.long, values.open, values.decodes].map(Number);
if (!turns || !long || !open || !decodes || (mode !== "client" && mode !== "plain")) {
  throw new Error("all of --mode client|plain --url --hold --turns --long --open --decodes are needed");
}
const connect = mode === "client" ? connectClient : connectPlain;
const talker = await connect(url);
await run(talker, "tokens=20", Math.max(64, turns / 4), 64);
const short = await measured(() => run(talker, "tokens=20", turns, 64));
await run(talker, "tokens=500", 8, 8);
const streamed = await measured(() => run(talker, "tokens=500", long, 8));
talker.close();
const openTurnBytes = await memoryPerTurn(connect, hold, open);
const decode = mode === "client" ? (frame: string) => decodeEvent(parseJson(frame)) : JSON.parse;
const line = {
  language: "typescript",
  mode,
  turns,
  turnsSeconds: short.seconds,
  turnsCpuSeconds: short.processor,
  tokens: 500 * long,
  tokensCpuSeconds: streamed.processor,
  openTurns: open,
  openTurnBytes,
  decodeMicros: decodeMicros(decode, decodes),
};
console.log(JSON.stringify(line));
