// The connection: opens it, keeps it alive, opens it again when it is lost.
import { ClosedError, ConnectionError, SmoothError, TimeoutError } from "./errors.js";
import { pacing } from "./generated/settings.js";
import { after, Pending } from "./pending.js";

/**
 * What is used of a WebSocket: the browser's, and most others, fit. `onmessage` gets an object with `data`,
 * `onclose` one with `code` and `reason`, `onerror` one with the HTTP `status` where the platform knows it, or with
 * an `error` that has it.
 */
export interface WebSocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

/** How a token travels: in the `Authorization` header, or as the subprotocol `bearer.<token>`. */
export type TokenBy = "header" | "subprotocol";

/** Opens a WebSocket, with the token as the client's `tokenBy` says or as the platform can: never in the URL. */
export type OpenSocket = (url: string, token: string | undefined, tokenBy?: TokenBy) => WebSocketLike;

/** Where this package says what it does. `console` is one; tokens and contents never get there. */
export interface Logger {
  debug(message: string, details?: object): void;
  warn(message: string, details?: object): void;
}

/** A token, or a function that gets one; it is called for every connection and after the server refused one. */
export type Token = string | ((attempt: { refused: boolean }) => string | Promise<string>);

/** How a client connects. */
export interface ConnectionOptions {
  /** `ws://` or `wss://`, with the path, such as `ws://127.0.0.1:8787/ws`. */
  url: string;
  /** Who is speaking. A function is called for each connection, and again when the server refused its token. */
  token?: Token;
  /** How the token travels: in the header where the platform can set one (Node), as a subprotocol elsewhere. */
  tokenBy?: TokenBy;
  /** After how much silence the server is asked for a sign of life, in milliseconds: 20,000. */
  heartbeat?: number;
  /** Where to say what happens: `console`, or anything with `debug` and `warn`. Silent without it. */
  logger?: Logger;
  /** Opens the WebSocket in place of the platform's. */
  openSocket?: OpenSocket;
}

export interface ConnectionEvents {
  frame(text: string): void;
  /** The connection is gone, and everything that was sent on it. */
  lost(error: Error): void;
  /** Asks the server for a sign of life. */
  ping(): void;
}

/** How many heartbeats without any frame mean that the connection is dead. */
const mostSilentBeats = 2;
/** Whether an HTTP status or a close code says that the token is not accepted. */
const isRefusal = (status: number | undefined): boolean => status === 401 || status === 4401;

/** Opens a socket. What a platform says of an address or a token that it cannot take repeats it, and is left out. */
export function open<S>(make: () => S): S {
  try {
    return make();
  } catch {
    throw new SmoothError("BAD_URL", "cannot connect: no WebSocket takes such an address, or such a token");
  }
}

/** The standard `WebSocket`: a token travels as a subprotocol, since headers cannot be set. */
const openStandardSocket: OpenSocket = (url, token, tokenBy) => {
  if (tokenBy === "header") throw new Error("this platform's WebSocket sends no headers: use `subprotocol`");
  return open(() => new WebSocket(url, token === undefined ? [] : ["smooth-operator", `bearer.${token}`]));
};

/** What may be known of why a connection failed. */
type Problem = { status?: number; message?: string; retryAfter?: number };

/** @internal */
type Waiter = Pick<Pending<unknown>, "ended" | "fail" | "onEnd">;

/** @internal */
export class Connection {
  /** The attempt, connection or pause of this moment. When it ends, so do its socket and its timers. */
  #stage: Pick<Pending<unknown>, "fail"> | undefined;
  /** The socket, while it is open. */
  #socket: WebSocketLike | undefined;
  /** What to do when there is a connection, for whom, and whether this is not worth another attempt. */
  readonly #waiting = new Map<Waiter, { run: () => void; once: boolean }>();
  #running = false;
  #closed = false;
  /** Whether there was a connection, which is opened again though nobody waits. */
  #kept = false;
  /** Whether the last token was refused, so that a fresh one is tried. */
  #refused = false;
  /** How many attempts and connections have ended since a frame came. */
  #failures = 0;
  #silentBeats = 0;

  /** An attempt may take `limit` milliseconds. */
  constructor(
    private readonly options: ConnectionOptions,
    private readonly limit: number,
    private readonly events: ConnectionEvents,
  ) {}

  get isOpen(): boolean {
    return this.#socket !== undefined;
  }

  /**
   * Runs as soon as there is a connection, unless the waiter has ended by then. With a limit there is one attempt,
   * and one more with a fresh token when it is refused.
   */
  whenOpen(waiter: Waiter, run: () => void, limit?: number): void {
    if (waiter.ended) return;
    if (this.#closed) return waiter.fail(new ClosedError());
    if (this.isOpen) return run();
    this.#waiting.set(waiter, { run, once: limit !== undefined });
    waiter.onEnd(() => this.#waiting.delete(waiter));
    if (!this.#running) void this.#run(limit ?? this.limit);
  }

  /** Sends a frame; only while open. */
  send(text: string): void {
    this.#socket?.send(text);
  }

  close(): void {
    this.#closed = true;
    this.#stage?.fail(new ClosedError());
    this.#failWaiting(new ClosedError());
  }

  get #isNeeded(): boolean {
    return !this.#closed && (this.#kept || this.#waiting.size > 0);
  }

  #failWaiting(error: Error, all = true): void {
    for (const [waiter, { once }] of this.#waiting) if (all || once) waiter.fail(error);
  }

  /** Attempts, connections and the pauses between them, one after the other, as long as they are needed. */
  async #run(limit: number): Promise<void> {
    this.#running = true;
    while (this.#isNeeded) {
      const error = await this.#live(limit);
      limit = this.limit;
      if (this.#closed) return;
      this.options.logger?.warn(error.message, { code: error.code, failures: this.#failures });
      if (error.code === "CONNECTION_LOST") this.events.lost(error);
      const refusal = error instanceof ConnectionError && isRefusal(error.status) ? error : undefined;
      if (!refusal) this.#failWaiting(error, !error.retryable && !this.#kept);
      else if (this.#refused || typeof this.options.token !== "function") {
        this.#failWaiting(new ConnectionError("UNAUTHENTICATED", refusal.message, refusal));
        break;
      } else this.#refused = true;
      // A server that accepts each token and ends at once is not asked at full speed.
      const atOnce = refusal !== undefined && this.#failures < 2;
      const span = Math.min(pacing.longestPause, pacing.firstPause * 2 ** this.#failures);
      this.#failures += 1;
      if (!atOnce && this.#isNeeded) await this.#pause(Math.random() * span);
    }
    this.#running = false;
  }

  async #pause(milliseconds: number): Promise<void> {
    const stage = (this.#stage = new Pending<void>());
    stage.onEnd(after(milliseconds, () => stage.resolve()));
    await stage.result.catch(() => {});
  }

  /** One attempt and, if it succeeds, the connection up to its end: tells why it ended. */
  async #live(limit: number): Promise<SmoothError> {
    const stage = (this.#stage = new Pending<never>());
    const stopLimit = after(limit, () => stage.fail(new TimeoutError("connect", limit)));
    stage.onEnd(stopLimit);
    const { token, tokenBy, url, openSocket = openStandardSocket } = this.options;
    try {
      const fetch = async () => (typeof token === "function" ? token({ refused: this.#refused }) : token);
      const value = await Promise.race([stage.result, fetch()]);
      this.#listen(openSocket(url, value, tokenBy), stage, stopLimit);
      return await stage.result;
    } catch (cause) {
      const error =
        cause instanceof SmoothError
          ? cause
          : new ConnectionError("CONNECTION_FAILED", `cannot connect: ${String(cause)}`, { cause });
      stage.fail(error);
      return error;
    }
  }

  #listen(socket: WebSocketLike, stage: Pending<never>, stopLimit: () => void): void {
    let problem: unknown;
    stage.onEnd(() => socket.close(1000));
    socket.onopen = () => {
      stopLimit();
      if (!stage.ended) this.#opened(socket, stage);
    };
    socket.onmessage = ({ data }: { data: unknown }) => {
      if (stage.ended) return;
      this.#silentBeats = this.#failures = 0;
      if (typeof data === "string") this.events.frame(data);
    };
    socket.onerror = (event: unknown) => {
      // An event knows its socket, which may know the token: where it tells the error, that alone goes on.
      const { error }: { error?: unknown } = Object(event);
      problem ??= error ?? event;
    };
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
      const { status: refused, message: why = "", retryAfter }: Problem = Object(problem);
      const status = refused ?? (code === 1005 || code === 1006 ? undefined : code);
      const kind = isRefusal(status) ? "UNAUTHENTICATED" : "CONNECTION_FAILED";
      const what = this.isOpen ? "the connection was lost" : "cannot connect";
      const known = [status, reason || why].filter(Boolean).join(" ");
      const message = `${what}: ${known || "no reason is known"}`;
      const details = { status, retryAfter, cause: problem };
      stage.fail(new ConnectionError(this.isOpen ? "CONNECTION_LOST" : kind, message, details));
    };
  }

  #opened(socket: WebSocketLike, stage: Pending<never>): void {
    this.#socket = socket;
    this.#kept = true;
    this.#refused = false;
    this.#silentBeats = 0;
    let stopBeat = (): void => {};
    stage.onEnd(() => {
      this.#socket = undefined;
      stopBeat();
    });
    const beat = (): void => {
      if (this.#silentBeats > mostSilentBeats) {
        return stage.fail(new ConnectionError("CONNECTION_LOST", "the server has not answered for too long"));
      }
      if (this.#silentBeats > 0) this.events.ping();
      this.#silentBeats += 1;
      stopBeat = after(this.options.heartbeat ?? pacing.heartbeat, beat);
    };
    beat();
    this.options.logger?.debug("connected", { url: this.options.url.replace(/[?#].*/, "") });
    for (const [waiter, { run }] of this.#waiting) {
      this.#waiting.delete(waiter);
      run();
    }
  }
}
