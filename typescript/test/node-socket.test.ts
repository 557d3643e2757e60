// The WebSocket in Node, as the client sets it up, and the client over it.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { IncomingMessage, Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { afterEach, beforeEach, test } from "node:test";
import { inspect } from "node:util";
import { WebSocket, WebSocketServer } from "ws";
import { ConnectionError, SmoothAgentClient, SmoothError } from "../src/node.js";
import { openNodeSocket } from "../src/node-socket.js";
import type { OpenSocket } from "../src/socket.js";
import { mockTime, pass } from "./fixture.js";

let http: Server;
let sockets: WebSocketServer;
let url: string;
let client: SmoothAgentClient | undefined;

beforeEach(async () => {
  http = createServer();
  sockets = new WebSocketServer({ server: http, handleProtocols: () => "smooth-operator" });
  await new Promise<void>((listening) => http.listen(0, "127.0.0.1", listening));
  const address: AddressInfo | string | null = http.address();
  assert.ok(address !== null && typeof address === "object");
  url = `ws://127.0.0.1:${address.port}/ws`;
});

afterEach(async () => {
  client?.close();
  client = undefined;
  for (const socket of sockets.clients) socket.terminate();
  sockets.close();
  http.closeAllConnections();
  await new Promise((closed) => http.close(closed));
});

/** The server's side of the next connection, with the request that asked for it. */
const accepted = (): Promise<[WebSocket, IncomingMessage]> =>
  new Promise((resolve) => sockets.once("connection", (socket, request) => resolve([socket, request])));

test("an address or a token that no WebSocket takes is told and not repeated", async () => {
  const told = (error: unknown): boolean => {
    assert.ok(error instanceof SmoothError && error.code === "BAD_URL" && !error.retryable);
    assert.doesNotMatch(inspect(error), /secret/);
    return true;
  };
  for (const wrong of [
    "127.0.0.1:8787/?token=secret",
    "ftp://127.0.0.1/?token=secret",
    "ws://[?token=secret",
    "",
  ]) {
    await assert.rejects(new SmoothAgentClient({ url: wrong }).ping(), told);
  }
  for (const token of ["secret=", "secret/"]) {
    await assert.rejects(new SmoothAgentClient({ url, token, tokenBy: "subprotocol" }).ping(), told);
  }
});

test("text of every length goes both ways, whole, in order and in pieces", async () => {
  mockTime();
  const server = accepted();
  const socket = openNodeSocket(url, undefined);
  const got: unknown[] = [];
  const texts = [
    "",
    "a",
    "é".repeat(100),
    "x".repeat(125),
    "x".repeat(126),
    "y".repeat(65_535),
    "z".repeat(65_536),
    "😀".repeat(200_000),
  ];
  const all = new Promise<void>((done) => {
    socket.onmessage = ({ data }: { data: unknown }) => {
      if (got.push(data) === texts.length + 1) done();
    };
  });
  assert.throws(() => socket.send("too early"), /not open/);
  const [[peer]] = await Promise.all([server, new Promise<void>((open) => (socket.onopen = open))]);
  peer.on("message", (data) => peer.send(data.toString()));
  texts.forEach((text) => socket.send(text));
  peer.send("in ", { fin: false });
  peer.ping("between the pieces");
  peer.send("pieces", { fin: true });
  await Promise.all([all, once(peer, "pong")]);
  assert.deepEqual(
    got.filter((text) => text !== "in pieces"),
    texts,
  );
  assert.ok(got.includes("in pieces"));
  const closed = new Promise<{ code: number }>((resolve) => (socket.onclose = resolve));
  socket.close(1000, "done");
  const [code, reason] = await once(peer, "close");
  assert.deepEqual([code, String(reason)], [1000, "done"]);
  assert.equal((await closed).code, 1000);
});

test("the token is a header, and the code that closes the connection is told", async () => {
  const server = accepted();
  const socket = openNodeSocket(url, "secret");
  const closed = new Promise<{ code: number; reason: string }>((resolve) => (socket.onclose = resolve));
  const [peer, request] = await server;
  assert.equal(request.headers.authorization, "Bearer secret");
  assert.equal(request.url, "/ws");
  peer.close(4401, "expired");
  const { code, reason } = await closed;
  assert.deepEqual([code, reason], [4401, "expired"]);
});

test("the token travels as a subprotocol where the client says so", async () => {
  const server = accepted();
  client = new SmoothAgentClient({ url, token: "a.b-c", tokenBy: "subprotocol" });
  await client.connect();
  const [, { headers }] = await server;
  assert.equal(headers["sec-websocket-protocol"], "smooth-operator,bearer.a.b-c");
  assert.equal(headers.authorization, undefined);
});

/** From now on the server answers every handshake so, and leaves the connection open. */
function answerWith(...pieces: string[]): void {
  http.removeAllListeners("upgrade");
  http.on("upgrade", (_, stream: Duplex) => {
    stream.on("end", () => stream.end());
    stream.on("error", () => stream.destroy());
    for (const piece of pieces) stream.write(piece);
  });
}

/** What a client of that server fails with, where it is a {@link ConnectionError}. */
async function failure(): Promise<ConnectionError> {
  const client = new SmoothAgentClient({ url, token: "secret", timeouts: { connect: Infinity } });
  const error = await client.connect().catch((reason: unknown) => reason);
  client.close();
  assert.ok(error instanceof ConnectionError);
  // Not even somebody who prints all of it sees the token.
  const all = inspect(error, { depth: Infinity, showHidden: true, getters: true, maxStringLength: Infinity });
  assert.doesNotMatch(all, /secret/);
  return error;
}

test("a refusal tells its status, and the server's code, words and advice", async () => {
  const head = "HTTP/1.1 401 Unauthorized\r\nContent-Length: ";
  const body = '{"error":{"code":"UNAUTHENTICATED","message":"The token has expired."}}';
  answerWith(`${head}${body.length}\r\nRetry-After: 7\r\n\r\n${body}`);
  const { code, status, message, retryAfter, retryable, cause } = await failure();
  assert.deepEqual(
    { code, status, message, retryAfter, retryable },
    {
      code: "UNAUTHENTICATED",
      status: 401,
      message: "cannot connect: 401 The token has expired.",
      retryAfter: 7000,
      retryable: false,
    },
  );
  assert.equal(Object(cause).code, "UNAUTHENTICATED");
});

test("a refusal in other words, without words, without an end and much too long is one all the same", async () => {
  const head = "HTTP/1.1 503 Service Unavailable";
  for (const pieces of [
    [`${head}\r\nContent-Length: 0\r\nRetry-After: soon\r\n\r\n`],
    [`${head}\r\nContent-Length: 6\r\n\r\n<html>`],
    [`${head}\r\nContent-Length: 10\r\n\r\n{"erro`],
    [`${head}\r\nContent-Length: 100000000\r\n\r\n`, "x".repeat(1_000_000)],
  ]) {
    answerWith(...pieces);
    const { code, status, message, retryAfter } = await failure();
    assert.deepEqual(
      { code, status, retryAfter },
      { code: "CONNECTION_FAILED", status: 503, retryAfter: undefined },
    );
    assert.equal(message, "cannot connect: 503 Service Unavailable");
  }
});

test("closing while a refusal is read ends it", async () => {
  answerWith("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 10\r\n\r\n");
  const asked = once(http, "upgrade");
  let read = (): void => {};
  const reading = new Promise<void>((resolve) => (read = resolve));
  const openSocket: OpenSocket = (...how) => {
    const socket = openNodeSocket(...how);
    if (socket instanceof WebSocket) socket.on("unexpected-response", read);
    return socket;
  };
  const client = new SmoothAgentClient({ url, openSocket });
  const connecting = assert.rejects(client.connect(), { code: "CLOSED" });
  const [, stream] = await asked;
  const left = new Promise((closed) => stream.on("close", closed));
  await reading;
  client.close();
  await Promise.all([connecting, left]);
});

test("a peer that breaks the protocol is told so and left", async () => {
  // No client of these comes back, and none hurries to leave.
  mockTime();
  const broken: [string, Buffer, number][] = [
    ["a masked frame", Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x61]), 1002],
    ["a reserved bit", Buffer.from([0xc1, 0x01, 0x61]), 1002],
    ["what is no text", Buffer.from([0x81, 0x01, 0xff]), 1007],
    ["a message without end", Buffer.from([0x81, 0x7f, 0, 0, 0, 1, 0, 0, 0, 0]), 1009],
    ["a message that is too long", Buffer.from([0x81, 0x7f, 0, 0, 0, 0, 1, 0, 0, 1]), 1009],
  ];
  for (const [what, bytes, code] of broken) {
    const server = accepted();
    const warnings: string[] = [];
    const client = new SmoothAgentClient({
      url,
      logger: { debug: () => {}, warn: (text) => warnings.push(text) },
    });
    await client.connect();
    const [peer, request] = await server;
    peer.on("message", () => request.socket.write(bytes));
    const ping = assert.rejects(client.ping(), { code: "CONNECTION_LOST" }, what);
    assert.deepEqual((await once(peer, "close"))[0], code, what);
    await ping;
    assert.match(warnings.join(), /the connection was lost: (Invalid|Max|Unsupported)/, what);
    client.close();
  }
});

test("a peer that does not close is left all the same", async () => {
  mockTime();
  const server = accepted();
  const client = new SmoothAgentClient({ url });
  await client.connect();
  const [, request] = await server;
  request.socket.removeAllListeners("data").resume();
  client.close();
  const left = once(request.socket, "close");
  pass(2000);
  await left;
});

test("nobody who listens, and a wrong handshake, are errors and not crashes", async () => {
  const silent = new SmoothAgentClient({ url: "ws://127.0.0.1:1/ws" });
  await assert.rejects(silent.connect(), { code: "CONNECTION_FAILED", message: /ECONNREFUSED/ });
  silent.close();
  const headers = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x";
  answerWith(`HTTP/1.1 101 Switching Protocols\r\n${headers}\r\n\r\n`);
  assert.match((await failure()).message, /Sec-WebSocket-Accept/);
});

test("a client over a real connection is left by a server that dies, and comes back", async () => {
  const first = accepted();
  client = new SmoothAgentClient({ url });
  await client.connect();
  const [peer] = await first;
  const pong = (socket: WebSocket): void => {
    socket.on("message", (data) => {
      const { requestId }: { requestId: string } = JSON.parse(data.toString());
      socket.send(JSON.stringify({ type: "pong", requestId, timestamp: 0, data: { timestamp: 0 } }));
    });
  };
  pong(peer);
  assert.equal((await client.ping()).type, "pong");
  const second = accepted();
  peer.terminate();
  const [again] = await second;
  pong(again);
  assert.equal((await client.ping()).type, "pong");
});

test("after closing, nothing is left open", async () => {
  const server = accepted();
  const client = new SmoothAgentClient({ url });
  await client.connect();
  const [peer] = await server;
  client.close();
  await once(peer, "close");
  // It is closed when its last connection is.
  await new Promise((closed) => http.close(closed));
  assert.equal(sockets.clients.size, 0);
});
