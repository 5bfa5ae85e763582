package testutil

import (
	"os"
	"path/filepath"
	"testing"
)

// below is the name of a file below a folder, with slashes.
func below(t testing.TB, folder, file string) string {
	t.Helper()
	name, err := filepath.Rel(folder, file)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.ToSlash(name)
}

// filesBelow lists the files below a folder in the order of a walk.
func filesBelow(t testing.TB, folder string) []string {
	t.Helper()
	var files []string
	err := filepath.Walk(folder, func(file string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			files = append(files, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
