package shard

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
)

// TestTold keeps a command and failures beside shards, which are no shards by their names.
func TestTold(t *testing.T) {
	for _, name := range []string{"val", "out.json", "a.npy"} {
		path := filepath.Join(t.TempDir(), name)
		s := Shard{Number: 2, Of: 3}
		if CommandOf(path, 3) != nil || s.FailureOf(path) != nil || s.Forget(path) != nil {
			t.Errorf("%s: something is known of what nobody said", name)
		}
		c := Command{Words: []string{"collect", "--data-path", "a b"}, Folder: "/x"}
		for range 2 {
			if err := s.KeepCommand(new(cache.Store), path, c); err != nil {
				t.Fatal(err)
			}
		}
		left := commandPath(path, 3) + ".clipnh-0123456789abcdef.tmp"
		if err := os.WriteFile(left, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.KeepCommand(new(cache.Store), path, c); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(left); err == nil {
			t.Errorf("%s: what a killed run left is still there", name)
		}
		if err := s.KeepFailure(new(cache.Store), path, Failure{Error: "two\nlines", Status: 1}); err != nil {
			t.Fatal(err)
		}
		if got := CommandOf(path, 3); got == nil || !slices.Equal(got.Words, c.Words) || got.Folder != c.Folder {
			t.Errorf("%s: %+v, want %+v", name, got, c)
		}
		if got := s.FailureOf(path); got == nil || got.Error != "two lines" || got.Status != 1 {
			t.Errorf("%s: %+v", name, got)
		}
		if found, err := Beside(path); err == nil {
			t.Errorf("%s: %q are taken for shards", name, found)
		}
		if err := s.Forget(path); err != nil || s.FailureOf(path) != nil {
			t.Errorf("%s: %v, the failure is still there", name, err)
		}
		for _, text := range []string{"", "{", `{"command":[]}`, `{"command":["` + strings.Repeat("x", mostTold) + `"]}`} {
			if err := os.WriteFile(commandPath(path, 3), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := CommandOf(path, 3); got != nil {
				t.Errorf("%s: %.20q is read as %+v", name, text, got)
			}
		}
	}
}
