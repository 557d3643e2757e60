// A wait with an end: by an answer, a limit, or the caller's signal, whichever comes first.
import { TimeoutError } from "./errors.js";
import type { TimeoutKind } from "./errors.js";

/** The longest that `setTimeout` can wait. */
const longest = 2 ** 31 - 1;

/** A timer; no limit when the time is infinite. */
export function after(milliseconds: number, run: () => void): () => void {
  if (milliseconds > longest) return () => {};
  const timer = setTimeout(run, milliseconds);
  return () => clearTimeout(timer);
}

/** Settles once, and leaves neither timer nor listener behind. `begin` returns what ends its part. */
export function wait<T>(
  limit: { kind: TimeoutKind; milliseconds: number; signal?: AbortSignal | undefined },
  begin: (resolve: (value: T) => void, reject: (reason: unknown) => void) => () => void,
): Promise<T> {
  const { kind, milliseconds, signal } = limit;
  return new Promise((resolve, reject) => {
    let ended = false;
    let undo = (): void => {};
    const end = (settle: () => void): void => {
      if (ended) return;
      ended = true;
      stopTimer();
      signal?.removeEventListener("abort", aborted);
      undo();
      settle();
    };
    const aborted = (): void => end(() => reject(signal?.reason));
    const stopTimer = after(milliseconds, () => end(() => reject(new TimeoutError(kind, milliseconds))));
    if (signal?.aborted) return aborted();
    signal?.addEventListener("abort", aborted);
    const started = begin(
      (value) => end(() => resolve(value)),
      (reason) => end(() => reject(reason)),
    );
    if (ended) started();
    else undo = started;
  });
}
