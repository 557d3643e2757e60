// A turn: one message up to its terminal event. Iterate its events, await its end, both, or neither.
import { CancelledError, ServerError, SmoothError, TimeoutError } from "./errors.js";
import type { TimeoutKind } from "./errors.js";
import type {
  ConfirmToolActionReply,
  Event,
  JsonObject,
  OtpInvalidEvent,
  OtpVerifiedEvent,
  SubmitInteractionReply,
  TurnResult,
} from "./generated/index.js";
import { json, jsonObject } from "./generated/runtime.js";
import { after } from "./wait.js";

/** What a turn asks of its client. */
export interface TurnHost {
  confirmToolAction(params: Verdict & { approved: boolean }): Promise<ConfirmToolActionReply>;
  verifyOtp(params: Verdict & { code: string }): Promise<OtpVerifiedEvent | OtpInvalidEvent>;
  submitInteraction(
    params: Verdict & { interactionId: string; kind?: string; values?: JsonObject; declined?: boolean },
  ): Promise<SubmitInteractionReply>;
  cancel(params: Verdict): void;
}

interface Verdict {
  sessionId: string;
  requestId: string;
}

/** Milliseconds; `Infinity` for no limit. */
export interface TurnLimits {
  /** From sending to the first event. */
  request: number;
  /** The longest silence; the server says something every 30 seconds. */
  idle: number;
  /** The whole turn, without the time that it waits for a person. */
  turn: number;
}

/** An event on which a turn stands still until a person has answered. */
export type ParkEvent = Extract<
  Event,
  { type: "write_confirmation_required" | "otp_verification_required" | "interaction_required" }
>;

const isPark = (event: Event): event is ParkEvent =>
  event.type === "write_confirmation_required" ||
  event.type === "otp_verification_required" ||
  event.type === "interaction_required";

/** Events that may arrive while a turn is parked, and leave it so. */
const whileParked: readonly string[] = [
  "keepalive",
  "otp_sent",
  "otp_invalid",
  "interaction_invalid",
  "$unknown",
];

/** Whether a turn that is parked goes on waiting: its call is shown after the question, and keepalives come. */
const staysParked = (event: Event): boolean =>
  whileParked.includes(event.type) ||
  (event.type === "stream_chunk" && event.data.state.rawResponse?.toolCall !== undefined);

/** Events that are not kept for a reader who is far behind. */
const droppable: readonly string[] = [
  "keepalive",
  "stream_chunk",
  "stream_reasoning",
  "stream_preamble",
  "$unknown",
];

/** How many events wait for a reader before pieces of text are joined and steps are dropped. */
const mostWaiting = 1024;

export class Turn implements AsyncIterable<Event>, PromiseLike<TurnResult> {
  /** The id that every event of the turn carries. */
  readonly requestId: string;
  readonly sessionId: string;
  readonly #host: TurnHost;
  readonly #limits: TurnLimits;
  readonly #result: Promise<TurnResult>;
  #resolve: (result: TurnResult) => void = () => {};
  #reject: (reason: unknown) => void = () => {};
  #events: Event[] = [];
  #parked: ParkEvent | undefined;
  #dropped = 0;
  /** What ended the turn other than an event of the server. */
  #failure: { reason: unknown } | undefined;
  #ended = false;
  /** Readers that wait for the next event. */
  #readers: (() => void)[] = [];
  #undo: (() => void)[] = [];
  /** How long silence may last, which of the limits that is, and since when it lasts. */
  #silence: number;
  #silenceKind: TimeoutKind = "request";
  #heard = performance.now();
  /** When the turn's time is over; how much of it is left while it waits for a person. */
  #over = Infinity;
  #left: number;
  #stopTimer: () => void;

  /** Made by `client.sendMessage`. */
  constructor(ids: Verdict, host: TurnHost, limits: TurnLimits) {
    this.requestId = ids.requestId;
    this.sessionId = ids.sessionId;
    this.#host = host;
    this.#limits = limits;
    this.#silence = limits.request;
    this.#left = limits.turn;
    this.#result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Nobody need wait for the end: its failure must not end the process.
    this.#result.catch(() => {});
    this.#stopTimer = after(this.#silence, () => this.#look());
  }

  /** Whether the turn has ended, in whatever way. */
  get ended(): boolean {
    return this.#ended;
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
    return this.#result.then(fulfilled, rejected);
  }

  catch<B = never>(rejected: (reason: unknown) => B | PromiseLike<B>): Promise<TurnResult | B> {
    return this.#result.catch(rejected);
  }

  finally(run: () => void): Promise<TurnResult> {
    return this.#result.finally(run);
  }

  /** The whole answer as text. */
  async text(): Promise<string> {
    return (await this.#result).response.responseParts.join("");
  }

  /**
   * The events, the terminal one included. Ends after it; throws when the turn ended without one, because the
   * connection was lost, a limit has passed or the wait was aborted. Leaving the loop does not stop the turn.
   */
  [Symbol.asyncIterator](): AsyncIterator<Event, void, undefined> {
    return { next: () => this.#next() };
  }

  /** Approves or denies the tool call that the turn waits on. */
  confirm(approved: boolean): Promise<ConfirmToolActionReply> {
    return this.#host.confirmToolAction({ ...this.#ids(), approved });
  }

  /** Enters the one-time code that the turn waits on. */
  verify(code: string): Promise<OtpVerifiedEvent | OtpInvalidEvent> {
    return this.#host.verifyOtp({ ...this.#ids(), code });
  }

  /** Fills in the form that the turn waits on: `IdentityIntakeValues`, `ChoicesValues`, or those of another kind. */
  async submit(values: object): Promise<SubmitInteractionReply> {
    return this.#host.submitInteraction({ ...this.#form(), values: jsonObject(json(values)) });
  }

  /** Declines the form that the turn waits on. */
  async decline(): Promise<SubmitInteractionReply> {
    return this.#host.submitInteraction({ ...this.#form(), declined: true });
  }

  /** Stops the work. The turn then ends with `cancelled`; to stop only the waiting, abort the call's signal. */
  cancel(): void {
    if (this.#ended) return;
    if (this.sent) this.#host.cancel(this.#ids());
    else this.fail(new CancelledError(this.requestId));
  }

  /** @internal */
  sent = false;

  /** @internal */
  onEnd(undo: () => void): void {
    if (this.#ended) undo();
    else this.#undo.push(undo);
  }

  /** @internal */
  offer(event: Event): boolean {
    if (this.#ended) return false;
    this.#keep(event);
    this.#watch(event);
    if (event.type === "eventual_response") this.#end(() => this.#resolve(event.data.data));
    else if (event.type === "error") this.#end(() => this.#reject(new ServerError(event)));
    else if (event.type === "cancelled")
      this.#end(() => this.#reject(new CancelledError(this.requestId, event)));
    this.#wake();
    return true;
  }

  /** @internal */
  fail(reason: unknown): void {
    if (this.#ended) return;
    this.#failure = { reason };
    this.#end(() => this.#reject(reason));
    this.#wake();
  }

  async #next(): Promise<IteratorResult<Event, void>> {
    while (true) {
      const value = this.#events.shift();
      if (value !== undefined) return { value, done: false };
      if (this.#failure) throw this.#failure.reason;
      if (this.#ended) return { value, done: true };
      await new Promise<void>((wake) => this.#readers.push(wake));
    }
  }

  #wake(): void {
    if (this.#readers.length > 0) for (const wake of this.#readers.splice(0)) wake();
  }

  #ids(): Verdict {
    return { sessionId: this.sessionId, requestId: this.requestId };
  }

  #form(): Verdict & { interactionId: string; kind: string } {
    if (this.#parked?.type !== "interaction_required") {
      throw new SmoothError("NO_PENDING_INTERACTION", "the turn does not wait for a form", this.#ids());
    }
    const { interactionId, kind } = this.#parked.data.data;
    return { ...this.#ids(), interactionId, kind };
  }

  /** Keeps an event for the reader, in bounded room. */
  #keep(event: Event): void {
    this.#events.push(event);
    if (this.#events.length <= mostWaiting) return;
    const kept: Event[] = [];
    for (const each of this.#events) {
      const last = kept.at(-1);
      if (droppable.includes(each.type)) this.#dropped += 1;
      else if (each.type === "stream_token" && last?.type === "stream_token") {
        const token = last.token + each.token;
        kept.splice(-1, 1, { ...last, token, data: { ...last.data, token } });
      } else kept.push(each);
    }
    this.#events = kept;
  }

  /** The clocks start with the first event and stand still while the turn is parked. */
  #watch(event: Event): void {
    const now = performance.now();
    const starts = this.#over === Infinity;
    this.#heard = now;
    if (isPark(event)) {
      this.#stopTimer();
      if (!starts) this.#left = this.#over - now;
      this.#over = Infinity;
      this.#parked = event;
    } else if (starts && !(this.#parked && staysParked(event))) {
      this.#parked = undefined;
      this.#over = now + this.#left;
      this.#silence = this.#limits.idle;
      this.#silenceKind = "idle";
      this.#arm(now);
    }
  }

  /** A limit may have passed. The timer is not moved with each event: it looks, and goes on where one has come. */
  #look(): void {
    const now = performance.now();
    if (now >= this.#heard + this.#silence) this.fail(new TimeoutError(this.#silenceKind, this.#silence));
    else if (now >= this.#over) this.fail(new TimeoutError("turn", this.#limits.turn));
    else this.#arm(now);
  }

  #arm(now: number): void {
    this.#stopTimer();
    const next = Math.min(this.#heard + this.#silence, this.#over);
    this.#stopTimer = after(next - now, () => this.#look());
  }

  #end(settle: () => void): void {
    this.#ended = true;
    this.#parked = undefined;
    this.#stopTimer();
    for (const undo of this.#undo) undo();
    this.#undo = [];
    settle();
  }
}
