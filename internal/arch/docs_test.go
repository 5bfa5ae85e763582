package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
)

// This file holds that what the documentation names exists, and that it names what
// it must.

var (
	codeSpan = regexp.MustCompile("`([^`\n]+)`")
	// aPath is a file or folder of the program. Words in capitals, as in
	// cmd_NAME.go, stand for others.
	aPath = regexp.MustCompile(`^(?:cmd|configs|docs|internal|scripts|\.ci)(?:/[a-zA-Z0-9._-]+)*$`)
)

func readDoc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// link is a link or image within the repository.
var link = regexp.MustCompile(`\]\(([^):#]+)(?:#[^)]*)?\)`)

// TestNamedFilesExist looks at every path in code spans, and at every link.
func TestNamedFilesExist(t *testing.T) {
	docs, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(docs) == 0 {
		t.Fatalf("no docs: %v", err)
	}
	names := []string{"ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "README.md"}
	for _, d := range docs {
		names = append(names, filepath.Join("docs", filepath.Base(d)))
	}
	for _, name := range names {
		for _, m := range codeSpan.FindAllStringSubmatch(readDoc(t, name), -1) {
			if !aPath.MatchString(m[1]) || strings.Contains(m[1], "NAME") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s: %s: no such file", name, m[1])
			}
		}
		for _, m := range link.FindAllStringSubmatch(readDoc(t, name), -1) {
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s: a link to %s: no such file", name, m[1])
			}
		}
	}
}

// TestEveryPackageIsNamed holds that ARCHITECTURE.md has a place for every package.
func TestEveryPackageIsNamed(t *testing.T) {
	doc := readDoc(t, "ARCHITECTURE.md")
	for dir := range allowed {
		if !strings.Contains(doc, "`"+dir+"`") && !strings.HasPrefix(dir, "internal/kernel/") {
			t.Errorf("ARCHITECTURE.md does not name %s", dir)
		}
	}
}

// declared returns the functions of a file, methods as Type.Method.
func declared(t *testing.T, name string) map[string]bool {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if fn.Recv == nil {
			all[fn.Name.Name] = true
			continue
		}
		receiver := fn.Recv.List[0].Type
		if star, ok := receiver.(*ast.StarExpr); ok {
			receiver = star.X
		}
		if id, ok := receiver.(*ast.Ident); ok {
			all[id.Name+"."+fn.Name.Name] = true
		}
	}
	return all
}

// A namedFunction is one that a table of ARCHITECTURE.md names.
type namedFunction struct{ file, function string }

// namedFunctions returns those of the tables whose rows begin with a Go file: the
// second cell names functions of it.
func namedFunctions(t *testing.T) (all []namedFunction) {
	t.Helper()
	for line := range strings.Lines(readDoc(t, "ARCHITECTURE.md")) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		file := strings.Trim(cells[1], " `")
		if !strings.HasSuffix(file, ".go") {
			continue
		}
		for _, m := range codeSpan.FindAllStringSubmatch(cells[2], -1) {
			all = append(all, namedFunction{file, m[1]})
		}
	}
	return all
}

func TestNamedFunctionsExist(t *testing.T) {
	for _, named := range namedFunctions(t) {
		if !declared(t, named.file)[named.function] {
			t.Errorf("%s: no function %s", named.file, named.function)
		}
	}
}

// TestFormatsAreComplete holds that docs/formats.md names every kind of artefact
// and every field of a manifest.
func TestFormatsAreComplete(t *testing.T) {
	doc := readDoc(t, "docs/formats.md")
	kinds := 0
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "internal/artefact/kind.go"), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		value, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		kinds++
		if !strings.Contains(doc, "`"+value+"`") {
			t.Errorf("%s is %q, which docs/formats.md does not name", spec.Names[0], value)
		}
		return true
	})
	if kinds < 20 {
		t.Errorf("only %d kinds and files found", kinds)
	}
	for _, v := range []any{cache.Manifest{}, origin.Origin{}, origin.Images{}, origin.Collect{}, origin.Shard{}, origin.SVD{}, origin.Mask{}, origin.Polysemanticity{},
		origin.Prompts{}, origin.Code{}, origin.Segment{}, origin.Shift{}, cache.Skipped{}, cache.Payload{}, cache.Chunk{}} {
		for i := range reflect.TypeOf(v).NumField() {
			field := reflect.TypeOf(v).Field(i)
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if !strings.Contains(doc, "`"+name+"`") {
				t.Errorf("%T has a field %q, which docs/formats.md does not name", v, name)
			}
		}
	}
}
