package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/ui"
)

// TestDemoPrintsShort holds that the demo's end fits on a screen, and says the strongest
// finding, which figure to look at, and where the log is.
func TestDemoPrintsShort(t *testing.T) {
	r := &demoResult{
		Concepts:       []demoConcept{{Word: "yellow", Pairs: []artefact.Pair{{Head: 3, Neuron: 149, Cosine: 0.7}}, Terms: []artefact.Term{{Word: "white and yellow"}}}},
		Reconstruction: make([]demoVariant, 2), Segmentation: make([]demoFigure, 5), Shift: make([]demoFigure, 2),
		Ablation: []demoAblation{{Percentile: 80, Pairs: 0.99, Neurons: 0.98}, {Percentile: 95, Pairs: 0.715, Neurons: 0.49}, {Percentile: 99, Pairs: 0.08, Neurons: 0.14}},
	}
	var out bytes.Buffer
	if err := r.printShort("d", ui.NewPrinter(&out, io.Discard, time.Now)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"strongest 5 % of the pairs", "71.5 %", "49.0 %", "d/retrieved/498/sheet.png", "d/log.txt", "--verbose", "white and yellow"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	lines := strings.Split(out.String(), "\n")
	if len(lines) > 45 {
		t.Errorf("%d lines, want about 40", len(lines))
	}
	for _, line := range lines {
		if len(line) > 90 {
			t.Errorf("a line of %d columns: %s", len(line), line)
		}
	}
}
