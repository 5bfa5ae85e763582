package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/build"
	"github.com/clipnh/clipnh/internal/paper"
	"github.com/clipnh/clipnh/internal/pipeline/audit"
	"github.com/clipnh/clipnh/internal/pipeline/classify"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/concepts"
	"github.com/clipnh/clipnh/internal/pipeline/device"
	"github.com/clipnh/clipnh/internal/pipeline/directions"
	"github.com/clipnh/clipnh/internal/pipeline/edit"
	"github.com/clipnh/clipnh/internal/pipeline/evaluate"
	"github.com/clipnh/clipnh/internal/pipeline/explain"
	"github.com/clipnh/clipnh/internal/pipeline/export"
	"github.com/clipnh/clipnh/internal/pipeline/headmap"
	imagelists "github.com/clipnh/clipnh/internal/pipeline/listing"
	"github.com/clipnh/clipnh/internal/pipeline/merge"
	"github.com/clipnh/clipnh/internal/pipeline/mislead"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/report"
	"github.com/clipnh/clipnh/internal/pipeline/retrieve"
	"github.com/clipnh/clipnh/internal/pipeline/score"
	"github.com/clipnh/clipnh/internal/pipeline/search"
	"github.com/clipnh/clipnh/internal/pipeline/segment"
	"github.com/clipnh/clipnh/internal/pipeline/shift"
	"github.com/clipnh/clipnh/internal/pipeline/show"
	"github.com/clipnh/clipnh/internal/pipeline/status"
	"github.com/clipnh/clipnh/internal/pipeline/subset"
	"github.com/clipnh/clipnh/internal/pipeline/verify"
	"github.com/clipnh/clipnh/internal/pipeline/words"
	files "github.com/clipnh/clipnh/internal/report"
)

const jsonPage = "../../docs/json.md"

// jsonResults has, for each command, the types of the documents that --json prints, and of
// several what each is for.
var jsonResults = map[string][]jsonResult{
	"ablate":            {{"", evaluate.AblateResult{}}},
	"audit":             {{"", audit.Result{}}},
	"classify":          {{"", classifiedImages{}}},
	"collect":           {{"", collect.Result{}}, {"with several layers of neurons", collect.Layers{}}},
	"compare":           {{"", files.Moved{}}, {"of heads", files.MovedHeads{}}},
	"config":            {{"", configResult{}}, {"with `--init`", initialised{}}},
	"data check":        {{"", checkedLayout{}}},
	"data list":         {{"", imagelists.Result{}}},
	"data subset":       {{"", subset.Result{}}},
	"demo":              {{"", demoResult{}}, {"with `--files-only`", demoFiles{}}},
	"describe":          {{"", describedUnits{}}, {"with `--image` or `--attributes`", concepts.Result{}}},
	"docs":              {{"", docsResult{}}},
	"edit":              {{"", edit.Result{}}},
	"embed":             {{"", words.EmbedResult{}}},
	"export":            {{"", export.Result{}}},
	"explore":           {{"", exploring{}}},
	"explain":           {{"", explainedImages{}}},
	"fetch":             {{"of what was fetched", fetchResult{}}, {"of a list, without names or with `--dry-run`", assetList{}}},
	"info":              {{"", model.Summary{}}, {"with `--plan`", planned{}}, {"with `--graph`", model.GraphResult{}}, {"with `--devices`", device.Report{}}, {"with `--cache` or `--clear-cache`", keptWeights{}}},
	"mask":              {{"", evaluate.MaskResult{}}},
	"merge":             {{"", merge.Result{}}, {"with several layers of neurons", merge.Layers{}}},
	"mislead":           {{"", mislead.Result{}}},
	"status":            {{"", status.Result{}}},
	"submit kubernetes": {{"", submitted{}}},
	"submit slurm":      {{"", submitted{}}},
	"paper":             {{"", paper.Report{}}},
	"polysemanticity":   {{"", directions.PolysemanticityResult{}}},
	"reconstruct":       {{"", evaluate.ReconstructResult{}}},
	"registers":         {{"", collect.RegistersResult{}}},
	"report":            {{"", report.Result{}}},
	"retrieve":          {{"", retrieve.Result{}}, {"with `--head-idxs`", headmap.Result{}}},
	"score":             {{"", score.Result{}}},
	"search":            {{"", search.Result{}}},
	"segment":           {{"", segment.Result{}}},
	"shift":             {{"", shift.Result{}}, {"with `--watch`", shift.WatchResult{}}},
	"show":              {{"", show.Result{}}, {"of a head", show.HeadResult{}}},
	"sparse":            {{"", words.SparseResult{}}},
	"svd":               {{"", directions.SVDResult{}}},
	"textspan":          {{"", evaluate.TextSpanResult{}}},
	"watch":             {{"", shift.WatchResult{}}},
	"verify":            {{"", verify.Result{}}},
	"version":           {{"", build.Info{}}},
}

// explainedImages is what explain prints piece by piece.
type explainedImages struct {
	explain.Setup
	Explained []explain.Explanation `json:"images"` // in their order
	explain.Result
}

// classifiedImages is what classify prints piece by piece.
type classifiedImages struct {
	classify.Setup
	Labelled []classify.Image `json:"images"` // in their order
	classify.Result
}

type jsonResult struct {
	when  string
	value any
}

const jsonIntro = `# JSON

With ` + "`--json`" + ` a command prints its result as one JSON object on standard output, and nothing else there. An error is
also an object, on standard error; see [exit status](exit-status.md). New fields may be added; those listed here keep their
names and meaning. Fields marked *optional* are left out if they are empty or do not apply.

Ranks start at 1: the first of a list has rank 1. Images (rows of the scores), heads, neurons, layers, labels and
components are numbered from 0: component 0 is the first, PC0. The files that ` + "`retrieve --copies`" + ` writes have the numbers
of the reference, which start at 0.

A test writes this page from the types that commands print, and compares what they print with it.
`

// TestJSONPage compares the page of fields with the types that commands print; -update
// writes it.
func TestJSONPage(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(jsonIntro)
	for _, name := range slices.Sorted(maps.Keys(jsonResults)) {
		fmt.Fprintf(&b, "\n## %s\n", name)
		for _, r := range jsonResults[name] {
			if r.when != "" {
				fmt.Fprintf(&b, "\nThe result %s:\n", r.when)
			}
			b.WriteString("\n| field | type | content |\n|---|---|---|\n")
			for _, f := range fieldsOf(t, "", reflect.TypeOf(r.value), nil) {
				if strings.HasSuffix(f.comment, ":") || strings.HasSuffix(f.comment, ",") {
					t.Errorf("%s: %s: %q goes on at another field, want a text that is whole", name, f.path, f.comment)
				}
				fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.path, f.kind, f.comment)
			}
		}
	}
	was, err := os.ReadFile(jsonPage)
	if *update {
		err = os.WriteFile(jsonPage, b.Bytes(), 0o666)
	} else if err == nil && !bytes.Equal(was, b.Bytes()) {
		err = fmt.Errorf("%s is not what the types say: run this test with -update and read the difference", jsonPage)
	}
	if err != nil {
		t.Error(err)
	}
	for _, cmd := range everyCommand() {
		name := strings.TrimPrefix(cmd.CommandPath(), "clipnh ")
		if cmd.HasSubCommands() || slices.Contains([]string{"clipnh", "completion", "help"}, name) {
			continue // they print texts
		}
		if jsonResults[name] == nil {
			t.Errorf("%s: no fields are documented", name)
		}
	}
}

// documentedFields checks that what a command printed is an object whose fields are all on the
// page.
func documentedFields(t *testing.T, command string, printed []byte) {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal(printed, &object); err != nil {
		t.Errorf("%s --json: %v, want an object: %.80s", command, err, printed)
		return
	}
	known := map[string]bool{}
	for _, r := range jsonResults[command] {
		for _, f := range fieldsOf(t, "", reflect.TypeOf(r.value), nil) {
			known[f.path] = true
		}
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, below := range v {
				at := strings.TrimPrefix(path+"."+key, ".")
				if !known[at] && known[path+".*"] {
					at = path + ".*"
				}
				if !known[at] {
					known[at] = true // once is enough
					t.Errorf("%s --json: field %s is not in %s", command, at, jsonPage)
				}
				if key == "null" || key == "" {
					t.Errorf("%s --json: a field is named %q", command, key)
				}
				walk(at, below)
			}
		case []any:
			for _, below := range v {
				walk(path+"[]", below)
			}
		}
	}
	walk("", object)
}

// A field of a document: its path, with [] after lists and * for keys that are data.
type field struct{ path, kind, comment string }

func fieldsOf(t *testing.T, path string, typ reflect.Type, above []reflect.Type) []field {
	t.Helper()
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if slices.Contains(above, typ) {
		return nil
	}
	above = append(slices.Clone(above), typ)
	switch typ.Kind() {
	case reflect.Slice, reflect.Array:
		return fieldsOf(t, path+"[]", typ.Elem(), above)
	case reflect.Map:
		return append([]field{{strings.TrimPrefix(path+".*", "."), kindOf(typ.Elem()), "by name"}}, fieldsOf(t, path+".*", typ.Elem(), above)...)
	case reflect.Struct:
	default:
		return nil
	}
	var all []field
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() && !f.Anonymous {
			continue
		}
		if f.Anonymous && name == "" {
			all = append(all, fieldsOf(t, path, f.Type, above)...)
			continue
		}
		if name == "" {
			t.Errorf("%v.%s has no name in JSON", typ, f.Name)
		}
		at := strings.TrimPrefix(path+"."+name, ".")
		kind := kindOf(f.Type)
		if strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero") {
			kind += ", optional"
		}
		all = append(all, field{at, kind, commentOf(t, typ, f.Name)})
		all = append(all, fieldsOf(t, at, f.Type, above)...)
	}
	return all
}

func kindOf(typ reflect.Type) string {
	switch typ.Kind() {
	case reflect.Pointer:
		return kindOf(typ.Elem()) + " or null"
	case reflect.Slice, reflect.Array:
		if typ.Elem().Kind() == reflect.Uint8 {
			return "text" // base64
		}
		return "list"
	case reflect.Map, reflect.Struct:
		return "object"
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "number"
	}
	return "whole number"
}

// commentOf is the comment of a field in the sources.
func commentOf(t *testing.T, typ reflect.Type, name string) string {
	t.Helper()
	if typ.Name() == "" {
		return ""
	}
	dir := "."
	if rest, ok := strings.CutPrefix(typ.PkgPath(), "github.com/clipnh/clipnh/"); ok && rest != "cmd/clipnh" {
		dir = filepath.Join("..", "..", filepath.FromSlash(rest))
	}
	for _, file := range parsedPackage(t, dir) {
		comment, found := "", false
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || spec.Name.Name != typ.Name() {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range s.Fields.List {
					for _, id := range f.Names {
						if id.Name == name {
							comment, found = f.Comment.Text(), true
							if comment == "" {
								comment = f.Doc.Text()
							}
						}
					}
				}
			}
			return false
		})
		if found {
			return strings.ReplaceAll(strings.Join(strings.Fields(comment), " "), "|", "\\|")
		}
	}
	return ""
}

var parsed = map[string][]*ast.File{}

func parsedPackage(t *testing.T, dir string) []*ast.File {
	t.Helper()
	if files := parsed[dir]; files != nil {
		return files
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(paths)
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed[dir] = append(parsed[dir], file)
	}
	return parsed[dir]
}
