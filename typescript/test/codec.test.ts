// Every example of spec/ through the generated code, and every copy of one that breaks exactly one thing.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as generated from "../src/generated/index.js";
import {
  DecodeError,
  decodeAction,
  decodeEvent,
  encodeEvent,
  parseJson,
  stringifyJson,
} from "../src/generated/index.js";
import type { Json, Violation } from "../src/generated/index.js";
import { isObject, mutants, namedTypes } from "./schemas.js";
import type { NamedType } from "./schemas.js";

const functions: Record<string, unknown> = { ...generated };

interface Codec {
  decode: (value: unknown) => unknown;
  validate: (value: unknown) => unknown;
}

/** The codec of a type; that of an action is the union's, which knows the `action` property. */
function codec(type: NamedType): Codec {
  const name =
    type.file.startsWith("actions/") && type.at["properties"] && type.name.endsWith("Params")
      ? "Action"
      : type.name;
  const [decode, validate] = [functions[`decode${name}`], functions[`validate${name}`]];
  assert.ok(typeof decode === "function", `there is no decode${name}`);
  return {
    decode: (value) => decode(value),
    validate: (value) => (typeof validate === "function" ? validate(value) : undefined),
  };
}

const throughText = (value: unknown): unknown => JSON.parse(stringifyJson(value));

function refusal(type: NamedType, value: Json): { pointer: string; keyword?: string } | undefined {
  const { decode, validate } = codec(type);
  try {
    const violation = validate(decode(value));
    return isViolation(violation) ? violation : undefined;
  } catch (error) {
    if (error instanceof DecodeError) return { pointer: error.pointer };
    throw error;
  }
}

const isViolation = (value: unknown): value is Violation => typeof value === "object" && value !== null;

const types = namedTypes();

test("there are examples of actions, replies, events, types and codes", () => {
  for (const name of ["SendMessageParams", "GetSessionReply", "ErrorEvent", "Citation", "ErrorCode"]) {
    assert.ok(
      types.some((type) => type.name === name),
      name,
    );
  }
});

for (const type of types) {
  test(`${type.name}: every example decodes, is valid and comes back equal`, () => {
    const { decode, validate } = codec(type);
    for (const example of type.examples) {
      const value = decode(parseJson(JSON.stringify(example)));
      assert.equal(validate(value), undefined);
      assert.deepEqual(throughText(value), example);
    }
  });

  test(`${type.name}: a property that nobody knows is dropped`, () => {
    const { decode } = codec(type);
    for (const example of type.examples.filter(isObject)) {
      assert.deepEqual(throughText(decode({ ...example, "x-unknown": [1] })), example);
    }
  });

  test(`${type.name}: every value with one fault is refused where the fault is`, () => {
    for (const example of type.examples) {
      for (const mutant of mutants(type, example)) {
        const refused = refusal(type, mutant.value);
        const shown = JSON.stringify(mutant).slice(0, 600);
        assert.equal(refused?.pointer, mutant.pointer, shown);
        if (refused?.keyword !== undefined) assert.equal(refused.keyword, mutant.keyword, shown);
      }
    }
  });
}

test("every example of an event is the same through the union, and its tag may stand anywhere", () => {
  for (const type of types.filter((type) => type.file.startsWith("events/"))) {
    for (const example of type.examples.filter(isObject)) {
      const { type: tag, ...rest } = example;
      if (tag !== type.file.slice("events/".length, -".json".length)) continue;
      assert.deepEqual(throughText(encodeEvent(decodeEvent({ ...rest, type: tag }))), example);
    }
  }
});

test("an unknown event is kept whole and written as it came", () => {
  const raw = { type: "budget_warning", timestamp: 1, data: { left: 0.5, list: [null, { a: [] }] } };
  const event = decodeEvent(raw);
  assert.deepEqual(event, { type: "$unknown", rawType: "budget_warning", raw });
  assert.deepEqual(encodeEvent(event), raw);
});

test("an unknown value of an open enum is kept; one of a closed enum is refused", () => {
  assert.equal(generated.decodeSessionStatus("paused"), "paused");
  assert.throws(() => generated.decodeImageDetail("sharp"), /must be one of "low", "high", "auto"/);
});

test("an action that is not known, has no name or is not an object is refused", () => {
  const pointer = (value: unknown): string => {
    try {
      decodeAction(value);
    } catch (error) {
      if (error instanceof DecodeError) return error.pointer;
    }
    return "accepted";
  };
  assert.equal(pointer({ action: "dance" }), "/action");
  assert.equal(pointer({}), "/action");
  assert.equal(pointer({ action: 1 }), "/action");
  assert.equal(pointer([]), "");
});

test("an empty list is not an absent one", () => {
  const session = { action: "create_conversation_session", supports: [] };
  assert.deepEqual(decodeAction(session), session);
  assert.equal("supports" in decodeAction({ action: "create_conversation_session" }), false);
});

test("text that is not JSON is a DecodeError with its cause", () => {
  assert.throws(
    () => parseJson("{"),
    (error) => error instanceof DecodeError && error.cause instanceof SyntaxError,
  );
});

test("whole numbers beyond 2^53 survive reading and writing", () => {
  const text =
    '{"a":9007199254740993,"s":"9007199254740993 \\" 12345678901234567890","n":[-9223372036854775808,0.5,1e20]}';
  const value = parseJson(text);
  assert.deepEqual(value, {
    a: 9007199254740993n,
    s: '9007199254740993 " 12345678901234567890',
    n: [-9223372036854775808n, 0.5, 1e20],
  });
  assert.equal(stringifyJson(value), text.replace("1e20", "100000000000000000000"));
});

test("a key that JavaScript gives a meaning of its own is only a key", () => {
  const text = '{"type":"new_event","__proto__":{"polluted":true},"constructor":1}';
  const event = decodeEvent(parseJson(text));
  assert.equal(stringifyJson(encodeEvent(event)), text);
  assert.equal("polluted" in event, false);
  assert.throws(() => decodeEvent(parseJson('{"__proto__":{"type":"pong"}}')), /type is required/);
});

test("error codes say status, whether to try again, and what to do", () => {
  assert.deepEqual(generated.errorInfo("RATE_LIMITED")?.status, 429);
  assert.equal(generated.errorInfo("RATE_LIMITED")?.retryable, true);
  assert.match(generated.errorInfo("VALIDATION_ERROR")?.hint ?? "", /field/);
  assert.equal(generated.errorInfo("toString"), undefined);
});
