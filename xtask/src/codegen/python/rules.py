"""Checks JSON by rules: a schema that no type expresses, put into a form that is easy to walk.
A rule is `True`, `False` or a list of checks, each a list that begins with a keyword of JSON Schema."""

from __future__ import annotations

import json
import math
import re
from typing import Final

from . import wire

_TEXT: Final = "[]"
TABLE: Final[list[wire.Json]] = json.loads(_TEXT)
"""All rules. One that refers to another names its place here."""


def rule(place: int) -> wire.Check[wire.Json]:
    """Checks a value by the rule at a place of the table."""

    def check(value: wire.Json) -> wire.Violation | None:
        wanted, seen = TABLE[place], set[str]()
        if wanted is False:
            return _broken("not")
        for one in _list(wanted):
            if not _passes(_list(one), value, seen):
                return _broken(_text(_list(one)[0]))
        return None

    return check


def _broken(keyword: str) -> wire.Violation:
    return wire.Violation("", keyword, f"must be valid by `{keyword}` of its schema")


def _list(value: wire.Json) -> list[wire.Json]:
    return value if isinstance(value, list) else []


def _map(value: wire.Json) -> dict[str, wire.Json]:
    return value if isinstance(value, dict) else {}


def _text(value: wire.Json) -> str:
    return value if isinstance(value, str) else ""


def _number(value: wire.Json) -> float:
    return value if isinstance(value, int | float) else 0


def _holds(wanted: wire.Json, value: wire.Json, seen: set[str]) -> bool:
    return wanted is not False and all(_passes(_list(one), value, seen) for one in _list(wanted))


def _also(wanted: wire.Json, value: wire.Json, seen: set[str]) -> bool:
    """Whether a rule for the same value holds; only then counts what it has seen."""
    own = set[str]()
    fits = _holds(wanted, value, own)
    if fits:
        seen |= own
    return fits


def _inside(wanted: wire.Json, part: wire.Json) -> bool:
    """Whether a rule holds for a part of the value."""
    return _holds(wanted, part, set[str]())


def _passes(check: list[wire.Json], value: wire.Json, seen: set[str]) -> bool:
    keyword, args = check[0], check[1:]
    match keyword:
        case "ref":
            return _also(TABLE[int(_number(args[0]))], value, seen)
        case "type":
            return wire.json_type(*map(_text, args))(value) is None
        case "enum":
            return wire.allowed(*args)(value) is None
        case "allOf":
            return sum(_also(one, value, seen) for one in args) == len(args)
        case "anyOf":
            return sum(_also(one, value, seen) for one in args) > 0
        case "oneOf":
            return sum(_also(one, value, seen) for one in args) == 1
        case "not":
            return not _inside(args[0], value)
        case "if":
            return _also(args[1] if _also(args[0], value, seen) else args[2], value, seen)
        case _:
            pass
    if isinstance(value, bool) or value is None:
        return True
    if isinstance(value, str):
        return _text_passes(keyword, args, value)
    if isinstance(value, list):
        return _list_passes(keyword, args, value, seen)
    if isinstance(value, dict):
        return _map_passes(keyword, args, value, seen)
    return _number_passes(keyword, args, value)


def _number_passes(keyword: wire.Json, args: list[wire.Json], value: float) -> bool:
    match keyword:
        case "minimum":
            return value >= _number(args[0])
        case "maximum":
            return value <= _number(args[0])
        case "exclusiveMinimum":
            return value > _number(args[0])
        case "exclusiveMaximum":
            return value < _number(args[0])
        case "multipleOf":
            times = value / _number(args[0])
            return math.isfinite(times) and abs(times - round(times)) <= 1e-9 * max(abs(times), 1.0)
        case _:
            return True


def _text_passes(keyword: wire.Json, args: list[wire.Json], value: str) -> bool:
    match keyword:
        case "minLength":
            return _fits(len(value), args[0], None)
        case "maxLength":
            return _fits(len(value), None, args[0])
        case "pattern":
            return re.search(_text(args[0]), value) is not None
        case _:
            return True


def _list_passes(keyword: wire.Json, args: list[wire.Json], items: list[wire.Json], seen: set[str]) -> bool:
    match keyword:
        case "minItems":
            return _fits(len(items), args[0], None)
        case "maxItems":
            return _fits(len(items), None, args[0])
        case "uniqueItems":
            return wire.unique_items(items) is None
        case "prefixItems":
            seen |= {str(place) for place in range(min(len(args), len(items)))}
            return all(_inside(one, item) for one, item in zip(args, items, strict=False))
        case "items":
            start = int(_number(args[0]))
            seen |= {str(place) for place in range(start, len(items))}
            return all(_inside(args[1], item) for item in items[start:])
        case "contains":
            found = {str(place) for place, item in enumerate(items) if _inside(args[0], item)}
            seen |= found
            return _fits(len(found), args[1], args[2])
        case "unevaluatedItems":
            rest = [place for place in range(len(items)) if str(place) not in seen]
            seen |= set(map(str, rest))
            return all(_inside(args[0], items[place]) for place in rest)
        case _:
            return True


def _map_passes(
    keyword: wire.Json, args: list[wire.Json], value: dict[str, wire.Json], seen: set[str]
) -> bool:
    def part(key: str, wanted: wire.Json) -> bool:
        seen.add(key)
        return _inside(wanted, value[key])

    match keyword:
        case "minProperties":
            return _fits(len(value), args[0], None)
        case "maxProperties":
            return _fits(len(value), None, args[0])
        case "required":
            return all(name in value for name in map(_text, args))
        case "properties":
            return all(part(key, one) for key, one in _map(args[0]).items() if key in value)
        case "patternProperties":
            rules = _map(args[0]).items()
            return all(part(key, one) for source, one in rules for key in value if re.search(source, key))
        case "additionalProperties":
            sources = list(map(_text, _list(args[1])))
            rest = [key for key in value if key not in _list(args[0])]
            rest = [key for key in rest if not any(re.search(source, key) for source in sources)]
            return all(part(key, args[2]) for key in rest)
        case "propertyNames":
            return all(_inside(args[0], key) for key in value)
        case "dependentRequired":
            wanted = (_list(names) for key, names in _map(args[0]).items() if key in value)
            return all(name in value for names in wanted for name in map(_text, names))
        case "dependentSchemas":
            return all(_also(one, value, seen) for key, one in _map(args[0]).items() if key in value)
        case "unevaluatedProperties":
            return all(part(key, args[0]) for key in value if key not in seen)
        case _:
            return True


def _fits(count: int, least: wire.Json, most: wire.Json) -> bool:
    return (least is None or count >= _number(least)) and (most is None or count <= _number(most))
