package arch

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// longestFile is how many lines a file may have. A longer one has two subjects.
const longestFile = 400

// TestFileLengths holds that every file written by hand, tests too, is short enough to
// be read as one.
func TestFileLengths(t *testing.T) {
	files := 0
	walk(t, []string{"cmd", "configs", "internal"}, func(name string, content []byte) {
		if !strings.HasSuffix(name, ".go") {
			return
		}
		files++
		f, err := parser.ParseFile(token.NewFileSet(), name, content, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(content, []byte("\n")); n > longestFile && !ast.IsGenerated(f) {
			t.Errorf("%s: %d lines, want at most %d", name, n, longestFile)
		}
	})
	if files < 100 {
		t.Errorf("%d files, want all of them", files)
	}
}
