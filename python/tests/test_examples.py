"""Every example of spec/ through the generated code, and every copy of one that breaks exactly one thing.
Nothing here knows what the schemas are about: the generator's own tests run it over another protocol.
"""

from __future__ import annotations

import dataclasses
import re
import unittest
from collections.abc import Callable
from typing import cast

import smooth_operator as so
from smooth_operator import Json, Violation
from smooth_operator._generated import wire

from .schemas import NamedType, mutants, named_types

TYPES = named_types()


class Codec:
    """The functions of a type, found by its name."""

    def __init__(self, name: str) -> None:
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        owner: object = getattr(so, name)

        def function(verb: str) -> object:
            # An alias of `str` has an `encode` too.
            method = getattr(owner, verb, None) if dataclasses.is_dataclass(owner) else None
            return getattr(so, f"{verb}_{words}", method)

        self.decode = cast(Callable[[object], object], function("decode"))
        self._encode = cast("Callable[[object], Json] | None", function("encode"))
        self._validate = cast("Callable[[object], Violation | None] | None", function("validate"))

    def encode(self, value: object) -> Json:
        return self._encode(value) if self._encode else cast(Json, value)

    def validate(self, value: object) -> Violation | None:
        return self._validate(value) if self._validate else None

    def refusal(self, value: Json) -> tuple[str, str | None] | None:
        try:
            violation = self.validate(self.decode(value))
        except so.DecodeError as error:
            return error.pointer, None
        return (violation.pointer, violation.keyword) if violation else None


class Examples(unittest.TestCase):
    def each(self) -> list[tuple[NamedType, Codec]]:
        return [(each, Codec(each.name)) for each in TYPES]

    def test_every_example_decodes_is_valid_and_comes_back_equal(self) -> None:
        for each, codec in self.each():
            for example in each.examples:
                with self.subTest(each.name, example=example):
                    value = wire.decode_text(wire.stringify(example), codec.decode)
                    self.assertIsNone(codec.validate(value))
                    again = wire.parse(wire.stringify(codec.encode(value)))
                    self.assertTrue(wire.equal(again, example), again)

    def test_a_property_that_nobody_knows_is_dropped_or_refused_as_the_schema_says(self) -> None:
        for each, codec in self.each():
            # Of a union, one that is not known keeps everything.
            for example in each.examples if "properties" in each.schema.at else []:
                if isinstance(example, dict):
                    more: Json = {**example, "x-unknown": [1]}
                    with self.subTest(each.name):
                        if each.schema.at.get("additionalProperties") is False:
                            self.assertEqual(codec.refusal(more), ("/x-unknown", None))
                        elif isinstance(each.schema.at.get("additionalProperties"), dict):
                            self.assertIsNotNone(codec.refusal(more))
                        else:
                            self.assertTrue(wire.equal(codec.encode(codec.decode(more)), example))

    def test_every_value_with_one_fault_is_refused_where_the_fault_is(self) -> None:
        count = 0
        for each, codec in self.each():
            for example in each.examples:
                for mutant in mutants(each.schema, example):
                    count += 1
                    with self.subTest(each.name, mutant=mutant):
                        refused = codec.refusal(mutant.value)
                        self.assertIsNotNone(refused)
                        where, keyword = refused or ("", None)
                        self.assertEqual(where, mutant.pointer)
                        if keyword is not None:
                            self.assertEqual(keyword, mutant.keyword)
        self.assertGreater(count, len(TYPES))
