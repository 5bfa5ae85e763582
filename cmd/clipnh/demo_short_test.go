package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/pipeline/agreement"
	"github.com/clipnh/clipnh/internal/ui"
)

// TestDemoPrintsShort holds that the demo's end fits on a screen, and says what pairs are
// worth, what is left of the cue, which figure to look at, and where the log is.
func TestDemoPrintsShort(t *testing.T) {
	r := &demoResult{
		Transformer: demoViT{
			Agreement: &demoAgreeing{agreement.Result{Images: 400, ByChance: 0.21, Words: []agreement.Word{
				{Word: "red", Here: artefact.Pair{Head: 1, Neuron: 2}, There: artefact.Pair{Unit: "l2h0n1"}, Correlation: 0.2},
				{Word: "yellow", Here: artefact.Pair{Head: 3, Neuron: 149}, There: artefact.Pair{Unit: "l3h1n22"}, Correlation: 0.8123},
				{Word: "convertible"}, {Word: "water"},
			}}, 0.2},
			ExpectedWords: make([]demo.Agreed, 4),
		},
		Reconstruction: make([]demoVariant, 2), Segmentation: make([]demoFigure, 5), Shift: make([]demoFigure, 2),
		Worth: demoWorth{
			Ablation:     []demoPaired{{Percentile: 90, Pairs: 0.744, Neurons: 0.656, Interval: 0.061}, {Percentile: 95, Pairs: 0.475, Neurons: 0.294, Interval: 0.08}},
			Segmentation: []demoFigure{{"pairs", 0.4826, 0}, {"values", 0.4595, 0}},
		},
		Cue: demoCue{
			Image:  demoExplained{Name: "003.jpg", Class: "butterfly", Label: "fish", Pair: "h4n72", Words: "lawn, not road, not water"},
			Images: 240, Pairs: 4096, Found: 1196, Removed: []string{"h4n72", "h4n216", "h2n9"},
			Before:  demoGroups{0.725, 0.4, "fish in grass"},
			HeldOut: demoGroups{0.758, 0.467, "fish in grass"}, After: demoGroups{0.942, 0.833, "fish in grass"}, Edited: demoGroups{0.942, 0.833, "fish in grass"},
		},
	}
	var out bytes.Buffer
	if err := r.printShort("d", ui.NewPrinter(&out, io.Discard, time.Now)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"strongest 5 % kept", "47.5 %", "29.4 %", "difference 18.1 ± 8.0 points", "difference 2.3 points",
		"only 40.0 % of fish in grass", "h4n72: lawn, not road, not water", "first 2 all of\nhead 4", "collected afresh",
		"d/report/index.html", "clipnh explore d/report", "d/retrieved/498/sheet.png", "d/log.txt", "--verbose", "h3n149  ", "l3h1n22  ", "0.8123", "1 of 4 words",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	lines := strings.Split(out.String(), "\n")
	if len(lines) > 50 {
		t.Errorf("%d lines, want at most 50", len(lines))
	}
	for _, line := range lines {
		if len(line) > 90 {
			t.Errorf("a line of %d columns: %s", len(line), line)
		}
	}
}

func TestProgramName(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for started, want := range map[string]string{"./bin/clipnh": "./bin/clipnh", "/tmp/b001/clipnh.test": "clipnh"} {
		if got := programName(started); got != want {
			t.Errorf("started as %s: %s, want %s", started, got, want)
		}
	}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "clipnh"), nil, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	if got := programName("./bin/clipnh"); got != "clipnh" {
		t.Errorf("on PATH: %s, want clipnh", got)
	}
}
