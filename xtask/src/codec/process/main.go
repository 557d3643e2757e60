// The codec process of Go: the package protocol is the generated code, with a registry that finds a type's codec by its
// name. Each message is a length in four bytes, big-endian, and that much JSON.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"

	"example.com/codec/protocol"
)

// limit is the longest message, in bytes.
const limit = 16 << 20

type request struct {
	ID       uint64 `json:"id"`
	Type     string `json:"type"`
	Instance string `json:"instance"`
}

type refusal struct {
	Phase   string `json:"phase"`
	Pointer string `json:"pointer"`
	Keyword string `json:"keyword,omitempty"`
	Message string `json:"message"`
}

type answer struct {
	ID      uint64   `json:"id"`
	Text    *string  `json:"text,omitempty"`
	Refused *refusal `json:"refused,omitempty"`
}

func main() {
	input, output := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	for {
		var length uint32
		err := binary.Read(input, binary.BigEndian, &length)
		if errors.Is(err, io.EOF) {
			return
		}
		must(err)
		if length > limit {
			log.Fatal("the message is too long")
		}
		body := make([]byte, length)
		_, err = io.ReadFull(input, body)
		must(err)
		var asked request
		must(json.Unmarshal(body, &asked))
		said, err := json.Marshal(trip(asked))
		must(err)
		must(binary.Write(output, binary.BigEndian, uint32(len(said))))
		_, err = output.Write(said)
		must(err)
		must(output.Flush())
	}
}

func trip(asked request) answer {
	text, known, err := protocol.CodecTrip(asked.Type, []byte(asked.Instance))
	var wrong *protocol.DecodeError
	var broken *protocol.Violation
	switch {
	case !known:
		return answer{ID: asked.ID}
	case errors.As(err, &wrong):
		return answer{ID: asked.ID, Refused: &refusal{Phase: "decode", Pointer: wrong.Pointer, Message: wrong.Message}}
	case errors.As(err, &broken):
		return answer{ID: asked.ID, Refused: &refusal{Phase: "validate", Pointer: broken.Pointer, Keyword: broken.Keyword, Message: broken.Message}}
	}
	must(err)
	encoded := string(text)
	return answer{ID: asked.ID, Text: &encoded}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
