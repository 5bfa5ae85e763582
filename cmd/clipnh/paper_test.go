package main

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/paper"
	"github.com/clipnh/clipnh/internal/pipeline/evaluate"
	"github.com/clipnh/clipnh/internal/pipeline/model"
)

// runPaperCommand runs paper with --json.
func runPaperCommand(t *testing.T, want int, args ...string) (*paper.Report, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(context.Background(), append([]string{"paper", "--json"}, args...), nil, &stdout, &stderr); code != want {
		t.Fatalf("exit %d, want %d: %s", code, want, stderr.String())
	}
	var report paper.Report
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
		t.Fatalf("%v: %s", err, stdout.String())
	}
	return &report, stderr.String()
}

// TestPaper measures some results on the example, twice, and compares them with
// what is expected.
func TestPaper(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a folder")
	report, _ := runPaperCommand(t, exitDone, "--dir", dir, "baseline", "ablation", "polysemanticity")
	results := map[string]int{}
	for _, row := range report.Rows {
		results[row.Result]++
		if row.Expected != nil && row.Value != *row.Expected {
			t.Errorf("%s, %s: %g, want %g", row.Result, row.Setting, row.Value, *row.Expected)
		}
	}
	if len(results) != 3 || len(report.Missing) != 0 || len(report.Figures) != 2 {
		t.Errorf("results %v, missing %v, images %v", results, report.Missing, report.Figures)
	}
	for _, p := range report.Figures {
		if _, err := os.Stat(filepath.Join(dir, p.Path)); err != nil {
			t.Error(err)
		}
	}
	markdown, err := os.ReadFile(filepath.Join(dir, "report.md"))
	if err != nil || !strings.Contains(string(markdown), "| top-1 | 100.0 % | 70.7 % | 100.0 % |") {
		t.Errorf("%v:\n%s", err, markdown)
	}
	again, stderr := runPaperCommand(t, exitDone, "--dir", dir, "baseline", "ablation", "polysemanticity")
	if !strings.Contains(stderr, "nothing to do") || len(again.Rows) != len(report.Rows) {
		t.Errorf("the second time %d rows of %d, and: %s", len(again.Rows), len(report.Rows), stderr)
	}
}

// TestPaperOfViT measures the results about vision transformers on the example's, whose figures
// must be those of the commands and of PyTorch, and says what it is of.
func TestPaperOfViT(t *testing.T) {
	dir := t.TempDir()
	report, stderr := runPaperCommand(t, exitDone, "textspan", "second-order", "--dir", dir)
	if !strings.Contains(stderr, "trained on drawings") || !strings.Contains(report.Published, "trained on drawings") {
		t.Errorf("it does not say what it is of: %q, %s", report.Published, stderr)
	}
	caches := filepath.Join(dir, "caches")
	data := []string{"--data-path", filepath.Join(dir, "demo", "imagenet"), "--imagenet-zeroshot-path", filepath.Join(caches, "vit_classes.npy"), "--json", "--quiet"}
	var ablation evaluate.AblateResult
	code, stdout, said := clipnh(append([]string{"ablate", "--scores", filepath.Join(caches, "vit_heads"), "--parts", filepath.Join(caches, "vit_mlps") + "," + filepath.Join(caches, "vit_cls_attn")}, data...)...)
	if code != exitDone || json.Unmarshal([]byte(stdout), &ablation) != nil {
		t.Fatalf("ablate: exit code %d: %s", code, said)
	}
	want := map[string]float64{"nothing at its mean": ablation.Baseline.Top1}
	for _, v := range ablation.Variants {
		switch v.Variant {
		case evaluate.AblateMLPs:
			want["MLPs at their means"] = v.Top1
		case "layers l0-l2":
			want["attention of all but the last layer at its mean"] = v.Top1
		case "layers l0-l3":
			want["attention of all layers at its mean"] = v.Top1
		case "mlps+cls_attn+layers l0":
			want["MLPs, attention to the class token and that of all but the last 3 layers at their means"] = v.Top1
		case "mlps+cls_attn+layers l0-l3":
			want["MLPs, attention to the class token and that of all layers at their means"] = v.Top1
		}
	}
	expected := 0
	for _, row := range report.Rows {
		if x, known := want[row.Setting]; known && row.Value != 100*x {
			t.Errorf("%s: %g, want %g", row.Setting, row.Value, 100*x)
		}
		delete(want, row.Setting)
		if row.Expected != nil {
			expected++
			const images = 2.0 / 400 // of rounding, and of ends of codes
			if math.Abs(row.Value-*row.Expected) > 100*images+1e-9 {
				t.Errorf("%s: %g, want %g", row.Setting, row.Value, *row.Expected)
			}
		}
	}
	if len(want) > 0 || len(report.Rows) != 15+9 || expected != 8 || slices.ContainsFunc(report.Rows, func(r paper.Row) bool { return r.Published != nil }) {
		t.Errorf("no rows of %v, %d expected; rows %+v", want, expected, report.Rows)
	}
	if _, err := os.Stat(filepath.Join(dir, "textspan20.txt")); err != nil {
		t.Error(err)
	}
}

// TestPaperFamilies refuses results of another family than the model's.
func TestPaperFamilies(t *testing.T) {
	dir := t.TempDir()
	if _, err := demo.Layout(dir); err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"second-order", "--neuron-layer", "2"}, exitUsage, "--neuron-layer needs --model and --data-path"},
		{[]string{"second-order", "--neuron-layer", "3", "--model", in(demo.ViTModel), "--vocab", in(demo.Vocabulary), "--words", in(demo.Words), "--data-path", dir}, exitUsage, "--neuron-layer 3: want 0 to 2"},
		{[]string{"textspan", "baseline"}, exitUsage, "result textspan is about a CLIP-ViT, the others about a CLIP-ResNet: want one command for each"},
		{[]string{"textspan", "--model", in(demo.Model), "--vocab", in(demo.Vocabulary), "--words", in(demo.Words), "--data-path", dir}, exitUsage, "a CLIP-ResNet, but textspan needs a CLIP-ViT"},
	} {
		code, stdout, stderr := clipnh(append([]string{"paper", "--dir", in("paper")}, test.args...)...)
		if code != test.code || stdout != "" || !strings.Contains(stderr, test.want) {
			t.Errorf("%q: exit code %d, want %d and %q: %s", test.args, code, test.code, test.want, stderr)
		}
	}
}

// TestPaperOnData runs on a folder that has some of the data only.
func TestPaperOnData(t *testing.T) {
	dir := t.TempDir()
	if _, err := demo.Layout(dir); err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.RemoveAll(in(demo.Cars)); err != nil {
		t.Fatal(err)
	}
	report, stderr := runPaperCommand(t, exitSkipped, "shift", "polysemanticity", "--dir", in("paper"), "--model", in(demo.Model),
		"--vocab", in(demo.Vocabulary), "--words", in(demo.Words), "--data-path", dir)
	if len(report.Missing) != 1 || !strings.Contains(report.Missing[0].Why, demo.Cars) || !strings.Contains(stderr, "is missing") {
		t.Errorf("missing %v, and: %s", report.Missing, stderr)
	}
	if len(report.Rows) != 2 || report.Rows[0].Expected != nil || report.Rows[0].Value <= 0 {
		t.Errorf("rows %+v", report.Rows)
	}
}

// TestPaperPlan holds that every result has its steps, with a command that takes
// their flags.
func TestPaperPlan(t *testing.T) {
	for _, onDemo := range []bool{true, false} {
		src := paperSources{model: "m.pt", vocab: "v.gz", words: "w.txt", data: "data", stride: 5, valStride: 2, neurons: "624"}
		for _, result := range paperResults() {
			plan := newPaperPlan("out", src, model.Details{Activation: "gelu"}, onDemo)
			said := "--activation gelu"
			if result.family == viTs {
				said = "--vit-heads 2"
				plan = newViTPlan("out", src, model.Details{Heads: 2}, 1, onDemo)
			}
			for _, name := range plan.needed(result.steps) {
				step, ok := plan.steps[name]
				if !ok {
					t.Fatalf("%s: no step %q", result.name, name)
				}
				cmd, rest, err := newRootCommand(new(globalOptions)).Find(step.Args)
				if err == nil {
					err = cmd.ParseFlags(rest)
				}
				line := strings.Join(step.Args, " ")
				if strings.Contains(line, "--model ") && !strings.Contains(line, said) {
					t.Errorf("%s: %q, want %s", name, line, said)
				}
				if err != nil || strings.Contains(line, "{") {
					t.Errorf("%s: %q: %v", name, step.Args, err)
				}
			}
		}
	}
}

// TestPaperLocked keeps a second run out of a folder in which one is at work, before it writes
// anything.
func TestPaperLocked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "paper")
	release, err := paper.Lock(new(cache.Store), dir)
	if err != nil {
		t.Fatal(err)
	}
	before := filesBelow(t, dir)
	_, said := must(t, exitFailed, "paper", "--dir", dir, "--quiet")
	if !strings.Contains(said, cache.ErrLocked.Error()) {
		t.Errorf("said %q", said)
	}
	if after := filesBelow(t, dir); len(after) != len(before) {
		t.Errorf("files %v, want %d", slices.Sorted(maps.Keys(after)), len(before))
	}
	release()
}
