package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
	"gonum.org/v1/gonum/graph/simple"
	"gonum.org/v1/gonum/graph/topo"
)

// This file holds that files within a package point down too. One file refers to
// another if it names a declaration of that file's: a constant, variable, function,
// type, method or field. Files that all refer to each other, by whatever way,
// can only be read together, and should be few.

// mostTogether is how many files may refer to each other.
const mostTogether = 8

// moreTogether are the packages that may have more, and why.
var moreTogether = map[string]string{}

// fileGraph is which files of a package refer to which, by base name.
type fileGraph map[string]map[string]bool

// references finds the references between the files of a package.
func references(p *packages.Package) fileGraph {
	g := fileGraph{}
	for _, f := range p.Syntax {
		g[filepath.Base(p.Fset.Position(f.FileStart).Filename)] = map[string]bool{}
	}
	for ident, object := range p.TypesInfo.Uses {
		if object.Pkg() != p.Types || !outside(object) {
			continue
		}
		from := filepath.Base(p.Fset.Position(ident.Pos()).Filename)
		to := filepath.Base(p.Fset.Position(object.Pos()).Filename)
		if from != to {
			g[from][to] = true
		}
	}
	return g
}

// outside reports whether an object can be named outside the function, or the
// type parameters, that it is declared in.
func outside(object types.Object) bool {
	if object.Parent() == object.Pkg().Scope() {
		return true
	}
	switch o := object.(type) {
	case *types.Func:
		return o.Signature().Recv() != nil
	case *types.Var:
		return o.IsField()
	}
	return false
}

// together returns the largest set of files that refer to each other, sorted; nil
// if none do.
func (g fileGraph) together() []string {
	names := make([]string, 0, len(g))
	for name := range g {
		names = append(names, name)
	}
	slices.Sort(names)
	graph := simple.NewDirectedGraph()
	for i := range names {
		graph.AddNode(simple.Node(i))
	}
	for i, from := range names {
		for to := range g[from] {
			j, _ := slices.BinarySearch(names, to)
			graph.SetEdge(graph.NewEdge(simple.Node(i), simple.Node(j)))
		}
	}
	var largest []string
	for _, component := range topo.TarjanSCC(graph) {
		var files []string
		for _, node := range component {
			files = append(files, names[node.ID()])
		}
		if slices.Sort(files); len(files) > max(1, len(largest)) {
			largest = files
		}
	}
	return largest
}

// tooMany returns a line if more files of a package than may refer to each other,
// or if it is listed in moreTogether for nothing.
func tooMany(dir string, g fileGraph) string {
	files := g.together()
	reason, listed := moreTogether[dir]
	switch {
	case len(files) > mostTogether && !listed:
		return fmt.Sprintf("%s: %d files refer to each other, want at most %d: %s", dir, len(files), mostTogether, strings.Join(files, ", "))
	case len(files) <= mostTogether && listed:
		return fmt.Sprintf("%s: only %d files refer to each other: it needs no row in moreTogether (%s)", dir, len(files), reason)
	}
	return ""
}

func TestFileCycles(t *testing.T) {
	loaded, err := packages.Load(&packages.Config{
		Dir:  root,
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo,
	}, "./cmd/...", "./configs/...", "./internal/...")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, p := range loaded {
		for _, err := range p.Errors {
			t.Errorf("%s: %v", p.PkgPath, err)
		}
		dir := strings.TrimPrefix(p.PkgPath, module)
		seen[dir] = true
		g := references(p)
		if line := tooMany(dir, g); line != "" {
			t.Error(line)
		}
		if files := g.together(); len(files) > 1 {
			t.Logf("%s: %d of %d files refer to each other: %s", dir, len(files), len(g), strings.Join(files, ", "))
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d packages found", len(seen))
	}
	for dir := range moreTogether {
		if !seen[dir] {
			t.Errorf("moreTogether has a row for %s, which is no package", dir)
		}
	}
}

// TestReferences looks at a package of files that name each other's declarations
// in every way there is.
func TestReferences(t *testing.T) {
	sources := map[string]string{
		"type.go":    "package p\ntype T struct{ field int }\ntype alone struct{}",
		"method.go":  "package p\nfunc (t T) method() {}",
		"call.go":    "package p\nfunc call() { newT().method() }",
		"make.go":    "package p\nfunc newT() (t T) { return }",
		"field.go":   "package p\nvar f = newT().field",
		"generic.go": "package p\nfunc generic[E any](e E) E { x := e; return x }",
		"const.go":   "package p\nconst c = 1",
		"use.go":     "package p\nvar u = generic(c)",
		"local.go":   "package p\nfunc local() { c := 2; _ = c }",
	}
	p := &packages.Package{Fset: token.NewFileSet(), TypesInfo: &types.Info{Uses: map[*ast.Ident]types.Object{}}}
	for name, text := range sources {
		f, err := parser.ParseFile(p.Fset, name, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		p.Syntax = append(p.Syntax, f)
	}
	var err error
	if p.Types, err = new(types.Config).Check("p", p.Fset, p.Syntax, p.TypesInfo); err != nil {
		t.Fatal(err)
	}
	var got []string
	for from, all := range references(p) {
		for to := range all {
			got = append(got, from+" "+to)
		}
	}
	slices.Sort(got)
	want := []string{"call.go make.go", "call.go method.go", "field.go make.go", "field.go type.go", "make.go type.go", "method.go type.go", "use.go const.go", "use.go generic.go"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTogether(t *testing.T) {
	// A ring of n files, a tail that the ring refers to, and one that refers to it.
	ring := func(n int) fileGraph {
		g := fileGraph{"tail.go": {}, "user.go": {"0.go": true}, "0.go": {"tail.go": true}}
		for i := range n {
			from := fmt.Sprintf("%d.go", i)
			if g[from] == nil {
				g[from] = map[string]bool{}
			}
			g[from][fmt.Sprintf("%d.go", (i+1)%n)] = true
		}
		return g
	}
	if got, want := ring(3).together(), []string{"0.go", "1.go", "2.go"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (fileGraph{"a.go": {"b.go": true}, "b.go": {}}).together(); got != nil {
		t.Errorf("got %q, want none", got)
	}
	if line := tooMany("internal/x", ring(mostTogether)); line != "" {
		t.Errorf("got %q for as many files as may be", line)
	}
	if line := tooMany("internal/x", ring(mostTogether+1)); !strings.Contains(line, "internal/x: 9 files") || !strings.Contains(line, "0.go, 1.go") {
		t.Errorf("got %q for one file too many", line)
	}
	for dir := range moreTogether {
		if tooMany(dir, ring(mostTogether+1)) != "" || tooMany(dir, ring(2)) == "" {
			t.Errorf("%s: want a complaint only when it is not needed any more", dir)
		}
	}
}
