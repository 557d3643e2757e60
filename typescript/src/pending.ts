// What a caller waits for. It ends once: by an answer, a failure, a limit or the caller's signal, whichever is first.
import { TimeoutError, type TimeoutKind } from "./errors.js";
import type { Timeouts } from "./generated/settings.js";

/** What one call may do otherwise. */
export interface CallOptions {
  /** Stops the waiting, not the work: that is `cancel`. */
  signal?: AbortSignal;
  /** Limits for this call. */
  timeouts?: Partial<Timeouts>;
}

/** The longest that `setTimeout` can wait. */
const longest = 2 ** 31 - 1;

/** A timer, and what stops it; none when the time is infinite. */
export function after(milliseconds: number, run: () => void): () => void {
  if (milliseconds > longest) return () => {};
  const timer = setTimeout(run, milliseconds);
  return () => clearTimeout(timer);
}

/** Something that ends once, with a value or with a reason why there is none. */
export class Pending<T> {
  /** @internal */
  readonly result: Promise<T>;
  /** What is to be done at the end; nothing more once it has ended. */
  #undo: (() => void)[] | undefined = [];
  #resolve: (value: T) => void = () => {};
  #reject: (reason: unknown) => void = () => {};

  constructor() {
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Whether it has ended, in whatever way. */
  get ended(): boolean {
    return this.#undo === undefined;
  }

  /** @internal */
  resolve(value: T): void {
    if (this.#end()) this.#resolve(value);
  }

  /** @internal */
  fail(reason: unknown): void {
    if (this.#end()) this.#reject(reason);
  }

  /** @internal */
  onEnd(undo: () => void): void {
    if (this.#undo) this.#undo.push(undo);
    else undo();
  }

  /** @internal */
  within(kind: TimeoutKind, milliseconds: number): this {
    this.onEnd(after(milliseconds, () => this.fail(new TimeoutError(kind, milliseconds))));
    return this;
  }

  /** @internal */
  until(signal: AbortSignal | undefined): this {
    const aborted = (): void => this.fail(signal?.reason);
    signal?.addEventListener("abort", aborted);
    this.onEnd(() => signal?.removeEventListener("abort", aborted));
    if (signal?.aborted) aborted();
    return this;
  }

  #end(): boolean {
    const undo = this.#undo;
    this.#undo = undefined;
    undo?.forEach((run) => run());
    return undo !== undefined;
  }
}
