// The connection: opens it, keeps it alive, opens it again when it is lost.
import { ClosedError, ConnectionError, TimeoutError } from "./errors.js";
import { after } from "./wait.js";

/** What is used of a WebSocket: the browser's, and most others, fit. */
export interface WebSocketLike {
  addEventListener(type: "open", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { code: number; reason: string }) => void): void;
  addEventListener(type: "error", listener: (event: unknown) => void): void;
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

export interface ConnectionOptions {
  url: string;
  token: Token | undefined;
  tokenBy: TokenBy | undefined;
  openSocket: OpenSocket;
  /** Milliseconds. */
  connectTimeout: number;
  /** Milliseconds of silence after which the server is asked whether it is there. */
  heartbeat: number;
  logger: Logger | undefined;
}

export interface ConnectionEvents {
  frame(text: string): void;
  /** The connection is gone, and everything that was sent on it. */
  lost(error: ConnectionError): void;
  /** Asks the server for a sign of life. */
  ping(): void;
}

/** The first and the longest span out of which the pause before a new attempt is drawn, in milliseconds. */
const pauses = { first: 500, longest: 20_000 };
/** How many heartbeats without any frame mean that the connection is dead. */
const mostSilentBeats = 2;
/** Whether an HTTP status or a close code says that the token is not accepted. */
const isRefusal = (status: number | undefined): boolean => status === 401 || status === 4401;

interface Waiting {
  run: () => void;
  fail: (error: Error) => void;
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #events: ConnectionEvents;
  /** Counts up whenever what is under way is void, so that late news of an old socket is recognised. */
  #epoch = 0;
  #state: "idle" | "connecting" | "open" | "pausing" | "closed" = "idle";
  #socket: WebSocketLike | undefined;
  #failures = 0;
  #refused = false;
  #silentBeats = 0;
  #stopTimer = (): void => {};
  #waiting = new Set<Waiting>();

  constructor(options: ConnectionOptions, events: ConnectionEvents) {
    this.#options = options;
    this.#events = events;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Connects; one attempt, and one more with a fresh token when the first is refused. */
  async connect(limit: number): Promise<void> {
    if (this.#state === "closed") throw new ClosedError();
    if (this.#state !== "idle") return new Promise((run, fail) => this.whenOpen(run, fail));
    try {
      await this.#attempt(limit).catch((error: unknown) => {
        if (!this.#mayRefresh(error)) throw error;
        return this.#attempt(limit);
      });
    } catch (error) {
      this.#giveUp();
      throw error;
    }
  }

  /** The end of an attempt that nobody repeats, unless somebody waits for a connection. */
  #giveUp(): void {
    if (this.#state !== "connecting") return;
    this.#state = "idle";
    if (this.#waiting.size > 0) this.#startAgain();
  }

  /** Runs as soon as there is a connection; the result takes that back. */
  whenOpen(run: () => void, fail: (error: Error) => void): () => void {
    if (this.#state === "closed") fail(new ClosedError());
    else if (this.#state === "open") run();
    else {
      const waiting = { run, fail };
      this.#waiting.add(waiting);
      if (this.#state === "idle") this.#startAgain(0);
      return () => this.#waiting.delete(waiting);
    }
    return () => {};
  }

  /** Sends a frame; only while open. */
  send(text: string): void {
    this.#socket?.send(text);
  }

  close(error: Error = new ClosedError()): void {
    if (this.#state === "closed") return;
    this.#void();
    this.#state = "closed";
    this.#settle(({ fail }) => fail(error));
  }

  #settle(each: (waiting: Waiting) => void): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    waiting.forEach(each);
  }

  /** Forgets the socket and the timer; what they still say is not heard. */
  #void(): void {
    this.#epoch += 1;
    this.#stopTimer();
    this.#socket?.close(1000);
    this.#socket = undefined;
  }

  async #attempt(limit = this.#options.connectTimeout): Promise<void> {
    this.#void();
    const epoch = this.#epoch;
    this.#state = "connecting";
    const { token, tokenBy, url, openSocket } = this.#options;
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        if (epoch !== this.#epoch) return reject(new ClosedError());
        this.#void();
        reject(error);
      };
      this.#stopTimer = after(limit, () => fail(new TimeoutError("connect", limit)));
      const open = async (): Promise<void> => {
        const value = typeof token === "function" ? await token({ refused: this.#refused }) : token;
        if (epoch !== this.#epoch) return fail(new ClosedError());
        this.#listen(openSocket(url, value, tokenBy), epoch, resolve, fail);
      };
      open().catch((cause: unknown) =>
        fail(new ConnectionError("CONNECTION_FAILED", `cannot connect: ${String(cause)}`, { cause })),
      );
    });
  }

  #listen(socket: WebSocketLike, epoch: number, opened: () => void, failed: (error: Error) => void): void {
    let problem: unknown;
    this.#socket = socket;
    socket.addEventListener("open", () => {
      if (epoch !== this.#epoch) return socket.close(1000);
      this.#isOpen();
      opened();
    });
    socket.addEventListener("message", ({ data }) => {
      if (epoch !== this.#epoch) return;
      this.#silentBeats = 0;
      this.#failures = 0;
      if (typeof data === "string") this.#events.frame(data);
    });
    socket.addEventListener("error", (event) => (problem = event));
    socket.addEventListener("close", ({ code, reason }) => {
      if (epoch !== this.#epoch) return failed(new ClosedError());
      const status = statusOf(problem) ?? (code === 1006 || code === 1005 ? undefined : code);
      const said = `${status ?? "no code"}${reason === "" ? "" : ` ${reason}`}`;
      const details = { status, cause: problem };
      if (this.isOpen) {
        this.#lose(new ConnectionError("CONNECTION_LOST", `the connection was lost: ${said}`, details));
      } else {
        const kind = isRefusal(status) ? "UNAUTHENTICATED" : "CONNECTION_FAILED";
        failed(new ConnectionError(kind, `cannot connect: ${said}`, details));
      }
    });
  }

  #isOpen(): void {
    this.#stopTimer();
    this.#state = "open";
    this.#silentBeats = 0;
    this.#refused = false;
    this.#options.logger?.debug("connected", { url: this.#options.url.replace(/[?#].*/, "") });
    this.#beat();
    this.#settle(({ run }) => run());
  }

  #beat(): void {
    this.#stopTimer = after(this.#options.heartbeat, () => {
      if (this.#silentBeats > mostSilentBeats) {
        return this.#lose(new ConnectionError("CONNECTION_LOST", "the server has not answered for too long"));
      }
      if (this.#silentBeats > 0) this.#events.ping();
      this.#silentBeats += 1;
      this.#beat();
    });
  }

  /** An open connection has ended: says so, and opens another. */
  #lose(error: ConnectionError): void {
    this.#void();
    this.#state = "idle";
    this.#options.logger?.warn(error.message, { code: error.code });
    this.#events.lost(error);
    this.#recover(error);
  }

  /** Another attempt, unless the token is not accepted and a fresh one cannot be had. */
  #recover(error: unknown): void {
    // Who heard of the loss may have closed.
    if (this.#state === "closed") return;
    if (!(error instanceof ConnectionError && isRefusal(error.status))) return this.#startAgain();
    const { message, status, cause } = error;
    // A server that accepts each token and ends at once is not asked at full speed.
    if (this.#mayRefresh(error)) this.#startAgain(this.#failures < 2 ? 0 : undefined);
    else this.close(new ConnectionError("UNAUTHENTICATED", message, { status, cause }));
  }

  /** Attempts, with a pause between them out of a span that doubles (full jitter), until one succeeds. */
  #startAgain(pause?: number): void {
    this.#void();
    this.#state = "pausing";
    const span = Math.min(pauses.longest, pauses.first * 2 ** this.#failures);
    this.#failures += 1;
    this.#stopTimer = after(pause ?? Math.random() * span, () => {
      this.#attempt().catch((error: unknown) => {
        this.#options.logger?.warn("an attempt to connect failed", { attempt: this.#failures });
        this.#recover(error);
      });
    });
  }

  /** Whether an error is a token refused for the first time, where a fresh one can be had. */
  #mayRefresh(error: unknown): boolean {
    if (!(error instanceof ConnectionError && isRefusal(error.status))) return false;
    if (typeof this.#options.token !== "function" || this.#refused) return false;
    return (this.#refused = true);
  }
}

function statusOf(problem: unknown): number | undefined {
  if (typeof problem !== "object" || problem === null || !("status" in problem)) return undefined;
  return typeof problem.status === "number" ? problem.status : undefined;
}
