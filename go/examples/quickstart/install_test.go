package main

import (
	"archive/zip"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/SmooAI/smooth-operator/go/protocol/protocoltest"
)

// TestTheREADMEInAnEmptyFolder follows the README word for word: it gets the module from a proxy that has it packed, as
// a published one is, and runs the first program.
func TestTheREADMEInAnEmptyFolder(t *testing.T) {
	if testing.Short() {
		t.Skip("it packs the module and builds a program")
	}
	server, err := protocoltest.NewServer(protocoltest.Assistant("17 ", "days."))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Close(); err != nil {
			t.Errorf("the script: %v", err)
		}
	}()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(readme), "```go\n")
	program, _, _ = strings.Cut(program, "\n```")
	_, get, _ := strings.Cut(string(readme), "```sh\n")
	get, _, _ = strings.Cut(get, "\n```")

	folder := t.TempDir()
	write(t, filepath.Join(folder, "main.go"), strings.ReplaceAll(program, "ws://127.0.0.1:8787/ws", server.URL))
	cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	known := "file://" + filepath.ToSlash(filepath.Join(strings.TrimSpace(string(cache)), "cache", "download"))
	environment := os.Environ()
	for name, value := range map[string]string{
		"GOPROXY":    "file://" + filepath.ToSlash(pack(t)) + "," + known,
		"GOSUMDB":    "off",
		"GOWORK":     "off",
		"GOFLAGS":    "-modcacherw",
		"GOMODCACHE": t.TempDir(),
	} {
		environment = append(environment, name+"="+value)
	}
	var out []byte
	for _, command := range [][]string{{"go", "mod", "init", "example.com/question"}, strings.Fields(get), {"go", "run", "."}} {
		run := exec.CommandContext(t.Context(), command[0], command[1:]...)
		run.Dir, run.Env = folder, environment
		if out, err = run.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", command, err, out)
		}
	}
	if got := string(out); got != "17 days.\n" {
		t.Errorf("the program said %q", got)
	}
}

// pack makes a module proxy that has this module alone, as its first version.
func pack(t *testing.T) string {
	proxy := t.TempDir()
	versions := filepath.Join(proxy, "github.com", "!smoo!a!i", "smooth-operator", "go", "@v")
	if err := os.MkdirAll(versions, 0o755); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(versions, "list"), "v0.1.0\n")
	write(t, filepath.Join(versions, "v0.1.0.info"), `{"Version":"v0.1.0"}`)
	write(t, filepath.Join(versions, "v0.1.0.mod"), string(mod))
	file, err := os.Create(filepath.Join(versions, "v0.1.0.zip"))
	if err != nil {
		t.Fatal(err)
	}
	packed := zip.NewWriter(file)
	root := os.DirFS("../..")
	err = fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		to, err := packed.Create("github.com/SmooAI/smooth-operator/go@v0.1.0/" + path)
		if err == nil {
			_, err = to.Write(text)
		}
		return err
	})
	for _, err := range []error{err, packed.Close(), file.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return proxy
}

func write(t *testing.T, path, text string) {
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
