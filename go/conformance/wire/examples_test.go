package wire

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"
)

// Every example of the schema is read, found valid, and written as the same JSON.
func TestExamplesRoundTrip(t *testing.T) {
	text, err := os.ReadFile("../../../conformance/driver/driver.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Defs map[string]struct{ Examples []json.RawMessage } `json:"$defs"`
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for name, def := range schema.Defs {
		for _, example := range def.Examples {
			seen++
			again, err := roundTrip(name, example)
			if err != nil {
				t.Errorf("%s: %v in %s", name, err, example)
				continue
			}
			var want, got any
			if json.Unmarshal(example, &want) != nil || json.Unmarshal(again, &got) != nil || !reflect.DeepEqual(want, got) {
				t.Errorf("%s: %s became %s", name, example, again)
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d examples", seen)
	}
}
