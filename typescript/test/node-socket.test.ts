// The WebSocket for Node against another implementation, and the client over it.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { IncomingMessage, Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { afterEach, beforeEach, test } from "node:test";
import { WebSocketServer } from "ws";
import type { WebSocket } from "ws";
import { ConnectionError, SmoothAgentClient } from "../src/node.js";
import { NodeSocket } from "../src/node-socket.js";

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

test("text of every length goes both ways, whole, in order and in pieces", async () => {
  const server = accepted();
  const socket = new NodeSocket(url);
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
    socket.onmessage = ({ data }) => {
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
  const socket = new NodeSocket(url, "secret");
  const closed = new Promise<{ code: number; reason: string }>((resolve) => (socket.onclose = resolve));
  const [peer, request] = await server;
  assert.equal(request.headers.authorization, "Bearer secret");
  assert.equal(request.url, "/ws");
  peer.close(4401, "expired");
  assert.deepEqual(await closed, { code: 4401, reason: "expired" });
});

test("the token travels as a subprotocol where the client says so", async () => {
  const server = accepted();
  client = new SmoothAgentClient({ url, token: "a.b-c", tokenBy: "subprotocol" });
  await client.connect();
  const [, { headers }] = await server;
  assert.equal(headers["sec-websocket-protocol"], "smooth-operator, bearer.a.b-c");
  assert.equal(headers.authorization, undefined);
});

test("a server that refuses is told by its status", async () => {
  http.removeAllListeners("upgrade");
  http.on("upgrade", (_, stream) => {
    stream.end("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  });
  client = new SmoothAgentClient({ url, token: "wrong" });
  await assert.rejects(client.connect(), (error) => {
    return error instanceof ConnectionError && error.code === "UNAUTHENTICATED" && error.status === 401;
  });
});

test("a peer that breaks the protocol is left", async () => {
  const frames = {
    "a masked frame": Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x61]),
    "a reserved bit": Buffer.from([0xc1, 0x01, 0x61]),
    "a message without end": Buffer.from([0x81, 0x7f, 0, 0, 0, 1, 0, 0, 0, 0]),
  };
  for (const [what, bytes] of Object.entries(frames)) {
    const server = accepted();
    const socket = new NodeSocket(url);
    const closed = new Promise<{ code: number }>((resolve) => (socket.onclose = resolve));
    const [, request] = await server;
    request.socket.write(bytes);
    const { code } = await closed;
    assert.equal(code, what === "a message without end" ? 1009 : 1002, what);
  }
});

test("nobody who listens, and a wrong handshake, are errors and not crashes", async () => {
  const silent = new SmoothAgentClient({ url: "ws://127.0.0.1:1/ws" });
  await assert.rejects(silent.connect(), { code: "CONNECTION_FAILED" });
  silent.close();
  await assert.rejects(new SmoothAgentClient({ url: "nonsense" }).connect(), { code: "CONNECTION_FAILED" });
  http.removeAllListeners("upgrade");
  http.on("upgrade", (_, stream) => {
    stream.on("end", () => stream.end());
    stream.on("error", () => stream.destroy());
    const headers = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x";
    stream.write(`HTTP/1.1 101 Switching Protocols\r\n${headers}\r\n\r\n`);
  });
  await assert.rejects(new SmoothAgentClient({ url }).connect(), /handshake is wrong/);
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
  await new Promise((closed) => http.close(closed));
  const probe = connect(Number(new URL(url).port), "127.0.0.1");
  await assert.rejects(once(probe, "connect"));
});
