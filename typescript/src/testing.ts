// A server for tests, scripted and in memory: no port, no time, every platform.
import {
  decodeAction,
  DecodeError,
  encodeEvent,
  errorInfo,
  parseJson,
  stringifyJson,
} from "./generated/index.js";
import type { Action, ErrorCode, Event, JsonObject, TurnResult } from "./generated/index.js";
import type { OpenSocket, WebSocketLike } from "./socket.js";

type Named<Name extends Action["action"]> = Extract<Action, { action: Name }>;
type Without<T, Key extends PropertyKey> = T extends unknown ? Omit<T, Key> : never;

/** An event as a script writes it: the reply adds `requestId` and `timestamp`. */
export type ScriptedEvent = Without<Exclude<Event, { type: "$unknown" }>, "requestId" | "timestamp">;

type Script<Name extends Action["action"]> = (action: Named<Name>, reply: Reply) => void;

/** The client's end of a connection to a {@link FakeServer}. */
class FakeSocket implements WebSocketLike {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  readonly #sent: (text: string) => void;
  #closed = false;

  constructor(sent: (text: string) => void) {
    this.#sent = sent;
  }

  get closed(): boolean {
    return this.#closed;
  }

  send(text: string): void {
    queueMicrotask(() => this.#closed || this.#sent(text));
  }

  close(code = 1000): void {
    this.end(code);
  }

  opened(): void {
    if (!this.#closed) this.onopen?.();
  }

  deliver(text: string): void {
    queueMicrotask(() => this.#closed || this.onmessage?.({ data: text }));
  }

  end(code: number, status?: number): void {
    if (this.#closed) return;
    this.#closed = true;
    queueMicrotask(() => {
      if (status !== undefined) this.onerror?.({ status });
      this.onclose?.({ code, reason: "" });
    });
  }
}

/** How a script answers one action: every event carries the action's `requestId`. */
export class Reply {
  readonly requestId: string | undefined;
  readonly #send: (frame: unknown) => void;

  constructor(requestId: string | undefined, send: (frame: unknown) => void) {
    this.requestId = requestId;
    this.#send = send;
  }

  /** Any event. */
  event(event: ScriptedEvent): this {
    return this.raw(event);
  }

  /** A frame that need not be of the protocol. */
  raw(frame: object): this {
    const requestId = this.requestId === undefined ? {} : { requestId: this.requestId };
    this.#send({ ...requestId, timestamp: 0, ...frame });
    return this;
  }

  /** The answer to an action. */
  data(data: JsonObject): this {
    return this.event({ type: "immediate_response", status: 200, message: "OK", data });
  }

  /** A turn is accepted. */
  accepted(): this {
    return this.event({ type: "immediate_response", status: 202, message: "Accepted", data: {} });
  }

  /** A piece of the answer. */
  token(token: string): this {
    return this.event({ type: "stream_token", token, data: { requestId: this.requestId ?? "", token } });
  }

  /** The turn stops until a tool call is approved or denied. */
  confirmation(toolId: string, actionDescription: string): this {
    const data = { requestId: this.requestId ?? "", data: { toolId, actionDescription } };
    return this.event({ type: "write_confirmation_required", data });
  }

  /** The end of a turn. */
  done(text: string, more: Partial<TurnResult> = {}): this {
    const response = {
      responseParts: [text],
      customerHappinessScore: 0.5,
      needsSatisfactionScore: 0.5,
      requestSummary: "",
      resolutionStatus: "in_progress",
      suggestedNextActions: [],
    };
    const messageId = "8c5f0e24-b9d7-4136-a5c8-e17b3d62f940";
    const data = { messageId, response, needsEscalation: false, ...more };
    return this.event({
      type: "eventual_response",
      status: 200,
      data: { requestId: this.requestId ?? "", status: 200, data },
    });
  }

  /** An action is refused, or a turn fails. */
  error(code: ErrorCode, message: string, details: { field?: string; retryAfterMs?: number } = {}): this {
    const error = { code, message };
    const { status = 500, retryable = false } = errorInfo(code) ?? {};
    return this.event({ type: "error", error, data: { error, details: { status, retryable, ...details } } });
  }

  /** A turn was cancelled. */
  cancelled(): this {
    return this.event({ type: "cancelled", status: 499, data: { status: 499 } });
  }
}

/** A server whose answers a test writes. It knows `ping` and `create_conversation_session` from the start. */
export class FakeServer {
  /** To be given to the client, with {@link openSocket}. */
  readonly url = "ws://fake.invalid/ws";
  /** Every action that has arrived, in order. */
  readonly actions: Action[] = [];
  /** The token of every connection that was tried, in order. */
  readonly tokens: (string | undefined)[] = [];
  readonly #scripts = new Map<string, (action: Action, reply: Reply) => void>();
  #sockets: FakeSocket[] = [];
  #refusals: number[] = [];
  #arrivals: (() => void)[] = [];

  constructor() {
    this.on("ping", (_, reply) => reply.event({ type: "pong", data: { timestamp: 0 } }));
    this.on("create_conversation_session", ({ agentId }, reply) => {
      const id = (digit: string): string => `00000000-0000-4000-8000-${digit.repeat(12)}`;
      reply.data({
        sessionId: id("1"),
        conversationId: id("2"),
        agentId: agentId ?? id("3"),
        agentName: "Support",
        userParticipantId: id("4"),
        agentParticipantId: id("5"),
      });
    });
  }

  /** Opens a connection to this server. */
  readonly openSocket: OpenSocket = (_, token) => {
    this.tokens.push(token);
    const socket: FakeSocket = new FakeSocket((text) => this.#receive(socket, text));
    const refusal = this.#refusals.shift();
    if (refusal !== undefined) socket.end(1006, refusal);
    else {
      this.#sockets.push(socket);
      queueMicrotask(() => socket.opened());
    }
    return socket;
  };

  /** How many connections are open. */
  get connections(): number {
    this.#sockets = this.#sockets.filter((socket) => !socket.closed);
    return this.#sockets.length;
  }

  /** Answers an action from now on. */
  on<Name extends Action["action"]>(name: Name, script: Script<Name>): this {
    const is = (action: Action): action is Named<Name> => action.action === name;
    this.#scripts.set(name, (action, reply) => {
      if (is(action)) script(action, reply);
    });
    return this;
  }

  /** Refuses the next connections, with these HTTP statuses. */
  refuse(...statuses: number[]): this {
    this.#refusals.push(...statuses);
    return this;
  }

  /** Cuts every connection. */
  drop(code = 1006): void {
    for (const socket of this.#sockets.splice(0)) socket.end(code);
  }

  /** Sends an event that answers nothing. */
  send(event: Event): void {
    this.#broadcast(stringifyJson(encodeEvent(event)));
  }

  /** Sends a text that need not be a frame of the protocol. */
  sendText(text: string): void {
    this.#broadcast(text);
  }

  /** Waits until an action of that name has arrived for the `count`th time. */
  async received<Name extends Action["action"]>(name: Name, count = 1): Promise<Named<Name>> {
    const is = (action: Action): action is Named<Name> => action.action === name;
    while (true) {
      const found = this.actions.filter(is)[count - 1];
      if (found) return found;
      await new Promise<void>((arrived) => this.#arrivals.push(arrived));
    }
  }

  #broadcast(text: string): void {
    for (const socket of this.#sockets) socket.deliver(text);
  }

  #receive(socket: FakeSocket, text: string): void {
    const send = (frame: unknown): void => socket.deliver(stringifyJson(frame));
    let action: Action;
    try {
      action = decodeAction(parseJson(text));
    } catch (error) {
      const pointer = error instanceof DecodeError ? { field: error.pointer } : {};
      new Reply(undefined, send).error("VALIDATION_ERROR", String(error), pointer);
      return;
    }
    this.actions.push(action);
    for (const arrived of this.#arrivals.splice(0)) arrived();
    this.#scripts.get(action.action)?.(action, new Reply(action.requestId, send));
  }
}
