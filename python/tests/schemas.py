"""The schemas of spec/, read from disk, and what can be derived from them for tests: every named type with
its examples, and for each example every value that breaks exactly one thing."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from smooth_operator import Json, JsonObject

ROOT = Path(__file__).resolve().parents[2] / "spec"


@dataclass(frozen=True)
class Schema:
    """A schema with the file that it is in."""

    file: str
    at: JsonObject


@dataclass(frozen=True)
class NamedType:
    """A type that has examples."""

    name: str
    schema: Schema
    examples: list[Json]


@dataclass(frozen=True)
class Mutant:
    """A JSON value that a codec must refuse."""

    value: Json
    pointer: str
    """Where it is wrong."""
    keyword: str | None = None
    """The keyword that it breaks; absent when decoding refuses it already."""


_files: dict[str, JsonObject] = {}


def _load(file: str) -> JsonObject:
    if file not in _files:
        _files[file] = cast(JsonObject, json.loads((ROOT / file).read_text(encoding="utf-8")))
    return _files[file]


def _children(value: Json | None) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _pascal(stem: str) -> str:
    return "".join(word.capitalize() for word in stem.split("_"))


def named_types() -> list[NamedType]:
    """Every type of spec/ that has examples."""
    out: list[NamedType] = []

    def add(name: str, file: str, at: JsonObject) -> None:
        examples = at.get("examples")
        if isinstance(examples, list):
            out.append(NamedType(name, Schema(file, at), examples))

    names = {"errors.json": "ErrorCode"}
    for folder, suffix in (("actions", "Params"), ("events", "Event"), ("types", "")):
        for path in sorted((ROOT / folder).glob("*.json")):
            names[f"{folder}/{path.name}"] = _pascal(path.stem) + suffix
    for file, name in names.items():
        add(name, file, _load(file))
        for key, definition in _children(_load(file).get("$defs")).items():
            add(key, file, _children(definition))
    return out


def _resolve(schema: Schema) -> Schema:
    reference = schema.at.get("$ref")
    if not isinstance(reference, str):
        return schema
    path, _, pointer = reference.partition("#")
    file = posixpath.normpath(posixpath.join(posixpath.dirname(schema.file), path)) if path else schema.file
    found = _load(file)
    for key in pointer.split("/")[1:]:
        found = _children(found[key])
    return _resolve(Schema(file, found))


Put = Callable[[Json], Json]


def mutants(
    schema: Schema, value: Json, pointer: str = "", put: Put = lambda value: value
) -> Iterator[Mutant]:
    """Every one-fault copy of a value."""
    schema = _resolve(schema)
    at = schema.at
    for broken in _wrong_types(at):
        yield Mutant(put(broken), pointer)
    for keyword, broken in _broken_constraints(at, value):
        yield Mutant(put(broken), pointer, keyword)
    if isinstance(value, list) and isinstance(at.get("items"), dict):
        held = value
        for index, item in enumerate(held):
            items = Schema(schema.file, _children(at["items"]))

            def put_item(other: Json, index: int = index) -> Json:
                return put([*held[:index], other, *held[index + 1 :]])

            yield from mutants(items, item, f"{pointer}/{index}", put_item)
    if isinstance(value, dict) and isinstance(at.get("properties"), dict):
        yield from _property_mutants(schema, value, pointer, put)


def _property_mutants(schema: Schema, value: JsonObject, pointer: str, put: Put) -> Iterator[Mutant]:
    required = schema.at.get("required", [])
    for key in required if isinstance(required, list) else []:
        rest: JsonObject = {name: item for name, item in value.items() if name != key}
        yield Mutant(put(rest), f"{pointer}/{key}")
    for key, prop in _children(schema.at["properties"]).items():
        if key in value and isinstance(prop, dict) and "const" not in prop:

            def put_property(other: Json, key: str = key) -> Json:
                return put({**value, key: other})

            yield from mutants(Schema(schema.file, prop), value[key], f"{pointer}/{key}", put_property)


_WRONG: dict[str, list[Json]] = {
    "string": [1, True, {}],
    "integer": ["1", 1.5, False],
    "number": ["1", [], True],
    "boolean": ["true", 1],
    "array": [{}, "a"],
    "object": [[], "a"],
}


def _wrong_types(at: JsonObject) -> list[Json]:
    """Values that are not of the schema's type, null among them."""
    if "enum" in at:
        return ["no such value", 1, None]
    if "anyOf" in at:
        return [1, None]
    types = at.get("type")
    listed: list[Json] = types if isinstance(types, list) else [types]
    null: list[Json] = [] if "null" in listed or listed == [None] else [None]
    return null + _WRONG.get(str(listed[0]), [])


def _broken_constraints(at: JsonObject, value: Json) -> Iterator[tuple[str, Json]]:
    """Values of the right type that break one constraint."""

    def bound(keyword: str, least: int = 0) -> Iterator[int]:
        found = at.get(keyword)
        if isinstance(found, int) and found >= least:
            yield found

    yield from (("minLength", "x" * (least - 1)) for least in bound("minLength", 1))
    yield from (("maxLength", "x" * (most + 1)) for most in bound("maxLength"))
    yield from (("minimum", least - 1) for least in bound("minimum"))
    yield from (("maximum", most + 1) for most in bound("maximum"))
    if isinstance(value, list):
        yield from (("minItems", list[Json](value[: least - 1])) for least in bound("minItems", 1))
        if value:
            yield from (("maxItems", [value[0]] * (most + 1)) for most in bound("maxItems"))
    if at.get("format") == "uuid":
        yield "format", "0a8f3c1e-5b7d-4e2a-9c46-7d1f20b3a98g"
    pattern = at.get("pattern")
    if isinstance(pattern, str):
        yield from [("pattern", text) for text in (" ", "%", "ftp:x") if not re.search(pattern, text)][:1]
