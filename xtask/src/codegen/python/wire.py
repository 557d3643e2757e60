"""Support for the generated types: JSON texts, readers, writers and checks of values."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, ParamSpec, Protocol, TypeAlias, TypeGuard, TypeVar, Union, cast

P = ParamSpec("P")
T = TypeVar("T")
Word = TypeVar("Word", bound=str)

Json: TypeAlias = Union["dict[str, Json]", "list[Json]", str, int, float, bool, None]
"""Any JSON value."""

JsonObject: TypeAlias = "dict[str, Json]"
"""A JSON object of any content."""

Reader: TypeAlias = Callable[[object], T]
"""Makes a value of parsed JSON, or raises a `DecodeError`."""

ObjectReader: TypeAlias = Callable[["dict[str, object]"], T]
"""Makes a value of an object whose tag is known, or raises a `DecodeError`."""


class Unset:
    """Stands for a property that is absent where `None` would mean null. There is one value, `UNSET`."""

    __slots__ = ()

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()
"""The property is absent."""


@dataclasses.dataclass(frozen=True, slots=True)
class Violation:
    """A value that does not keep a constraint of the schema."""

    pointer: str
    """The JSON pointer of the value; empty for the whole."""
    keyword: str
    """The keyword of JSON Schema that it breaks, such as `maxLength`."""
    message: str
    """What the value must be, such as "must be at most 100"."""

    def __str__(self) -> str:
        return f"{self.pointer or 'the value'} {self.message}"


Check: TypeAlias = Callable[[T], Violation | None]
"""Finds the first violation in a value."""


class DecodeError(ValueError):
    """Text that is not JSON, or JSON of another shape than the protocol has."""

    def __init__(self, problem: str, pointer: str = "") -> None:
        super().__init__(f"{pointer or 'the value'} {problem}")
        self.problem: Final = problem
        """What the value must be, such as "must be a string"."""
        self.pointer: Final = pointer
        """Where the value is, as a JSON pointer; empty for the whole."""


def below(key: str | int, pointer: str = "") -> str:
    """The pointer of a value that stands under one more key or index."""
    return f"/{str(key).replace('~', '~0').replace('/', '~1')}{pointer}"


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)


def parse(text: str | bytes) -> object:
    """The value of a JSON text."""
    try:
        whole = text if isinstance(text, str) else text.decode(json.detect_encoding(text), "surrogatepass")
        # What `JSONDecoder.decode` does by regular expressions.
        whole = whole.strip(" \t\n\r")
        value: object
        value, end = _decoder.raw_decode(whole)
        if end != len(whole):
            raise json.JSONDecodeError("Extra data", whole, end)
    except ValueError as error:
        raise DecodeError("is not JSON") from error
    except RecursionError as error:
        raise DecodeError("is nested too deep") from error
    return value


def decode_text(text: str | bytes, read: Reader[T]) -> T:
    """Reads a value from a JSON text."""
    value = parse(text)
    try:
        return read(value)
    except RecursionError as error:
        raise DecodeError("is nested too deep") from error


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def stringify(value: Json) -> str:
    """The JSON text of a value, without white space."""
    text = _encoder.encode(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair has no UTF-8; escaped it travels as it came.
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text


# Readers.


def maker(made: Callable[P, T]) -> Callable[P, T]:
    """The constructor of a frozen and slotted dataclass, which must be given every field, as a function that costs
    half: a class that is called packs its keywords into a dictionary, and a frozen one looks up every slot.
    """
    members = vars(made)
    names: Iterable[str] = members["__slots__"]
    scope: dict[str, object] = {f"_set_{name}": members[name].__set__ for name in names}
    scope.update(_new=object.__new__, _made=made)
    lines = [f"    _set_{name}(_value, {name})" for name in names]
    head = [f"def make(*, {', '.join(names)}):", "    _value = _new(_made)"]
    exec("\n".join([*head, *lines, "    return _value"]), scope)
    return cast("Callable[P, T]", scope["make"])


def read(value: object, reader: Reader[T]) -> T:
    return reader(value)


def _is_object(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)


def _deeper(key: str | int, error: DecodeError) -> DecodeError:
    """The same error, seen from one level above."""
    seen = DecodeError(error.problem, below(key, error.pointer))
    seen.__cause__ = error.__cause__
    return seen


def _under(key: str | int, value: object, read: Reader[T]) -> T:
    try:
        return read(value)
    except DecodeError as error:
        raise _deeper(key, error) from error.__cause__


def read_object(value: object) -> dict[str, object]:
    if isinstance(value, dict):
        return cast("dict[str, object]", value)
    raise DecodeError("must be an object")


def string(value: object) -> str:
    if isinstance(value, str):
        return value
    raise DecodeError("must be a string")


def boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise DecodeError("must be true or false")


def number(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            read = float(value)
        except OverflowError:
            read = math.inf
        if math.isfinite(read):
            return read
    raise DecodeError("must be a number")


def _whole(value: object, least: int, most: int, kind: str) -> int:
    if type(value) is int and least <= value <= most:
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise DecodeError(f"must be a whole number{kind}")


def int32(value: object) -> int:
    return _whole(value, -(2**31), 2**31 - 1, " of 32 bits")


def uint32(value: object) -> int:
    return _whole(value, 0, 2**32 - 1, " of 32 bits, not negative")


def int64(value: object) -> int:
    return _whole(value, -(2**63), 2**63 - 1, " of 64 bits")


def uint64(value: object) -> int:
    return _whole(value, 0, 2**64 - 1, " of 64 bits, not negative")


def json_value(value: object) -> Json:
    if value is None or isinstance(value, bool | str | int | float):
        return value
    if _is_list(value):
        return [json_value(item) for item in value]
    return json_object(value)


def json_object(value: object) -> JsonObject:
    return {key: json_value(item) for key, item in read_object(value).items()}


def nullable(read: Reader[T]) -> Reader[T | None]:
    return lambda value: None if value is None else read(value)


def read_list(read: Reader[T]) -> Reader[list[T]]:
    def reader(value: object) -> list[T]:
        if not _is_list(value):
            raise DecodeError("must be an array")
        return [_under(index, item, read) for index, item in enumerate(value)]

    return reader


def read_map(read: Reader[T]) -> Reader[dict[str, T]]:
    return lambda value: {key: _under(key, item, read) for key, item in read_object(value).items()}


def place(value: object, count: int, index: int, read: Reader[T]) -> T:
    """The item at `index` of an array that must have `count` items."""
    if not _is_list(value) or len(value) != count:
        raise DecodeError(f"must be an array of {count} items")
    return _under(index, value[index], read)


def nothing(value: object) -> tuple[()]:
    """An array that must have no items."""
    if not _is_list(value) or value:
        raise DecodeError("must be an array of 0 items")
    return ()


def one_of(value: object, *known: Word) -> Word:
    for word in known:
        if word == value:
            return word
    raise DecodeError(f"must be {_listed(known)}")


def read_tag(value: object, key: str) -> tuple[str, dict[str, object]]:
    """The word that tells which member of a union an object is, and the object."""
    source = cast("dict[str, object]", value) if isinstance(value, dict) else read_object(value)
    word = source.get(key)
    return word if isinstance(word, str) else required(source, key, string), source


def read_tagged(value: object, key: str, expected: str) -> dict[str, object]:
    """An object whose property `key` is the expected word."""
    source = cast("dict[str, object]", value) if isinstance(value, dict) else read_object(value)
    if source.get(key) != expected:
        required_string(source, key)
        raise DecodeError(f'must be "{expected}"', below(key))
    return source


def unknown_tag(key: str, value: str) -> DecodeError:
    return DecodeError(f"is the unknown {key} {stringify(value)}", below(key))


def required(source: Mapping[str, object], key: str, read: Reader[T]) -> T:
    """The property `key`, which must be there."""
    if key not in source:
        raise DecodeError("is required", below(key))
    # As in `_under`: of what is read of a message most goes this way.
    try:
        return read(source[key])
    except DecodeError as error:
        raise _deeper(key, error) from error.__cause__


def required_string(source: Mapping[str, object], key: str) -> str:
    """The text `key`, which must be there: most properties are texts, and most are there."""
    value = source.get(key)
    return value if isinstance(value, str) else required(source, key, string)


def required_int64(source: Mapping[str, object], key: str) -> int:
    """The whole number of 64 bits `key`, which must be there: every event has one."""
    value = source.get(key)
    if type(value) is int and -(2**63) <= value <= 2**63 - 1:
        return value
    return required(source, key, int64)


def optional_string(source: Mapping[str, object], key: str) -> str | None:
    """The text `key`, or `None` where it is absent."""
    value = source.get(key)
    return value if isinstance(value, str) else optional(source, key, string)


def optional(source: Mapping[str, object], key: str, read: Reader[T]) -> T | None:
    """The property `key`, or `None` where it is absent."""
    if key not in source:
        return None
    try:
        return read(source[key])
    except DecodeError as error:
        raise _deeper(key, error) from error.__cause__


def unless_absent(source: Mapping[str, object], key: str, read: Reader[T]) -> T | Unset:
    """The property `key`, or `UNSET` where it is absent."""
    return _under(key, source[key], read) if key in source else UNSET


def others(source: Mapping[str, object], read: Reader[T], *known: str) -> dict[str, T]:
    """The properties that are not among `known`."""
    return {key: _under(key, item, read) for key, item in source.items() if key not in known}


def only(source: Mapping[str, object], *known: str) -> None:
    """Refuses properties that are not among `known`."""
    for key in source:
        if key not in known:
            raise DecodeError("is not a property of this object", below(key))


# Writers.

Writer: TypeAlias = Callable[[T], Json]


def write(value: T, writer: Writer[T]) -> Json:
    return writer(value)


class _Encodes(Protocol):
    def encode(self) -> JsonObject: ...


class _Validates(Protocol):
    def validate(self) -> Violation | None: ...


def same(value: Json) -> Json:
    return value


def encoded(value: _Encodes) -> Json:
    return value.encode()


def unless_none(write: Writer[T]) -> Writer[T | None]:
    return lambda value: None if value is None else write(value)


def write_list(write: Writer[T]) -> Callable[[Iterable[T]], list[Json]]:
    return lambda values: [write(value) for value in values]


def write_map(write: Writer[T]) -> Callable[[Mapping[str, T]], JsonObject]:
    return lambda values: {key: write(value) for key, value in values.items()}


# Checks.


def inside(key: str | int, broken: Violation | None) -> Violation | None:
    return broken and dataclasses.replace(broken, pointer=below(key, broken.pointer))


def at(key: str | int, value: T, *checks: Check[T]) -> Violation | None:
    """The first violation in the value under `key`."""
    for check in checks:
        if broken := check(value):
            return inside(key, broken)
    return None


def unless_null(*checks: Check[T]) -> Check[T | None]:
    def check(value: T | None) -> Violation | None:
        return None if value is None else first(value, *checks)

    return check


def first(value: T, *checks: Check[T]) -> Violation | None:
    """The first violation that any of the checks finds."""
    for check in checks:
        if broken := check(value):
            return broken
    return None


def validated(value: _Validates) -> Violation | None:
    return value.validate()


def each(*checks: Check[T]) -> Check[Sequence[T]]:
    def check(values: Sequence[T]) -> Violation | None:
        for index, value in enumerate(values):
            if broken := at(index, value, *checks):
                return broken
        return None

    return check


def each_value(*checks: Check[T]) -> Check[Mapping[str, T]]:
    """Entries are looked at in the order of their keys, as in every language."""

    def check(values: Mapping[str, T]) -> Violation | None:
        for key in sorted(values):
            if broken := at(key, values[key], *checks):
                return broken
        return None

    return check


def _unless(holds: bool, keyword: str, message: str) -> Violation | None:
    return None if holds else Violation("", keyword, message)


def _count(bound: int, one: str, many: str) -> str:
    return f"{bound} {one if bound == 1 else many}"


def min_length(least: int) -> Check[str]:
    message = f"must have at least {_count(least, 'character', 'characters')}"
    return lambda value: _unless(len(value) >= least, "minLength", message)


def max_length(most: int) -> Check[str]:
    message = f"must have at most {_count(most, 'character', 'characters')}"
    return lambda value: _unless(len(value) <= most, "maxLength", message)


def min_items(least: int) -> Check[Sequence[object]]:
    message = f"must have at least {_count(least, 'item', 'items')}"
    return lambda value: _unless(len(value) >= least, "minItems", message)


def max_items(most: int) -> Check[Sequence[object]]:
    message = f"must have at most {_count(most, 'item', 'items')}"
    return lambda value: _unless(len(value) <= most, "maxItems", message)


def min_properties(least: int) -> Check[Mapping[str, object]]:
    message = f"must have at least {_count(least, 'entry', 'entries')}"
    return lambda value: _unless(len(value) >= least, "minProperties", message)


def max_properties(most: int) -> Check[Mapping[str, object]]:
    message = f"must have at most {_count(most, 'entry', 'entries')}"
    return lambda value: _unless(len(value) <= most, "maxProperties", message)


def pattern(expression: str) -> Check[str]:
    message = f"must match {expression}"
    return lambda value: _unless(re.search(expression, value) is not None, "pattern", message)


_UUID: Final = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def uuid(value: str) -> Violation | None:
    return _unless(_UUID.fullmatch(value) is not None, "format", "must be a UUID")


def minimum(least: float) -> Check[float]:
    return lambda value: _unless(value >= least, "minimum", f"must be at least {least}")


def maximum(most: float) -> Check[float]:
    return lambda value: _unless(value <= most, "maximum", f"must be at most {most}")


def exclusive_minimum(limit: float) -> Check[float]:
    return lambda value: _unless(value > limit, "exclusiveMinimum", f"must be greater than {limit}")


def exclusive_maximum(limit: float) -> Check[float]:
    return lambda value: _unless(value < limit, "exclusiveMaximum", f"must be less than {limit}")


def multiple_of(step: float) -> Check[float]:
    """Exact for whole numbers, else within the precision of a double."""

    def holds(value: float) -> bool:
        if isinstance(value, int) and isinstance(step, int):
            return value % step == 0
        times = value / step
        return math.isfinite(times) and abs(times - round(times)) <= 1e-9 * max(abs(times), 1.0)

    return lambda value: _unless(holds(value), "multipleOf", f"must be a multiple of {step}")


def equal(one: object, other: object) -> bool:
    """Whether two JSON values are equal: `1` and `1.0` are, `1` and `true` are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if _is_list(one) and _is_list(other):
        return len(one) == len(other) and all(map(equal, one, other))
    if _is_object(one) and _is_object(other):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    return one == other


def unique_items(values: Sequence[object]) -> Violation | None:
    holds = not any(equal(one, other) for index, one in enumerate(values) for other in values[:index])
    return _unless(holds, "uniqueItems", "must have no two equal items")


def _listed(values: Sequence[Json]) -> str:
    words = ", ".join(map(stringify, values))
    return words if len(values) == 1 else f"one of {words}"


def allowed(*known: Json) -> Check[object]:
    def check(value: object) -> Violation | None:
        return _unless(any(equal(value, one) for one in known), "enum", f"must be {_listed(known)}")

    return check


_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
}


def json_type(*names: str) -> Check[object]:
    def has(value: object, name: str) -> bool:
        if isinstance(value, bool):
            return name == "boolean"
        whole = name == "integer" and isinstance(value, float) and value.is_integer()
        return whole or isinstance(value, _TYPES[name])

    message = f"must be of the type {' or '.join(names)}"
    return lambda value: _unless(any(has(value, name) for name in names), "type", message)
