package arch

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "drop exceptions that are not needed any more from testdata")

// Exceptions are what a rule does not hold for yet: the lines of a file in
// testdata. The list may only get shorter: one that is not needed is an error, and
// -update drops it.
type exceptions struct {
	file  string
	lines []string
	used  map[string]bool
}

func readExceptions(t *testing.T, name string) *exceptions {
	t.Helper()
	file := filepath.Join("testdata", name)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return &exceptions{file: file, lines: strings.Fields(string(text)), used: map[string]bool{}}
}

// uses reports whether name is excepted, and notes that this is needed.
func (e *exceptions) uses(name string) bool {
	if !slices.Contains(e.lines, name) {
		return false
	}
	e.used[name] = true
	return true
}

// check complains about every exception that was not needed.
func (e *exceptions) check(t *testing.T) {
	t.Helper()
	var needed []string
	for _, name := range e.lines {
		if e.used[name] {
			needed = append(needed, name+"\n")
		} else if !*update {
			t.Errorf("%s: %s needs no exception any more; go test ./internal/arch -update drops it", e.file, name)
		}
	}
	if *update && len(needed) < len(e.lines) {
		if err := os.WriteFile(e.file, []byte(strings.Join(needed, "")), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}
