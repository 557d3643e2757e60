// The package as a user gets it: packed, installed into an empty folder, and its README followed there.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { FakeServer } from "../src/testing.js";
import { listen } from "./listen.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));
const bin = (name: string): string => join(root, "node_modules/.bin", name);
const readme = readFileSync(join(root, "README.md"), "utf8");
const examples = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code = ""]) => code);
/** What people have written against this client before; only the address is another. */
const snippet = `
const client = new SmoothAgentClient({ url: 'ws://127.0.0.1:8787/ws' });
await client.connect();
const session = await client.createConversationSession({ agentId, userName: 'Alice' });
const turn = client.sendMessage({ sessionId: session.sessionId, message: 'How long is your return window?' });
for await (const ev of turn) {
  if (ev.type === 'stream_chunk') console.error(ev.node);
  if (ev.type === 'stream_token') process.stdout.write(ev.token ?? '');
  if (ev.type === 'write_confirmation_required')
    client.confirmToolAction({ sessionId: session.sessionId, requestId: turn.requestId, approved: true });
}
const final = await turn;
`;

/** The snippet as a module. */
const known = `import { SmoothAgentClient } from "@smooai/smooth-operator"; const agentId = crypto.randomUUID();${snippet}`;
let folder: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "smooth-operator-"));
  const { stdout } = await run("npm", ["pack", "--pack-destination", folder, "--json"], { cwd: root });
  const name = /"filename": "([^"]+)"/.exec(stdout)?.[1] ?? "";
  writeFileSync(join(folder, "package.json"), '{"private":true,"type":"module"}');
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund", join(folder, name)], { cwd: folder });
});

after(() => rmSync(folder, { recursive: true, force: true }));

test("publint and attw have nothing to say", async () => {
  await run(bin("publint"), ["--strict"], { cwd: root });
  await run(bin("attw"), ["--pack", "."], { cwd: root });
});

test("the client is at most 12 KiB, minified and compressed, and needs nothing else", async (t) => {
  const { outputFiles, metafile } = await build({
    stdin: { contents: 'export { SmoothAgentClient } from "@smooai/smooth-operator"', resolveDir: folder },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    write: false,
    metafile: true,
  });
  assert.deepEqual(
    Object.keys(metafile.inputs).filter((name) => !/<stdin>|dist\/index\.mjs$/.test(name)),
    [],
  );
  const size = gzipSync(outputFiles[0]?.contents ?? "").length;
  t.diagnostic(`${size} bytes, minified and compressed`);
  assert.ok(size > 1024 && size <= 12 * 1024, `${size} bytes`);
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  assert.equal(dependencies, undefined);
});

test("what is built in has its licence with it, needs nothing of the user, and shows in no type", () => {
  const licence = readFileSync(join(root, "node_modules/ws/LICENSE"), "utf8");
  const dist = join(folder, "node_modules/@smooai/smooth-operator/dist");
  for (const name of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
    if (!/\.[cm](js|ts)$/.test(name)) continue;
    const text = readFileSync(join(dist, name), "utf8");
    const isNode = /^node\.[cm]js$/.test(name);
    assert.equal(text.includes(licence), isNode, name);
    const asked = [...text.matchAll(/(?:require\(|import\(|from )["']([^"'.][^"']*)["']/g)].map(
      ([, what]) => what,
    );
    assert.ok(isNode ? asked.length > 0 : asked.length === 0, `${name} asks for ${asked.join()}`);
    for (const what of asked) assert.ok(isBuiltin(what ?? ""), `${name} asks for ${what}`);
  }
});

test("the known program, every example of the README and the chat type-check against the installed package", async () => {
  assert.ok(examples.length >= 4);
  examples.forEach((code, index) =>
    writeFileSync(join(folder, `example-${index}.ts`), `${code}\nexport {};\n`),
  );
  writeFileSync(join(folder, "known.ts"), known);
  writeFileSync(
    join(folder, "chat.ts"),
    readFileSync(join(folder, "node_modules/@smooai/smooth-operator/examples/chat.ts")),
  );
  const compilerOptions = {
    target: "ES2022",
    module: "NodeNext",
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noEmit: true,
    types: ["node"],
    typeRoots: [join(root, "node_modules/@types")],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  await run(bin("tsc"), ["-p", folder], { cwd: folder }).catch((error: { stdout: string }) =>
    assert.fail(error.stdout),
  );
});

test("the package runs as ESM and as CommonJS", async () => {
  const body = `
    const server = new FakeServer();
    server.on("send_message", (action, reply) => reply.accepted().token("a").done(action.message));
    const client = new SmoothAgentClient({ url: server.url, openSocket: server.openSocket });
    client.sendMessage({ sessionId: "s", message: "it runs" }).text().then((text) => {
      console.log(text);
      client.close();
    });`;
  const names = { client: "@smooai/smooth-operator", testing: "@smooai/smooth-operator/testing" };
  writeFileSync(
    join(folder, "esm.mjs"),
    `import { SmoothAgentClient } from "${names.client}"; import { FakeServer } from "${names.testing}";${body}`,
  );
  writeFileSync(
    join(folder, "cjs.cjs"),
    `const { SmoothAgentClient } = require("${names.client}"); const { FakeServer } = require("${names.testing}");${body}`,
  );
  for (const file of ["esm.mjs", "cjs.cjs"]) {
    const { stdout } = await run(process.execPath, [file], { cwd: folder });
    assert.equal(stdout, "it runs\n", file);
  }
});

test("both reach a real server, and say the token to it alone", async () => {
  const fake = new FakeServer();
  fake.on("send_message", (action, reply) => reply.accepted().done(action.message));
  const server = await listen(fake);
  const body = `
    const client = new SmoothAgentClient({ url: "${server.url}", token: "secret", logger: console });
    client.sendMessage({ sessionId: "s", message: "it runs" }).text().then((text) => {
      console.log(text);
      client.close();
    });`;
  const name = "@smooai/smooth-operator";
  writeFileSync(join(folder, "real.mjs"), `import { SmoothAgentClient } from "${name}";${body}`);
  writeFileSync(join(folder, "real.cjs"), `const { SmoothAgentClient } = require("${name}");${body}`);
  try {
    for (const file of ["real.mjs", "real.cjs"]) {
      const { stdout, stderr } = await run(process.execPath, ["--trace-warnings", file], { cwd: folder });
      assert.match(stdout, /^connected[^]*\nit runs\n$/);
      assert.doesNotMatch(stdout, /secret/);
      assert.equal(stderr, "");
    }
  } finally {
    server.close();
  }
});

test("the README's last example runs as it stands", async () => {
  writeFileSync(join(folder, "last.ts"), examples.at(-1) ?? "");
  const { stdout } = await run(process.execPath, ["--import", import.meta.resolve("tsx"), "last.ts"], {
    cwd: folder,
  });
  assert.equal(stdout, "You said: Hello\n");
});

test("the known program and the README's others run over a real socket", async () => {
  const fake = new FakeServer();
  fake.on("send_message", (_, reply) => {
    reply.accepted();
    reply.event({
      type: "stream_chunk",
      node: "retrieve",
      data: { requestId: reply.requestId ?? "", node: "retrieve", state: {} },
    });
    reply.confirmation("send_label", "Send a return label.");
    fake.on("confirm_tool_action", ({ sessionId, approved }, verdict) => {
      verdict.data({ sessionId, approved });
      reply
        .token("17 ")
        .token("days.")
        .done("17 days.", { citations: [citation] });
    });
  });
  const citation = { id: "1", title: "Returns", snippet: "17 days", score: 1 };
  const server = await listen(fake);
  const programs = {
    known: `${known} console.log(final.response.responseParts[0]); client.close();`,
    readme: examples[0] ?? "",
    park: `${examples[1]}
      import { SmoothAgentClient } from "@smooai/smooth-operator";
      const client = new SmoothAgentClient({ url: "ws://127.0.0.1:8787/ws" });
      const { sessionId } = await client.createConversationSession();
      console.log(await answer(client.sendMessage({ sessionId, message: "Send it." }), async () => "yes"));
      client.close();`,
    stop: (examples[2] ?? "").replace(
      "turn.cancel();",
      "turn.catch(({ name }) => console.log(name)); turn.cancel();",
    ),
  };
  const said: Record<string, string> = {
    known: "17 days.17 days.\n",
    readme: "17 days.[ 'Returns' ]\n",
    park: "17 days.\n",
    stop: "AbortError\n",
  };
  try {
    for (const [name, program] of Object.entries(programs)) {
      const file = join(folder, `${name}.ts`);
      writeFileSync(file, program.replace("127.0.0.1:8787", server.host));
      const loader = import.meta.resolve("tsx");
      const child = spawn(process.execPath, ["--import", loader, file], { cwd: folder });
      let [out, err] = ["", ""];
      child.stdout.on("data", (data: Buffer) => (out += data.toString()));
      child.stderr.on("data", (data: Buffer) => (err += data.toString()));
      const code = await new Promise<number | null>((ended) => child.on("close", ended));
      assert.equal(code, 0, err);
      assert.equal(out, said[name]);
    }
  } finally {
    server.close();
  }
});

test("what Deno, Bun and workers get runs by the standard WebSocket", async () => {
  const fake = new FakeServer();
  fake.on("send_message", (action, reply) => reply.accepted().done(action.message));
  const server = await listen(fake);
  const file = join(folder, "standard.mjs");
  writeFileSync(
    file,
    `import { SmoothAgentClient } from "@smooai/smooth-operator";
    const client = new SmoothAgentClient({ url: "${server.url}", token: "a.b-c" });
    const { sessionId } = await client.createConversationSession();
    console.log(await client.sendMessage({ sessionId, message: "it runs" }).text());
    client.close();
    const refused = new SmoothAgentClient({ url: "${server.url}", token: "t", tokenBy: "header" });
    await refused.connect().catch(({ code, message }) => console.log(code, /headers/.test(message)));`,
  );
  try {
    for (const platform of ["deno", "bun", "workerd", "browser"]) {
      const flags = [`--conditions=${platform}`, "--experimental-websocket", "--no-warnings"];
      const { stdout } = await run(process.execPath, [...flags, file], { cwd: folder });
      assert.equal(stdout, "it runs\nCONNECTION_FAILED true\n", platform);
    }
    assert.deepEqual(server.offered, Array(4).fill(["smooth-operator", "bearer.a.b-c"]));
  } finally {
    server.close();
  }
});

test("the chat that comes with the package talks, asks before a tool runs, and ends with its input", async () => {
  const fake = new FakeServer();
  fake.on("send_message", (action, reply) => {
    reply.accepted().token("Let me see. ").confirmation("refund_order", `Do you want to ${action.message}?`);
    fake.on("confirm_tool_action", ({ sessionId, approved }, verdict) => {
      verdict.data({ sessionId, approved });
      reply.token(approved ? "Done." : "Then not.").done("");
    });
  });
  const server = await listen(fake);
  const chat = join(folder, "chat.ts");
  try {
    const child = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), chat, server.url]);
    let out = "";
    child.stdout.on("data", (data: Buffer) => (out += data.toString()));
    child.stdin.end("refund order 4417\ny\n");
    const code = await new Promise<number | null>((ended) => child.on("close", ended));
    assert.equal(code, 0);
    assert.equal(
      out,
      "You talk to Support. An empty line ends the chat.\n> Let me see. \nDo you want to refund order 4417? [y/N] Done.\n> ",
    );
  } finally {
    server.close();
  }
});
