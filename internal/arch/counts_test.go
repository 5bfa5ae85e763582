package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// This file holds that messages do not say "1 images": a number that may be one takes its noun
// from package quantity, and is not a %d with a plural behind it.

// plurals are nouns of what is counted in messages, behind a number in a format.
var plurals = regexp.MustCompile(`%d (?:text |residual |scaled |class |closest )?(?:%ss|images|heads|neurons|pairs|layers|words|texts|units|chunks|shards|files|groups|rows|columns|concepts|classes|tokens|names|scenes|steps|tensors|labels|artefacts|commands|paths|methods|components|models|blocks|dimensions|inputs|weights)\b`)

var verbs = regexp.MustCompile(`%[-+# 0]*[0-9.*]*[a-zA-Z%]`)

// bound is the name of what bounds a number, and is never one.
var bound = regexp.MustCompile(`^(?:\w+\.)?(?:most|max|min|least|Max|Min)[A-Z]?\w*$`)

// countsIn returns the formats in a file that count with a fixed plural something which is no
// constant.
func countsIn(f *ast.File, fset *token.FileSet, constants map[string]bool) []string {
	var found []string
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		for i, a := range call.Args {
			format, ok := a.(*ast.BasicLit)
			if !ok || format.Kind != token.STRING {
				continue
			}
			number := 0 // of the verb's argument
			for _, at := range verbs.FindAllStringIndex(format.Value, -1) {
				if format.Value[at[1]-1] == '%' {
					continue
				}
				number++
				text := format.Value[at[0]:]
				if m := plurals.FindStringIndex(text); m == nil || m[0] != 0 || i+number >= len(call.Args) {
					continue
				}
				if before := format.Value[:at[0]]; strings.HasSuffix(before, " to ") && !strings.HasSuffix(before, "up to ") {
					continue // a range
				}
				switch arg := call.Args[i+number].(type) {
				case *ast.BasicLit:
				case *ast.Ident:
					if !constants[arg.Name] && !bound.MatchString(arg.Name) {
						found = append(found, fset.Position(a.Pos()).String()+": "+format.Value)
					}
				case *ast.SelectorExpr:
					if !bound.MatchString(arg.Sel.Name) {
						found = append(found, fset.Position(a.Pos()).String()+": "+format.Value)
					}
				default:
					found = append(found, fset.Position(a.Pos()).String()+": "+format.Value)
				}
			}
		}
		return true
	})
	return found
}

// disagree is a number of things with a verb of several behind it. A %s is a number where its
// argument is one of package quantity or of ui.Unit.Count.
var disagree = regexp.MustCompile(`^%[sd](?: of (?:the |its )?%[sd])?(?: [a-z]+){0,3}? (?:are|have|were|do|differ|lack|lie|hold)(?: |$|[,:;"])`)

// verbsIn returns the formats in a file that have a verb of several behind a number which may
// be one.
func verbsIn(f *ast.File, fset *token.FileSet, constants map[string]bool) []string {
	var found []string
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		for i, a := range call.Args {
			format, ok := a.(*ast.BasicLit)
			if !ok || format.Kind != token.STRING {
				continue
			}
			number := 0
			for _, at := range verbs.FindAllStringIndex(format.Value, -1) {
				if format.Value[at[1]-1] == '%' {
					continue
				}
				number++
				if m := disagree.FindString(format.Value[at[0]:]); m == "" || strings.Contains(m, " that ") || i+number >= len(call.Args) {
					continue
				}
				if before := format.Value[:at[0]]; strings.HasSuffix(before, " of ") || format.Value[at[1]-1] == 's' && !counts(call.Args[i+number]) {
					continue // of a part of them, or no number
				}
				if name, ok := call.Args[i+number].(*ast.Ident); ok && (constants[name.Name] || bound.MatchString(name.Name)) {
					continue
				}
				if field, ok := call.Args[i+number].(*ast.SelectorExpr); ok && bound.MatchString(field.Sel.Name) {
					continue
				}
				found = append(found, fset.Position(a.Pos()).String()+": "+format.Value)
			}
		}
		return true
	})
	return found
}

// counts reports whether an expression is a number with its noun.
func counts(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	of, ok := f.X.(*ast.Ident)
	return f.Sel.Name == "Count" || ok && of.Name == "quantity" && f.Sel.Name == "Of"
}

// constantsOf are the names of a package's constants, those of functions included.
func constantsOf(files []*ast.File) map[string]bool {
	names := map[string]bool{}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			if d, ok := n.(*ast.GenDecl); ok && d.Tok == token.CONST {
				for _, s := range d.Specs {
					for _, name := range s.(*ast.ValueSpec).Names {
						names[name.Name] = true
					}
				}
			}
			return true
		})
	}
	return names
}

// countsBytes are packages whose numbers are of bytes, numbers and pixels in files or memory,
// which no one reads aloud.
var countsBytes = regexp.MustCompile(`^internal/(arch|archive|bpe|decomp|describe|download|imageprep|jpeg|kernel|lowrank|matfile|npy|omp|onnx|onnxtower|ort|par|parquet|permutation|pipe|ptfile|remote|site|sketch|submit|testutil|quantity|unit)(/|$)|^internal/pipeline/(pipelinetest|collecttest)$|_generate|clipnh-ort`)

// fixedSteps are files whose numbers are fixed: the steps of paper, which are found by their
// names, and those of the example.
var fixedSteps = regexp.MustCompile(`^cmd/clipnh/(paper|demo|cmd_demo)[a-z_]*\.go$`)

func TestCounts(t *testing.T) {
	packages := map[string][]*ast.File{}
	fset := token.NewFileSet()
	walk(t, []string{"cmd", "internal"}, func(name string, content []byte) {
		dir := path.Dir(name)
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || countsBytes.MatchString(dir) || fixedSteps.MatchString(name) {
			return
		}
		f, err := parser.ParseFile(fset, name, content, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		packages[dir] = append(packages[dir], f)
	})
	if len(packages) < 40 {
		t.Errorf("%d packages, want all that have messages", len(packages))
	}
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		constants := constantsOf(packages[dir])
		for _, f := range packages[dir] {
			for _, found := range countsIn(f, fset, constants) {
				t.Errorf("%s: says \"1 images\" of one: take the noun from package quantity", found)
			}
			for _, found := range verbsIn(f, fset, constants) {
				t.Errorf("%s: says \"1 image are\" of one: take the verb from package quantity", found)
			}
		}
	}
}

func TestCountsIn(t *testing.T) {
	for body, want := range map[string]int{
		`f("%s: %d images", path, n)`:               1,
		`f("%d of %d heads and %d units", a, b, c)`: 2,
		`f("%d of %s", a, quantity.Of(b, "image"))`: 0,
		`f("want at most %d words", mostWords)`:     0,
		`f("want at most %d words", bound)`:         0,
		`f("%g %% of %d pairs", x, len(pairs))`:     1,
		`f("want 1 to %d heads", n)`:                0,
		`f("%d bytes", n)`:                          0,
		`f("all %d %ss", n, kind)`:                  1,
	} {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, "a.go", "package a\nconst bound = 4\nfunc g() { "+body+" }\n", 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := countsIn(f, fset, constantsOf([]*ast.File{f})); len(got) != want {
			t.Errorf("%s: found %q, want %d", body, got, want)
		}
	}
}

func TestVerbsIn(t *testing.T) {
	for body, want := range map[string]int{
		`f("%s less strong are not shown", ui.Pairs.Count(n))`:         1,
		`f("%d of %s are done", a, quantity.Of(b, "chunk"))`:           1,
		`f("%d are the same", x.Same)`:                                 1,
		`f("%d of %s %s done", a, quantity.Of(b, "chunk"), f(a))`:      0,
		`f("%s are missing", strings.Join(files, ", "))`:               0,
		`f("%d requests are waiting", g.most)`:                         0,
		`f("codes of %d of %s have no words", a, quantity.Of(b, "u"))`: 0,
		`f("%d images are looked at", bound)`:                          0,
	} {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, "a.go", "package a\nconst bound = 4\nfunc g() { "+body+" }\n", 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := verbsIn(f, fset, constantsOf([]*ast.File{f})); len(got) != want {
			t.Errorf("%s: found %q, want %d", body, got, want)
		}
	}
}
