package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryEventAndActionIsFoundByItsTag(t *testing.T) {
	examples(t, func(t *testing.T, from named, example any) {
		data := text(t, example)
		var back []byte
		var got any
		switch filepath.Base(filepath.Dir(from.file)) + "/" + from.name {
		case "events/" + typeName(from.file):
			event, err := UnmarshalEvent(data)
			if err != nil {
				t.Fatal(err)
			}
			back, got = text(t, event), event
		case "actions/" + typeName(from.file):
			action, err := UnmarshalAction(data)
			if err != nil {
				t.Fatal(err)
			}
			back, got = text(t, action), action
		default:
			return
		}
		kind := strings.TrimPrefix(fmt.Sprintf("%T", got), "*protocol.")
		if !strings.EqualFold(kind, from.name) {
			t.Errorf("got a %s, want a %s", kind, from.name)
		}
		if canonical(back) != canonical(data) {
			t.Errorf("got  %s\nwant %s", back, data)
		}
	})
}

func TestWhatIsUnknownIsKept(t *testing.T) {
	t.Run("event", func(t *testing.T) {
		const frame = `{"timestamp":7,"deep":[{"n":12345678901234567890}],"requestId":"r","type":"brand_new"}`
		event, err := UnmarshalEvent([]byte(frame))
		if err != nil {
			t.Fatal(err)
		}
		unknown, ok := event.(*UnknownEvent)
		if !ok || unknown.Tag != "brand_new" || unknown.GetRequestID() != "r" || unknown.GetTimestamp() != 7 {
			t.Errorf("got %#v", event)
		}
		if back := text(t, event); string(back) != frame {
			t.Errorf("got  %s\nwant %s", back, frame)
		}
	})
	t.Run("enum value", func(t *testing.T) {
		const frame = `{"type":"error","timestamp":1,"error":{"code":"NEW_CODE","message":"m"},"data":{"error":{"code":"NEW_CODE","message":"m"}}}`
		event, err := UnmarshalEvent([]byte(frame))
		if err != nil {
			t.Fatal(err)
		}
		code := event.(*ErrorEvent).Error.Code
		if code != "NEW_CODE" || code.IsKnown() || code.Status() != 500 || code.Retryable() || code.Hint() != "" {
			t.Errorf("got %q", code)
		}
		if back := text(t, event); string(back) != frame {
			t.Errorf("got  %s\nwant %s", back, frame)
		}
	})
	t.Run("property", func(t *testing.T) {
		event, err := UnmarshalEvent([]byte(`{"type":"pong","timestamp":1,"data":{"timestamp":2,"new":{"a":[1,"]"]}},"x":null}`))
		if err != nil {
			t.Fatal(err)
		}
		if back := string(text(t, event)); back != `{"type":"pong","timestamp":1,"data":{"timestamp":2}}` {
			t.Errorf("got %s", back)
		}
	})
	t.Run("action", func(t *testing.T) {
		_, err := UnmarshalAction([]byte(`{"action":"brand_new"}`))
		var wrong *DecodeError
		if !errors.As(err, &wrong) || wrong.Pointer != "/action" || wrong.Tag != "brand_new" {
			t.Errorf("got %#v", err)
		}
	})
}

func TestKeysCountExactly(t *testing.T) {
	_, err := UnmarshalEvent([]byte(`{"type":"pong","Timestamp":1,"data":{"timestamp":2}}`))
	var wrong *DecodeError
	if !errors.As(err, &wrong) || wrong.Pointer != "/timestamp" || wrong.Tag != "pong" {
		t.Errorf("got %v", err)
	}
	event, err := UnmarshalEvent([]byte(`{"\u0074ype":"pong","timestamp":1,"data":{"timestamp":2}}`))
	if _, ok := event.(*PongEvent); !ok {
		t.Errorf("an escaped key: %v", err)
	}
}

func TestAbsentIsNotEmpty(t *testing.T) {
	for _, params := range []string{
		`{"action":"send_message","sessionId":"s","message":"m"}`,
		`{"action":"send_message","sessionId":"s","message":"m","images":[],"files":[]}`,
		`{"action":"create_conversation_session"}`,
		`{"action":"create_conversation_session","userName":"","metadata":{},"supports":[]}`,
	} {
		action, err := UnmarshalAction([]byte(params))
		if err != nil {
			t.Fatal(err)
		}
		if back := text(t, action); string(back) != params {
			t.Errorf("got  %s\nwant %s", back, params)
		}
	}
	if back := string(text(t, ListConversationsReply{})); back != `{"conversations":[]}` {
		t.Errorf("a required list that is nil: %s", back)
	}
	if back := string(text(t, GetConversationMessagesReply{})); back != `{"messages":[],"nextCursor":null,"hasMore":false}` {
		t.Errorf("a required value that may be null: %s", back)
	}
}

func TestTextAndNumbersKeepTheirDigits(t *testing.T) {
	const message = `{"id":"71d3b8f5-4a6c-4e09-b7f2-2c80e5a9d613","direction":"inbound","content":{"items":[],"structuredResponse":{"n":1.10,"b":123456789012345678901234567890}},"metadataJson":{"big":9007199254740993,"small":1e-400},"createdAt":"2026-01-01T09:00:00.250+05:30"}`
	var value Message
	if err := json.Unmarshal([]byte(message), &value); err != nil {
		t.Fatal(err)
	}
	if value.CreatedAt != "2026-01-01T09:00:00.250+05:30" {
		t.Errorf("got %s", value.CreatedAt)
	}
	back := text(t, value)
	for _, kept := range []string{"9007199254740993", "1e-400", "1.10", "123456789012345678901234567890"} {
		if !bytes.Contains(back, []byte(kept)) {
			t.Errorf("%s is lost in %s", kept, back)
		}
	}
	event, err := UnmarshalEvent([]byte(`{"type":"pong","timestamp":9007199254740991,"data":{"timestamp":1.0}}`))
	if err != nil || event.GetTimestamp() != 9007199254740991 || event.(*PongEvent).Data.Timestamp != 1 {
		t.Errorf("got %v, %v", event, err)
	}
}

func TestAWholeNumberIsOneHoweverItIsWritten(t *testing.T) {
	frame := func(number string) []byte {
		data := `{"requestId":"r","data":{"message":"m","attemptsRemaining":` + number + `}}`
		return []byte(`{"type":"otp_invalid","timestamp":` + number + `,"data":` + data + `}`)
	}
	for written, whole := range map[string]uint32{"2": 2, "2.0": 2, "1e2": 100, "0.0": 0, "20e-1": 2} {
		event, err := UnmarshalEvent(frame(written))
		if err != nil {
			t.Errorf("%s is refused: %v", written, err)
			continue
		}
		found := event.(*OTPInvalidEvent)
		if found.Data.Data.AttemptsRemaining != whole || found.Timestamp != int64(whole) {
			t.Errorf("%s is read as %d", written, found.Data.Data.AttemptsRemaining)
		}
	}
	for _, written := range []string{"1.5", "1e-1", "1e300", `"1"`} {
		var wrong *DecodeError
		if _, err := UnmarshalEvent(frame(written)); !errors.As(err, &wrong) || wrong.Pointer != "/timestamp" {
			t.Errorf("%s gives %v", written, err)
		}
	}
	event, err := UnmarshalEvent([]byte(`{"type":"pong","timestamp":1e17,"data":{"timestamp":0}}`))
	if err != nil || event.GetTimestamp() != 1e17 {
		t.Errorf("a number beyond 2^53: %v, %v", event, err)
	}
}

func TestStringsComeBackAsTheyWere(t *testing.T) {
	for _, message := range []string{"", "a\"b\\c/\b\f\n\r\t\x00\x1f\x7f", "é 日 😀 \u2028 \u202e <&>", strings.Repeat("x", 1<<16)} {
		frame := text(t, map[string]any{"action": "send_message", "sessionId": "s", "message": message})
		action, err := UnmarshalAction(frame)
		if err != nil {
			t.Fatal(err)
		}
		again, err := UnmarshalAction(text(t, action))
		if err != nil || again.(*SendMessageParams).Message != message {
			t.Errorf("%q came back as %v (%v)", message, again, err)
		}
	}
	back, err := SendMessageParams{Message: "a\xffb"}.MarshalJSON()
	if err != nil || !json.Valid(back) || !bytes.Contains(back, []byte("a\ufffdb")) {
		t.Errorf("text that is not UTF-8: %q, %v", back, err)
	}
}

func TestWhatIsNotJSONIsRefused(t *testing.T) {
	for _, frame := range []string{"", "{", "nope", `{"type":"pong"} x`, `[]`, `"pong"`, `null`, `{"type":7}`, `{}`, strings.Repeat("[", 100_000)} {
		event, err := UnmarshalEvent([]byte(frame))
		var wrong *DecodeError
		if !errors.As(err, &wrong) || event != nil {
			t.Errorf("%.20s: got %v, %v", frame, event, err)
		}
	}
}

func TestWritingRefusesWhatJSONCannotSay(t *testing.T) {
	nan := 0.0
	nan /= nan
	if _, err := json.Marshal(Citation{Score: nan}); err == nil {
		t.Error("NaN was written")
	}
	if _, err := json.Marshal(ConversationMessageContent{StructuredResponse: json.RawMessage("{")}); err == nil {
		t.Error("half an object was written")
	}
}

func FuzzUnmarshalEvent(f *testing.F) {
	for _, from := range schemas(f) {
		list, _ := from.schema["examples"].([]any)
		for _, example := range list {
			f.Add(text(f, example))
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		event, err := UnmarshalEvent(frame)
		if err != nil {
			return
		}
		back, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		again, err := UnmarshalEvent(back)
		if err != nil {
			t.Fatalf("%s: %v", back, err)
		}
		if second := text(t, again); !bytes.Equal(back, second) {
			t.Errorf("%s became %s", back, second)
		}
	})
}
