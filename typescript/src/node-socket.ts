// A WebSocket for Node, which has none before version 22, and none that can send a header or tell why it was refused.
import { createHash, randomBytes, randomFillSync } from "node:crypto";
import { request as requestHttp, type ClientRequest } from "node:http";
import { request as requestHttps } from "node:https";
import type { Duplex } from "node:stream";
import type { OpenSocket, TokenBy, WebSocketLike } from "./socket.js";

/** The longest message that is taken, in bytes; a server that speaks the protocol sends at most 1 MiB. */
const longestMessage = 16 * 1024 * 1024;
/** How long the other side may take to close, in milliseconds. */
const closeLimit = 2_000;
/** RFC 6455, section 1.3. */
const accepting = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** Section 5.2: the kinds of a frame, the bits beside the kind, and the one beside the length. */
const opcode = { more: 0, text: 1, close: 8, ping: 9, pong: 10 };
const final = 0x80;
const reserved = 0x70;
const masked = 0x80;

/** The head of the frame that starts there: nothing while it is not whole; a close code if it may not be so. */
function readHead(
  bytes: Buffer,
  at: number,
): { first: number; start: number; end: number } | number | undefined {
  if (bytes.length < at + 2) return undefined;
  const [first, second] = [bytes.readUInt8(at), bytes.readUInt8(at + 1)];
  if ((first & reserved) !== 0 || (second & masked) !== 0) return 1002;
  const start = at + (second < 126 ? 2 : second === 126 ? 4 : 10);
  if (bytes.length < start) return undefined;
  let length = second;
  if (second === 126) length = bytes.readUInt16BE(at + 2);
  if (second === 127) length = Number(bytes.readBigUInt64BE(at + 2));
  return length > longestMessage ? 1009 : { first, start, end: start + length };
}

function writeFrame(kind: number, body: Buffer): Buffer {
  const size = body.length;
  const mask = size < 126 ? 2 : size < 65_536 ? 4 : 10;
  const start = mask + 4;
  const bytes = Buffer.alloc(start + size);
  bytes[0] = final | kind;
  bytes[1] = masked | (size < 126 ? size : size < 65_536 ? 126 : 127);
  if (mask === 4) bytes.writeUInt16BE(size, 2);
  if (mask === 10) bytes.writeBigUInt64BE(BigInt(size), 2);
  randomFillSync(bytes, mask, 4);
  for (let index = 0; index < size; index++) bytes[start + index] = body[index]! ^ bytes[mask + (index & 3)]!;
  return bytes;
}

/** RFC 6455 over Node's own HTTP. */
export class NodeSocket implements WebSocketLike {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  readonly #request: ClientRequest;
  #stream: Duplex | undefined;
  /** What has come of the next frame, and what of a message in several. */
  #unread: Buffer = Buffer.alloc(0);
  #pieces: Buffer = Buffer.alloc(0);
  #areText = true;
  #closing: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(url: string, token?: string, tokenBy: TokenBy = "header") {
    const key = randomBytes(16).toString("base64");
    const asked: Record<string, string> = {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": key,
    };
    if (token !== undefined && tokenBy === "header") asked["Authorization"] = `Bearer ${token}`;
    else if (token !== undefined) asked["Sec-WebSocket-Protocol"] = `smooth-operator, bearer.${token}`;
    const { protocol, href } = new URL(url);
    const begin = protocol === "wss:" || protocol === "https:" ? requestHttps : requestHttp;
    this.#request = begin(href.replace(/^ws/, "http"), { headers: asked });
    this.#request.setNoDelay(true);
    this.#request.on("error", (error) => this.#end(1006, error.message, error));
    this.#request.on("response", ({ statusCode: status, statusMessage: message }) =>
      this.#end(1006, "", { status, message }),
    );
    const accept = createHash("sha1").update(`${key}${accepting}`).digest("base64");
    this.#request.on("upgrade", ({ headers }, stream: Duplex, first: Buffer) =>
      this.#open(headers["sec-websocket-accept"] === accept, stream, first),
    );
    this.#request.end();
  }

  send(text: string): void {
    if (this.#stream === undefined) throw new Error("the connection is not open yet");
    this.#write(opcode.text, Buffer.from(text));
  }

  close(code = 1000, reason = ""): void {
    if (this.#ended || this.#closing) return;
    if (this.#stream === undefined) return this.#end(1006);
    const body = Buffer.from(`\0\0${reason}`);
    body.writeUInt16BE(code);
    this.#write(opcode.close, body);
    this.#closing = setTimeout(() => this.#end(1006), closeLimit);
  }

  #open(accepted: boolean, stream: Duplex, first: Buffer): void {
    if (this.#ended) return void stream.destroy();
    this.#stream = stream;
    stream.on("error", (error) => this.#end(1006, error.message, error));
    stream.on("end", () => this.#end(1006));
    stream.on("close", () => this.#end(1006));
    if (!accepted) return this.#end(1006, "the server's handshake is wrong");
    this.onopen?.();
    stream.on("data", (data: Buffer) => this.#take(data));
    if (first.length > 0) stream.unshift(first);
  }

  #take(data: Buffer): void {
    const bytes = this.#unread.length === 0 ? data : Buffer.concat([this.#unread, data]);
    let at = 0;
    while (!this.#ended) {
      const head = readHead(bytes, at);
      if (typeof head === "number") return this.#breach(head);
      if (head === undefined || bytes.length < head.end) break;
      at = head.end;
      // Most are whole texts, and need no buffer of their own.
      if (head.first === (final | opcode.text))
        this.onmessage?.({ data: bytes.toString("utf8", head.start, at) });
      else this.#receive(head.first, bytes.subarray(head.start, at));
    }
    this.#unread = bytes.subarray(at);
  }

  #receive(first: number, body: Buffer): void {
    const kind = first & ~final;
    if (kind === opcode.ping) return this.#write(opcode.pong, body);
    if (kind === opcode.pong) return;
    if (kind === opcode.close) {
      if (!this.#closing) this.#write(opcode.close, body.subarray(0, 2));
      return this.#end(body.length < 2 ? 1005 : body.readUInt16BE(), body.subarray(2).toString());
    }
    if (kind !== opcode.more) this.#areText = kind === opcode.text;
    this.#pieces = kind === opcode.more ? Buffer.concat([this.#pieces, body]) : body;
    if (this.#pieces.length > longestMessage) return this.#breach(1009);
    if ((first & final) === 0) return;
    const whole = this.#pieces;
    this.#pieces = Buffer.alloc(0);
    this.onmessage?.({ data: this.#areText ? whole.toString() : whole });
  }

  #write(kind: number, body: Buffer): void {
    if (!this.#ended) this.#stream?.write(writeFrame(kind, body));
  }

  /** The other side does not keep the rules. */
  #breach(code: number): void {
    this.close(code);
    this.#end(code);
  }

  #end(code: number, reason = "", problem?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#closing);
    if (this.#stream) this.#stream.end(() => this.#stream?.destroy());
    else this.#request.destroy();
    if (problem !== undefined) this.onerror?.(problem);
    this.onclose?.({ code, reason });
  }
}

/** Opens a {@link NodeSocket}. */
export const openNodeSocket: OpenSocket = (url, token, tokenBy) => new NodeSocket(url, token, tokenBy);
