// A small client of somebody's own, in plain JavaScript: Node's WebSocket, no package, nothing generated. It is here
// to be tested by the kit, and does only what the protocol asks of every client.
import { get } from "node:http";

/** What a caller gets; `seen` is what the driver reports of it. */
export class ClientError extends Error {
  constructor(kind, code, message, more = {}) {
    super(message);
    this.seen = {
      kind,
      code,
      message,
      retryable: kind === "timeout" || code.startsWith("CONNECTION"),
      ...more,
    };
  }
}

const parks = ["write_confirmation_required", "otp_verification_required", "interaction_required"];
/** A parked turn stays parked when these come. */
const whileParked = ["keepalive", "otp_sent", "otp_invalid", "interaction_invalid"];
/** A call is shown after its question, and the turn stands still all the same. */
const staysParked = ({ type, data }) =>
  whileParked.includes(type) || (type === "stream_chunk" && data.state.rawResponse?.toolCall !== undefined);
/** One of these on an id that a call and a turn share is the turn's. */
const endsTurn = ["AGENT_ERROR", "LLM_UNAVAILABLE", "INTERNAL_ERROR", "OTP_SEND_FAILED"];
const limits = { connect: 10_000, request: 30_000, idle: 90_000, turn: 600_000 };
/** Between attempts to come back: doubled from the first to the longest. */
const pauses = { first: 50, longest: 5_000 };
const resting = (ms) => new Promise((again) => setTimeout(again, ms).unref());

function refusal({ requestId, error, data }) {
  const { retryable = false, retryAfterMs, field, hint } = data?.details ?? {};
  return new ClientError("server", error.code, error.message, {
    retryable,
    requestId,
    retryAfterMs,
    field,
    hint,
  });
}

/** Runs when the time has passed; the result stops it. */
function after(kind, milliseconds, fail) {
  if (milliseconds > 2 ** 31 - 1) return () => {};
  const late = new ClientError("timeout", "TIMEOUT", `the ${kind} limit of ${Math.round(milliseconds)} ms has passed`, {
    timeout: kind,
  });
  const timer = setTimeout(() => fail(late), milliseconds);
  return () => clearTimeout(timer);
}

/** One message up to its terminal event. */
export class Turn {
  #waiting = [];
  #wake = () => {};
  #stopIdle = () => {};
  #stopTurn = () => {};
  parked;
  ended = false;

  constructor(client, requestId, sessionId, own) {
    Object.assign(this, { client, requestId, sessionId, limits: own, left: own.turn });
    this.result = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    this.result.catch(() => {});
    this.#stopIdle = after("request", own.request, (late) => this.fail(late));
  }

  take(event) {
    this.#stop();
    if (parks.includes(event.type)) this.parked = event;
    else if (!staysParked(event)) this.parked = undefined;
    this.#waiting.push(event);
    if (event.type === "eventual_response") this.#end(() => this.resolve(event.data.data));
    else if (event.type === "error") this.#end(() => this.reject(refusal(event)));
    else if (event.type === "cancelled") this.#end(() => this.reject(cancelled(this.requestId)));
    else if (!this.parked) this.#run();
    this.#wake();
  }

  fail(error) {
    if (this.ended) return;
    this.failure = error;
    this.#end(() => this.reject(error));
    this.#wake();
  }

  async *events() {
    while (true) {
      if (this.#waiting.length > 0) yield this.#waiting.shift();
      else if (this.failure) throw this.failure;
      else if (this.ended) return;
      else await new Promise((wake) => (this.#wake = wake));
    }
  }

  /** Answers what the turn waits for, under the turn's own id. */
  answer(action, fields) {
    const { requestId, sessionId, parked } = this;
    if (action !== "submit_interaction") return this.client.call(action, { requestId, sessionId, ...fields });
    const { interactionId, kind } = parked?.data.data ?? {};
    return this.client.call(action, { requestId, sessionId, interactionId, kind, ...fields });
  }

  cancel() {
    const { requestId, sessionId } = this;
    if (!this.ended) this.client.post({ action: "cancel", requestId, sessionId });
  }

  #run() {
    const from = performance.now();
    this.#stopIdle = after("idle", this.limits.idle, (late) => this.fail(late));
    const stop = after("turn", this.left, (late) => this.fail(late));
    this.#stopTurn = () => {
      stop();
      this.left -= performance.now() - from;
    };
  }

  #stop() {
    this.#stopIdle();
    this.#stopTurn();
    this.#stopTurn = () => {};
  }

  #end(settle) {
    this.#stop();
    this.ended = true;
    this.parked = undefined;
    this.client.turns.delete(this.requestId);
    settle();
  }
}

const cancelled = (requestId) =>
  new ClientError("cancelled", "CANCELLED", `the turn ${requestId} was cancelled`, { requestId });

const closed = () => new ClientError("closed", "CLOSED", "the client is closed");

/** One connection, opened when it is needed and opened again when it is lost. */
export class Client {
  turns = new Map();
  #calls = new Map();
  #count = 0;
  #socket;
  #connecting;
  #closed = false;
  #refused = false;
  #dead = () => {};

  /** `token` is a string or an async function; `stray` gets events that nobody waits for. */
  constructor({ url, token, tokenBy = "header", heartbeat = 15_000, timeouts = {}, stray }) {
    Object.assign(this, { url, token, tokenBy, heartbeat, stray, limits: { ...limits, ...timeouts } });
  }

  /** One attempt, and one more with a fresh token when the first is refused. */
  connect() {
    if (this.#closed) throw closed();
    if (this.#socket) return Promise.resolve();
    const attempt = () => this.#attempt();
    const again = (error) => {
      if (error.seen?.code !== "UNAUTHENTICATED" || typeof this.token !== "function" || this.#refused)
        throw error;
      this.#refused = true;
      return attempt();
    };
    this.#connecting ??= attempt()
      .catch(again)
      .finally(() => (this.#connecting = undefined));
    return this.#connecting;
  }

  async #attempt() {
    const token = typeof this.token === "function" ? await this.token() : this.token;
    const headers = token && this.tokenBy === "header" ? { Authorization: `Bearer ${token}` } : {};
    const protocols = token && this.tokenBy === "subprotocol" ? ["smooth-operator", `bearer.${token}`] : [];
    const socket = new WebSocket(this.url, { headers, protocols });
    const status = await new Promise((opened, late) => {
      const stop = after("connect", this.limits.connect, late);
      socket.onopen = () => opened(stop());
      socket.onclose = socket.onerror = () => {
        stop();
        opened(whyNot(this.url, headers, protocols));
      };
    });
    if (status === 401) throw new ClientError("connection", "UNAUTHENTICATED", "the token was refused");
    if (status !== undefined) {
      const retryable = !(status < 500) || [408, 425, 429].includes(status);
      throw new ClientError("connection", "CONNECTION_FAILED", `cannot connect: ${status}`, { retryable });
    }
    if (this.#closed) return socket.close();
    this.#socket = socket;
    this.#refused = false;
    const lost = ({ code }) => this.#lost(socket, code);
    socket.onclose = lost;
    socket.onerror = () => lost({ code: 1006 });
    socket.onmessage = ({ data }) => this.#read(data);
    this.#beat(socket);
  }

  /** Asks for a sign of life after a silence, and gives up after another. */
  #beat(socket, silent = false) {
    this.#dead();
    const timer = setTimeout(() => {
      if (silent) return this.#lost(socket, 1006);
      this.post({ action: "ping", requestId: "heartbeat" });
      this.#beat(socket, true);
    }, this.heartbeat);
    this.#dead = () => clearTimeout(timer);
  }

  #lost(socket, code) {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    this.#dead();
    socket.close();
    const refused = code === 4401;
    if (refused && typeof this.token !== "function") this.#closed = true;
    const why = `the connection was lost: ${code}`;
    this.#failAll(new ClientError("connection", refused ? "UNAUTHENTICATED" : "CONNECTION_LOST", why));
    void this.#comeBack(() => false);
  }

  /** Connects, and again after a pause, until it stands, it is of no use any more, or it is refused for good. */
  async #comeBack(useless) {
    for (let pause = pauses.first; !this.#socket && !this.#closed; pause = Math.min(2 * pause, pauses.longest)) {
      try {
        await this.connect();
      } catch (error) {
        if (!["CONNECTION_FAILED", "TIMEOUT"].includes(error.seen?.code)) return error;
        await resting(pause);
      }
      if (useless()) return;
    }
  }

  #read(text) {
    this.#beat(this.#socket);
    const event = JSON.parse(text);
    const { type, requestId } = event;
    const turn = this.turns.get(requestId);
    const [call] = this.#calls.get(requestId) ?? [];
    if (requestId === "heartbeat") return;
    if (call && type === "immediate_response" && event.status !== 202) return call.resolve(event.data);
    if (call && type === "error" && !(turn && endsTurn.includes(event.error.code)))
      return call.reject(refusal(event));
    if (call?.types?.includes(type)) call.resolve(event);
    // Values that were refused fail their call, and the turn goes on waiting.
    if (call && type === "interaction_invalid")
      call.reject(
        new ClientError("server", "INTERACTION_INVALID", event.data.data.message, { retryable: true, requestId }),
      );
    if (turn) turn.take(event);
    else if (!call) this.stray(event);
  }

  /** Sends an action and waits for what answers it; connects first where that is needed. */
  async call(action, params, timeouts) {
    const requestId = params.requestId ?? `js-${(this.#count += 1)}`;
    const types = { ping: ["pong"], verify_otp: ["otp_verified", "otp_invalid"] }[action];
    const waiting = { types };
    const answer = new Promise((resolve, reject) => Object.assign(waiting, { resolve, reject }));
    const stop = after("request", timeouts?.request ?? this.limits.request, waiting.reject);
    this.#calls.set(requestId, [...(this.#calls.get(requestId) ?? []), waiting]);
    try {
      this.#sendWhenOpen({ ...params, action, requestId }, waiting.reject, () => waiting.done);
      return await answer;
    } finally {
      stop();
      waiting.done = true;
      const rest = this.#calls.get(requestId)?.filter((other) => other !== waiting) ?? [];
      if (rest.length === 0) this.#calls.delete(requestId);
      else this.#calls.set(requestId, rest);
    }
  }

  startTurn(params, timeouts) {
    const requestId = params.requestId ?? `js-${(this.#count += 1)}`;
    const turn = new Turn(this, requestId, params.sessionId, { ...this.limits, ...timeouts });
    this.turns.set(requestId, turn);
    this.#sendWhenOpen(
      { ...params, action: "send_message", requestId },
      (error) => turn.fail(error),
      () => turn.ended,
    );
    return turn;
  }

  /** Sends what is not answered. */
  post(action) {
    this.#socket?.send(JSON.stringify(action));
  }

  async #sendWhenOpen(action, fail, gone) {
    if (this.#closed) return fail(closed());
    const refused = await this.#comeBack(gone);
    if (refused) return fail(refused);
    if (gone()) return;
    this.post(action);
  }

  close() {
    this.#closed = true;
    this.#dead();
    this.#socket?.close(1000);
    this.#socket = undefined;
    this.#failAll(closed());
  }

  #failAll(error) {
    for (const call of [...this.#calls.values()].flat()) call.reject(error);
    for (const turn of [...this.turns.values()]) turn.fail(error);
  }
}

/** The HTTP status that refuses a connection, which Node's WebSocket does not tell; 0 when there is no answer. */
function whyNot(url, headers, protocols) {
  const more = protocols.length > 0 ? { "Sec-WebSocket-Protocol": protocols.join(", ") } : {};
  const upgrade = { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13" };
  const key = { "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==" };
  return new Promise((status) => {
    const request = get(url.replace(/^ws/, "http"), { headers: { ...headers, ...more, ...upgrade, ...key } });
    const end = (code) => {
      request.destroy();
      status(code);
    };
    request.on("response", ({ statusCode }) => end(statusCode));
    request.on("upgrade", (_, socket) => end(socket.destroy() && 0));
    request.on("error", () => end(0));
  });
}
