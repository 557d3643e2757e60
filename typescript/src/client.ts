// The client: options, and how each kind of action travels.
import { ClosedError, ConnectionError, SmoothError } from "./errors.js";
import { ActionCalls, decodeEvent, parseJson, stringifyJson } from "./generated/index.js";
import type { Action, Event } from "./generated/index.js";
import type { Reader } from "./generated/runtime.js";
import { defaultTimeouts, type Timeouts } from "./generated/settings.js";
import { Call, Mux, type Read, type Waiter } from "./mux.js";
import { Pending, type CallOptions } from "./pending.js";
import { Connection, type ConnectionOptions } from "./socket.js";
import { Turn } from "./turn.js";

/** How a client connects and behaves. Only `url` is needed. */
export interface ClientOptions extends ConnectionOptions {
  /** Limits for every call that does not set its own. */
  timeouts?: Partial<Timeouts>;
  /** Gets events that belong to no call and no turn of this client. */
  onEvent?: (event: Event) => void;
}

/** The longest frame that a server takes, in bytes. */
const longestFrame = 1024 * 1024;

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
    this.#timeouts = { ...defaultTimeouts, ...options.timeouts };
    this.#connection = new Connection(options, this.#timeouts.connect, {
      frame: (text) => this.#read(text),
      lost: (error) => this.#mux.fail(error),
      ping: () => this.post({ action: "ping", requestId: this.#mux.newId() }),
    });
  }

  /** Whether there is a connection at this moment. */
  get connected(): boolean {
    return this.#connection.isOpen;
  }

  /** Connects, or rejects with why that cannot be. Not needed: every call connects when there is no connection. */
  connect({ signal, timeouts }: CallOptions = {}): Promise<void> {
    const limit = timeouts?.connect ?? this.#timeouts.connect;
    const connected = new Pending<void>().until(signal).within("connect", limit);
    this.#connection.whenOpen(connected, () => connected.resolve(), limit);
    return connected.result;
  }

  /** Ends the connection. What still waits fails with a `ClosedError`; nothing keeps running. */
  close(): void {
    this.#connection.close();
    this.#mux.fail(new ClosedError());
  }

  protected override requestData<T>(action: Action, read: Reader<T>, options?: CallOptions): Promise<T> {
    const answer = (event: Event): T | undefined =>
      event.type === "immediate_response" && event.status !== 202 ? read(event.data) : undefined;
    return this.#call(action, answer, options);
  }

  protected override requestEvent<T extends Event["type"]>(
    action: Action,
    types: readonly T[],
    options?: CallOptions,
  ): Promise<Extract<Event, { type: T }>> {
    const wanted = (event: Event): event is Extract<Event, { type: T }> =>
      types.some((type) => type === event.type);
    return this.#call(action, (event) => (wanted(event) ? event : undefined), options);
  }

  protected override startTurn(action: Action, { signal, timeouts }: CallOptions = {}): Turn {
    const requestId = action.requestId ?? this.#mux.newId();
    const sessionId = "sessionId" in action ? (action.sessionId ?? "") : "";
    const limits = { ...this.#timeouts, ...timeouts };
    const turn = new Turn(requestId, sessionId, this, limits).until(signal);
    this.#send({ ...action, requestId }, turn);
    return turn;
  }

  protected override post(action: Action): void {
    if (this.connected) this.#write(action);
  }

  #call<T>(action: Action, read: Read<T>, { signal, timeouts }: CallOptions = {}): Promise<T> {
    const limit = timeouts?.request ?? this.#timeouts.request;
    const call = new Call(action.action, read).until(signal).within("request", limit);
    this.#send({ ...action, requestId: action.requestId ?? this.#mux.newId() }, call);
    return call.result;
  }

  /** Sends an action as soon as there is a connection; what comes back under its id goes to the waiter. */
  #send(action: Action & { requestId: string }, waiter: Waiter): void {
    this.#connection.whenOpen(waiter, () => {
      this.#mux.add(action.requestId, waiter);
      if (!waiter.ended) this.#write(action, (error) => waiter.fail(error));
    });
  }

  #write(action: Action, fail: (error: SmoothError) => void = () => {}): void {
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
      const message = `a frame is not what the protocol says: ${String(cause)}`;
      this.#options.logger?.warn(message);
      const { requestId }: { requestId?: unknown } = Object(frame);
      // Whoever waits for this frame would wait in vain.
      if (typeof requestId === "string")
        this.#mux.failOne(requestId, new SmoothError("BAD_EVENT", message, { cause }));
      return;
    }
    if (!this.#mux.deliver(event)) this.#options.onEvent?.(event);
  }
}
