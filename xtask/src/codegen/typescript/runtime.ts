/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | JsonObject;

/** A JSON object of any content. */
export interface JsonObject {
  [key: string]: Json;
}

/** Reads one value out of parsed JSON; throws a {@link DecodeError} when it is something else. */
export type Reader<T> = (value: unknown) => T;

/** The first constraint that a value breaks, or nothing. */
export type Check<T> = (value: T) => Violation | undefined;

/** A constraint that a value breaks. */
export interface Violation {
  /** Where the value is, as a JSON pointer; empty for the whole value. */
  pointer: string;
  /** The schema's keyword, such as `maxLength`. */
  keyword: string;
  /** What the value must be, such as "must be at most 100". */
  message: string;
}

/** Text that is not JSON, or JSON of another shape than the protocol has. */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
  /** Where the value is, as a JSON pointer; empty for the whole value. */
  readonly pointer: string;
  /** What it must be, such as "must be a string". */
  readonly problem: string;

  constructor(problem: string, pointer = "", options?: ErrorOptions) {
    super(`${pointer === "" ? "the value" : pointer} ${problem}`, options);
    this.pointer = pointer;
    this.problem = problem;
  }
}

/** Properties of a parsed JSON object. */
export type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const below = (key: string | number): string => `/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`;

function under<T>(key: string | number, value: unknown, read: Reader<T>): T {
  try {
    return read(value);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new DecodeError(error.problem, below(key) + error.pointer);
  }
}

function oneOfWords(values: readonly unknown[]): string {
  const words = values.map(stringifyJson).join(", ");
  return values.length === 1 ? words : `one of ${words}`;
}

function refuse(problem: string): never {
  throw new DecodeError(problem);
}

export const object = (value: unknown): Fields => (isObject(value) ? value : refuse("must be an object"));

export const string = (value: unknown): string =>
  typeof value === "string" ? value : refuse("must be a string");

export const boolean = (value: unknown): boolean =>
  typeof value === "boolean" ? value : refuse("must be true or false");

export const number = (value: unknown): number =>
  typeof value === "number" ? value : typeof value === "bigint" ? Number(value) : refuse("must be a number");

/** A whole number that a `number` holds exactly, or that `validate` finds to be too great. */
export function integer(value: unknown): number {
  const read = typeof value === "bigint" ? Number(value) : value;
  return typeof read === "number" && Number.isInteger(read) ? read : refuse("must be a whole number");
}

export function int32(value: unknown): number {
  const read = integer(value);
  return read === (read | 0) ? read : refuse("must be a whole number of 32 bits");
}

export function uint32(value: unknown): number {
  const read = integer(value);
  return read === read >>> 0 ? read : refuse("must be a whole number of 32 bits, not negative");
}

function whole(value: unknown, wrapped: (value: bigint) => bigint): bigint {
  if (typeof value === "bigint" || (typeof value === "number" && Number.isInteger(value))) {
    const read = BigInt(value);
    if (wrapped(read) === read) return read;
  }
  return refuse("must be a whole number of 64 bits");
}

export const int64 = (value: unknown): bigint => whole(value, (each) => BigInt.asIntN(64, each));

export const uint64 = (value: unknown): bigint => whole(value, (each) => BigInt.asUintN(64, each));

export function json(value: unknown): Json {
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(json);
  return typeof value === "object" ? jsonObject(value) : number(value);
}

export const jsonObject = (value: unknown): JsonObject =>
  Object.fromEntries(Object.entries(object(value)).map(([key, each]) => [key, json(each)]));

export const nullable =
  <T>(read: Reader<T>): Reader<T | null> =>
  (value) =>
    value === null ? null : read(value);

export const list =
  <T>(read: Reader<T>): Reader<T[]> =>
  (value) =>
    Array.isArray(value) ? value.map((each, index) => under(index, each, read)) : refuse("must be an array");

export const map =
  <T>(read: Reader<T>): Reader<{ [key: string]: T }> =>
  (value) =>
    Object.fromEntries(Object.entries(object(value)).map(([key, each]) => [key, under(key, each, read)]));

export function tuple<T extends unknown[]>(...readers: { [K in keyof T]: Reader<T[K]> }): Reader<T>;
export function tuple(...readers: Reader<unknown>[]): Reader<unknown> {
  return (value) =>
    Array.isArray(value) && value.length === readers.length
      ? readers.map((read, index) => under(index, value[index], read))
      : refuse(`must be an array of ${readers.length} items`);
}

export const oneOf =
  <T extends string>(values: Readonly<Record<string, T>>): Reader<T> =>
  (value) => {
    const known = Object.values(values);
    return known.find((one) => one === value) ?? refuse(`must be ${oneOfWords(known)}`);
  };

export const literal =
  <T extends string>(expected: T): Reader<T> =>
  (value) =>
    value === expected ? expected : refuse(`must be "${expected}"`);

/** The end of a closed union whose tag `key` has another value than those known. */
export function unknownTag(key: string, tag: string): never {
  throw new DecodeError(`is the unknown ${key} ${stringifyJson(tag)}`, below(key));
}

/** The property `key`, which must be there. */
export function required<T>(from: Fields, key: string, read: Reader<T>): T {
  if (!Object.hasOwn(from, key)) throw new DecodeError("is required", below(key));
  return under(key, from[key], read);
}

/** Copies the property `key` when it is there. */
export function optional<Key extends string, T>(
  from: Fields,
  key: Key,
  read: Reader<T>,
  to: { [K in Key]?: T },
): void {
  if (!Object.hasOwn(from, key)) return;
  const value = under(key, from[key], read);
  // Assigning to `__proto__` would set the prototype.
  if (key === "__proto__") Object.defineProperty(to, key, { value, enumerable: true, configurable: true });
  else to[key] = value;
}

/** An object of the property `key` when it is there, and an empty one when not. */
export function present<Key extends string, T>(from: Fields, key: Key, read: Reader<T>): { [K in Key]?: T } {
  const to: { [K in Key]?: T } = {};
  optional(from, key, read, to);
  return to;
}

/** The object's own property `key`, without what every object inherits. */
export const ownOf = <T extends object, Key extends keyof T>(value: T, key: Key): T[Key] | undefined =>
  Object.hasOwn(value, key) ? value[key] : undefined;

/** The properties that are not among `known`. */
export const others = <T>(from: Fields, known: readonly string[], read: Reader<T>): { [key: string]: T } =>
  map(read)(Object.fromEntries(Object.entries(from).filter(([key]) => !known.includes(key))));

/** Refuses properties that are not among `known`. */
export function only(from: Fields, known: readonly string[]): void {
  for (const key of Object.keys(from)) {
    if (!known.includes(key)) throw new DecodeError("is not a property of this object", below(key));
  }
}

const check =
  <T>(keyword: string, message: string, holds: (value: T) => boolean): Check<T> =>
  (value) =>
    holds(value) ? undefined : { pointer: "", keyword, message };

const inside = (key: string | number, broken: Violation | undefined): Violation | undefined =>
  broken && { ...broken, pointer: below(key) + broken.pointer };

/** The check of a property, which holds when the property is absent. */
export const at = <T>(key: string, value: T | undefined, test: Check<T>): Violation | undefined =>
  value === undefined ? undefined : inside(key, test(value));

export const all =
  <T>(...tests: Check<T>[]): Check<T> =>
  (value) => {
    for (const test of tests) {
      const broken = test(value);
      if (broken) return broken;
    }
    return undefined;
  };

export const unlessNull =
  <T>(test: Check<T>): Check<T | null> =>
  (value) =>
    value === null ? undefined : test(value);

export const each =
  <T>(test: Check<T>): Check<readonly T[]> =>
  (values) => {
    for (const [index, value] of values.entries()) {
      const broken = inside(index, test(value));
      if (broken) return broken;
    }
    return undefined;
  };

export const eachValue =
  <T>(test: Check<T>): Check<{ readonly [key: string]: T }> =>
  (values) => {
    for (const [key, value] of Object.entries(values)) {
      const broken = inside(key, test(value));
      if (broken) return broken;
    }
    return undefined;
  };

export const pass: Check<unknown> = () => undefined;

export function eachPlace<T extends readonly unknown[]>(...tests: { [K in keyof T]: Check<T[K]> }): Check<T>;
export function eachPlace(...tests: Check<unknown>[]): Check<readonly unknown[]> {
  return (values) => {
    for (const [index, test] of tests.entries()) {
      const broken = inside(index, test(values[index]));
      if (broken) return broken;
    }
    return undefined;
  };
}

const count = (bound: number, one: string, many = `${one}s`): string =>
  `${bound} ${bound === 1 ? one : many}`;

/** Characters are Unicode code points. */
export const minLength = (least: number): Check<string> =>
  check(
    "minLength",
    `must have at least ${count(least, "character")}`,
    (value) => [...value].length >= least,
  );

export const maxLength = (most: number): Check<string> =>
  check("maxLength", `must have at most ${count(most, "character")}`, (value) => [...value].length <= most);

export const minItems = (least: number): Check<readonly unknown[]> =>
  check("minItems", `must have at least ${count(least, "item")}`, (value) => value.length >= least);

export const maxItems = (most: number): Check<readonly unknown[]> =>
  check("maxItems", `must have at most ${count(most, "item")}`, (value) => value.length <= most);

export const minProperties = (least: number): Check<object> =>
  check(
    "minProperties",
    `must have at least ${count(least, "entry", "entries")}`,
    (value) => Object.keys(value).length >= least,
  );

export const maxProperties = (most: number): Check<object> =>
  check(
    "maxProperties",
    `must have at most ${count(most, "entry", "entries")}`,
    (value) => Object.keys(value).length <= most,
  );

export const pattern = (expression: RegExp): Check<string> =>
  check("pattern", `must match ${expression.source}`, (value) => expression.test(value));

export const uuid = /* @__PURE__ */ check<string>("format", "must be a UUID", (value) =>
  /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value),
);

type Numeric = number | bigint;

export const minimum = (least: Numeric): Check<Numeric> =>
  check("minimum", `must be at least ${least}`, (value) => value >= least);

export const maximum = (most: Numeric): Check<Numeric> =>
  check("maximum", `must be at most ${most}`, (value) => value <= most);

export const exclusiveMinimum = (limit: Numeric): Check<Numeric> =>
  check("exclusiveMinimum", `must be greater than ${limit}`, (value) => value > limit);

export const exclusiveMaximum = (limit: Numeric): Check<Numeric> =>
  check("exclusiveMaximum", `must be less than ${limit}`, (value) => value < limit);

/** Within the precision of a double, except that a `bigint` is exact. */
export const multipleOf = (step: Numeric): Check<Numeric> =>
  check("multipleOf", `must be a multiple of ${step}`, (value) => {
    if (typeof value === "bigint" && typeof step === "bigint") return value % step === 0n;
    const times = Number(value) / Number(step);
    return Math.abs(times - Math.round(times)) <= 1e-9 * Math.max(Math.abs(times), 1);
  });

/** Whether two JSON values are equal, whatever the order of their keys. */
function equal(one: unknown, other: unknown): boolean {
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((value, index) => equal(value, other[index]));
  }
  if (!isObject(one) || !isObject(other)) return one === other;
  const keys = Object.keys(one);
  const same = (key: string): boolean => Object.hasOwn(other, key) && equal(one[key], other[key]);
  return keys.length === Object.keys(other).length && keys.every(same);
}

export const uniqueItems = /* @__PURE__ */ check<readonly unknown[]>(
  "uniqueItems",
  "must have no two equal items",
  (values) => values.every((value, index) => values.slice(0, index).every((before) => !equal(before, value))),
);

export const allowed = (values: readonly unknown[]): Check<unknown> =>
  check("enum", `must be ${oneOfWords(values)}`, (value) => values.some((known) => equal(known, value)));

export const jsonType = (...types: readonly string[]): Check<unknown> =>
  check("type", `must be of the type ${types.join(" or ")}`, (value) => {
    const type = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
    return types.includes(type) || (types.includes("integer") && Number.isInteger(value));
  });

/** Makes JSON of a value whose form in memory is another than on the wire. */
export type Writer<T> = (value: T) => unknown;

export const writeIf =
  <T>(write: Writer<T>): Writer<T | null | undefined> =>
  (value) =>
    value === null || value === undefined ? value : write(value);

export const writeList =
  <T>(write: Writer<T>): Writer<readonly T[]> =>
  (values) =>
    values.map(write);

export function writeTuple<T extends readonly unknown[]>(
  ...writers: { [K in keyof T]: Writer<T[K]> }
): Writer<T>;
export function writeTuple(...writers: Writer<unknown>[]): Writer<readonly unknown[]> {
  return (values) => writers.map((write, index) => write(values[index]));
}

export const same: Writer<unknown> = (value) => value;

export const writeMap =
  <T>(write: Writer<T>) =>
  (values: { readonly [key: string]: T }): { [key: string]: unknown } =>
    Object.fromEntries(Object.entries(values).map(([key, value]) => [key, write(value)]));

/** The text of a JSON value; a `bigint` is written as the number it is. */
export function stringifyJson(value: unknown): string {
  if (typeof value === "bigint") return String(value);
  try {
    return JSON.stringify(value);
  } catch (error) {
    // JSON.stringify refuses a bigint wherever it is; other refusals come back from the value that caused them.
    if (Array.isArray(value)) return `[${value.map((item) => stringifyJson(item ?? null)).join()}]`;
    if (!isObject(value)) throw error;
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${stringifyJson(item)}`).join()}}`;
  }
}

/** The value of a JSON text; a whole number beyond 2^53 is a `bigint`. */
export function parseJson(text: string): unknown {
  try {
    const plain: unknown = JSON.parse(text);
    return /[0-9]{16}/.test(text) ? withBigNumbers(text) : plain;
  } catch (error) {
    throw new DecodeError("is not JSON", "", { cause: error });
  }
}

/** Reads text that is known to be JSON. Numbers in strings are left alone since strings are matched first. */
function withBigNumbers(text: string): unknown {
  const marked = text.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) => {
    if (token.startsWith('"')) return `"=${token.slice(1)}`;
    return /[.eE]/.test(token) || Number.isSafeInteger(Number(token)) ? token : `"#${token}"`;
  });
  return unmarked(JSON.parse(marked));
}

function unmarked(value: unknown): unknown {
  if (typeof value === "string") return value.startsWith("#") ? BigInt(value.slice(1)) : value.slice(1);
  if (Array.isArray(value)) return value.map(unmarked);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key.slice(1), unmarked(each)]));
}
