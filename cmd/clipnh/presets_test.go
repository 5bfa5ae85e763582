package main

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/asset"
	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/project"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/ui"
)

// inProject enters a new folder with a project file.
func inProject(t *testing.T, lines ...string) {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv(asset.HomeVariable, "home")
	writeLines(t, project.Name, lines...)
}

// presetsOf parses a command line and returns its flags with the values that they take, and
// what stands aside.
func presetsOf(t *testing.T, line string) (flags *pflag.FlagSet, all []*preset) {
	t.Helper()
	root := newRootCommand(new(globalOptions))
	cmd, rest, err := root.Find(strings.Fields(line))
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err != nil {
		t.Fatal(err)
	}
	p, err := readPresets(root)
	if err == nil {
		all = p.of(cmd, os.Getenv)
		err = usePresets(cmd.Flags(), pathBelow(root, cmd), all)
	}
	if err != nil {
		t.Fatal(err)
	}
	return cmd.Flags(), all
}

// TestPresetOrder takes a flag before the environment, that before the section, and that
// before what all commands share.
func TestPresetOrder(t *testing.T) {
	inProject(t, "precision: bf16", "threads: 3", "batch_size: 5", "collect:", "  batch-size: 6", "  save-path: out", "  mean: true")
	t.Setenv("CLIPNH_THREADS", "2")
	t.Setenv("CLIPNH_MODEL", "m.pt")
	flags, _ := presetsOf(t, "collect --model given.pt")
	for flag, want := range map[string][2]string{
		"model": {"given.pt", ""}, "threads": {"2", "CLIPNH_THREADS"}, "batch-size": {"6", "clipnh.yaml:5"}, "precision": {"bf16", "clipnh.yaml:1"},
		"save-path": {"out", "clipnh.yaml:6"}, "mean": {"true", "clipnh.yaml:7"}, "sample-stride": {"1", ""},
	} {
		f := flags.Lookup(flag)
		if got := [2]string{f.Value.String(), annotation(f, fromAnnotation)}; got != want {
			t.Errorf("--%s: %q, want %q", flag, got, want)
		}
		if f.Changed != (flag == "model") {
			t.Errorf("--%s counts as given: %t", flag, f.Changed)
		}
	}
	if flags, _ = presetsOf(t, "retrieve"); flags.Lookup("save-dir").Value.String() != "" || flags.Lookup("batch-size").Value.String() != "5" {
		t.Error("retrieve takes what is for collect")
	}
}

// TestPresetPaths makes relative paths those of the file's folder.
func TestPresetPaths(t *testing.T) {
	inProject(t, "model: RN50", "vocab: v.txt", "scores: caches/s", "templates: t.txt", "text-descs-list-path: /abs/w.txt",
		"ablate: {means-path: [a.npy, b.npy]}", "audit: {concepts: \"@c.txt\", classes: [dog, \"@more.txt\"]}", "segment: {config: mine.yaml}", "reconstruct: {pcs-paths: \"a.npy,b.npy\"}")
	deep := filepath.Join("a", "b")
	if err := os.MkdirAll(deep, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Chdir(deep)
	up := filepath.Join("..", "..")
	for line, want := range map[string]map[string]string{
		"retrieve":    {"model": "RN50", "vocab": filepath.Join(up, "v.txt"), "scores": filepath.Join(up, "caches", "s"), "templates": filepath.Join(up, "t.txt")},
		"describe n1": {"text-descs-list-path": "/abs/w.txt"},
		"ablate":      {"means-path": filepath.Join(up, "a.npy") + "," + filepath.Join(up, "b.npy")},
		"reconstruct": {"pcs-paths": filepath.Join(up, "a.npy") + "," + filepath.Join(up, "b.npy")},
		"audit":       {"concepts": "@" + filepath.Join(up, "c.txt"), "classes": "dog,@" + filepath.Join(up, "more.txt")},
		"segment":     {"config": filepath.Join(up, "mine.yaml")},
	} {
		flags, _ := presetsOf(t, line)
		for flag, value := range want {
			if got := typedValue(flags.Lookup(flag)); got != value {
				t.Errorf("%s --%s: %q, want %q", line, flag, got, value)
			}
		}
	}
}

// TestPresetsStandAside checks the rules: what is not used, of a project file and a command
// line, and what is.
func TestPresetsStandAside(t *testing.T) {
	for name, tt := range map[string]struct {
		file, line, unused, used string
	}{
		"scores, not the model":        {"model: m\nscores: s", "ablate", "model", "scores"},
		"the model is given":           {"model: m\nscores: s", "ablate -m other", "scores", ""},
		"of another model":             {"model: m\npcs-path: p\nscores: s", "shift -m other", "pcs-path scores", ""},
		"of the same model":            {"model: m\npcs-path: p\nscores: s", "shift -m m", "", "pcs-path scores"},
		"images are arguments":         {"sample-stride: 2\ndataset: images\ndata-path: d\nmodel: m", "search a.jpg --text x", "data-path dataset sample-stride", "model"},
		"a stride of another command":  {"sample-stride: 2\nmodel: m", "search -d a --text x", "", "sample-stride model"},
		"files to explain":             {"sample-stride: 2", "explain a.jpg", "sample-stride", ""},
		"layout of another folder":     {"data-path: d\ndataset: images", "collect -d other", "dataset", ""},
		"a layout alone":               {"dataset: images", "collect -d other", "", "dataset"},
		"templates off":                {"templates: t.txt", "explain --use-templates=false", "templates", ""},
		"templates given":              {"use-templates: false", "explain --templates t.txt", "use-templates", ""},
		"an image given":               {"data-path: d\ndataset: images", "explain photo.jpg", "data-path dataset", ""},
		"tower flags":                  {"scores: s\nmodel: m", "reconstruct --precision f32", "scores", "model"},
		"texts of heads given":         {"pcs-path: p\ncodes: c\ntext-descs-list-path: w\ntext-descs-embeddings-path: e", "report --spans-path s.txt", "pcs-path codes", "text-descs-list-path text-descs-embeddings-path"},
		"components in place of heads": {"report: {spans-path: s.txt, parts: m}", "report --pcs-path p", "spans-path parts", ""},
		"codes or components":          {"reconstruct: {pcs-paths: p, codes: c, text-descs-embeddings-path: e}", "reconstruct", "codes text-descs-embeddings-path", "pcs-paths"},
		"codes given":                  {"reconstruct: {pcs-paths: p, text-descs-embeddings-path: e}", "reconstruct --codes c", "pcs-paths", "text-descs-embeddings-path"},
		"words of nothing":             {"text-descs-list-path: w", "show n1 -s s", "text-descs-list-path", ""},
		"words of components":          {"text-descs-list-path: w\ntext-descs-embeddings-path: e\npcs-path: p", "show n1 -s s", "", "text-descs-list-path text-descs-embeddings-path pcs-path"},
		"embeddings without words":     {"text-descs-embeddings-path: e\npcs-path: p", "show n1 -s s", "text-descs-embeddings-path pcs-path", ""},
		"components without words":     {"pcs-path: p", "audit", "pcs-path", ""},
		"words without components":     {"text-descs-list-path: w\ntext-descs-embeddings-path: e", "explain a", "text-descs-list-path text-descs-embeddings-path", ""},
		"codes before embeddings":      {"text-descs-list-path: w\ntext-descs-embeddings-path: e\npcs-path: p\ncodes: c", "audit", "text-descs-embeddings-path pcs-path", "codes text-descs-list-path"},
		"codes given, no embeddings":   {"text-descs-list-path: w\ntext-descs-embeddings-path: e\npcs-path: p", "audit --codes c", "text-descs-embeddings-path pcs-path", "text-descs-list-path"},
		"components given":             {"text-descs-list-path: w\ntext-descs-embeddings-path: e\ncodes: c", "explain a --pcs-path p", "codes", "text-descs-list-path text-descs-embeddings-path"},
		"codes of its own":             {"codes: c", "reconstruct", "codes", ""},
		"codes of a section":           {"codes: c\nreconstruct: {codes: d, text-descs-embeddings-path: e}", "reconstruct", "", "codes text-descs-embeddings-path"},
		"other units":                  {"mask: {pairs: n1, except: true}", "mask --percentile 3", "pairs except", ""},
		"a mode that reads tokens":     {"scores: s\nmodel: m", "ablate --mode zero_sink", "scores", "model"},
		"a dense file":                 {"collect: {dtype: float16, expand: true}", "collect -o x.npy", "dtype expand", ""},
		"a folder":                     {"collect: {dtype: float16, expand: true}", "collect -o x", "", "dtype expand"},
		"textspan only":                {"describe: {svd-scores: s}", "describe n1", "svd-scores", ""},
		"textspan":                     {"describe: {svd-scores: s, method: textspan}", "describe n1", "", "svd-scores method"},
		"a fetched one's rule":         {"vocab: v", "segment --text-embeddings-path e", "vocab", ""},
		"classes of the config":        {"classes: [a, b]", "segment --config demo", "classes", ""},
		"other texts":                  {"retrieve: {text: a}", "retrieve --neur-idxs 1", "text", ""},
		"images of other scores":       {"data-path: d\ndataset: images", "search -s s", "data-path dataset", ""},
		"images of scores of its own":  {"data-path: d\ndataset: images\nscores: s", "retrieve -s t", "data-path dataset", ""},
		"images of the same scores":    {"data-path: d\ndataset: images\nscores: s", "report -s s", "", "data-path dataset"},
		"drawn images of a section":    {"data-path: d\nretrieve: {save-dir: o}", "retrieve -s s", "data-path save-dir", ""},
		"images to explain":            {"data-path: d\ndataset: images", "explain -s s", "", "data-path dataset"},
		"a section beats what it bars": {"scores: s\nablate: {model: m}", "ablate", "scores", "model"},
	} {
		t.Run(name, func(t *testing.T) {
			inProject(t, tt.file)
			flags, all := presetsOf(t, tt.line)
			var unused []string
			for _, p := range all {
				if p.unused != "" {
					unused = append(unused, p.flag)
				}
			}
			slices.Sort(unused)
			if want := slices.Sorted(slices.Values(strings.Fields(tt.unused))); !slices.Equal(unused, want) {
				t.Errorf("not used: %q, want %q", unused, want)
			}
			for _, flag := range strings.Fields(tt.used) {
				if f := flags.Lookup(flag); annotation(f, fromAnnotation) == "" {
					t.Errorf("--%s is not used", flag)
				}
			}
		})
	}
}

// TestPresetsRetract holds that a value stands aside again if what it needs does in the end,
// in whatever order values count.
func TestPresetsRetract(t *testing.T) {
	inProject(t, "codes: c", "text-descs-list-path: w", "text-descs-embeddings-path: e")
	t.Setenv("CLIPNH_PCS_PATH", "p")
	flags, _ := presetsOf(t, "audit")
	for flag, want := range map[string]string{"pcs-path": "", "text-descs-embeddings-path": "", "codes": "c", "text-descs-list-path": "w"} {
		if got := typedValue(flags.Lookup(flag)); got != want {
			t.Errorf("--%s: %q, want %q", flag, got, want)
		}
	}
}

// TestProjectMistakes holds that each mistake is one line with file and line, and wrong usage.
func TestProjectMistakes(t *testing.T) {
	for name, tt := range map[string]struct{ file, want, hint string }{
		"unknown key":       {"# one\nmodle: x", `clipnh.yaml:2: unknown key "modle"`, `did you mean "model"?`},
		"unknown":           {"colour: x", `clipnh.yaml:1: unknown key "colour"`, ""},
		"not shared":        {"save-path: x", "clipnh.yaml:1: save-path is not for all commands", "section of a command that takes it: data list, data subset, collect"},
		"a section's value": {"search: 3", `clipnh.yaml:1: search: "3", want the settings of this command`, "a line of its own"},
		"a section's list":  {"# one\nsegment: [k, 5]", `clipnh.yaml:2: segment: "k", "5", want the settings of this command`, "a line of its own"},
		"a key's section":   {"model: {x: 3}", `clipnh.yaml:1: model: a section, want FILE`, ""},
		"unknown command":   {"svdd: {mode: n}", `clipnh.yaml:1: unknown command "svdd"`, `did you mean "svd"?`},
		"a script's name":   {"collection: {mode: n}", `clipnh.yaml:1: unknown command "collection"`, ""},
		"no flags":          {"version: {json: true}", `clipnh.yaml:1: unknown command "version"`, ""},
		"unknown in it":     {"svd:\n  topk: 3", `clipnh.yaml:2: unknown key "topk" of svd`, ""},
		"must be typed":     {"svd:\n  restart: true", "clipnh.yaml:2: restart must be given on the command line", ""},
		"text for a number": {"threads: many", `clipnh.yaml:1: threads: "many", want a whole number`, ""},
		"share of threads":  {"threads: 1.5", `clipnh.yaml:1: threads: "1.5", want a whole number`, ""},
		"truth for a text":  {"model: true", `clipnh.yaml:1: model: "true", want FILE`, ""},
		"text for truth":    {"exif: sideways", `clipnh.yaml:1: exif: "sideways", want true or false`, ""},
		"a list":            {"model: [a, b]", "clipnh.yaml:1: model: a list, want FILE", ""},
		"a choice":          {"precision: f64", `clipnh.yaml:1: precision: "f64", want f32 or bf16`, ""},
		"numbers":           {"ablate: {percentile: [1, x]}", `clipnh.yaml:1: percentile: "x", want`, ""},
		"standard input":    {"audit: {classes: \"@-\"}", `clipnh.yaml:1: classes: "@-", want a file`, ""},
		"two spellings":     {"data-path: a\ndata_path: b", "clipnh.yaml:2: data_path is on line 1 already", ""},
		"not YAML":          {"a: [b", "clipnh.yaml", ""},
	} {
		t.Run(name, func(t *testing.T) {
			inProject(t, strings.Split(tt.file, "\n")...)
			_, said := must(t, exitUsage, "svd", "--scores", "s", "--out-save-path", "o.npy")
			first, rest, _ := strings.Cut(said, "\n")
			if !strings.HasPrefix(first, "error: svd: "+tt.want) || !strings.Contains(rest, tt.hint) {
				t.Errorf("said\n%swant %q, hint %q", said, tt.want, tt.hint)
			}
			for _, line := range []string{"version", "help", "completion bash", "svd --help", "config --init"} {
				if code, _, said := clipnh(strings.Fields(line)...); code == exitUsage {
					t.Errorf("%s: stopped by the project file: %s", line, said)
				}
			}
		})
	}
	t.Run("environment", func(t *testing.T) {
		t.Chdir(t.TempDir())
		t.Setenv("CLIPNH_THREADS", "many")
		if _, said := must(t, exitUsage, "svd"); !strings.HasPrefix(said, `error: svd: CLIPNH_THREADS: "many", want a whole number`) {
			t.Errorf("said\n%s", said)
		}
	})
}

// TestPresetsNamed holds that the tables name flags and commands that exist, that what is
// shared says nothing about where to write, and that no variable means two things.
func TestPresetsNamed(t *testing.T) {
	root := newRootCommand(new(globalOptions))
	flags := map[string]map[string]bool{"": {"args": true}}
	for _, cmd := range commandsBelow(root) {
		of := map[string]bool{"args": true}
		cmd.Flags().AddFlagSet(root.PersistentFlags())
		cmd.Flags().VisitAll(func(f *pflag.Flag) { of[f.Name], flags[""][f.Name] = true, true })
		flags[pathBelow(root, cmd)] = of
	}
	for _, flag := range sharedFlags {
		if !flags[""][flag] || isOutput(flag) || slices.Contains(typedFlags, flag) {
			t.Errorf("%s is shared: want a flag that writes nothing", flag)
		}
		if slices.Contains([]string{asset.HomeVariable, asset.MirrorVariable, debugVariable, cpu.Variable, packedSizeVariable, faultsEnv}, variableOf(flag)) {
			t.Errorf("%s means something else", variableOf(flag))
		}
	}
	check := func(where, command, conds string) {
		for _, cond := range strings.FieldsFunc(conds, func(r rune) bool { return r == ' ' || r == '&' }) {
			name, _, _ := strings.Cut(strings.TrimSuffix(cond, ">1"), "=")
			if flags[command] == nil || !flags[command][name] {
				t.Errorf("%s: %q has no flag %s", where, command, name)
			}
		}
	}
	for _, r := range presetRules {
		for command := range strings.SplitSeq(r.commands, " ") {
			check("a rule", command, strings.Join([]string{r.flags, r.not, r.given, r.needs}, " "))
		}
	}
	for flag, others := range companions {
		check("companions", "", flag+" "+strings.Join(others, " "))
	}
	for command, own := range ownMeanings {
		check("own meanings", command, strings.Trim(strings.Join(own, " "), "*"))
	}
}

// TestPresetsAreRecorded collects once with flags and once with a project file, from a folder
// below it: every file is the same.
func TestPresetsAreRecorded(t *testing.T) {
	model, data := testutil.Golden("model/tiny_jit.pt"), testutil.Golden("dataset")
	for _, path := range []*string{&model, &data} {
		var err error
		if *path, err = filepath.Abs(*path); err != nil {
			t.Fatal(err)
		}
	}
	inProject(t, "model: m.pt", "data-path: photos", "dataset: images", "sample-stride: 12", "threads: 1", "collect:", "  save-path: typed/c")
	for from, to := range map[string]string{model: "m.pt", data: "photos"} {
		if err := os.Symlink(from, to); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir("below", 0o777); err != nil {
		t.Fatal(err)
	}
	t.Chdir("below")
	_, said := must(t, exitDone, "collect", "-v")
	for _, want := range []string{"note: project file ../clipnh.yaml\n", "note: --model ../m.pt (../clipnh.yaml:1)\n", "note: --save-path ../typed/c (../clipnh.yaml:7)\n"} {
		if !strings.Contains(said, want) {
			t.Errorf("--verbose said\n%swant %q", said, want)
		}
	}
	if err := os.Remove("../" + project.Name); err != nil {
		t.Fatal(err)
	}
	_, said = must(t, exitDone, "collect", "-m", "../m.pt", "-d", "../photos", "--dataset", "images", "--sample-stride", "12", "-t", "1", "-o", "c", "-v")
	if !strings.Contains(said, "note: no project file: no clipnh.yaml") {
		t.Errorf("--verbose said\n%s", said)
	}
	typed, preset := filesBelow(t, "c"), filesBelow(t, "../typed/c")
	if len(typed) == 0 || !maps.Equal(typed, preset) {
		t.Errorf("files of %d and %d differ", len(typed), len(preset))
	}
}

// TestIsolated holds that the command lines of the demo and of paper take nothing from a
// project file.
func TestIsolated(t *testing.T) {
	inProject(t, "no such key: x")
	g := &globalOptions{newRoot: newRootCommand}
	err := g.typed(context.Background(), []string{"svd", "--scores", "nope", "--out-save-path", "o.npy"}, ui.NewPrinter(new(strings.Builder), new(strings.Builder), time.Now))
	if err == nil || strings.Contains(err.Error(), project.Name) {
		t.Errorf("%v, want an error about nope", err)
	}
}

// TestConfigInit writes the file, which says nothing; with its comments taken away, every
// line is one that commands take. It is not written over another.
func TestConfigInit(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv(asset.HomeVariable, "home")
	must(t, exitDone, "config", "--init")
	if printed, _ := must(t, exitDone, "config", "--json"); !strings.Contains(printed, `"project": "clipnh.yaml"`) || strings.Contains(printed, `"source": "project"`) {
		t.Errorf("printed\n%s", printed)
	}
	if _, said := must(t, exitFailed, "config", "--init"); !strings.Contains(said, "clipnh.yaml: already exists") {
		t.Errorf("said\n%s", said)
	}
	var lines []string
	for line := range strings.Lines(projectTemplate) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "#"); ok && text != "" && (text[0] != ' ' || strings.HasPrefix(text, "  ")) {
			lines = append(lines, text)
		}
	}
	writeLines(t, project.Name, lines...)
	printed, said := must(t, exitDone, "config", "--json")
	var result configResult
	if err := json.Unmarshal([]byte(printed), &result); err != nil {
		t.Fatal(err)
	}
	set := map[string]bool{}
	for _, d := range append(result.Defaults, result.Unused...) {
		if d.Source == sourceProject {
			set[d.Flag] = true
		}
	}
	for _, flag := range sharedFlags {
		if !set[flag] && !slices.Contains([]string{"vit-heads", "activation", "image-mean", "image-std", "image-resize", "use-templates", "shape", "preprocess", "max-pixels", "progress", "quiet", "verbose", "no-lock", "no-packed-cache"}, flag) {
			t.Errorf("clipnh.yaml has no line for %s that a command uses\n%s", flag, said)
		}
	}
}
