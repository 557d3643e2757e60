"""The generated code on what the schemas are about: unions, unknown values, texts and numbers."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import unittest
from collections.abc import Callable
from typing import cast

import smooth_operator as so
from smooth_operator._generated import wire

from .schemas import named_types

TYPES = named_types()


def pointer(value: object, read: Callable[[object], object]) -> str:
    try:
        read(value)
    except so.DecodeError as error:
        return error.pointer
    return "accepted"


class Unions(unittest.TestCase):
    def test_there_are_examples_of_actions_replies_events_types_and_codes(self) -> None:
        names = {each.name for each in TYPES}
        wanted = {"SendMessageParams", "GetSessionReply", "ErrorEvent", "Citation", "ErrorCode"}
        self.assertLessEqual(wanted, names)

    def test_every_example_of_an_event_is_the_same_through_the_union_wherever_its_tag_stands(self) -> None:
        for each in TYPES:
            for example in each.examples:
                if each.name.endswith("Event") and isinstance(example, dict) and "type" in example:
                    rest = {key: value for key, value in example.items() if key != "type"}
                    event = so.decode_event({**rest, "type": example["type"]})
                    self.assertEqual(type(event).__name__, each.name)
                    self.assertTrue(wire.equal(so.encode_event(event), example), each.name)

    def test_an_unknown_event_is_kept_whole_and_written_as_it_came(self) -> None:
        raw: wire.JsonObject = {"type": "budget_warning", "timestamp": 1, "data": {"list": [None, {"a": []}]}}
        event = so.decode_event(raw)
        self.assertEqual(event, so.UnknownEvent(tag="budget_warning", raw=raw))
        self.assertEqual(so.encode_event(event), raw)

    def test_what_is_decoded_equals_what_is_constructed_and_is_as_frozen(self) -> None:
        read = so.TokenData.decode({"requestId": "r", "token": "t"})
        made = so.TokenData(request_id="r", token="t")
        self.assertEqual((read, hash(read), repr(read)), (made, hash(made), repr(made)))
        self.assertIs(type(read), so.TokenData)
        for field in dataclasses.fields(read):
            with self.assertRaises(dataclasses.FrozenInstanceError):
                setattr(read, field.name, "u")
        self.assertEqual(dataclasses.replace(read, token="u").token, "u")
        self.assertEqual(copy.deepcopy(pickle.loads(pickle.dumps(read))), made)

    def test_match_and_the_tag_tell_events_apart(self) -> None:
        event = so.decode_event({"type": "pong", "timestamp": 1, "data": {"timestamp": 2}})
        match event:
            case so.PongEvent(data=data):
                self.assertEqual(data.timestamp, 2)
            case _:
                self.fail("it is a pong")
        if event.type == "pong":
            self.assertEqual(event.data.timestamp, 2)

    def test_a_known_event_that_is_broken_is_an_error_at_its_place(self) -> None:
        self.assertEqual(pointer({"type": "pong", "timestamp": "now"}, so.decode_event), "/timestamp")

    def test_an_action_that_is_not_known_has_no_name_or_is_not_an_object_is_refused(self) -> None:
        self.assertEqual(pointer({"action": "dance"}, so.decode_action), "/action")
        self.assertEqual(pointer({}, so.decode_action), "/action")
        self.assertEqual(pointer({"action": 1}, so.decode_action), "/action")
        self.assertEqual(pointer([], so.decode_action), "")

    def test_an_unknown_value_of_an_open_enum_is_kept_and_one_of_a_closed_enum_is_refused(self) -> None:
        self.assertEqual(so.decode_session_status("paused"), "paused")
        with self.assertRaisesRegex(so.DecodeError, 'must be one of "low", "high", "auto"'):
            so.decode_image_detail("sharp")

    def test_an_empty_list_is_not_an_absent_one(self) -> None:
        empty = so.CreateConversationSessionParams(supports=[])
        self.assertEqual(empty.encode(), {"action": "create_conversation_session", "supports": []})
        absent = so.CreateConversationSessionParams()
        self.assertEqual(absent.encode(), {"action": "create_conversation_session"})
        self.assertNotEqual(so.decode_action(empty.encode()), so.decode_action(absent.encode()))

    def test_error_codes_say_status_whether_to_try_again_and_what_to_do(self) -> None:
        info = so.error_info("RATE_LIMITED")
        assert info is not None
        self.assertEqual((info.status, info.retryable), (429, True))
        self.assertNotEqual(info.hint, "")
        self.assertIsNone(so.error_info("__class__"))


class Texts(unittest.TestCase):
    def test_text_that_is_not_json_is_a_decode_error_with_its_cause(self) -> None:
        for text in ("{", "NaN", "[Infinity]", b"\xff", "", " ", "1 2", "{} {}", "\xa01", "\v1"):
            with self.subTest(text), self.assertRaises(so.DecodeError) as caught:
                wire.parse(text)
            self.assertIsInstance(caught.exception.__cause__, ValueError)

    def test_white_space_around_a_value_is_none_of_it(self) -> None:
        self.assertEqual(wire.parse(' \t\r\n{"a": [1, " "]}\n '), {"a": [1, " "]})

    def test_text_that_is_nested_too_deep_is_a_decode_error(self) -> None:
        deep = '{"type":"x","a":' + "[" * 100_000 + "]" * 100_000 + "}"
        with self.assertRaises(so.DecodeError):
            wire.decode_text(deep, so.decode_event)
        less = '{"type":"x","a":' + "[" * 900 + "]" * 900 + "}"
        self.assertIn(
            pointer(less, lambda text: wire.decode_text(cast(str, text), so.decode_event)), ("", "accepted")
        )

    def test_whole_numbers_beyond_2_to_the_53_survive_reading_and_writing(self) -> None:
        text = '{"a":9007199254740993,"n":[-9223372036854775808,0.5]}'
        self.assertEqual(wire.stringify(wire.json_value(wire.parse(text))), text)
        self.assertEqual(wire.int64(2**63 - 1), 2**63 - 1)
        for value in (2**63, True, 1.5, "1"):
            with self.assertRaises(so.DecodeError):
                wire.int64(value)
        self.assertEqual(wire.uint64(2**64 - 1), 2**64 - 1)

    def test_a_whole_number_is_one_however_it_is_written(self) -> None:
        for text, whole in (("2", 2), ("2.0", 2), ("1e2", 100), ("-0.0", 0), ("20e-1", 2)):
            for read in (wire.int32, wire.int64):
                found = wire.decode_text(text, read)
                self.assertEqual((found, type(found)), (whole, int))
        for text in ("1.5", "1e-1", "1e300", "2147483648.0", '"1"', "true"):
            with self.assertRaises(so.DecodeError):
                wire.decode_text(text, wire.int32)

    def test_a_number_that_is_not_finite_is_refused(self) -> None:
        for text in ("1e999", "-1e999", "1" + "0" * 400):
            with self.assertRaises(so.DecodeError):
                wire.decode_text(text, wire.number)

    def test_half_of_a_surrogate_pair_comes_back_as_it_came(self) -> None:
        text = '"\\ud83d"'
        self.assertEqual(wire.stringify(wire.json_value(wire.parse(text))), text)
        self.assertEqual(wire.stringify("é日"), '"é日"')

    def test_one_equals_one_point_nought_but_not_true(self) -> None:
        self.assertTrue(wire.equal({"a": [1]}, {"a": [1.0]}))
        self.assertFalse(wire.equal([1], [True]))
        self.assertIsNotNone(wire.unique_items([{"a": 1}, {"a": 1.0}]))
        self.assertIsNone(wire.unique_items([1, True, "1", None, 0, False]))


if __name__ == "__main__":
    unittest.main()
