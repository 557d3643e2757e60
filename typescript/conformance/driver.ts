// The driver of the TypeScript client: does what the conformance harness says by the public client alone, and
// reports what it sees. It judges nothing. The protocol is conformance/driver/driver.json.
import { createRequire } from "node:module";
import { stdin, stdout } from "node:process";
import {
  CancelledError,
  ClosedError,
  ConnectionError,
  DecodeError,
  ServerError,
  SmoothAgentClient,
  SmoothError,
  TimeoutError,
  decodeCancelParams,
  decodeConfirmToolActionParams,
  decodeCreateConversationSessionParams,
  decodeEvent,
  decodeGetConversationMessagesParams,
  decodeGetSessionParams,
  decodeListConversationsParams,
  decodePingParams,
  decodeRenameConversationParams,
  decodeSendMessageParams,
  decodeSubmitInteractionParams,
  decodeVerifyOtpParams,
  encodeEvent,
  parseJson,
  stringifyJson,
  validateEvent,
} from "@smooai/smooth-operator";
import type { Action, CallOptions, ClientOptions, Event, Turn } from "@smooai/smooth-operator";
import { decodeCommand } from "./generated/index.js";
import type {
  AnswerParkCommand,
  CallCommand,
  Command,
  ErrorSeen,
  Json,
  JsonObject,
  OpenCommand,
  Report,
  StartTurnCommand,
  Timeouts,
  TurnEndedReport,
} from "./generated/index.js";

const longestFrame = 16 * 1024 * 1024;
/** A turn, and whether its reader may go on. */
interface Started {
  client: string;
  turn: Turn;
  abort: AbortController;
  /** Settles when reading may go on. */
  gate: Promise<void>;
  open: () => void;
}

const clients = new Map<string, SmoothAgentClient>();
const turns = new Map<string, Started>();

/** The value as JSON has it: what the generated code encodes may still hold absent properties. */
const plain = (value: unknown): Json => JSON.parse(stringifyJson(value ?? null)) as Json;

type Call = (client: SmoothAgentClient, params: JsonObject, options: CallOptions) => Promise<unknown>;

/** Every action that is not a turn, by its name on the wire. */
const calls: Record<Exclude<Action["action"], "send_message">, Call> = {
  cancel: async (client, params) => client.cancel(decodeCancelParams(params)),
  confirm_tool_action: (client, params, options) =>
    client.confirmToolAction(decodeConfirmToolActionParams(params), options),
  create_conversation_session: (client, params, options) =>
    client.createConversationSession(decodeCreateConversationSessionParams(params), options),
  get_conversation_messages: (client, params, options) =>
    client.getConversationMessages(decodeGetConversationMessagesParams(params), options),
  get_session: (client, params, options) => client.getSession(decodeGetSessionParams(params), options),
  list_conversations: (client, params, options) =>
    client.listConversations(decodeListConversationsParams(params), options),
  ping: async (client, params, options) => encodeEvent(await client.ping(decodePingParams(params), options)),
  rename_conversation: (client, params, options) =>
    client.renameConversation(decodeRenameConversationParams(params), options),
  submit_interaction: (client, params, options) =>
    client.submitInteraction(decodeSubmitInteractionParams(params), options),
  verify_otp: async (client, params, options) =>
    encodeEvent(await client.verifyOtp(decodeVerifyOtpParams(params), options)),
};

/** A command that cannot be carried out: the driver's fault or the harness's, never the client's. */
class Broken extends Error {}

function named<T>(all: Map<string, T>, kind: string, name: string): T {
  const found = all.get(name);
  if (found === undefined) throw new Broken(`no ${kind} named ${name}`);
  return found;
}

function report(what: Report): void {
  const body = Buffer.from(stringifyJson(what));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  stdout.write(Buffer.concat([length, body]));
}

function seen(error: unknown): ErrorSeen {
  const of = (kind: ErrorSeen["kind"], code: string, more: Partial<ErrorSeen> = {}): ErrorSeen => {
    const message = error instanceof Error ? error.message : String(error);
    return { kind, code, retryable: false, message, ...more };
  };
  if (error instanceof DecodeError) return of("invalid", "INVALID", { field: error.pointer });
  if (error instanceof DOMException && error.name === "AbortError") return of("abandoned", "ABANDONED");
  if (!(error instanceof SmoothError)) return of("other", "UNKNOWN");
  const { code, retryable, retryAfter, requestId } = error;
  const more: Partial<ErrorSeen> = { retryable };
  if (retryAfter !== undefined) more.retryAfterMs = retryAfter;
  if (requestId !== undefined) more.requestId = requestId;
  if (error instanceof ServerError) {
    if (error.field !== undefined) more.field = error.field;
    if (error.hint !== undefined) more.hint = error.hint;
    return of("server", code, more);
  }
  if (error instanceof TimeoutError) return of("timeout", code, { ...more, timeout: error.kind });
  if (error instanceof CancelledError) return of("cancelled", code, more);
  if (error instanceof ConnectionError) return of("connection", code, more);
  return of(error instanceof ClosedError ? "closed" : "other", code, more);
}

const eventSeen = (event: Event): { event: JsonObject; known: boolean } => ({
  event: plain(encodeEvent(event)) as JsonObject,
  known: event.type !== "$unknown",
});

function limits(timeouts: Timeouts | undefined): CallOptions {
  const { connectMs, requestMs, idleMs, turnMs } = timeouts ?? {};
  return {
    timeouts: {
      ...(connectMs === undefined ? {} : { connect: connectMs }),
      ...(requestMs === undefined ? {} : { request: requestMs }),
      ...(idleMs === undefined ? {} : { idle: idleMs }),
      ...(turnMs === undefined ? {} : { turn: turnMs }),
    },
  };
}

async function open({ client: name, url, tokens = [], ...command }: OpenCommand): Promise<void> {
  const [only] = tokens;
  const left = [...tokens];
  const options: ClientOptions = {
    url,
    ...limits(command.timeouts),
    onEvent: (event) => report({ saw: "stray_event", client: name, ...eventSeen(event) }),
  };
  if (tokens.length > 1) options.token = async () => (left.length > 1 ? left.shift() : left[0]) ?? "";
  else if (only !== undefined) options.token = only;
  if (command.tokenBy !== undefined) options.tokenBy = command.tokenBy;
  if (command.heartbeatMs !== undefined) options.heartbeat = command.heartbeatMs;
  const client = new SmoothAgentClient(options);
  clients.set(name, client);
  await client.connect();
}

async function call({ client, action, params, timeouts }: CallCommand): Promise<Json> {
  const known = Object.entries(calls).find(([name]) => name === action);
  if (known === undefined) throw new Broken(`no method for ${action}`);
  return plain(await known[1](named(clients, "client", client), params, limits(timeouts)));
}

function startTurn({ id, client, turn: name, params, read, timeouts }: StartTurnCommand): void {
  const abort = new AbortController();
  const turn = named(clients, "client", client).sendMessage(decodeSendMessageParams(params), {
    ...limits(timeouts),
    signal: abort.signal,
  });
  const started: Started = { client, turn, abort, gate: Promise.resolve(), open: () => {} };
  if (read === "neither") pause(started);
  turns.set(name, started);
  report({ saw: "started", id, requestId: turn.requestId });
  const ended: TurnEndedReport = { saw: "turn_ended", turn: name, events: 0 };
  const readers = {
    iterate: [iterate],
    await: [awaitEnd],
    both: [iterate, awaitEnd],
    neither: [iterate, awaitEnd],
  };
  const begin = read === "neither" ? started.gate : Promise.resolve();
  void begin
    .then(() => Promise.all(readers[read].map((reader) => reader(started, ended))))
    .then(() => report(ended));
}

async function iterate(started: Started, ended: TurnEndedReport): Promise<void> {
  try {
    for await (const event of started.turn) {
      await started.gate;
      ended.events += 1;
      report({ saw: "turn_event", turn: ended.turn, ...eventSeen(event) });
    }
  } catch (error) {
    ended.iterationError = seen(error);
  }
}

async function awaitEnd({ turn }: Started, ended: TurnEndedReport): Promise<void> {
  try {
    ended.result = plain(await turn);
    ended.text = await turn.text();
  } catch (error) {
    ended.error = seen(error);
  }
}

async function answerPark({ turn: name, answer }: AnswerParkCommand): Promise<Json> {
  const { turn } = named(turns, "turn", name);
  switch (answer.kind) {
    case "confirm":
      return plain(await turn.confirm(answer.approved));
    case "code":
      return plain(encodeEvent(await turn.verify(answer.code)));
    case "form":
      return plain(await turn.submit(answer.values));
    case "decline":
      return plain(await turn.decline());
  }
}

function pause(started: Started): void {
  started.gate = new Promise((open) => (started.open = open));
}

/** Stops the wait for a turn; a reader that pauses sees that too. */
function abandon({ abort, open }: Started): void {
  abort.abort();
  open();
}

function close(name: string): void {
  named(clients, "client", name).close();
  for (const { client, open } of turns.values()) if (client === name) open();
}

const closeAll = (): void => [...clients.keys()].forEach(close);

/** One event by the generated code: read, checked, written. */
function decode(text: string): Json {
  const event = decodeEvent(parseJson(text));
  const violation = validateEvent(event);
  if (violation) throw new DecodeError(violation.message, violation.pointer);
  return plain(encodeEvent(event));
}

/** Carries a command out, and gives the reply where it has one. */
async function carryOut(command: Command): Promise<{ reply: Json } | undefined> {
  switch (command.do) {
    case "open":
      return void (await open(command));
    case "call":
      return { reply: await call(command) };
    case "answer_park":
      return { reply: await answerPark(command) };
    case "start_turn":
      return startTurn(command) as undefined;
    case "cancel_turn":
      return void named(turns, "turn", command.turn).turn.cancel();
    case "abandon_turn":
      return void abandon(named(turns, "turn", command.turn));
    case "pause_reading":
      return void pause(named(turns, "turn", command.turn));
    case "go_on":
      return void named(turns, "turn", command.turn).open();
    case "close":
      return void close(command.client);
    case "decode":
      return { reply: decode(command.text) };
    case "exit":
      return void closeAll();
  }
}

async function take(text: string): Promise<void> {
  let id: number | undefined;
  try {
    const command = decodeCommand(parseJson(text));
    id = command.id;
    const replied = await carryOut(command);
    if (replied) report({ saw: "replied", id, ...replied });
    else if (command.do !== "start_turn") report({ saw: "done", id });
    // Nothing that is left keeps the process: where something does, the client has leaked it.
    if (command.do === "exit") stdin.destroy();
  } catch (error) {
    if (id !== undefined && !(error instanceof Broken)) report({ saw: "failed", id, error: seen(error) });
    else report({ saw: "broken", ...(id === undefined ? {} : { id }), message: String(error) });
  }
}

const require = createRequire(import.meta.url);
const { name, version }: { name: string; version: string } = require("@smooai/smooth-operator/package.json");
report({ saw: "ready", language: "typescript", client: `${name} ${version}` });

let unread = Buffer.alloc(0);
stdin.on("data", (piece: Buffer) => {
  unread = Buffer.concat([unread, piece]);
  while (unread.length >= 4) {
    const length = unread.readUInt32BE();
    if (length > longestFrame) throw new Error(`a command of ${length} bytes is longer than 16 MiB`);
    if (unread.length < 4 + length) break;
    void take(unread.toString("utf8", 4, 4 + length));
    unread = unread.subarray(4 + length);
  }
});
stdin.on("end", closeAll);
