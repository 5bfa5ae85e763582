package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// This file holds that docs/exit-status.md is complete.

const exitStatusPage = "docs/exit-status.md"

// eachSource calls look with every Go file of the program that is not a test.
func eachSource(t *testing.T, look func(name string, f *ast.File)) {
	t.Helper()
	for _, top := range []string{"cmd", "configs", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(file string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if n := d.Name(); d.IsDir() && (n == "testdata" || n == "assets" || n[0] == '_' || n[0] == '.') {
				return filepath.SkipDir
			}
			if d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return nil
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, file)
			if err == nil {
				look(filepath.ToSlash(rel), f)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// stringConstants returns the constants of f whose value is a string literal.
func stringConstants(f *ast.File) map[string]string {
	all := map[string]string{}
	for _, d := range f.Decls {
		group, ok := d.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			v := spec.(*ast.ValueSpec)
			for i, name := range v.Names {
				if i >= len(v.Values) {
					continue
				}
				if lit, ok := v.Values[i].(*ast.BasicLit); ok && lit.Kind == token.STRING {
					all[name.Name], _ = strconv.Unquote(lit.Value)
				}
			}
		}
	}
	return all
}

// inherited are the variables that functions of the standard library read.
var inherited = map[string][]string{
	"os.UserCacheDir":           {"XDG_CACHE_HOME", "HOME"},
	"os.UserHomeDir":            {"HOME"},
	"os.TempDir":                {"TMPDIR"},
	"http.ProxyFromEnvironment": {"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"},
	"runtime.GOMAXPROCS":        {"GOMAXPROCS"},
}

var ourVariable = regexp.MustCompile(`^CLIPNH_[A-Z_]+$`)

// variables returns the variables of the environment that a file reads: arguments of
// os.Getenv and os.LookupEnv, literals or constants of the file, what functions of the
// standard library read, and all names that begin with CLIPNH_. An argument that cannot
// be told is in unknown.
func variables(f *ast.File) (names, unknown []string) {
	constants := stringConstants(f)
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if value, err := strconv.Unquote(n.Value); err == nil && ourVariable.MatchString(value) {
				names = append(names, value)
			}
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok {
				names = append(names, inherited[x.Name+"."+n.Sel.Name]...)
			}
		case *ast.CallExpr:
			sel, ok := n.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if !ok || x.Name != "os" || sel.Sel.Name != "Getenv" && sel.Sel.Name != "LookupEnv" {
				return true
			}
			switch arg := n.Args[0].(type) {
			case *ast.BasicLit:
				value, _ := strconv.Unquote(arg.Value)
				names = append(names, value)
			case *ast.Ident:
				if value, ok := constants[arg.Name]; ok {
					names = append(names, value)
				} else {
					unknown = append(unknown, arg.Name)
				}
			default:
				unknown = append(unknown, "an expression")
			}
		}
		return true
	})
	return names, unknown
}

// TestVariablesAreDocumented holds that the page has a row for every variable of the
// environment that the sources read.
func TestVariablesAreDocumented(t *testing.T) {
	doc, count := readDoc(t, exitStatusPage), 0
	eachSource(t, func(file string, f *ast.File) {
		names, unknown := variables(f)
		for _, name := range unknown {
			t.Errorf("%s: a variable of the environment is read by %s, want a constant of the file", file, name)
		}
		for _, name := range names {
			count++
			if !regexp.MustCompile("(?m)^\\| [^|]*`" + name + "`").MatchString(doc) {
				t.Errorf("%s reads %s, which %s does not list", file, name, exitStatusPage)
			}
		}
	})
	if count < 8 {
		t.Errorf("only %d variables found", count)
	}
}

func TestVariables(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "a.go", `package a
import "os"
const v, w = "A_B", 1
var a, b = os.Getenv(v), os.Getenv("C")
var _, c = os.LookupEnv(d)
var e = os.Getenv("x" + v)
var g = map[string]int{"CLIPNH_X": 1}
var _, _ = os.UserCacheDir()
`, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	names, unknown := variables(f)
	if got := strings.Join(names, " ") + "; " + strings.Join(unknown, " "); got != "A_B C CLIPNH_X XDG_CACHE_HOME HOME; d an expression" {
		t.Errorf("got %s", got)
	}
}

// TestStatusesAreDocumented holds that the page has a row for every exit status and
// every kind of error.
func TestStatusesAreDocumented(t *testing.T) {
	doc, statuses, kinds := readDoc(t, exitStatusPage), 0, 0
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "cmd/clipnh/errors.go"), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	kind := func(value string) {
		kinds++
		if !strings.Contains(doc, "\n| `"+value+"` | ") {
			t.Errorf("%s lacks the kind %s", exitStatusPage, value)
		}
	}
	for name, value := range stringConstants(f) {
		if strings.HasPrefix(name, "kind") {
			kind(value)
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 {
			return true
		}
		switch value := v.Values[0].(type) {
		case *ast.BasicLit:
			if strings.HasPrefix(v.Names[0].Name, "exit") {
				statuses++
				if !strings.Contains(doc, "\n| "+value.Value+" | ") {
					t.Errorf("%s lacks status %s, %s", exitStatusPage, value.Value, v.Names[0])
				}
			}
		case *ast.CompositeLit:
			if v.Names[0].Name != "kinds" {
				return true
			}
			for _, row := range value.Elts {
				word, err := strconv.Unquote(row.(*ast.CompositeLit).Elts[2].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				kind(word)
			}
		}
		return true
	})
	if statuses < 8 || kinds < 12 {
		t.Errorf("only %d statuses and %d kinds found", statuses, kinds)
	}
}
