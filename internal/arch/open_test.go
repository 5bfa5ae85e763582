package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// opensItself lists what may call os.Open, os.OpenFile and os.ReadFile, by file
// or folder, with the reason. All others use package foreign, which takes no
// pipe, device or folder for a file.
var opensItself = map[string]string{
	"internal/foreign/":               "it is the one",
	"internal/cache/":                 "what it writes, and folders",
	"internal/dataset/find.go":        "folders",
	"internal/demo/":                  "the example's own files",
	"internal/download/partial.go":    "what it writes",
	"internal/kernel/":                "what the system says of itself",
	"internal/imageprep/":             "images",
	"internal/packed/write.go":        "what it writes",
	"internal/pipeline/pipelinetest/": "goldens",
	"internal/testutil/":              "goldens",
}

// TestOpening holds that files of others are opened by package foreign alone.
func TestOpening(t *testing.T) {
	used := map[string]bool{}
	for _, top := range []string{"cmd", "configs", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(file string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && (d.Name() == "testdata" || d.Name()[0] == '_') {
				return filepath.SkipDir
			}
			if d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return nil
			}
			name, err := filepath.Rel(root, file)
			if err != nil {
				return err
			}
			name = filepath.ToSlash(name)
			content, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			for _, call := range opening(t, name, content) {
				entry := allowedToOpen(name)
				if entry == "" {
					t.Errorf("%s calls %s; want foreign.Open or foreign.ReadFile", name, call)
				}
				used[entry] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for entry := range opensItself {
		if !used[entry] && !slices.Contains([]string{"internal/kernel/", "internal/testutil/"}, entry) {
			t.Errorf("%s opens no file any more: take it off the list", entry)
		}
	}
}

// allowedToOpen returns the entry of opensItself that a file falls under.
func allowedToOpen(name string) string {
	for entry := range opensItself {
		if entry == name || strings.HasSuffix(entry, "/") && strings.HasPrefix(name, entry) {
			return entry
		}
	}
	return ""
}

// opening returns the calls of a source that open files.
func opening(t *testing.T, name string, content []byte) (calls []string) {
	f, err := parser.ParseFile(token.NewFileSet(), name, content, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "os" && (s.Sel.Name == "Open" || s.Sel.Name == "OpenFile" || s.Sel.Name == "ReadFile") {
				calls = append(calls, "os."+s.Sel.Name)
			}
		}
		return true
	})
	return calls
}

func TestOpeningIsSeen(t *testing.T) {
	got := opening(t, "a.go", []byte("package a\nimport \"os\"\nfunc f() { os.Open(\"x\"); os.ReadFile(\"y\"); os.Stat(\"z\") }\n"))
	if !slices.Equal(got, []string{"os.Open", "os.ReadFile"}) {
		t.Errorf("saw %q", got)
	}
	if allowedToOpen("internal/npy/file.go") != "" || allowedToOpen("internal/cache/disk.go") == "" || allowedToOpen("internal/dataset/find.go") == "" {
		t.Error("the list is misread")
	}
}
