// A turn: one message up to its terminal event. Iterate its events, await its end, both, or neither.
import { CancelledError, ServerError, SmoothError, TimeoutError } from "./errors.js";
import { turnEffect } from "./generated/index.js";
import type { ActionCalls, Event, ParkEvent, TurnEffect, TurnResult } from "./generated/index.js";
import { json, jsonObject } from "./generated/runtime.js";
import type { Timeouts } from "./generated/settings.js";
import { after, Pending, type CallOptions } from "./pending.js";

type Ids = Pick<Turn, "sessionId" | "requestId">;

const isPark = (event: Event): event is ParkEvent => turnEffect(event) === "parks";

/** What a parked turn stays parked under. */
const keepParked: TurnEffect[] = ["informs", "passes"];

/** What is not kept for a reader who is far behind, but for the pieces of the answer, which are joined. */
const droppable: TurnEffect[] = ["streams", "passes"];

/** How many events wait for a reader before pieces of text are joined and steps are dropped. */
const mostWaiting = 1024;

/** What `client.sendMessage` gives: the events of one message as they come, and its result in the end. */
export class Turn extends Pending<TurnResult> implements AsyncIterable<Event>, PromiseLike<TurnResult> {
  /** @internal */
  readonly isTurn = true;
  /** @internal */
  sent = false;
  #events: Event[] = [];
  #parked: ParkEvent | undefined;
  #dropped = 0;
  /** Whether an event of the server ended the turn. */
  #terminated = false;
  /** Readers that wait for the next event. */
  #readers: (() => void)[] = [];
  /** When the last event came. */
  #heard = performance.now();
  /** Since when the turn's clock runs, how much was left of the turn then; it stands still for a person. */
  #since: number | undefined;
  #left: number;
  #stopTimer = (): void => {};
  readonly #ids: Ids;

  /** Made by `client.sendMessage`. */
  constructor(
    /** The id that every event of the turn carries. */
    readonly requestId: string,
    /** The session that the message was sent in. */
    readonly sessionId: string,
    private readonly host: ActionCalls<CallOptions, Turn>,
    private readonly limits: Timeouts,
  ) {
    super();
    this.#left = limits.turn;
    this.#ids = { sessionId, requestId };
    // Nobody need wait for the end: its failure must not end the process.
    this.result.catch(() => {});
    this.onEnd(() => {
      this.#parked = undefined;
      this.#stopTimer();
      this.#wake();
    });
    this.#look();
  }

  /** The event that the turn waits on for a person, while it does. */
  get parked(): ParkEvent | undefined {
    return this.#parked;
  }

  /** How many steps and keepalives a slow reader has missed; text, parks and the end are never dropped. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The result; rejects with a {@link SmoothError} when the turn fails or is cancelled. */
  then<A = TurnResult, B = never>(
    fulfilled?: ((result: TurnResult) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.result.then(fulfilled, rejected);
  }

  /** What the result rejects with, handled. */
  catch<B = never>(rejected: (reason: unknown) => B | PromiseLike<B>): Promise<TurnResult | B> {
    return this.result.catch(rejected);
  }

  /** Runs at the end, whatever it is. */
  finally(run: () => void): Promise<TurnResult> {
    return this.result.finally(run);
  }

  /** The whole answer as text. */
  async text(): Promise<string> {
    return (await this.result).response.responseParts[0] ?? "";
  }

  /**
   * The events, the terminal one included. Ends after it; throws when the turn ended without one, because the
   * connection was lost, a limit has passed or the wait was aborted. Leaving the loop does not stop the turn.
   */
  [Symbol.asyncIterator](): AsyncIterator<Event, void, undefined> {
    return { next: () => this.#next() };
  }

  /** Approves or denies the tool call that the turn waits on. */
  confirm(approved: boolean) {
    return this.host.confirmToolAction({ ...this.#ids, approved });
  }

  /** Enters the one-time code that the turn waits on. */
  verify(code: string) {
    return this.host.verifyOtp({ ...this.#ids, code });
  }

  /** Fills in the form that the turn waits on: `IdentityIntakeValues`, `ChoicesValues`, or those of another kind. */
  async submit(values: object) {
    return this.host.submitInteraction({ ...this.#form(), values: jsonObject(json(values)) });
  }

  /** Declines the form that the turn waits on. */
  async decline() {
    return this.host.submitInteraction({ ...this.#form(), declined: true });
  }

  /** Stops the work. The turn then ends with `cancelled`; to stop only the waiting, abort the call's signal. */
  cancel(): void {
    if (this.ended) return;
    if (this.sent) this.host.cancel(this.#ids);
    else this.fail(new CancelledError(this.requestId));
  }

  /** @internal */
  offer(event: Event): boolean {
    this.#keep(event);
    this.#watch(event);
    this.#terminated = turnEffect(event) === "ends";
    if (event.type === "eventual_response") this.resolve(event.data.data);
    else if (event.type === "error") this.fail(new ServerError(event));
    else if (event.type === "cancelled") this.fail(new CancelledError(this.requestId, event));
    this.#wake();
    return true;
  }

  async #next(): Promise<IteratorResult<Event, void>> {
    while (true) {
      const value = this.#events.shift();
      if (value !== undefined) return { value, done: false };
      if (this.#terminated) return { value, done: true };
      if (this.ended) await this.result;
      await new Promise<void>((wake) => this.#readers.push(wake));
    }
  }

  #wake(): void {
    if (this.#readers.length > 0) for (const wake of this.#readers.splice(0)) wake();
  }

  #form(): Ids & { interactionId: string; kind: string } {
    if (this.#parked?.type !== "interaction_required") {
      throw new SmoothError("NO_PENDING_INTERACTION", "the turn does not wait for a form", this.#ids);
    }
    const { interactionId, kind } = this.#parked.data.data;
    return { ...this.#ids, interactionId, kind };
  }

  /** Keeps an event for the reader, in bounded room. */
  #keep(event: Event): void {
    this.#events.push(event);
    if (this.#events.length <= mostWaiting) return;
    const kept: Event[] = [];
    for (const each of this.#events) {
      const last = kept.at(-1);
      if (each.type === "stream_token" && last?.type === "stream_token") {
        const token = last.token + each.token;
        kept.splice(-1, 1, { ...last, token, data: { ...last.data, token } });
      } else if (each.type === "stream_token" || !droppable.includes(turnEffect(each))) kept.push(each);
      else this.#dropped += 1;
    }
    this.#events = kept;
  }

  /** The clocks start with the first event and stand still while the turn is parked. */
  #watch(event: Event): void {
    this.#heard = performance.now();
    if (isPark(event)) {
      this.#stopTimer();
      this.#left -= this.#heard - (this.#since ?? this.#heard);
      this.#since = undefined;
      this.#parked = event;
    } else if (!this.#parked || !keepParked.includes(turnEffect(event))) this.resume();
  }

  /** @internal */
  resume(): void {
    this.#parked = undefined;
    if (this.#since !== undefined) return;
    this.#since = this.#heard = performance.now();
    this.#look();
  }

  /** A limit may have passed. The timer is not moved with each event: it looks, and goes on where one has come. */
  #look(): void {
    this.#stopTimer();
    const now = performance.now();
    const silence = this.#since === undefined ? "request" : "idle";
    const silent = this.#heard + this.limits[silence];
    const over = (this.#since ?? Infinity) + this.#left;
    if (now >= silent) this.fail(new TimeoutError(silence, this.limits[silence]));
    else if (now >= over) this.fail(new TimeoutError("turn", this.limits.turn));
    else this.#stopTimer = after(Math.min(silent, over) - now, () => this.#look());
  }
}
