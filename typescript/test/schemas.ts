// The schemas of spec/, read from disk, and what can be derived from them for tests: every named type with its
// examples, and for each example every value that breaks exactly one thing.
import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Json, JsonObject } from "../src/generated/index.js";

const root = new URL("../../spec/", import.meta.url);

/** A schema with the file that it is in. */
export interface Schema {
  file: string;
  at: JsonObject;
}

/** A named type. */
export interface NamedType extends Schema {
  name: string;
  examples: Json[];
}

/** A JSON value that a codec must refuse. */
export interface Mutant {
  value: Json;
  /** Where it is wrong. */
  pointer: string;
  /** The keyword that it breaks; absent when decoding refuses it already. */
  keyword?: string;
}

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const files = new Map<string, JsonObject>();

function load(file: string): JsonObject {
  const known = files.get(file);
  if (known) return known;
  const parsed: Json = JSON.parse(readFileSync(fileURLToPath(new URL(file, root)), "utf8"));
  if (!isObject(parsed)) throw new Error(`${file} is not an object`);
  files.set(file, parsed);
  return parsed;
}

const pascal = (stem: string): string =>
  stem
    .split("_")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("");

const suffix: Record<string, string> = { actions: "Params", events: "Event", types: "" };

/** Every type of spec/ that has examples. */
export function namedTypes(): NamedType[] {
  const out: NamedType[] = [];
  const add = (name: string, file: string, at: JsonObject): void => {
    if (Array.isArray(at["examples"])) out.push({ name, file, at, examples: at["examples"] });
  };
  const paths = Object.keys(suffix).flatMap((folder) =>
    readdirSync(fileURLToPath(new URL(folder, root))).map((name) => `${folder}/${name}`),
  );
  for (const file of ["errors.json", ...paths]) {
    const schema = load(file);
    const [folder = "", name = ""] = file.split("/");
    add(name === "" ? "ErrorCode" : pascal(name.replace(".json", "")) + suffix[folder], file, schema);
    const defs = schema["$defs"];
    if (!isObject(defs)) continue;
    for (const [key, def] of Object.entries(defs)) if (isObject(def)) add(key, file, def);
  }
  return out;
}

function resolve({ file, at }: Schema): Schema {
  const ref = at["$ref"];
  if (typeof ref !== "string") return { file, at };
  const [path = "", pointer = ""] = ref.split("#");
  const target = path === "" ? file : new URL(path, new URL(file, root)).href.slice(root.href.length);
  let found: Json | undefined = load(target);
  for (const key of pointer.split("/").slice(1)) found = isObject(found) ? found[key] : undefined;
  if (!isObject(found)) throw new Error(`${ref} in ${file} leads nowhere`);
  return resolve({ file: target, at: found });
}

/** Every one-fault copy of an example. */
export function mutants(type: NamedType, example: Json): Mutant[] {
  const out: Mutant[] = [];
  walk(type, example, "", (value) => value, out);
  return out;
}

type Put = (value: Json) => Json;

function walk(schema: Schema, value: Json, pointer: string, put: Put, out: Mutant[]): void {
  const { file, at } = resolve(schema);
  const bad = (broken: Json, keyword?: string): void => {
    out.push({ value: put(broken), pointer, ...(keyword === undefined ? {} : { keyword }) });
  };
  wrongTypes(at).forEach((broken) => bad(broken));
  for (const [keyword, broken] of brokenConstraints(at, value)) bad(broken, keyword);
  if (Array.isArray(value) && isObject(at["items"])) {
    const items = at["items"];
    value.forEach((item, index) => {
      const putItem: Put = (other) => put(value.map((held, place) => (place === index ? other : held)));
      walk({ file, at: items }, item, `${pointer}/${index}`, putItem, out);
    });
  }
  if (!isObject(value) || !isObject(at["properties"])) return;
  for (const key of Array.isArray(at["required"]) ? at["required"] : []) {
    const { [String(key)]: _, ...rest } = value;
    out.push({ value: put(rest), pointer: `${pointer}/${String(key)}` });
  }
  for (const [key, property] of Object.entries(at["properties"])) {
    const held = value[key];
    if (held === undefined || !isObject(property) || "const" in property) continue;
    walk({ file, at: property }, held, `${pointer}/${key}`, (other) => put({ ...value, [key]: other }), out);
  }
}

/** Values that are not of the schema's type, `null` among them. */
function wrongTypes(at: JsonObject): Json[] {
  if (Array.isArray(at["enum"])) return ["no such value", 1, null];
  if (Array.isArray(at["anyOf"])) return [1, null];
  const types = Array.isArray(at["type"]) ? at["type"] : [at["type"]];
  const values: Json[] = types.includes("null") ? [] : [null];
  switch (types[0]) {
    case "string":
      return [...values, 1, true, {}];
    case "integer":
      return [...values, "1", 1.5, false];
    case "number":
      return [...values, "1", []];
    case "boolean":
      return [...values, "true", 1];
    case "array":
      return [...values, {}, "a"];
    case "object":
      return [...values, [], "a"];
    default:
      return [];
  }
}

/** Values of the right type that break one constraint. */
function brokenConstraints(at: JsonObject, value: Json): [string, Json][] {
  const number = (key: string): number | undefined => (typeof at[key] === "number" ? at[key] : undefined);
  const out: [string, Json][] = [];
  const add = (keyword: string, make: (bound: number) => Json): void => {
    const bound = number(keyword);
    if (bound !== undefined && bound + smallestStep(keyword) >= 0) out.push([keyword, make(bound)]);
  };
  add("minLength", (least) => "x".repeat(least - 1));
  add("maxLength", (most) => "x".repeat(most + 1));
  add("minimum", (least) => least - 1);
  add("maximum", (most) => most + 1);
  if (Array.isArray(value)) {
    const [first = "x"] = value;
    add("minItems", (least) => value.slice(0, least - 1));
    add("maxItems", (most) => Array.from({ length: most + 1 }, () => first));
  }
  if (at["format"] === "uuid") out.push(["format", "0a8f3c1e-5b7d-4e2a-9c46-7d1f20b3a98g"]);
  const { pattern } = at;
  if (typeof pattern === "string") {
    const broken = [" ", "%", "ftp:x"].find((text) => !new RegExp(pattern, "u").test(text));
    if (broken !== undefined) out.push(["pattern", broken]);
  }
  return out;
}

/** A least length or count of nothing cannot be broken. */
const smallestStep = (keyword: string): number => (/^min(Length|Items)$/.test(keyword) ? -1 : 0);
