// Builds dist/: every entry as ESM and CJS, with declarations of its own for each. Beside the package it builds the
// programs that use it: the driver of the conformance harness and the bench. They import it by its name.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const dist = join(root, "dist");
const source = (name) => join(root, "src", `${name}.ts`);
const esm = { format: "esm", outExtension: { ".js": ".mjs" } };
const cjs = { format: "cjs", outExtension: { ".js": ".cjs" } };
const shared = { outdir: dist, bundle: true, target: "es2022", sourcemap: true, logLevel: "warning" };

rmSync(dist, { recursive: true, force: true });
for (const format of [esm, cjs]) {
  await build({
    ...shared,
    ...format,
    entryPoints: [source("index"), source("testing")],
    platform: "neutral",
  });
}

// The entry for Node has the WebSocket of `ws` in it, without what makes a server and without native addons.
const ws = join(root, "node_modules/ws");
const licence = `/*! This file contains a part of ws.\n\n${readFileSync(join(ws, "LICENSE"), "utf8")}*/\n`;
const node = {
  ...shared,
  entryPoints: [source("node")],
  platform: "node",
  alias: { ws: join(ws, "lib/websocket.js") },
  define: { "process.env.WS_NO_BUFFER_UTIL": "true", "process.env.WS_NO_UTF_8_VALIDATE": "true" },
};
const { metafile } = await build({ ...node, ...cjs, banner: { js: licence }, metafile: true });
// In an ES module, which has no `require`, `ws` gets the modules of Node that it asks for by `import`.
const required = Object.values(metafile.outputs)
  .flatMap(({ imports }) => imports)
  .filter(({ kind }) => kind === "require-call");
const modules = [...new Set(required.map(({ path }) => path))];
const imports = modules.map((name) => `import node_${name} from "node:${name}";\n`).join("");
const byImport = {
  name: "by-import",
  setup: ({ onLoad }) =>
    onLoad({ filter: /[/\\]ws[/\\]lib[/\\]/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8").replace(/require\('(\w+)'\)/g, (call, name) =>
        modules.includes(name) ? `node_${name}` : call,
      ),
    })),
};
await build({ ...node, ...esm, banner: { js: licence + imports }, plugins: [byImport] });

// Declarations refer to each other with the extension of the module system that reads them.
const declarations = join(dist, "declarations");
const tsc = join(root, "node_modules/typescript/bin/tsc");
const options = ["--noEmit", "false", "--emitDeclarationOnly", "--declaration", "--stripInternal"];
execFileSync(
  process.execPath,
  [tsc, "-p", join(root, "tsconfig.build.json"), ...options, "--outDir", declarations],
  {
    stdio: "inherit",
  },
);
for (const name of readdirSync(declarations, { recursive: true })) {
  if (!name.endsWith(".d.ts")) continue;
  const text = readFileSync(join(declarations, name), "utf8");
  for (const module of ["mjs", "cjs"]) {
    const target = join(dist, name.replace(/\.d\.ts$/, `.d.${module.replace("js", "ts")}`));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text.replace(/((?:from |import\()"\.[^"]*)\.js"/g, `$1.${module}"`));
  }
}
rmSync(declarations, { recursive: true });

for (const program of ["conformance/driver", "bench/turns"]) {
  await build({
    entryPoints: [join(root, `${program}.ts`)],
    outfile: join(root, dirname(program), "dist", `${basename(program)}.mjs`),
    format: "esm",
    bundle: true,
    platform: "node",
    target: "node20",
    packages: "external",
    // Without the paths of tsconfig.json, which lead to the sources.
    tsconfigRaw: {},
    logLevel: "warning",
  });
}
