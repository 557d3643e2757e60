// The codec process of TypeScript. `generated` and `registry` are what the bundler puts in their place.
// Each message is a length in four bytes, big-endian, and that much JSON.
import { readSync, writeSync } from "node:fs";
import * as generated from "generated";
import registry from "registry";

const LIMIT = 16 << 20;

type Call = (value: unknown) => unknown;

interface Codec {
  decode: Call;
  validate: Call;
  encode: Call;
}

const functions = generated as unknown as Record<string, Call | undefined>;
const codecs = new Map<string, Codec>();
for (const [known, name] of registry as [string, string][]) {
  const decode = functions[`decode${name}`];
  if (decode === undefined) throw new Error(`there is no decode${name}`);
  const same: Call = (value) => value;
  codecs.set(known, {
    decode,
    validate: functions[`validate${name}`] ?? (() => undefined),
    encode: functions[`encode${name}`] ?? same,
  });
}

function trip(codec: Codec, text: string): object {
  let value: unknown;
  try {
    value = codec.decode(generated.parseJson(text));
  } catch (error) {
    if (!(error instanceof generated.DecodeError)) throw error;
    return { refused: { phase: "decode", pointer: error.pointer, message: error.problem } };
  }
  const broken = codec.validate(value);
  if (broken !== undefined) return { refused: { phase: "validate", ...(broken as object) } };
  return { text: generated.stringifyJson(codec.encode(value)) };
}

/** That many bytes of standard input; nothing at its end. */
function take(length: number): Buffer | undefined {
  const into = Buffer.alloc(length);
  let at = 0;
  while (at < length) {
    const read = readSync(0, into, at, length - at, null);
    if (read === 0) return undefined;
    at += read;
  }
  return into;
}

function put(bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
}

for (let head = take(4); head !== undefined; head = take(4)) {
  const length = head.readUInt32BE();
  if (length > LIMIT) throw new Error("the message is too long");
  const body = take(length);
  if (body === undefined) throw new Error("the message is cut off");
  const asked = JSON.parse(body.toString("utf8")) as { id: number; type: string; instance: string };
  const codec = codecs.get(asked.type);
  const answer = codec === undefined ? {} : trip(codec, asked.instance);
  const said = Buffer.from(JSON.stringify({ id: asked.id, ...answer }), "utf8");
  const size = Buffer.alloc(4);
  size.writeUInt32BE(said.length);
  put(Buffer.concat([size, said]));
}
