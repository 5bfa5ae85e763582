package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A source is what the rules look at in a file.
type source struct {
	path    string // from the module's root, with slashes
	imports []use
	prints  []use // of the program's streams
}

// A use is a name and the line it is on.
type use struct {
	name string
	line int
}

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// read parses a Go file; name is its path from the module's root.
func read(name string, content []byte) (source, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, content, parser.SkipObjectResolution)
	if err != nil {
		return source{}, err
	}
	s := source{path: name}
	line := func(n ast.Node) int { return fset.Position(n.Pos()).Line }
	for _, imp := range f.Imports {
		p, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			return source{}, err
		}
		s.imports = append(s.imports, use{p, line(imp)})
		if p == "log" { // writes to standard error by itself
			s.prints = append(s.prints, use{p, line(imp)})
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok {
				switch name := x.Name + "." + n.Sel.Name; name {
				case "os.Stdin", "os.Stdout", "os.Stderr", "fmt.Print", "fmt.Printf", "fmt.Println":
					s.prints = append(s.prints, use{name, line(n)})
				}
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "print" || f.Name == "println") {
				s.prints = append(s.prints, use{f.Name, line(n)})
			}
		}
		return true
	})
	return s, nil
}

// walk calls visit with every file below some paths of the module, but not with
// test data other than scripts, nor with what the go command passes over.
func walk(t *testing.T, tops []string, visit func(name string, content []byte)) {
	t.Helper()
	for _, top := range tops {
		err := filepath.WalkDir(filepath.Join(root, top), func(file string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, file)
			if err != nil {
				return err
			}
			name := filepath.ToSlash(rel)
			if d.IsDir() {
				// As the go command does; _generate is a module of its own.
				if n := d.Name(); name != top && (n == "testdata" && name != "cmd/clipnh/testdata" || n == "assets" || n[0] == '_' || n[0] == '.') {
					return filepath.SkipDir
				}
				return nil
			}
			content, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			visit(name, content)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
