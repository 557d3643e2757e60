// Which call or turn an event belongs to. Knows no socket.
import type { Event } from "./generated/index.js";

/** A call or a turn that waits for events. */
export interface Waiter {
  /** Takes an event that carries its id; `true` when it was meant for this one alone. */
  offer(event: Event): boolean;
  /** Ends the wait. */
  fail(error: Error): void;
}

/** The `requestId` that an event carries. */
export function requestIdOf(event: Event): string | undefined {
  if (event.type !== "$unknown") return event.requestId;
  const { requestId } = event.raw;
  return typeof requestId === "string" ? requestId : undefined;
}

/** The codes that end a turn: one of them on an id that a call and a turn share is the turn's. */
const endsTurn: readonly string[] = ["AGENT_ERROR", "LLM_UNAVAILABLE", "INTERNAL_ERROR", "OTP_SEND_FAILED"];

/**
 * Request ids and who waits for them. A verdict may travel under the id of the turn that waits for it, so that a
 * call and a turn can share an id: the answer goes to the call, everything else to the turn.
 */
export class Mux {
  readonly #calls = new Map<string, Waiter[]>();
  readonly #turns = new Map<string, Waiter>();
  readonly #prefix = Math.random().toString(36).slice(2, 10);
  #count = 0;

  /** An id that no other request of this client has, and hardly one of another client. */
  newId(): string {
    this.#count += 1;
    return `${this.#prefix}-${this.#count}`;
  }

  /** How many calls and turns wait. */
  get size(): number {
    return this.#calls.size + this.#turns.size;
  }

  hasTurn(id: string): boolean {
    return this.#turns.has(id);
  }

  /** Waits for the answer of a call; the result ends the wait. */
  addCall(id: string, call: Waiter): () => void {
    this.#calls.set(id, [...(this.#calls.get(id) ?? []), call]);
    return () => {
      const rest = this.#calls.get(id)?.filter((other) => other !== call) ?? [];
      if (rest.length === 0) this.#calls.delete(id);
      else this.#calls.set(id, rest);
    };
  }

  /** Waits for the events of a turn; the result ends the wait. */
  addTurn(id: string, turn: Waiter): () => void {
    this.#turns.set(id, turn);
    return () => {
      if (this.#turns.get(id) === turn) this.#turns.delete(id);
    };
  }

  /** Gives an event to whom it belongs; `false` when nobody waits for it. */
  deliver(event: Event): boolean {
    const id = requestIdOf(event);
    if (id === undefined) return false;
    const turn = this.#turns.get(id);
    const turnsOwn = turn !== undefined && event.type === "error" && endsTurn.includes(event.error.code);
    const call = turnsOwn ? undefined : this.#calls.get(id)?.[0];
    if (call?.offer(event)) return true;
    turn?.offer(event);
    return turn !== undefined || call !== undefined;
  }

  /** Ends the waits for one id. */
  failOne(id: string, error: Error): void {
    for (const call of this.#calls.get(id) ?? []) call.fail(error);
    this.#turns.get(id)?.fail(error);
  }

  /** Ends every wait. A connection that can resume its turns would keep them here and fail only the calls. */
  fail(error: Error): void {
    const waiting = [...[...this.#calls.values()].flat(), ...this.#turns.values()];
    this.#calls.clear();
    this.#turns.clear();
    for (const waiter of waiting) waiter.fail(error);
  }
}
