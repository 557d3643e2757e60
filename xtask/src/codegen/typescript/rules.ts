// Checks JSON by rules: a schema that no type expresses, put into a form that is easy to walk. A rule is `true`,
// `false` or a list of checks, each a list that begins with a keyword of JSON Schema.
import { type Check, allowed, jsonType, multipleOf, uniqueItems } from "./runtime.js";

/** All rules. One that refers to another names its place here. */
const TABLE_TEXT = "[]";
const TABLE: readonly unknown[] = JSON.parse(TABLE_TEXT);

/** The keys and places of a value that some check has looked at. */
type Seen = Set<string>;

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const entries = (value: unknown): [string, unknown][] => (isMap(value) ? Object.entries(value) : []);

const name = (value: unknown): string => (typeof value === "string" ? value : "");

/** Checks a value by the rule at a place of the table. */
export const rule =
  (place: number): Check<unknown> =>
  (value) => {
    const wanted = TABLE[place];
    const seen: Seen = new Set();
    const broken =
      wanted === false ? ["not"] : list(wanted).find((check) => !passes(list(check), value, seen));
    if (broken === undefined) return undefined;
    const keyword = name(list(broken)[0]);
    return { pointer: "", keyword, message: `must be valid by \`${keyword}\` of its schema` };
  };

const holds = (wanted: unknown, value: unknown, seen: Seen): boolean =>
  wanted !== false && list(wanted).every((check) => passes(list(check), value, seen));

/** Whether a rule for the same value holds; only then counts what it has seen. */
function also(wanted: unknown, value: unknown, seen: Seen): boolean {
  const own: Seen = new Set();
  const fits = holds(wanted, value, own);
  if (fits) for (const key of own) seen.add(key);
  return fits;
}

/** Whether a rule holds for a part of the value. */
const inside = (wanted: unknown, part: unknown): boolean => holds(wanted, part, new Set());

function passes([keyword, ...args]: readonly unknown[], value: unknown, seen: Seen): boolean {
  const count = (): number => args.filter((wanted) => also(wanted, value, seen)).length;
  switch (keyword) {
    case "ref":
      return also(TABLE[Number(args[0])], value, seen);
    case "type":
      return jsonType(...args.map(name))(value) === undefined;
    case "enum":
      return allowed(args)(value) === undefined;
    case "allOf":
      return count() === args.length;
    case "anyOf":
      return count() > 0;
    case "oneOf":
      return count() === 1;
    case "not":
      return !inside(args[0], value);
    case "if":
      return also(also(args[0], value, seen) ? args[1] : args[2], value, seen);
  }
  if (typeof value === "number") return numberPasses(keyword, args, value);
  if (typeof value === "string") return textPasses(keyword, args, value);
  if (Array.isArray(value)) return listPasses(keyword, args, value, seen);
  return !isMap(value) || mapPasses(keyword, args, value, seen);
}

function numberPasses(keyword: unknown, args: readonly unknown[], value: number): boolean {
  const bound = args[0];
  if (typeof bound !== "number") return true;
  switch (keyword) {
    case "minimum":
      return value >= bound;
    case "maximum":
      return value <= bound;
    case "exclusiveMinimum":
      return value > bound;
    case "exclusiveMaximum":
      return value < bound;
    case "multipleOf":
      return multipleOf(bound)(value) === undefined && Number.isFinite(value / bound);
  }
  return true;
}

function textPasses(keyword: unknown, args: readonly unknown[], value: string): boolean {
  switch (keyword) {
    case "minLength":
      return fits([...value].length, args[0], null);
    case "maxLength":
      return fits([...value].length, null, args[0]);
    case "pattern":
      return matches(name(args[0]), value);
  }
  return true;
}

function listPasses(
  keyword: unknown,
  args: readonly unknown[],
  items: readonly unknown[],
  seen: Seen,
): boolean {
  const note = (place: number): unknown => seen.add(String(place));
  const every = (from: number, wanted: (place: number) => unknown): boolean =>
    items.every((item, place) => place < from || (note(place), inside(wanted(place), item)));
  switch (keyword) {
    case "minItems":
      return fits(items.length, args[0], null);
    case "maxItems":
      return fits(items.length, null, args[0]);
    case "uniqueItems":
      return uniqueItems(items) === undefined;
    case "prefixItems":
      return items.slice(0, args.length).every((item, place) => (note(place), inside(args[place], item)));
    case "items":
      return every(Number(args[0]), () => args[1]);
    case "contains": {
      const found = [...items.keys()].filter((place) => inside(args[0], items[place]));
      found.forEach(note);
      return fits(found.length, args[1], args[2]);
    }
    case "unevaluatedItems": {
      const known = new Set(seen);
      return every(0, (place) => known.has(String(place)) || args[0]);
    }
  }
  return true;
}

function mapPasses(
  keyword: unknown,
  args: readonly unknown[],
  map: Readonly<Record<string, unknown>>,
  seen: Seen,
): boolean {
  const has = (key: unknown): boolean => Object.hasOwn(map, name(key));
  const part = (key: string, wanted: unknown): boolean => (seen.add(key), inside(wanted, map[key]));
  const keys = Object.keys(map);
  switch (keyword) {
    case "minProperties":
      return fits(keys.length, args[0], null);
    case "maxProperties":
      return fits(keys.length, null, args[0]);
    case "required":
      return args.every(has);
    case "properties":
      return entries(args[0]).every(([key, wanted]) => !has(key) || part(key, wanted));
    case "patternProperties":
      return entries(args[0]).every(([pattern, wanted]) =>
        keys.every((key) => !matches(pattern, key) || part(key, wanted)),
      );
    case "additionalProperties": {
      const known = (key: string): boolean =>
        list(args[0]).includes(key) || list(args[1]).some((pattern) => matches(name(pattern), key));
      return keys.every((key) => known(key) || part(key, args[2]));
    }
    case "propertyNames":
      return keys.every((key) => inside(args[0], key));
    case "dependentRequired":
      return entries(args[0]).every(([key, names]) => !has(key) || list(names).every(has));
    case "dependentSchemas":
      return entries(args[0]).every(([key, wanted]) => !has(key) || also(wanted, map, seen));
    case "unevaluatedProperties":
      return keys.every((key) => seen.has(key) || part(key, args[0]));
  }
  return true;
}

const fits = (count: number, least: unknown, most: unknown): boolean =>
  (typeof least !== "number" || count >= least) && (typeof most !== "number" || count <= most);

const compiled = new Map<string, RegExp>();

function matches(pattern: string, text: string): boolean {
  const expression = compiled.get(pattern) ?? new RegExp(pattern, "u");
  compiled.set(pattern, expression);
  return expression.test(text);
}
