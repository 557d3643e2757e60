// A WebSocket for Node, which has none before version 22, and none that can send a header or tell why it was refused.
import { createHash, randomBytes, randomFillSync } from "node:crypto";
import { request as requestHttp } from "node:http";
import type { IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";
import type { Duplex } from "node:stream";
import type { OpenSocket, TokenBy, WebSocketLike } from "./socket.js";

/** The longest message that is taken, in bytes; a server that speaks the protocol sends at most 1 MiB. */
const longestMessage = 16 * 1024 * 1024;
/** How long the other side may take to close, in milliseconds. */
const closeLimit = 2_000;
/** RFC 6455, section 1.3. */
const accepting = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const opcode = { more: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

const tokenHeader: Record<TokenBy, (token: string) => Record<string, string>> = {
  header: (token) => ({ Authorization: `Bearer ${token}` }),
  subprotocol: (token) => ({ "Sec-WebSocket-Protocol": `smooth-operator, bearer.${token}` }),
};

interface Listeners {
  open: (() => void)[];
  message: ((event: { data: unknown }) => void)[];
  close: ((event: { code: number; reason: string }) => void)[];
  error: ((event: unknown) => void)[];
}

// Random bytes come cheaper by the thousand than by four.
const masks = Buffer.alloc(4096);
let masksUsed = masks.length;

function nextMask(): Buffer {
  if (masksUsed === masks.length) {
    randomFillSync(masks);
    masksUsed = 0;
  }
  return masks.subarray(masksUsed, (masksUsed += 4));
}

/** RFC 6455 over Node's own HTTP. */
export class NodeSocket implements WebSocketLike {
  readonly #listeners: Listeners = { open: [], message: [], close: [], error: [] };
  #stream: Duplex | undefined;
  #abort: () => void;
  #unread: Buffer = Buffer.alloc(0);
  #parts: Buffer[] = [];
  #partsKind = opcode.text;
  #closing = false;
  #ended = false;

  constructor(url: string, token?: string, tokenBy: TokenBy = "header") {
    const { protocol, href } = new URL(url);
    const secure = protocol === "wss:" || protocol === "https:";
    const key = randomBytes(16).toString("base64");
    const headers = {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": key,
      ...(token === undefined ? {} : tokenHeader[tokenBy](token)),
    };
    const request = (secure ? requestHttps : requestHttp)(href.replace(/^ws/, "http"), { headers });
    request.setNoDelay(true);
    this.#abort = () => request.destroy();
    request.on("error", (error) => this.#fail(error));
    request.on("response", (response) => {
      response.resume();
      this.#refused(response);
      request.destroy();
    });
    request.on("upgrade", (response: IncomingMessage, stream: Duplex, head: Buffer) => {
      const expected = createHash("sha1")
        .update(key + accepting)
        .digest("base64");
      if (response.headers["sec-websocket-accept"] !== expected) {
        stream.destroy();
        return this.#fail(new Error("the server's handshake is wrong"));
      }
      this.#open(stream, head);
    });
    request.end();
  }

  addEventListener<Type extends keyof Listeners>(type: Type, listener: Listeners[Type][number]): void {
    const listeners: Listeners[Type][number][] = this.#listeners[type];
    listeners.push(listener);
  }

  send(text: string): void {
    if (this.#stream === undefined) throw new Error("the connection is not open yet");
    this.#write(opcode.text, Buffer.from(text));
  }

  close(code = 1000, reason = ""): void {
    if (this.#ended || this.#closing) return;
    this.#closing = true;
    if (this.#stream === undefined) return this.#end(1006, "");
    const body = Buffer.alloc(2 + Buffer.byteLength(reason));
    body.writeUInt16BE(code);
    body.write(reason, 2);
    this.#write(opcode.close, body);
    const timer = setTimeout(() => this.#end(1006, ""), closeLimit);
    this.addEventListener("close", () => clearTimeout(timer));
  }

  #open(stream: Duplex, head: Buffer): void {
    if (this.#ended) return void stream.destroy();
    this.#stream = stream;
    this.#abort = () => stream.end(() => stream.destroy());
    stream.on("error", (error) => this.#fail(error));
    stream.on("end", () => this.#end(1006, ""));
    stream.on("close", () => this.#end(1006, ""));
    stream.on("data", (data: Buffer) => this.#take(data));
    for (const listener of this.#listeners.open) listener();
    if (head.length > 0) this.#take(head);
  }

  #take(data: Buffer): void {
    const bytes = this.#unread.length === 0 ? data : Buffer.concat([this.#unread, data]);
    let start = 0;
    for (let end: number | undefined = 0; end !== undefined && !this.#ended; end = this.#frame(bytes, start))
      start = end;
    this.#unread = bytes.subarray(start);
  }

  /** Reads the frame that starts there, if it is there whole; the result is its end. */
  #frame(bytes: Buffer, at: number): number | undefined {
    if (bytes.length < at + 2) return undefined;
    const [first, second] = [bytes[at]!, bytes[at + 1]!];
    let start = at + 2;
    let length = second & 0x7f;
    if (length === 126) {
      if (bytes.length < (start = at + 4)) return undefined;
      length = bytes.readUInt16BE(at + 2);
    } else if (length === 127) {
      if (bytes.length < (start = at + 10)) return undefined;
      length = Number(bytes.readBigUInt64BE(at + 2));
    }
    const end = start + length;
    if ((second & 0x80) !== 0 || (first & 0x70) !== 0) this.#protocolError(1002);
    else if (length > longestMessage) this.#protocolError(1009);
    else if (bytes.length >= end) {
      // Most are whole texts, and need no buffer of their own.
      if (first === (0x80 | opcode.text)) this.#deliver(bytes.toString("utf8", start, end));
      else this.#receive(first & 0x0f, (first & 0x80) !== 0, bytes.subarray(start, end));
      return end;
    }
    return undefined;
  }

  #receive(kind: number, final: boolean, body: Buffer): void {
    if (kind === opcode.ping) return this.#write(opcode.pong, body);
    if (kind === opcode.pong) return;
    if (kind === opcode.close) {
      const code = body.length >= 2 ? body.readUInt16BE() : 1005;
      if (!this.#closing) this.#write(opcode.close, body.subarray(0, 2));
      return this.#end(code, body.subarray(2).toString());
    }
    if (kind !== opcode.more) {
      this.#partsKind = kind;
      this.#parts = [];
    }
    this.#parts.push(body);
    const size = this.#parts.reduce((sum, part) => sum + part.length, 0);
    if (size > longestMessage) return this.#protocolError(1009);
    if (!final) return;
    const whole = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#deliver(this.#partsKind === opcode.text ? whole.toString() : whole);
  }

  #deliver(data: unknown): void {
    for (const listener of this.#listeners.message) listener({ data });
  }

  #write(kind: number, body: Buffer): void {
    if (this.#ended || this.#stream === undefined) return;
    const size = body.length < 126 ? 0 : body.length < 65536 ? 2 : 8;
    const head = Buffer.alloc(6 + size);
    head[0] = 0x80 | kind;
    head[1] = 0x80 | (size === 0 ? body.length : size === 2 ? 126 : 127);
    if (size === 2) head.writeUInt16BE(body.length, 2);
    if (size === 8) head.writeBigUInt64BE(BigInt(body.length), 2);
    const mask = nextMask();
    mask.copy(head, 2 + size);
    const masked = Buffer.from(body);
    for (let index = 0; index < masked.length; index++) masked[index]! ^= mask[index & 3]!;
    this.#stream.write(Buffer.concat([head, masked]));
  }

  #protocolError(code: number): void {
    this.close(code);
    this.#end(code, "");
  }

  #refused(response: IncomingMessage): void {
    const { statusCode: status, statusMessage } = response;
    for (const listener of this.#listeners.error) listener({ status, message: statusMessage });
    this.#end(1006, "");
  }

  #fail(error: Error): void {
    if (this.#ended) return;
    for (const listener of this.#listeners.error) listener(error);
    this.#end(1006, error.message);
  }

  #end(code: number, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#abort();
    for (const listener of this.#listeners.close) listener({ code, reason });
  }
}

/** Opens a {@link NodeSocket}. */
export const openNodeSocket: OpenSocket = (url, token, tokenBy) => new NodeSocket(url, token, tokenBy);
