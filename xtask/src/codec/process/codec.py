"""The codec process of Python: `python codec.py GENERATED_FOLDER REGISTRY`.
Each message is a length in four bytes, big-endian, and that much JSON."""

import importlib.util
import json
import struct
import sys
from pathlib import Path

LIMIT = 16 << 20


def load(folder):
    """The generated package, under a name of its own."""
    spec = importlib.util.spec_from_file_location(
        "generated", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    package = importlib.util.module_from_spec(spec)
    sys.modules["generated"] = package
    spec.loader.exec_module(package)
    return package, sys.modules["generated.wire"]


class Codec:
    """The functions of a type: methods of its class, or functions of the package."""

    def __init__(self, package, name, words):
        owner = getattr(package, name, None)
        own = isinstance(owner, type) and hasattr(owner, "__dataclass_fields__")

        def function(verb):
            return getattr(owner, verb) if own else getattr(package, f"{verb}_{words}", None)

        self.decode = function("decode")
        self.validate = function("validate") or (lambda value: None)
        self.encode = function("encode") or (lambda value: value)


def trip(codec, wire, text):
    try:
        value = wire.decode_text(text, codec.decode)
    except wire.DecodeError as error:
        return {"refused": {"phase": "decode", "pointer": error.pointer, "message": error.problem}}
    if broken := codec.validate(value):
        refused = {"pointer": broken.pointer, "keyword": broken.keyword, "message": broken.message}
        return {"refused": {"phase": "validate", **refused}}
    return {"text": wire.stringify(codec.encode(value))}


def main():
    package, wire = load(Path(sys.argv[1]))
    entries = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    codecs = {known: Codec(package, name, words) for known, name, words in entries}
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while len(head := source.read(4)) == 4:
        (length,) = struct.unpack(">I", head)
        if length > LIMIT:
            sys.exit("the message is too long")
        asked = json.loads(source.read(length))
        codec = codecs.get(asked["type"])
        answer = trip(codec, wire, asked["instance"]) if codec else {}
        said = json.dumps({"id": asked["id"], **answer}).encode()
        sink.write(struct.pack(">I", len(said)) + said)
        sink.flush()


main()
