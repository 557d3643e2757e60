// The client: options, and how each kind of action travels.
import { ClosedError, ConnectionError, ServerError, SmoothError } from "./errors.js";
import { ActionCalls, decodeEvent, parseJson, stringifyJson } from "./generated/index.js";
import type { Action, Event } from "./generated/index.js";
import { Mux } from "./mux.js";
import { Connection } from "./socket.js";
import type { Logger, OpenSocket, Token, TokenBy } from "./socket.js";
import { Turn } from "./turn.js";
import { wait } from "./wait.js";

/** Limits in milliseconds; `Infinity` for none. */
export interface Timeouts {
  /** For a connection: 10,000. */
  connect: number;
  /** For the answer to an action, a wait for the connection included: 30,000. */
  request: number;
  /** For the silence between two events of a turn: 90,000. */
  idle: number;
  /** For a whole turn, without the time that it waits for a person: 600,000. */
  turn: number;
}

/** How a client connects and behaves. Only `url` is needed. */
export interface ClientOptions {
  /** `ws://` or `wss://`, with the path, such as `ws://127.0.0.1:8787/ws`. */
  url: string;
  /** Who is speaking. A function is called for each connection, and again when the server refused its token. */
  token?: Token;
  /** How the token travels: in the header where the platform can set one (Node), as a subprotocol elsewhere. */
  tokenBy?: TokenBy;
  /** Limits for every call that does not set its own. */
  timeouts?: Partial<Timeouts>;
  /** After how much silence the server is asked for a sign of life, in milliseconds: 15,000. */
  heartbeat?: number;
  /** Where to say what happens: `console`, or anything with `debug` and `warn`. Silent without it. */
  logger?: Logger;
  /** Gets events that belong to no call and no turn of this client. */
  onEvent?: (event: Event) => void;
  /** Opens the WebSocket in place of the platform's. */
  openSocket?: OpenSocket;
}

/** What one call may do otherwise. */
export interface CallOptions {
  /** Stops the waiting, not the work: that is `cancel`. */
  signal?: AbortSignal;
  /** Limits for this call. */
  timeouts?: Partial<Timeouts>;
}

const defaults: Timeouts = { connect: 10_000, request: 30_000, idle: 90_000, turn: 600_000 };

/** The longest frame that a server takes, in bytes. */
const longestFrame = 1024 * 1024;

/** The standard `WebSocket`: a token travels as a subprotocol, since headers cannot be set. */
const openStandardSocket: OpenSocket = (url, token, tokenBy) => {
  if (tokenBy === "header") throw new Error("this platform's WebSocket sends no headers: use `subprotocol`");
  return new WebSocket(url, token === undefined ? [] : ["smooth-operator", `bearer.${token}`]);
};

/**
 * A connection to a smooth-operator server. It opens when it is first needed or by {@link connect}, is opened
 * again when it is lost, and ends with {@link close}.
 */
export class SmoothAgentClient extends ActionCalls<CallOptions, Turn> {
  readonly #timeouts: Timeouts;
  readonly #options: ClientOptions;
  readonly #mux = new Mux();
  readonly #connection: Connection;

  constructor(options: ClientOptions) {
    super();
    this.#options = options;
    this.#timeouts = { ...defaults, ...options.timeouts };
    const { url, token, tokenBy, logger, heartbeat = 15_000, openSocket = openStandardSocket } = options;
    this.#connection = new Connection(
      { url, token, tokenBy, logger, heartbeat, openSocket, connectTimeout: this.#timeouts.connect },
      {
        frame: (text) => this.#read(text),
        lost: (error) => this.#mux.fail(error),
        ping: () => this.post({ action: "ping", requestId: this.#mux.newId() }),
      },
    );
  }

  /** Whether there is a connection at this moment. */
  get connected(): boolean {
    return this.#connection.isOpen;
  }

  /** Connects, or rejects with why that cannot be. Not needed: every call connects when there is no connection. */
  connect(options: CallOptions = {}): Promise<void> {
    const limit = this.#limit("connect", options);
    return wait({ kind: "connect", ...limit }, (resolve, reject) => {
      this.#connection.connect(limit.milliseconds).then(resolve, reject);
      return () => {};
    });
  }

  /** Ends the connection. What still waits fails with a `ClosedError`; nothing keeps running. */
  close(): void {
    this.#connection.close();
    this.#mux.fail(new ClosedError());
  }

  protected override requestData<T>(
    action: Action,
    read: (data: unknown) => T,
    options: CallOptions | undefined,
  ): Promise<T> {
    return this.#call(action, options, (event, resolve) => {
      if (event.type !== "immediate_response" || event.status === 202) return false;
      resolve(read(event.data));
      return true;
    });
  }

  protected override requestEvent<T extends Event["type"]>(
    action: Action,
    types: readonly T[],
    options: CallOptions | undefined,
  ): Promise<Extract<Event, { type: T }>> {
    const wanted = (event: Event): event is Extract<Event, { type: T }> =>
      types.some((type) => type === event.type);
    return this.#call(action, options, (event, resolve) => {
      if (wanted(event)) resolve(event);
      // A turn that the answer concerns sees it too.
      return false;
    });
  }

  protected override startTurn(action: Action, options: CallOptions | undefined): Turn {
    const requestId = action.requestId ?? this.#mux.newId();
    const sessionId = "sessionId" in action ? (action.sessionId ?? "") : "";
    const limits = { ...this.#timeouts, ...options?.timeouts };
    const turn = new Turn({ sessionId, requestId }, this, limits);
    const signal = options?.signal;
    const aborted = (): void => turn.fail(signal?.reason);
    if (this.#mux.hasTurn(requestId)) {
      turn.fail(new SmoothError("DUPLICATE_REQUEST_ID", `a turn ${requestId} is running`, { requestId }));
    } else if (signal?.aborted) aborted();
    else {
      signal?.addEventListener("abort", aborted);
      turn.onEnd(() => signal?.removeEventListener("abort", aborted));
      const send = (): void => {
        turn.sent = true;
        turn.onEnd(this.#mux.addTurn(requestId, turn));
        this.#send({ ...action, requestId }, (error) => turn.fail(error));
      };
      turn.onEnd(this.#connection.whenOpen(send, (error) => turn.fail(error)));
    }
    return turn;
  }

  protected override post(action: Action): void {
    if (this.connected) this.#send(action, () => {});
  }

  #call<T>(
    action: Action,
    options: CallOptions | undefined,
    take: (event: Event, resolve: (value: T) => void) => boolean,
  ): Promise<T> {
    const requestId = action.requestId ?? this.#mux.newId();
    return wait({ kind: "request", ...this.#limit("request", options) }, (resolve, reject) => {
      const offer = (event: Event): boolean => {
        if (event.type === "error") {
          reject(new ServerError(event));
          return true;
        }
        if (event.type === "interaction_invalid") reject(new ServerError(event));
        try {
          return take(event, resolve);
        } catch (cause) {
          reject(new SmoothError("BAD_REPLY", `${action.action}: ${String(cause)}`, { requestId, cause }));
          return true;
        }
      };
      let leave = (): void => {};
      const unqueue = this.#connection.whenOpen(() => {
        leave = this.#mux.addCall(requestId, { offer, fail: reject });
        this.#send({ ...action, requestId }, reject);
      }, reject);
      return () => {
        unqueue();
        leave();
      };
    });
  }

  #send(action: Action, fail: (error: SmoothError) => void): void {
    const text = stringifyJson(action);
    // A character takes at most three bytes.
    if (text.length * 3 > longestFrame && new TextEncoder().encode(text).length > longestFrame) {
      return fail(new SmoothError("FRAME_TOO_BIG", `${action.action} is longer than 1 MiB`));
    }
    try {
      this.#connection.send(text);
    } catch (cause) {
      fail(new ConnectionError("CONNECTION_LOST", "the connection does not take a frame", { cause }));
    }
  }

  #read(text: string): void {
    let frame: unknown;
    let event: Event;
    try {
      frame = parseJson(text);
      event = decodeEvent(frame);
    } catch (cause) {
      const error = new SmoothError("BAD_EVENT", `a frame is not what the protocol says: ${String(cause)}`, {
        cause,
      });
      this.#options.logger?.warn(error.message);
      const { requestId }: { requestId?: unknown } = Object(frame);
      // Whoever waits for this frame would wait in vain.
      if (typeof requestId === "string") this.#mux.failOne(requestId, error);
      return;
    }
    if (!this.#mux.deliver(event)) this.#options.onEvent?.(event);
  }

  #limit(
    kind: keyof Timeouts,
    options: CallOptions = {},
  ): { milliseconds: number; signal: AbortSignal | undefined } {
    return { milliseconds: options.timeouts?.[kind] ?? this.#timeouts[kind], signal: options.signal };
  }
}
