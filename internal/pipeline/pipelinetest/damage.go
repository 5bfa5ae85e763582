package pipelinetest

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// SpoilPartial changes the last byte of each payload that an unfinished run left
// below a folder.
func SpoilPartial(t testing.TB, dir string) {
	t.Helper()
	spoilt := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".partial" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		data[len(data)-1] ^= 1
		spoilt++
		return os.WriteFile(path, data, 0o666)
	})
	if err != nil || spoilt == 0 {
		t.Fatalf("%s: %d payloads of unfinished runs, %v", dir, spoilt, err)
	}
}
