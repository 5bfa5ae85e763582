package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"strings"
	"testing"
)

// This file holds that packages below cmd do not know the names of command-line
// flags: a message gets them from the command that it is for.

// aFlag is a flag in a text.
var aFlag = regexp.MustCompile(`--[a-z][a-z0-9-]*`)

// flagsIn returns a line for every string in a Go file that names a flag.
func flagsIn(name string, content []byte) ([]string, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, content, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var found []string
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.BasicLit); ok && s.Kind == token.STRING {
			if flag := aFlag.FindString(s.Value); flag != "" {
				found = append(found, fmt.Sprintf("%s:%d: names the flag %s; only commands know flags", name, fset.Position(s.Pos()).Line, flag))
			}
		}
		return true
	})
	return found, nil
}

func TestFlagsBelowCommands(t *testing.T) {
	excepted := readExceptions(t, "flags_excepted.txt")
	walk(t, []string{"internal"}, func(name string, content []byte) {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return
		}
		found, err := flagsIn(name, content)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) > 0 && !excepted.uses(path.Dir(name)) {
			t.Error(strings.Join(found, "\n"))
		}
	})
	excepted.check(t)
}

func TestFlagsIn(t *testing.T) {
	for code, want := range map[string]string{
		`var s = "give --save-path"`:    "a.go:2: names the flag --save-path; only commands know flags",
		"var s = `\n--dtype float16\n`": "a.go:2: names the flag --dtype; only commands know flags",
		`var s = "a -- b"`:              "",
		`var s = "--- "`:                "",
		"// see --save-path\nvar s = 1": "",
		"var i = 2\nfunc f() { i-- }":   "",
	} {
		got, err := flagsIn("a.go", []byte("package p\n"+code+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("%s: got %q, want %q", code, got, want)
		}
	}
}
