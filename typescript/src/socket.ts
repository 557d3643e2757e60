// The connection: opens it, keeps it alive, opens it again when it is lost.
import { ClosedError, ConnectionError, TimeoutError } from "./errors.js";
import { after } from "./pending.js";
import type { Pending } from "./pending.js";

/**
 * What is used of a WebSocket: the browser's, and most others, fit. `onmessage` gets an object with `data`,
 * `onclose` one with `code` and `reason`, `onerror` one with the HTTP `status` where the platform knows it.
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
  /** After how much silence the server is asked for a sign of life, in milliseconds: 15,000. */
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

/** The first and the longest span out of which the pause before a new attempt is drawn, in milliseconds. */
const pauses = { first: 500, longest: 20_000 };
/** How many heartbeats without any frame mean that the connection is dead. */
const mostSilentBeats = 2;
/** Whether an HTTP status or a close code says that the token is not accepted. */
const isRefusal = (status: number | undefined): boolean => status === 401 || status === 4401;

/** The standard `WebSocket`: a token travels as a subprotocol, since headers cannot be set. */
const openStandardSocket: OpenSocket = (url, token, tokenBy) => {
  if (tokenBy === "header") throw new Error("this platform's WebSocket sends no headers: use `subprotocol`");
  return new WebSocket(url, token === undefined ? [] : ["smooth-operator", `bearer.${token}`]);
};

type Waiter = Pick<Pending<unknown>, "ended" | "fail" | "onEnd">;

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #events: ConnectionEvents;
  readonly #limit: number;
  #state: "idle" | "connecting" | "open" | "pausing" | "closed" = "idle";
  /** Counts up whenever what is under way is void, so that late news of it is recognised. */
  #epoch = 0;
  #socket: WebSocketLike | undefined;
  /** The one timer of each state: the limit of an attempt, the next heartbeat, the end of a pause. */
  #stopTimer = (): void => {};
  /** What to do when there is a connection, and for whom. */
  readonly #waiting = new Map<Waiter, () => void>();
  /** Those of them who do not wait for another attempt. */
  readonly #hasty = new Set<Waiter>();
  /** Whether there was a connection, which is opened again though nobody waits. */
  #kept = false;
  #refused = false;
  #failures = 0;
  #silentBeats = 0;

  /** An attempt may take `limit` milliseconds. */
  constructor(options: ConnectionOptions, events: ConnectionEvents, limit: number) {
    this.#options = options;
    this.#events = events;
    this.#limit = limit;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Connects, in one attempt, and one more with a fresh token when the first is refused. */
  connect(waiter: Pending<void>, limit: number): void {
    this.#hasty.add(waiter);
    waiter.onEnd(() => this.#hasty.delete(waiter));
    this.whenOpen(waiter, () => waiter.resolve(), limit);
  }

  /** Runs as soon as there is a connection, unless the waiter has ended by then. */
  whenOpen(waiter: Waiter, run: () => void, limit = this.#limit): void {
    if (waiter.ended) return;
    if (this.#state === "closed") return waiter.fail(new ClosedError());
    if (this.#state === "open") return run();
    this.#waiting.set(waiter, run);
    waiter.onEnd(() => this.#waiting.delete(waiter));
    if (this.#state === "idle") void this.#attempt(limit);
  }

  /** Sends a frame; only while open. */
  send(text: string): void {
    this.#socket?.send(text);
  }

  close(): void {
    this.#leave("closed");
    this.#failAll(new ClosedError());
  }

  /** Forgets the socket and the timer; what they still say is not heard. */
  #leave(next: "idle" | "connecting" | "closed"): void {
    this.#epoch += 1;
    this.#stopTimer();
    this.#socket?.close(1000);
    this.#socket = undefined;
    this.#state = next;
  }

  #failAll(error: Error): void {
    for (const waiter of this.#waiting.keys()) waiter.fail(error);
  }

  async #attempt(limit = this.#limit): Promise<void> {
    this.#leave("connecting");
    const epoch = this.#epoch;
    const isCurrent = (): boolean => epoch === this.#epoch;
    this.#stopTimer = after(limit, () => this.#ended(new TimeoutError("connect", limit)));
    try {
      const { token, tokenBy, url, openSocket = openStandardSocket } = this.#options;
      const value = typeof token === "function" ? await token({ refused: this.#refused }) : token;
      if (isCurrent()) this.#listen(openSocket(url, value, tokenBy), isCurrent);
    } catch (cause) {
      const error = new ConnectionError("CONNECTION_FAILED", `cannot connect: ${String(cause)}`, { cause });
      if (isCurrent()) this.#ended(error);
    }
  }

  #listen(socket: WebSocketLike, isCurrent: () => boolean): void {
    let problem: unknown;
    this.#socket = socket;
    socket.onopen = () => {
      if (isCurrent()) this.#opened();
    };
    socket.onmessage = ({ data }: { data: unknown }) => {
      if (!isCurrent()) return;
      this.#silentBeats = 0;
      this.#failures = 0;
      if (typeof data === "string") this.#events.frame(data);
    };
    socket.onerror = (event: unknown) => {
      problem = event;
    };
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
      if (!isCurrent()) return;
      const status = statusOf(problem) ?? (code === 1006 || code === 1005 ? undefined : code);
      const said = `${status ?? "no code"}${reason === "" ? "" : ` ${reason}`}`;
      const kind = isRefusal(status) ? "UNAUTHENTICATED" : "CONNECTION_FAILED";
      const details = { status, cause: problem };
      this.#ended(
        this.isOpen
          ? new ConnectionError("CONNECTION_LOST", `the connection was lost: ${said}`, details)
          : new ConnectionError(kind, `cannot connect: ${said}`, details),
      );
    };
  }

  #opened(): void {
    this.#stopTimer();
    this.#state = "open";
    this.#kept = true;
    this.#refused = false;
    this.#silentBeats = 0;
    this.#options.logger?.debug("connected", { url: this.#options.url.replace(/[?#].*/, "") });
    this.#beat();
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const run of waiting) run();
  }

  #beat(): void {
    this.#stopTimer = after(this.#options.heartbeat ?? 15_000, () => {
      if (this.#silentBeats > mostSilentBeats) {
        return this.#ended(
          new ConnectionError("CONNECTION_LOST", "the server has not answered for too long"),
        );
      }
      if (this.#silentBeats > 0) this.#events.ping();
      this.#silentBeats += 1;
      this.#beat();
    });
  }

  /** An attempt or a connection is over. Another follows, unless nobody needs one or no token is accepted. */
  #ended(error: ConnectionError | TimeoutError): void {
    const wasOpen = this.isOpen;
    this.#leave("idle");
    this.#options.logger?.warn(error.message, { code: error.code, failures: this.#failures });
    if (wasOpen) this.#events.lost(error);
    const status = error instanceof ConnectionError ? error.status : undefined;
    if (!isRefusal(status)) {
      for (const waiter of this.#hasty) waiter.fail(error);
      if (this.#kept || this.#waiting.size > 0) this.#pause();
    } else if (typeof this.#options.token === "function" && !this.#refused) {
      this.#refused = true;
      // A server that accepts each token and ends at once is not asked at full speed.
      this.#pause(this.#failures < 2 ? 0 : undefined);
    } else {
      this.#failAll(new ConnectionError("UNAUTHENTICATED", error.message, { status, cause: error.cause }));
    }
  }

  /** Another attempt, after a pause out of a span that doubles (full jitter). */
  #pause(milliseconds?: number): void {
    // Who heard of the end may have closed.
    if (this.#state !== "idle") return;
    this.#state = "pausing";
    const span = Math.min(pauses.longest, pauses.first * 2 ** this.#failures);
    this.#failures += 1;
    this.#stopTimer = after(milliseconds ?? Math.random() * span, () => void this.#attempt());
  }
}

function statusOf(problem: unknown): number | undefined {
  if (typeof problem !== "object" || problem === null || !("status" in problem)) return undefined;
  return typeof problem.status === "number" ? problem.status : undefined;
}
