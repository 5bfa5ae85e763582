package main

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/paper"
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
		plan := newPaperPlan("out", paperSources{model: "m.pt", vocab: "v.gz", words: "w.txt", data: "data", stride: 5, valStride: 2, neurons: "624"}, onDemo)
		for _, result := range paperResults() {
			for _, name := range plan.needed(result.steps) {
				step, ok := plan.steps[name]
				if !ok {
					t.Fatalf("%s: no step %q", result.name, name)
				}
				cmd, rest, err := newRootCommand(new(globalOptions)).Find(step.Args)
				if err == nil {
					err = cmd.ParseFlags(rest)
				}
				if err != nil || strings.Contains(strings.Join(step.Args, " "), "{") {
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
