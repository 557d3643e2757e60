// The output for a schema that uses every shape and tries to break out of names, strings and comments.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  DecodeError,
  decodeBag,
  decodeForest,
  decodeForestMap,
  decodeInherited,
  decodeOpenShape,
  decodeShape,
  decodeStrict,
  decodeTree,
  encodeBag,
  encodeInherited,
  encodeOpenShape,
  encodeTree,
  Openness,
  parseJson,
  stringifyJson,
  validateBag,
  validateInherited,
  validateSku,
  validateTree,
} from "./hostile/generated/index.js";
import type { Tree } from "./hostile/generated/index.js";

const least = '{"children":[],"__proto__":"p","constructor":-9223372036854775808,"a b":null}';

const read = (more: string): Tree => decodeTree(parseJson(`${least.slice(0, -1)}${more}}`));

function pointer(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof DecodeError) return error.pointer;
    throw error;
  }
  return "accepted";
}

test("every shape is read, is valid and written as it was", () => {
  const full = `${least.slice(0, -1)},${[
    `"next":${least}`,
    '"prototype":18446744073709551615',
    '"it\'s \\"q\\"":1.5',
    `"é日本":{"__proto__":${least}}`,
    '"matrix":[[0,1],[]]',
    '"pair":["abc",-1,{"kind":"circle","r":0}]',
    '"when":"2026-01-01T09:00:00.250+05:30"',
    '"open":"new"',
    '"closed":"y\'"',
    '"any":null',
    '"obj":{"a":[1,{"b":null}]}',
    '"shapes":[{"kind":"triangle","sides":[3,4,5]},{"kind":"circle","r":1}]',
    '"shapemap":{"x":{"kind":"hexagon"}}',
    '"sku":"AB/12"',
    '"mixed":{"k":[true]}',
    '"lvl":2',
    '"nums":0.07',
    '"orNull":null',
    '"types":7',
  ].join(",")}}`;
  const value = decodeTree(parseJson(full));
  assert.equal(validateTree(value), undefined);
  assert.deepEqual(parseJson(stringifyJson(encodeTree(value))), parseJson(full));
  assert.equal(value.constructor, -(2n ** 63n));
  assert.equal(value.when, "2026-01-01T09:00:00.250+05:30");
});

test("absent, null and empty are three things", () => {
  assert.equal('it\'s "q"' in read(""), false);
  assert.equal(read(',"it\'s \\"q\\"":null')['it\'s "q"'], null);
  assert.deepEqual(read(',"matrix":[]').matrix, []);
  assert.equal(
    pointer(() => read(',"next":null')),
    "/next",
  );
});

test("a default is documentation: reading does not fill it in", () => {
  assert.equal("default" in read(""), false);
});

test("a fault is told by its place", () => {
  const faults: [string, string][] = [
    [',"children":[{}]', "/children/0/children"],
    [',"constructor":9223372036854775808', "/constructor"],
    [',"prototype":-1', "/prototype"],
    [',"matrix":[[0],[1,"x"]]', "/matrix/1/1"],
    [',"pair":["a",1]', "/pair"],
    [',"pair":["a",1.5,{"kind":"circle","r":0}]', "/pair/1"],
    [',"shape":{"kind":"triangle"}', "/shape/kind"],
    [',"shape":{"r":1}', "/shape/kind"],
    [',"closed":"z"', "/closed"],
    [',"é日本":{"a/b~c":{}}', "/é日本/a~1b~0c/children"],
  ];
  for (const [more, at] of faults)
    assert.equal(
      pointer(() => read(more)),
      at,
      more,
    );
});

test("the first constraint that is broken is told", () => {
  const broken: [string, string, string][] = [
    [`,"children":[${least},${least}]`, "/children", "uniqueItems"],
    [',"__proto__":""', "/__proto__", "minLength"],
    [',"prototype":4', "/prototype", "multipleOf"],
    [',"a b":"x"', "/a b", "pattern"],
    [',"it\'s \\"q\\"":0.5', '/it\'s "q"', "exclusiveMinimum"],
    [',"é日本":{}', "/é日本", "minProperties"],
    [',"matrix":[[],[],[],[]]', "/matrix", "maxItems"],
    [',"matrix":[[0.5],[2]]', "/matrix/1/0", "maximum"],
    [',"pair":["abcd",1,{"kind":"circle","r":0}]', "/pair/0", "maxLength"],
    [',"shapes":[{"kind":"circle","r":-1}]', "/shapes/0/r", "minimum"],
    [',"sku":"A"', "/sku", "minLength"],
    [',"mixed":2', "/mixed", "enum"],
    [',"lvl":4', "/lvl", "enum"],
    [',"nums":0.075', "/nums", "multipleOf"],
    [',"types":1.5', "/types", "type"],
  ];
  for (const [more, at, keyword] of broken) {
    const violation = validateTree(read(more));
    assert.deepEqual([violation?.pointer, violation?.keyword], [at, keyword], more);
  }
  assert.equal(
    validateSku("😀😀")?.keyword,
    "pattern",
    "two characters are long enough, whatever their UTF-16 length",
  );
});

test("further properties are refused, or kept and written back, as the schema says", () => {
  assert.equal(
    pointer(() => decodeStrict({ x: "a", y: 1 })),
    "/y",
  );
  const bag = { additional: "own", one: { kind: "cube" }, two: { kind: "circle", r: 2 } };
  const value = decodeBag(bag);
  assert.equal(value.additional, "own");
  assert.deepEqual(encodeBag(value), bag);
  assert.equal(validateBag(decodeBag({ bad: { kind: "circle", r: -2 } }))?.pointer, "/bad/r");
});

test("a closed union refuses what it does not know, an open one keeps it", () => {
  assert.throws(() => decodeShape({ kind: "cube" }), /unknown kind "cube"/);
  const cube = { kind: "cube", edge: 1 };
  assert.deepEqual(encodeOpenShape(decodeOpenShape(cube)), cube);
});

test("types that hold themselves are read at any sensible depth", () => {
  assert.deepEqual(decodeForest([[], [[]]]), [[], [[]]]);
  assert.deepEqual(decodeForestMap({ a: { b: {} } }), { a: { b: {} } });
});

test("text of the schema comes through as it is, and only as text", () => {
  const schema = readFileSync(new URL("./hostile/schema.json", import.meta.url), "utf8");
  const nasty = Object.values(Openness).find((value) => value.includes("</script>"));
  assert.ok(
    nasty !== undefined &&
      schema.includes(JSON.stringify(nasty).replace("\u2028", "\\u2028").replace("\u202e", "\\u202e")),
  );
});

const again = (text: string): string => stringifyJson(encodeInherited(decodeInherited(parseJson(text))));

test("a property is an object's own, though every object inherits one of that name", () => {
  const least = decodeInherited(parseJson('{"valueOf":1}'));
  assert.equal(validateInherited(least), undefined);
  assert.equal(again('{"valueOf":1}'), '{"valueOf":1}');
  const full = '{"valueOf":1,"constructor":"Ada","__proto__":"old","toString":{"valueOf":2,"more":3}}';
  assert.deepEqual(JSON.parse(again(full)), JSON.parse(full));
  for (const name of ["constructor", "__proto__"]) {
    const broken = validateInherited(decodeInherited(parseJson(`{"valueOf":1,"${name}":"far too long"}`)));
    assert.deepEqual([broken?.pointer, broken?.keyword], [`/${name}`, "maxLength"]);
    const wrong = parseJson(`{"valueOf":1,"toString":{"valueOf":1,"${name}":1}}`);
    assert.equal(
      pointer(() => decodeInherited(wrong)),
      `/toString/${name}`,
    );
  }
});

test("a whole number is one however it is written", () => {
  for (const [text, whole] of [
    ["2.0", "2"],
    ["1e2", "100"],
    ["20e-1", "2"],
  ] as const) {
    assert.equal(again(`{"valueOf":${text}}`), `{"valueOf":${whole}}`);
  }
  for (const text of ["1.5", "1e-1", "1e300", "2147483648.0", '"1"']) {
    assert.equal(
      pointer(() => again(`{"valueOf":${text}}`)),
      "/valueOf",
    );
  }
});
