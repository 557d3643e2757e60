package protocol

import (
	"encoding/json"
	"testing"
)

var tokenFrame = []byte(`{"type":"stream_token","requestId":"turn-7","timestamp":1767225600000,"token":"Returns are","data":{"requestId":"turn-7","token":"Returns are"}}`)

func BenchmarkUnmarshalEvent(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := UnmarshalEvent(tokenFrame); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPlainStruct is what encoding/json takes for the same frame, when the type is known beforehand.
func BenchmarkPlainStruct(b *testing.B) {
	type plain struct {
		Type      string  `json:"type"`
		RequestID *string `json:"requestId"`
		Timestamp int64   `json:"timestamp"`
		Token     string  `json:"token"`
		Data      struct {
			RequestID string `json:"requestId"`
			Token     string `json:"token"`
		} `json:"data"`
	}
	b.ReportAllocs()
	for b.Loop() {
		var event plain
		if err := json.Unmarshal(tokenFrame, &event); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMarshalAction(b *testing.B) {
	action := SendMessageParams{RequestID: Ptr("turn-7"), SessionID: "0a8f3c1e-5b7d-4e2a-9c46-7d1f20b3a985", Message: "How long?"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := action.MarshalJSON(); err != nil {
			b.Fatal(err)
		}
	}
}
