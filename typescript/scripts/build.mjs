// Builds dist/: every entry as ESM and CJS, with declarations of its own for each. Beside the package it builds the
// programs that use it: the driver of the conformance harness and the bench. They import it by its name.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const dist = join(root, "dist");
const entries = ["index", "node", "testing"].map((name) => join(root, "src", `${name}.ts`));

rmSync(dist, { recursive: true, force: true });
for (const [format, extension] of [
  ["esm", ".mjs"],
  ["cjs", ".cjs"],
]) {
  await build({
    entryPoints: entries,
    outdir: dist,
    outExtension: { ".js": extension },
    format,
    bundle: true,
    platform: "neutral",
    target: "es2022",
    external: ["node:*"],
    sourcemap: true,
    logLevel: "warning",
  });
}

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
    logLevel: "warning",
  });
}
