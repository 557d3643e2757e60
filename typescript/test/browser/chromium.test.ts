// The client in a browser: headless Chromium, the standard WebSocket, a page of another origin's making.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import type { Browser } from "playwright-core";
import { FakeServer } from "../../src/testing.js";
import { listen } from "../listen.js";
import type { Listening } from "../listen.js";

const fake = new FakeServer();
let browser: Browser;
let server: Listening;

before(async () => {
  fake.on("send_message", (action, reply) =>
    reply.accepted().token("You said ").token(action.message).done("done"),
  );
  server = await listen(fake);
  browser = await chromium.launch({
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
  });
});

after(async () => {
  await browser?.close();
  server.close();
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
  await page.goto(`http://${server.host}/`);
  await page.addScriptTag({ content: outputFiles[0]?.text ?? "" });
  const script = `(async () => {
    const client = new smooth.SmoothAgentClient({ url: "${server.url}", token: () => "a.b-c" });
    const { sessionId } = await client.createConversationSession();
    const turn = client.sendMessage({ sessionId, message: "hello" });
    let said = "";
    for await (const event of turn) if (event.type === "stream_token") said += event.token;
    said += ", " + (await turn.text());
    const lost = client.sendMessage({ sessionId, message: "drop" }).text().catch((error) => error.code);
    said += ", " + (await lost) + ", " + (await client.ping()).type;
    client.close();
    for (const wrong of [{ url: "nowhere://[?token=secret" }, { url: "${server.url}", token: "secret=" }]) {
      said += ", " + (await new smooth.SmoothAgentClient(wrong).ping().catch((error) => String(error)));
    }
    return said;
  })()`;
  fake.on("send_message", (action, reply) => {
    if (action.message === "drop") return fake.drop();
    reply.accepted().token("You said ").token(action.message).done("done");
  });
  const untaken = "SmoothError: cannot connect: no WebSocket takes such an address, or such a token";
  const said = `You said hello, done, CONNECTION_LOST, pong, ${untaken}, ${untaken}`;
  assert.equal(await page.evaluate(script), said);
  assert.deepEqual(server.offered, Array(2).fill(["smooth-operator", "bearer.a.b-c"]));
  assert.deepEqual(problems, []);
});
