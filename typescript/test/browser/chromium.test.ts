// The client in a browser: headless Chromium, the standard WebSocket, a page of another origin's making.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import type { Browser } from "playwright-core";
import { WebSocketServer } from "ws";
import { FakeServer } from "../../src/testing.js";

const fake = new FakeServer();
const offered: string[][] = [];
let browser: Browser;
let origin = "";

const http = createServer((_, response) =>
  response.setHeader("content-type", "text/html").end("<!doctype html>"),
);
const sockets = new WebSocketServer({
  server: http,
  handleProtocols: (protocols) => {
    offered.push([...protocols]);
    return "smooth-operator";
  },
});

before(async () => {
  fake.on("send_message", (action, reply) =>
    reply.accepted().token("You said ").token(action.message).done("done"),
  );
  sockets.on("connection", (socket) => {
    const inner = fake.openSocket("", undefined);
    inner.addEventListener("message", ({ data }) => socket.send(String(data)));
    inner.addEventListener("close", ({ code }) => socket.close(code === 1006 ? 1011 : code));
    socket.on("message", (data) => inner.send(data.toString()));
  });
  await new Promise<void>((listening) => http.listen(0, "127.0.0.1", listening));
  const address = http.address();
  assert.ok(typeof address === "object" && address !== null);
  origin = `127.0.0.1:${address.port}`;
  browser = await chromium.launch({
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
  });
});

after(async () => {
  await browser?.close();
  sockets.close();
  http.closeAllConnections();
  http.close();
});

test("a page talks, loses its connection, comes back, and shows its token as a subprotocol", async () => {
  const entry = fileURLToPath(new URL("../../src/index.ts", import.meta.url));
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    format: "iife",
    globalName: "smooth",
    write: false,
  });
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.message));
  await page.goto(`http://${origin}/`);
  await page.addScriptTag({ content: outputFiles[0]?.text ?? "" });
  const script = `(async () => {
    const client = new smooth.SmoothAgentClient({ url: "ws://${origin}/ws", token: () => "a.b-c" });
    const { sessionId } = await client.createConversationSession();
    const turn = client.sendMessage({ sessionId, message: "hello" });
    let said = "";
    for await (const event of turn) if (event.type === "stream_token") said += event.token;
    said += ", " + (await turn.text());
    const lost = client.sendMessage({ sessionId, message: "drop" }).text().catch((error) => error.code);
    said += ", " + (await lost) + ", " + (await client.ping()).type;
    client.close();
    return said;
  })()`;
  fake.on("send_message", (action, reply) => {
    if (action.message === "drop") return fake.drop();
    reply.accepted().token("You said ").token(action.message).done("done");
  });
  assert.equal(await page.evaluate(script), "You said hello, done, CONNECTION_LOST, pong");
  assert.deepEqual(offered, Array(2).fill(["smooth-operator", "bearer.a.b-c"]));
  assert.deepEqual(problems, []);
});
