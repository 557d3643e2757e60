// Everything that a call or a turn can fail with. One class per cause; all share code, retryable and cause.
import { errorInfo } from "./generated/index.js";
import type { CancelledEvent, ErrorEvent, InteractionInvalidEvent } from "./generated/index.js";
import type { Timeouts } from "./generated/settings.js";

/** What every error of this package has. */
export interface SmoothErrorOptions extends ErrorOptions {
  /** Whether the same call may succeed when it is made again. */
  retryable?: boolean | undefined;
  /** How long to wait before that, in milliseconds. */
  retryAfter?: number | undefined;
  /** The request that failed. */
  requestId?: string | undefined;
  /** Of a {@link ConnectionError}: the HTTP status, or the code that closed the connection. */
  status?: number | undefined;
}

/** The base of all errors of this package. */
export class SmoothError extends Error {
  override readonly name: string = "SmoothError";
  /** The protocol's code, or one of this package's own (`TIMEOUT`, `CONNECTION_LOST`, …). */
  readonly code: string;
  /** Whether the same call may succeed when it is made again. */
  readonly retryable: boolean;
  /** How long to wait before that, in milliseconds. */
  readonly retryAfter: number | undefined;
  /** The request that failed. */
  readonly requestId: string | undefined;

  constructor(code: string, message: string, details: SmoothErrorOptions = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.code = code;
    this.retryable = details.retryable ?? false;
    this.retryAfter = details.retryAfter;
    this.requestId = details.requestId;
  }
}

/**
 * The server refused an action or failed a turn. Values that a form does not take have the code
 * `INTERACTION_INVALID`: the event in `cause` says what is wrong with each, and the form still waits.
 */
export class ServerError extends SmoothError {
  override readonly name = "ServerError";
  /** The HTTP status that says the same. */
  readonly status: number | undefined;
  /** The field that is wrong, as a JSON pointer into the action. */
  readonly field: string | undefined;
  /** What the caller should do. */
  readonly hint: string | undefined;

  constructor(event: ErrorEvent | InteractionInvalidEvent) {
    const invalid = event.type === "interaction_invalid";
    const code = invalid ? "INTERACTION_INVALID" : event.error.code;
    const message = invalid ? event.data.data.message : event.error.message;
    const details = invalid ? undefined : event.data.details;
    const known = errorInfo(code);
    super(code, `${code}: ${message}`, {
      retryable: details?.retryable ?? known?.retryable,
      retryAfter: details?.retryAfterMs,
      requestId: event.requestId,
      cause: event,
    });
    this.status = details?.status ?? known?.status;
    this.field = details?.field;
    this.hint = details?.hint ?? known?.hint;
  }
}

/** The turn was cancelled. Its code is `CANCELLED`. */
export class CancelledError extends SmoothError {
  override readonly name = "CancelledError";

  constructor(requestId: string, event?: CancelledEvent) {
    super("CANCELLED", `the turn ${requestId} was cancelled`, { requestId, cause: event });
  }
}

/** Which wait took too long. */
export type TimeoutKind = keyof Timeouts;

/** Something took longer than its limit. Its code is `TIMEOUT`. What was asked for may still happen. */
export class TimeoutError extends SmoothError {
  override readonly name = "TimeoutError";
  /** Which limit it was. */
  readonly kind: TimeoutKind;

  constructor(kind: TimeoutKind, milliseconds: number) {
    super("TIMEOUT", `the ${kind} limit of ${milliseconds} ms has passed`, { retryable: true });
    this.kind = kind;
  }
}

/**
 * There is no connection. The code is `CONNECTION_FAILED` when none could be made, `CONNECTION_LOST` when it
 * ended under a call or turn, and `UNAUTHENTICATED` when the server did not accept the token.
 */
export class ConnectionError extends SmoothError {
  override readonly name = "ConnectionError";
  /** The HTTP status that refused the connection, or the code that closed it, where it is known. */
  readonly status: number | undefined;

  constructor(code: string, message: string, details: SmoothErrorOptions = {}) {
    const { status = 500 } = details;
    // A refusal by another HTTP status is one for good.
    const isRefused = code === "CONNECTION_FAILED" && status < 500 && ![408, 425, 429].includes(status);
    const hint = isRefused ? "; are the address of the WebSocket endpoint and the token right?" : "";
    const retryable = !isRefused && code !== "UNAUTHENTICATED";
    super(code, message + hint, { ...details, cause: details.cause, retryable });
    this.status = details.status;
  }
}

/** The client was closed. Its code is `CLOSED`. */
export class ClosedError extends SmoothError {
  override readonly name = "ClosedError";

  constructor() {
    super("CLOSED", "the client is closed");
  }
}
