package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"

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
	for _, name := range pages(t) {
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

// linkToHeading is a link to a heading, of the same page if there is no file.
var linkToHeading = regexp.MustCompile(`\]\(([^):#]*)#([^)]+)\)`)

// headingAnchors returns the anchors of a page's headings, as GitHub makes them.
func headingAnchors(text string) map[string]bool {
	all, fenced := map[string]bool{}, false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if fenced || !ok || !strings.HasPrefix(line, "#") {
			continue
		}
		all[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(title))] = true
	}
	return all
}

// pages are README, the pages of docs, and those beside scripts.
func pages(t *testing.T) []string {
	t.Helper()
	names := []string{"ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "README.md"}
	for _, pattern := range []string{"docs/*.md", "docs/commands/*.md", "scripts/*/README.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: none, %v", pattern, err)
		}
		for _, f := range found {
			name, err := filepath.Rel(root, f)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, filepath.ToSlash(name))
		}
	}
	return names
}

func TestLinksToHeadings(t *testing.T) {
	count := 0
	for _, name := range pages(t) {
		for _, m := range linkToHeading.FindAllStringSubmatch(readDoc(t, name), -1) {
			to := name
			if m[1] != "" {
				to = path.Join(path.Dir(name), m[1])
			}
			count++
			if !headingAnchors(readDoc(t, to))[m[2]] {
				t.Errorf("%s: a link to #%s: %s has no such heading", name, m[2], to)
			}
		}
	}
	if count < 20 {
		t.Errorf("only %d links found", count)
	}
}

func TestHeadingAnchors(t *testing.T) {
	got := headingAnchors("# One `--two` (3): four\n```\n# five\n```\n#six\n")
	if len(got) != 1 || !got["one---two-3-four"] {
		t.Errorf("got %v", got)
	}
}

// TestPagesAreFound holds that README links to every page, but for those of single
// commands, which the list of commands or the page of their group links to.
func TestPagesAreFound(t *testing.T) {
	readme, commands := readDoc(t, "README.md"), ""
	for _, name := range pages(t) {
		if path.Dir(name) == "docs/commands" {
			commands += readDoc(t, name)
		}
	}
	for _, name := range pages(t) {
		base := path.Base(name)
		switch {
		case name == "README.md" || base == "help.md":
		case path.Dir(name) == "docs/commands" && base != "README.md":
			if !strings.Contains(commands, "]("+base+")") {
				t.Errorf("no page in docs/commands links to %s", base)
			}
		default:
			if !strings.Contains(readme, "]("+name+")") {
				t.Errorf("README.md has no link to %s", name)
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
	for _, v := range []any{cache.Manifest{}, origin.Origin{}, origin.Images{}, origin.Form{}, origin.Collect{}, origin.Shard{}, origin.SVD{}, origin.Mask{}, origin.Polysemanticity{},
		origin.Prompts{}, origin.Code{}, origin.Segment{}, origin.Shift{}, cache.Skipped{}, cache.Payload{}, cache.Chunk{}} {
		for i := range reflect.TypeOf(v).NumField() {
			field := reflect.TypeOf(v).Field(i)
			if field.Anonymous {
				continue
			}
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if !strings.Contains(doc, "`"+name+"`") {
				t.Errorf("%T has a field %q, which docs/formats.md does not name", v, name)
			}
		}
	}
}
