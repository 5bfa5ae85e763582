// Package arch holds the import rule of the program, as a table and the test
// that compares the sources with it.
//
// Imports point down: commands use the pipeline, the pipeline the domain, the
// domain maths and files, and all of them the base. Each outside module has few
// importers, so that it can be replaced. Only main.go knows the program's
// streams. The sources of every platform and build tag are read, not only those
// that this machine would build.
package arch

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
)

const (
	module   = "github.com/clipnh/clipnh/"
	root     = "../.."
	mainFile = "cmd/clipnh/main.go" // hands the streams to all others

	helperFile = "cmd/clipnh-ort/main.go" // the same of the other program
)

// allowed says which packages of this module a package may import, by folder.
// Tests may import what they like.
var allowed = map[string][]string{
	"cmd/clipnh": {
		"configs", "internal/archive", "internal/artefact", "internal/asset", "internal/build", "internal/cache", "internal/clip", "internal/dataset", "internal/demo",
		"internal/describe", "internal/diagram", "internal/digest", "internal/download", "internal/explore", "internal/foreign", "internal/heat", "internal/hint", "internal/imageprep", "internal/kernel", "internal/kernel/cpu",
		"internal/layout", "internal/manual", "internal/mapping", "internal/npy", "internal/omp", "internal/origin", "internal/packed", "internal/paper", "internal/par",
		"internal/onnxtower", "internal/pipeline/device",
		"internal/pipeline/agreement", "internal/pipeline/audit", "internal/pipeline/classify", "internal/pipeline/coding", "internal/pipeline/collect", "internal/pipeline/concepts", "internal/pipeline/directions", "internal/pipeline/edit", "internal/pipeline/evaluate", "internal/pipeline/explain", "internal/pipeline/export", "internal/pipeline/headmap", "internal/pipeline/listing", "internal/pipeline/live", "internal/pipeline/merge", "internal/pipeline/mislead", "internal/pipeline/model", "internal/pipeline/report", "internal/pipeline/retrieve", "internal/pipeline/score", "internal/pipeline/search", "internal/pipeline/segment", "internal/pipeline/shard", "internal/pipeline/shift", "internal/pipeline/show", "internal/pipeline/source", "internal/pipeline/status", "internal/pipeline/subset", "internal/pipeline/verify", "internal/pipeline/words", "internal/plot", "internal/project", "internal/quantity", "internal/remote", "internal/report", "internal/submit", "internal/textlist", "internal/trend", "internal/ui", "internal/unit", "internal/usage",
	},

	"cmd/clipnh-ort": {"internal/ort", "internal/pipe"},

	// The stages. None imports another, but merge, verify and live, which take up what
	// others left or can do.
	"internal/pipeline/collect": {
		"internal/artefact", "internal/cache", "internal/clip", "internal/dataset", "internal/decomp", "internal/float16", "internal/hint",
		"internal/imageprep", "internal/kernel", "internal/kernel/cpu", "internal/lowrank", "internal/npy", "internal/origin",
		"internal/par", "internal/pipeline/device", "internal/pipeline/model", "internal/pipeline/shard", "internal/pipeline/source", "internal/quantity", "internal/sketch", "internal/ui",
		"internal/unit", "internal/usage",
	},
	"internal/pipeline/directions": {"internal/artefact", "internal/cache", "internal/decomp", "internal/lowrank", "internal/mapping", "internal/npy", "internal/origin", "internal/par", "internal/pipeline/figure", "internal/plot", "internal/quantity", "internal/ui", "internal/unit", "internal/usage"},
	"internal/pipeline/words": {
		"internal/artefact", "internal/cache", "internal/hint", "internal/npy", "internal/omp", "internal/origin", "internal/par",
		"internal/pipeline/coding", "internal/pipeline/model", "internal/pipeline/source", "internal/quantity", "internal/textlist", "internal/ui", "internal/usage",
	},
	"internal/pipeline/score": {"internal/artefact", "internal/cache", "internal/dataset", "internal/describe", "internal/kernel", "internal/omp", "internal/origin", "internal/par", "internal/pipeline/coding", "internal/quantity", "internal/rank", "internal/ui", "internal/usage"},
	"internal/pipeline/evaluate": {
		"internal/artefact", "internal/cache", "internal/clip", "internal/dataset", "internal/decomp", "internal/foreign",
		"internal/hint", "internal/kernel", "internal/lowrank", "internal/npy", "internal/omp", "internal/origin", "internal/par",
		"internal/pipeline/figure", "internal/pipeline/source", "internal/plot", "internal/quantity", "internal/textspan", "internal/ui", "internal/unit", "internal/usage",
	},
	"internal/pipeline/edit": {
		"internal/artefact", "internal/cache", "internal/clip", "internal/decomp", "internal/hint", "internal/npy", "internal/origin",
		"internal/par", "internal/pipeline/model", "internal/pipeline/source", "internal/ptfile", "internal/quantity", "internal/textlist", "internal/ui",
		"internal/unit", "internal/usage",
	},
	"internal/pipeline/retrieve": {
		"internal/artefact", "internal/cache", "internal/canvas", "internal/clip", "internal/dataset", "internal/decomp",
		"internal/foreign", "internal/hint", "internal/imageprep", "internal/lowrank", "internal/origin", "internal/par",
		"internal/pipeline/coding", "internal/pipeline/figure", "internal/pipeline/model", "internal/pipeline/source", "internal/quantity", "internal/textlist", "internal/ui",
		"internal/unit", "internal/usage",
	},
	"internal/pipeline/headmap": {"internal/attribution", "internal/cache", "internal/canvas", "internal/clip", "internal/dataset", "internal/imageprep", "internal/par", "internal/pipeline/figure", "internal/pipeline/model", "internal/pipeline/source", "internal/textlist", "internal/ui", "internal/unit", "internal/usage"},
	"internal/pipeline/explain": {
		"internal/artefact", "internal/attribution", "internal/cache", "internal/canvas", "internal/clip", "internal/dataset",
		"internal/decomp", "internal/foreign", "internal/hint", "internal/imageprep", "internal/kernel", "internal/lowrank", "internal/origin",
		"internal/par", "internal/pipeline/coding", "internal/pipeline/figure", "internal/pipeline/model", "internal/pipeline/source",
		"internal/quantity", "internal/textlist", "internal/ui", "internal/unit", "internal/usage",
	},
	"internal/pipeline/classify": {
		"internal/attribution", "internal/dataset", "internal/foreign", "internal/hint", "internal/par", "internal/pipeline/model",
		"internal/pipeline/source", "internal/textlist", "internal/ui", "internal/usage",
	},
	"internal/pipeline/search": {"internal/artefact", "internal/cache", "internal/canvas", "internal/dataset", "internal/decomp", "internal/foreign", "internal/imageprep", "internal/lowrank", "internal/par", "internal/pipeline/figure", "internal/pipeline/model", "internal/pipeline/source", "internal/textlist", "internal/ui", "internal/unit", "internal/usage"},
	"internal/pipeline/audit": {
		"internal/artefact", "internal/attribution", "internal/cache", "internal/canvas", "internal/dataset", "internal/decomp", "internal/foreign",
		"internal/hint", "internal/imageprep", "internal/kernel", "internal/origin", "internal/par", "internal/permutation", "internal/pipeline/coding",
		"internal/pipeline/figure", "internal/pipeline/model", "internal/pipeline/source", "internal/plot", "internal/quantity", "internal/report", "internal/textlist", "internal/trend", "internal/ui", "internal/unit", "internal/usage",
	},
	"internal/pipeline/mislead":  {"internal/artefact", "internal/attribution", "internal/dataset", "internal/decomp", "internal/foreign", "internal/hint", "internal/kernel", "internal/par", "internal/pipeline/coding", "internal/pipeline/model", "internal/pipeline/source", "internal/quantity", "internal/textlist", "internal/ui", "internal/usage"},
	"internal/pipeline/concepts": {"internal/artefact", "internal/dataset", "internal/decomp", "internal/double", "internal/imageprep", "internal/par", "internal/pipeline/coding", "internal/pipeline/model", "internal/pipeline/source", "internal/ui", "internal/unit", "internal/usage"},
	"internal/pipeline/export": {
		"internal/artefact", "internal/build", "internal/cache", "internal/hint", "internal/npy", "internal/onnx",
		"internal/onnxtower", "internal/origin", "internal/pipeline/model", "internal/quantity", "internal/ui",
	},
	"internal/pipeline/segment": {
		"configs", "internal/artefact", "internal/cache", "internal/canvas", "internal/clip", "internal/dataset", "internal/foreign", "internal/heat",
		"internal/hint", "internal/imageprep", "internal/kernel", "internal/origin", "internal/par", "internal/pipeline/figure",
		"internal/pipeline/model", "internal/pipeline/shard", "internal/pipeline/source", "internal/quantity", "internal/remote", "internal/textlist", "internal/ui", "internal/unit", "internal/usage",
	},
	"internal/pipeline/status": {"internal/artefact", "internal/cache", "internal/hint", "internal/origin", "internal/pipeline/shard", "internal/quantity"},
	"internal/pipeline/show": {
		"internal/artefact", "internal/decomp", "internal/par", "internal/pipeline/coding", "internal/pipeline/source", "internal/trend", "internal/ui", "internal/unit",
	},
	"internal/pipeline/report": {
		"internal/artefact", "internal/attribution", "internal/build", "internal/cache", "internal/cka", "internal/dataset", "internal/decomp", "internal/double", "internal/foreign", "internal/hint",
		"internal/clip", "internal/imageprep", "internal/kernel", "internal/origin", "internal/par", "internal/pipeline/coding", "internal/pipeline/model",
		"internal/pipeline/source", "internal/quantity", "internal/remote", "internal/report", "internal/site", "internal/ui", "internal/unit", "internal/usage",
	},
	"internal/pipeline/shift": {
		"internal/artefact", "internal/cache", "internal/dataset", "internal/decomp", "internal/hint",
		"internal/origin", "internal/par", "internal/pipeline/figure", "internal/pipeline/model", "internal/pipeline/shard",
		"internal/pipeline/source", "internal/plot", "internal/quantity", "internal/sketch", "internal/textlist", "internal/trend", "internal/ui", "internal/unit", "internal/usage",
	},
	"internal/pipeline/listing": {"internal/artefact", "internal/cache", "internal/dataset", "internal/foreign", "internal/hint", "internal/imagelist", "internal/origin", "internal/pipeline/source", "internal/quantity", "internal/ui", "internal/usage"},
	"internal/pipeline/subset":  {"internal/dataset", "internal/hint", "internal/pipeline/source", "internal/ui", "internal/usage"},
	"internal/pipeline/merge": {
		"internal/artefact", "internal/cache", "internal/foreign", "internal/hint", "internal/kernel/cpu", "internal/lowrank", "internal/npy", "internal/par",
		"internal/pipeline/segment", "internal/pipeline/shard", "internal/pipeline/shift", "internal/pipeline/source", "internal/quantity", "internal/sketch", "internal/ui", "internal/usage",
	},
	"internal/pipeline/verify": {
		"configs", "internal/artefact", "internal/cache", "internal/dataset", "internal/float16", "internal/foreign", "internal/hint",
		"internal/npy", "internal/origin", "internal/par", "internal/pipeline/collect", "internal/pipeline/shard", "internal/pipeline/source",
		"internal/quantity", "internal/ui",
	},
	"internal/pipeline/live": {
		"configs", "internal/artefact", "internal/attribution", "internal/cache", "internal/dataset", "internal/decomp", "internal/heat", "internal/hint", "internal/imageprep",
		"internal/origin", "internal/par", "internal/pipeline/evaluate", "internal/pipeline/explain", "internal/pipeline/model", "internal/pipeline/segment", "internal/pipeline/source", "internal/quantity", "internal/report", "internal/textlist", "internal/trend", "internal/ui", "internal/unit",
	},
	"internal/explore": {
		"internal/artefact", "internal/cache", "internal/foreign", "internal/hint", "internal/origin", "internal/par", "internal/pipeline/live", "internal/quantity", "internal/report", "internal/ui", "internal/usage",
	},

	// What stages share.
	"internal/pipeline/coding": {
		"internal/artefact", "internal/cache", "internal/describe", "internal/npy", "internal/omp", "internal/origin", "internal/par", "internal/quantity", "internal/unit", "internal/usage",
	},
	"internal/pipeline/device": {"internal/clip", "internal/hint", "internal/kernel", "internal/onnx", "internal/onnxtower", "internal/origin", "internal/pipe", "internal/usage"},
	"internal/pipeline/figure": {
		"internal/artefact", "internal/cache", "internal/canvas", "internal/foreign", "internal/hint", "internal/plot",
	},
	"internal/pipeline/model": {
		"internal/artefact", "internal/bpe", "internal/cache", "internal/clip", "internal/decomp", "internal/diagram", "internal/digest", "internal/foreign", "internal/hint", "internal/imageprep",
		"internal/origin", "internal/packed", "internal/par", "internal/pipeline/figure", "internal/plot", "internal/quantity", "internal/textlist", "internal/ui",
	},
	"internal/pipeline/shard": {"internal/artefact", "internal/cache", "internal/foreign", "internal/hint", "internal/origin", "internal/quantity", "internal/ui", "internal/usage"},
	"internal/pipeline/source": {
		"internal/artefact", "internal/cache", "internal/clip", "internal/dataset", "internal/decomp", "internal/foreign", "internal/hint",
		"internal/imageprep", "internal/kernel", "internal/origin", "internal/par", "internal/pipeline/model", "internal/quantity", "internal/ui", "internal/unit", "internal/usage",
	},
	"internal/pipeline/pipelinetest": {
		"internal/artefact", "internal/cache", "internal/clip", "internal/dataset", "internal/decomp", "internal/npy",
		"internal/origin", "internal/par", "internal/ptfile", "internal/testutil", "internal/textlist", "internal/ui",
	},
	"internal/pipeline/agreement":   {"internal/artefact", "internal/kernel", "internal/par"},
	"internal/pipeline/collecttest": {"internal/dataset", "internal/pipeline/collect", "internal/pipeline/model", "internal/pipeline/pipelinetest", "internal/testutil"},

	"internal/artefact": {
		"internal/cache", "internal/decomp", "internal/foreign", "internal/hint", "internal/kernel", "internal/kernel/cpu", "internal/lowrank", "internal/npy", "internal/omp",
		"internal/origin", "internal/par", "internal/ptfile", "internal/quantity", "internal/sketch", "internal/textlist", "internal/unit", "internal/usage",
	},

	// Domain: knows CLIP and the paper.
	"configs":              {"internal/foreign", "internal/textlist"},
	"internal/asset":       {"configs", "internal/cache", "internal/digest", "internal/download", "internal/foreign"},
	"internal/attribution": {"internal/decomp", "internal/kernel", "internal/par"},
	"internal/blob":        {"internal/digest", "internal/foreign", "internal/remote"},
	"internal/bpe":         {"internal/foreign"},
	"internal/clip":        {"configs", "internal/decomp", "internal/foreign", "internal/hint", "internal/hubconfig", "internal/imageprep", "internal/kernel", "internal/kernel/cpu", "internal/packed", "internal/par", "internal/ptfile", "internal/quantity", "internal/usage"},
	"internal/dataset":     {"configs", "internal/archive", "internal/cache", "internal/foreign", "internal/imagelist", "internal/imageprep", "internal/matfile", "internal/par", "internal/parquet", "internal/quantity", "internal/remote", "internal/textlist", "internal/usage"},
	"internal/decomp":      {"internal/double", "internal/kernel", "internal/par"},
	"internal/demo":        {},
	"internal/onnxtower":   {"internal/clip", "internal/float16", "internal/kernel", "internal/npy", "internal/onnx", "internal/usage"},
	"internal/imageprep":   {"internal/jpeg"},
	"internal/layout":      {"configs", "internal/dataset", "internal/foreign", "internal/hint", "internal/imageprep", "internal/quantity", "internal/remote", "internal/textlist"},

	// Maths: slices in, slices out.
	"internal/heat":        {"internal/decomp", "internal/kernel", "internal/par"},
	"internal/describe":    {"internal/kernel", "internal/omp", "internal/par"},
	"internal/lowrank":     {"internal/par"},
	"internal/cka":         {"internal/double", "internal/kernel", "internal/par"},
	"internal/permutation": {"internal/kernel", "internal/par", "internal/trend"},
	"internal/omp":         {"internal/kernel", "internal/kernel/cpu", "internal/par", "internal/usage"},
	"internal/rank":        {},
	"internal/textspan":    {},
	"internal/sketch":      {"internal/par"},
	"internal/trend":       {"internal/par"},

	// Files: formats, no knowledge of CLIP.
	"internal/archive":   {"internal/blob", "internal/cache", "internal/foreign", "internal/remote"},
	"internal/cache":     {"internal/build", "internal/foreign", "internal/hint", "internal/kernel/cpu", "internal/npy", "internal/origin", "internal/quantity"},
	"internal/digest":    {"internal/cache", "internal/foreign"},
	"internal/download":  {"internal/cache", "internal/foreign", "internal/ui"},
	"internal/hubconfig": {"internal/foreign"},
	"internal/imagelist": {"internal/foreign"},
	"internal/jpeg":      {},
	"internal/manual":    {"internal/cache", "internal/foreign"},
	"internal/matfile":   {"internal/foreign"},
	"internal/npy":       {"internal/float16", "internal/foreign", "internal/mapping"},
	"internal/onnx":      {"internal/npy"},
	"internal/packed":    {"internal/cache", "internal/foreign", "internal/mapping", "internal/par"},
	"internal/paper":     {"internal/cache", "internal/foreign", "internal/ui"},
	"internal/parquet":   {"internal/blob", "internal/foreign", "internal/remote"},
	"internal/project":   {"internal/foreign", "internal/quantity"},
	"internal/ptfile":    {"internal/float16", "internal/foreign"},
	"internal/remote":    {"internal/foreign", "internal/par"},
	"internal/report":    {"internal/foreign", "internal/unit"},
	"internal/site":      {},
	"internal/submit":    {"internal/foreign", "internal/hint", "internal/usage"},
	"internal/textlist":  {"internal/foreign", "internal/quantity"},

	// Base.
	"internal/build":      {},
	"internal/canvas":     {},
	"internal/float16":    {"internal/kernel/cpu"},
	"internal/foreign":    {},
	"internal/diagram":    {},
	"internal/kernel":     {"internal/float16", "internal/kernel/cpu", "internal/par"},
	"internal/double":     {"internal/kernel/cpu"},
	"internal/kernel/cpu": {},
	"internal/quantity":   {},
	"internal/hint":       {},
	"internal/mapping":    {"internal/par"},
	"internal/origin":     {},
	"internal/ort":        {},
	"internal/pipe":       {"internal/npy"},
	"internal/par":        {},
	"internal/plot":       {},
	"internal/testutil":   {}, // only tests and what is for them import it
	"internal/ui":         {},
	"internal/unit":       {},
	"internal/usage":      {},

	"internal/arch": {},
}

// violations returns a line for every rule that s breaks.
func violations(s source) []string {
	var found []string
	complain := func(line int, format string, args ...any) {
		found = append(found, fmt.Sprintf("%s:%d: ", s.path, line)+fmt.Sprintf(format, args...))
	}
	dir := path.Dir(s.path)
	may, listed := allowed[dir] // unlisted complains about the others
	for _, imp := range s.imports {
		if imp.name == "C" {
			complain(imp.line, "imports C; the program is built without cgo")
		}
		if s.isTest() {
			continue
		}
		if name, inside := strings.CutPrefix(imp.name, module); inside {
			if listed && !slices.Contains(may, name) {
				complain(imp.line, "imports %s; %s may import %s", name, dir, list(may))
			}
			continue
		}
		if first, _, _ := strings.Cut(imp.name, "/"); !strings.Contains(first, ".") {
			continue // the standard library
		}
		if who, ok := importersOf(imp.name); !ok {
			complain(imp.line, "imports %s, which has no row in the table of importers", imp.name)
		} else if !slices.Contains(who, dir) {
			complain(imp.line, "imports %s; only %s may", imp.name, list(who))
		}
	}
	if !s.isTest() && s.path != mainFile && s.path != helperFile {
		for _, p := range s.prints {
			complain(p.line, "uses %s; streams are arguments, and only %s names them", p.name, mainFile)
		}
	}
	return found
}

// unlisted returns a line for every folder of sources without a row.
func unlisted(sources []source) []string {
	var found []string
	for _, s := range sources {
		dir := path.Dir(s.path)
		line := dir + " has no row in the table of allowed imports"
		if _, ok := allowed[dir]; !ok && !slices.Contains(found, line) {
			found = append(found, line)
		}
	}
	return found
}

// importersOf looks up the module that a package belongs to.
func importersOf(pkg string) ([]string, bool) {
	for p := pkg; p != "."; p = path.Dir(p) {
		if who, ok := importers[p]; ok {
			return who, true
		}
	}
	return nil, false
}

func list(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

func TestImportRule(t *testing.T) {
	var sources []source
	walk(t, []string{"cmd", "configs", "internal"}, func(name string, content []byte) {
		if !strings.HasSuffix(name, ".go") {
			return
		}
		s, err := read(name, content)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, s)
	})
	if len(sources) == 0 {
		t.Error("no Go files found")
	}
	for _, line := range unlisted(sources) {
		t.Error(line)
	}
	for _, line := range unused(sources) {
		t.Error(line)
	}
	for _, s := range sources {
		for _, line := range violations(s) {
			t.Error(line)
		}
	}
}

func TestUnlisted(t *testing.T) {
	sources := []source{{path: "internal/npy/a.go"}, {path: "internal/new/a.go"}, {path: "internal/new/b_test.go"}}
	if got, want := unlisted(sources), []string{"internal/new has no row in the table of allowed imports"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestTablesAgree checks the tables themselves.
func TestTablesAgree(t *testing.T) {
	for dir, may := range allowed {
		for _, name := range may {
			if _, ok := allowed[name]; !ok {
				t.Errorf("%s may import %s, which has no row", dir, name)
			}
		}
	}
	for mod, who := range importers {
		for _, dir := range who {
			if _, ok := allowed[dir]; !ok {
				t.Errorf("%s is an importer of %s, and has no row", dir, mod)
			}
		}
	}
}

func TestViolations(t *testing.T) {
	tests := []struct {
		name, path, code string
		want             string // part of the one complaint, or nothing
	}{
		{"down", "internal/clip/a.go", `import "` + module + `internal/kernel"`, ""},
		{"up", "internal/clip/a.go", `import "` + module + `internal/pipeline"`, "a.go:2: imports internal/pipeline; internal/clip may import configs,"},
		{"up in a test", "internal/clip/a_test.go", `import "` + module + `internal/pipeline"`, ""},
		{"testutil outside tests", "internal/jpeg/a.go", `import "` + module + `internal/testutil"`, "imports internal/testutil; internal/jpeg may import nothing"},
		{"sole importer", "internal/ui/a.go", `import "github.com/schollz/progressbar/v3"`, ""},
		{"other importer", "internal/clip/a.go", `import "github.com/schollz/progressbar/v3"`, "imports github.com/schollz/progressbar/v3; only internal/ui may"},
		{"package of a module", "internal/clip/a.go", `import "gonum.org/v1/gonum/mat"`, "imports gonum.org/v1/gonum/mat; only " + list(importers["gonum.org/v1/gonum"]) + " may"},
		{"in a test", "internal/clip/a_test.go", `import "gonum.org/v1/gonum/mat"`, ""},
		{"similar path", "internal/ui/a.go", `import "golang.org/x/terminal"`, "golang.org/x/terminal, which has no row"},
		{"standard library", "internal/bpe/a.go", `import "container/heap"`, ""},
		{"cgo", "internal/kernel/a_test.go", `import "C"`, "imports C"},
		{"standard output", "internal/clip/a.go", "import \"os\"\nvar w = os.Stdout", "a.go:3: uses os.Stdout"},
		{"Printf", "internal/clip/a.go", "import \"fmt\"\nfunc f() { fmt.Printf(\"\") }", "uses fmt.Printf"},
		{"println", "internal/clip/a.go", "func f() { println() }", "uses println"},
		{"log", "internal/clip/a.go", `import "log"`, "uses log"},
		{"Fprintf", "internal/clip/a.go", "import \"fmt\"\nfunc f() { fmt.Fprintf(nil, \"\") }", ""},
		{"main", mainFile, "import \"os\"\nvar w = os.Stdout", ""},
		{"a command", "cmd/clipnh/cmd_svd.go", "import \"os\"\nvar w = os.Stderr", "uses os.Stderr"},
		{"in a test", "internal/clip/a_test.go", "import \"os\"\nvar w = os.Stdout", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := read(tt.path, []byte("package p\n"+tt.code+"\n"))
			if err != nil {
				t.Fatal(err)
			}
			got := violations(s)
			if tt.want == "" {
				if len(got) > 0 {
					t.Errorf("got %q, want nothing", got)
				}
			} else if len(got) != 1 || !strings.Contains(got[0], tt.want) {
				t.Errorf("got %q, want one with %q", got, tt.want)
			}
		})
	}
}
