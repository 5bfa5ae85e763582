package demo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSaveLog replaces a log, and nothing else of its name.
func TestSaveLog(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, Log)
	for _, text := range []string{"first\n", "second\n"} {
		if err := SaveLog(dir, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || !strings.HasSuffix(string(got), "\n"+text) {
			t.Errorf("%q, %v", got, err)
		}
	}
	if err := os.WriteFile(path, []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := SaveLog(dir, []byte("third\n")); err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("error %v", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "mine" {
		t.Errorf("replaced by %q", got)
	}
}
