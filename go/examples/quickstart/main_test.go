package main

import (
	"os"
	"strings"
	"testing"

	"github.com/SmooAI/smooth-operator/go/protocol/protocoltest"
)

func TestItRuns(t *testing.T) {
	server, err := protocoltest.NewServer(protocoltest.Assistant("17 ", "days."))
	if err != nil {
		t.Fatal(err)
	}
	if err := ask(t.Context(), server.URL); err != nil {
		t.Error(err)
	}
	if err := server.Close(); err != nil {
		t.Errorf("the script: %v", err)
	}
}

// TestTheREADMEShowsWhatIsTested finds every Go block of the README in a file that a test compiles and runs.
func TestTheREADMEShowsWhatIsTested(t *testing.T) {
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for line := range strings.SplitSeq(string(text), "\n") {
			lines = append(lines, strings.TrimSpace(line))
		}
		return strings.Join(lines, "\n")
	}
	tested := read("main.go") + read("../../protocol/example_test.go")
	blocks := strings.Split(read("../../README.md"), "```go\n")[1:]
	if len(blocks) < 4 {
		t.Fatalf("only %d blocks were found", len(blocks))
	}
	for _, block := range blocks {
		if code, _, _ := strings.Cut(block, "\n```"); !strings.Contains(tested, code) {
			t.Errorf("this is tested nowhere:\n%s", code)
		}
	}
}
