// Which call or turn an event belongs to. Knows no socket.
import { ServerError, SmoothError } from "./errors.js";
import { errorInfo, type Event } from "./generated/index.js";
import { Pending } from "./pending.js";

/** A call or a turn that waits for events. */
export interface Waiter extends Pick<Pending<unknown>, "ended" | "fail" | "onEnd"> {
  readonly isTurn: boolean;
  /** Whether its action has been sent, or is just about to be. */
  sent: boolean;
  /** Takes an event that carries its id; `true` when it was meant for this one alone. */
  offer(event: Event): boolean;
  /** A verdict under its id was taken: a turn no longer waits for a person. */
  resume?(): void;
}

/** What an event answers; nothing when it is not the answer. */
export type Read<T> = (event: Event) => T | undefined;

/** A call: ends with what it reads out of an event, or with a refusal. */
export class Call<T> extends Pending<T> {
  readonly isTurn = false;
  sent = false;

  constructor(
    private readonly action: string,
    private readonly read: Read<T>,
  ) {
    super();
  }

  offer(event: Event): boolean {
    try {
      const value = this.read(event);
      if (event.type === "error" || event.type === "interaction_invalid") this.fail(new ServerError(event));
      else if (value === undefined) return false;
      else this.resolve(value);
    } catch (cause) {
      const details = { requestId: requestIdOf(event), cause };
      this.fail(new SmoothError("BAD_REPLY", `${this.action}: ${String(cause)}`, details));
    }
    // A turn that another kind of answer concerns sees it too.
    return event.type === "error" || event.type === "immediate_response";
  }
}

function requestIdOf(event: Event): string | undefined {
  const { requestId }: { requestId?: unknown } = event.type === "$unknown" ? event.raw : event;
  return typeof requestId === "string" ? requestId : undefined;
}

/**
 * Request ids and who waits for them. A verdict may travel under the id of the turn that waits for it, so that a
 * call and a turn can share an id: the answer goes to the call, everything else to the turn.
 */
export class Mux {
  readonly #waiters = new Map<string, readonly Waiter[]>();
  readonly #prefix = Math.random().toString(36).slice(2, 10);
  #count = 0;

  /** An id that no other request of this client has, and hardly one of another client. */
  newId(): string {
    return `${this.#prefix}-${++this.#count}`;
  }

  /** From now until it ends, a waiter gets the events of that id. */
  add(id: string, waiter: Waiter): void {
    const waiting = this.#waiting(id);
    if (waiter.isTurn && waiting.some(({ isTurn }) => isTurn)) {
      return waiter.fail(new SmoothError("DUPLICATE_REQUEST_ID", "a turn has this id", { requestId: id }));
    }
    waiter.sent = true;
    this.#waiters.set(id, [...waiting, waiter]);
    waiter.onEnd(() => {
      const rest = this.#waiting(id).filter((other) => other !== waiter);
      if (rest.length === 0) this.#waiters.delete(id);
      else this.#waiters.set(id, rest);
    });
  }

  /** Gives an event to whom it belongs; `false` when nobody waits for it. */
  deliver(event: Event): boolean {
    const id = requestIdOf(event);
    if (id === undefined) return false;
    const waiting = this.#waiting(id);
    const turn = waiting.find(({ isTurn }) => isTurn);
    // An error by which a turn ends is no answer to a verdict under its id.
    const turnsOwn = turn && event.type === "error" && errorInfo(event.error.code)?.endsTurn;
    const call = turnsOwn ? undefined : waiting.find(({ isTurn }) => !isTurn);
    if (!call?.offer(event)) turn?.offer(event);
    else if (event.type === "immediate_response") turn?.resume?.();
    return waiting.length > 0;
  }

  /** Ends the waits for one id. */
  failOne(id: string, error: Error): void {
    for (const waiter of this.#waiting(id)) waiter.fail(error);
  }

  /** Ends every wait. A connection that can resume its turns would keep them here and fail only the calls. */
  fail(error: Error): void {
    for (const id of [...this.#waiters.keys()]) this.failOne(id, error);
  }

  #waiting(id: string): readonly Waiter[] {
    return this.#waiters.get(id) ?? [];
  }
}
