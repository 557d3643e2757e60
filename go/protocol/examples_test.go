package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// schemaFolder is where the schemas are, seen from this package.
const schemaFolder = "../../spec"

// A schema and the name of the type that is generated from it.
type named struct {
	name   string
	file   string
	schema map[string]any
}

// schemas reads every schema that has a type, files and their $defs alike.
func schemas(t testing.TB) []named {
	t.Helper()
	var out []named
	files, err := filepath.Glob(filepath.Join(schemaFolder, "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, filepath.Join(schemaFolder, "errors.json"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		root := parse(t, text).(map[string]any)
		out = append(out, named{typeName(file), file, root})
		defs, _ := root["$defs"].(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(defs)) {
			out = append(out, named{key, file, defs[key].(map[string]any)})
		}
	}
	return out
}

func typeName(file string) string {
	var name strings.Builder
	for word := range strings.SplitSeq(strings.TrimSuffix(filepath.Base(file), ".json"), "_") {
		name.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	switch filepath.Base(filepath.Dir(file)) {
	case "actions":
		return name.String() + "Params"
	case "events":
		return name.String() + "Event"
	case "types":
		return name.String()
	}
	return "ErrorCode"
}

func parse(t testing.TB, text []byte) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func text(t testing.TB, value any) []byte {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// examples calls check for every example of every schema.
func examples(t *testing.T, check func(t *testing.T, from named, example any)) {
	count := 0
	for _, from := range schemas(t) {
		list, _ := from.schema["examples"].([]any)
		for i, example := range list {
			count++
			t.Run(fmt.Sprintf("%s/%d", from.name, i), func(t *testing.T) { check(t, from, example) })
		}
	}
	if count == 0 {
		t.Fatal("no example was found")
	}
}

func TestEveryExampleComesBackEqual(t *testing.T) {
	examples(t, func(t *testing.T, from named, example any) {
		data := text(t, example)
		back, err := roundTrip(from.name, data)
		if err != nil {
			t.Fatal(err)
		}
		if canonical(back) != canonical(data) {
			t.Errorf("got  %s\nwant %s", back, data)
		}
	})
}

// TestEveryBrokenExampleIsRefusedAtItsPlace breaks one thing at a time, as the schema tells.
func TestEveryBrokenExampleIsRefusedAtItsPlace(t *testing.T) {
	whole, count := 0, 0
	examples(t, func(t *testing.T, from named, example any) {
		whole++
		for broken := range mutants(t, from.file, from.schema, example) {
			count++
			data := text(t, broken.value)
			_, err := roundTrip(from.name, data)
			pointer, keyword := "no error", ""
			var wrong *DecodeError
			var violation *Violation
			switch {
			case errors.As(err, &wrong):
				pointer = wrong.Pointer
			case errors.As(err, &violation):
				pointer, keyword = violation.Pointer, violation.Keyword
			}
			if pointer != broken.pointer || keyword != broken.keyword {
				t.Errorf("%s\ngot  %q %q: %v\nwant %q %q", data, pointer, keyword, err, broken.pointer, broken.keyword)
			}
		}
	})
	if count < 5*whole {
		t.Fatalf("only %d broken examples were made of %d whole ones", count, whole)
	}
}
