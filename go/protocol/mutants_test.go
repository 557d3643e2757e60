package protocol

import (
	"encoding/json"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mutant is an example with one thing wrong with it.
type mutant struct {
	value   any
	pointer string
	// keyword is empty where decoding refuses it, else what Validate says.
	keyword string
}

// breaker makes mutants: at each place it puts a wrong value into the example, yields it, and takes it back.
type breaker struct {
	t     *testing.T
	root  any
	yield func(mutant) bool
}

func mutants(t *testing.T, file string, schema map[string]any, example any) iter.Seq[mutant] {
	return func(yield func(mutant) bool) {
		b := &breaker{t: t, root: example, yield: yield}
		b.walk(file, schema, example, "", func(value any) { b.root = value })
	}
}

// with yields the example with another value in one place.
func (b *breaker) with(put func(any), wrong, right any, pointer, keyword string) {
	if _, isList := b.root.([]any); isList && keyword != "" {
		return // a list of its own is an alias, which has no Validate
	}
	put(wrong)
	b.yield(mutant{clone(b.t, b.root), pointer, keyword})
	put(right)
}

func clone(t *testing.T, value any) any { return parse(t, text(t, value)) }

func (b *breaker) walk(file string, schema map[string]any, value any, pointer string, put func(any)) {
	file, schema = follow(b.t, file, schema)
	b.wrongTypes(schema, value, pointer, put)
	b.brokenConstraints(schema, value, pointer, put)
	switch value := value.(type) {
	case map[string]any:
		b.members(file, schema, value, pointer)
	case []any:
		items, _ := schema["items"].(map[string]any)
		for i := range value {
			if items != nil {
				b.walk(file, items, value[i], pointer+"/"+strconv.Itoa(i), func(item any) { value[i] = item })
			}
		}
	}
}

func (b *breaker) members(file string, schema, value map[string]any, pointer string) {
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	if schema["additionalProperties"] == false {
		value["?/~"] = 1
		b.yield(mutant{clone(b.t, b.root), pointer + "/?~1~0", ""})
		delete(value, "?/~")
	}
	for _, key := range slices.Sorted(maps.Keys(value)) {
		property, ok := properties[key].(map[string]any)
		if !ok {
			property, ok = schema["additionalProperties"].(map[string]any)
		}
		if !ok {
			continue
		}
		right, below := value[key], pointer+"/"+strings.ReplaceAll(key, "/", "~1")
		if slices.Contains(required, any(key)) {
			delete(value, key)
			b.yield(mutant{clone(b.t, b.root), below, ""})
			value[key] = right
		}
		b.walk(file, property, right, below, func(member any) { value[key] = member })
	}
}

// wrongTypes puts a value of another type in place, null among them.
func (b *breaker) wrongTypes(schema map[string]any, value any, pointer string, put func(any)) {
	kinds := typesOf(schema)
	if len(kinds) == 0 {
		return // any JSON
	}
	for kind, wrong := range map[string]any{
		"null": nil, "boolean": true, "number": json.Number("1.5"), "string": "?", "array": []any{}, "object": map[string]any{},
	} {
		if slices.Contains(kinds, kind) || kind == "number" && slices.Contains(kinds, "number") {
			continue
		}
		b.with(put, wrong, value, pointer, "")
	}
}

func typesOf(schema map[string]any) []string {
	switch kind := schema["type"].(type) {
	case string:
		return []string{kind}
	case []any:
		var out []string
		for _, one := range kind {
			out = append(out, one.(string))
		}
		return out
	}
	if schema["x-tristate"] == true {
		return nil // whatever it is beside null is found where it is defined
	}
	for _, keyword := range []string{"const", "enum", "anyOf"} {
		if _, has := schema[keyword]; has {
			return []string{"string"} // constants and enums, open ones too, are strings
		}
	}
	return nil
}

func (b *breaker) brokenConstraints(schema map[string]any, value any, pointer string, put func(any)) {
	number := func(keyword string) (int64, bool) {
		bound, ok := schema[keyword].(json.Number)
		n, err := bound.Int64()
		return n, ok && err == nil
	}
	wrong := func(keyword string, wrong any) { b.with(put, wrong, value, pointer, keyword) }
	if _, has := schema["const"]; has {
		b.with(put, "?", value, pointer, "")
	}
	if _, has := schema["enum"]; has {
		b.with(put, "?", value, pointer, "")
	}
	if n, has := number("minLength"); has && n > 0 {
		wrong("minLength", strings.Repeat("x", int(n-1)))
	}
	if n, has := number("maxLength"); has {
		wrong("maxLength", strings.Repeat("é", int(n+1)))
	}
	if _, has := schema["pattern"]; has {
		wrong("pattern", "\n \u00a0\ufeff") // nothing that a pattern here would look for
	}
	if schema["format"] == "uuid" {
		wrong("format", "71d3b8f5-4a6c-4e09-b7f2-2c80e5a9d61g")
	}
	if n, has := number("minimum"); has {
		if schema["format"] == "uint32" && n == 0 {
			b.with(put, json.Number("-1"), value, pointer, "")
		} else {
			wrong("minimum", json.Number(strconv.FormatInt(n-1, 10)))
		}
	}
	if n, has := number("exclusiveMinimum"); has {
		wrong("exclusiveMinimum", json.Number(strconv.FormatInt(n, 10)))
	}
	if n, has := number("multipleOf"); has && n > 1 {
		wrong("multipleOf", json.Number(strconv.FormatInt(n*1000+1, 10)))
	}
	if n, has := number("maximum"); has {
		wrong("maximum", json.Number(strconv.FormatInt(n+1, 10)))
	}
	items, _ := value.([]any)
	if _, has := schema["prefixItems"]; has {
		b.with(put, items[1:], value, pointer, "") // a tuple of another length is another type
		return
	}
	if n, has := number("minItems"); has {
		wrong("minItems", items[:n-1])
	}
	if schema["uniqueItems"] == true && len(items) > 0 {
		wrong("uniqueItems", append(slices.Clone(items), items[0]))
	}
	if n, has := number("maxItems"); has && len(items) > 0 {
		wrong("maxItems", slices.Repeat(items[:1], int(n+1)))
	}
}

// follow resolves a reference to another file or definition.
func follow(t *testing.T, file string, schema map[string]any) (string, map[string]any) {
	for {
		ref, ok := schema["$ref"].(string)
		if !ok {
			return file, schema
		}
		path, pointer, _ := strings.Cut(ref, "#")
		if path != "" {
			file = filepath.Join(filepath.Dir(file), path)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		schema = parse(t, data).(map[string]any)
		if name, ok := strings.CutPrefix(pointer, "/$defs/"); ok {
			schema = schema["$defs"].(map[string]any)[name].(map[string]any)
		}
	}
}
