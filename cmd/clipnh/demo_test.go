package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDemo runs the demo twice and compares what it finds with what PyTorch
// measured on the same weights and images.
func TestDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a folder") // with a blank, as a user may have one
	for _, time := range []string{"first", "second"} {
		var stdout, stderr bytes.Buffer
		if code := run(context.Background(), []string{"demo", "--dir", dir, "--json"}, nil, &stdout, &stderr); code != exitDone {
			t.Fatalf("%s time: exit %d: %s", time, code, stderr.String())
		}
		var got demoResult
		if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
			t.Fatalf("%s time: %v: %s", time, err, stdout.String())
		}
		if got.ZeroShot.Images != 400 || got.ZeroShot.Top1 != got.ExpectedZeroShot {
			t.Errorf("%s time: accuracy %+v, want %g", time, got.ZeroShot, got.ExpectedZeroShot)
		}
		checkDemoEvaluations(t, &got)
		// Measured on weights rounded to fp16, and with other signs of some pairs.
		const tolerance = 1e-3
		for _, f := range append(got.Segmentation, got.Shift...) {
			if math.Abs(f.Value-f.Expected) > tolerance {
				t.Errorf("%s time: %s: %g, want %g", time, f.Name, f.Value, f.Expected)
			}
		}
		if len(got.Segmentation) != 5 || len(got.Shift) != 2 {
			t.Errorf("%s time: segmentation %v, shift %v", time, got.Segmentation, got.Shift)
		}
		for _, p := range demoImages {
			if _, err := os.Stat(filepath.Join(dir, p.path)); err != nil {
				t.Errorf("%s time: %v", time, err)
			}
		}
		if len(got.Concepts) != len(demoConcepts) {
			t.Errorf("%s time: %d concepts", time, len(got.Concepts))
		}
		for _, c := range got.Concepts {
			for i, pair := range c.Pairs {
				want := c.Expected[i]
				// Printed with four decimals, and measured on weights rounded to fp16.
				const tolerance = 5e-4
				if pair.Head != want.Head || pair.Neuron != want.Neuron || math.Abs(pair.Cosine-want.Cosine) > tolerance {
					t.Errorf("%s time: %s: pair %d is %+v, want %+v", time, c.Word, i, pair, want)
				}
			}
			// The words that describe a pair must say what it stands for.
			if len(c.Terms) != demoComponents || c.Terms[0].Coefficient <= 0 || !strings.Contains(c.Terms[0].Word, c.Word) {
				t.Errorf("%s time: %s: its strongest pair is made of %+v", time, c.Word, c.Terms)
			}
		}
	}
}

// checkDemoEvaluations holds that accuracies are those that PyTorch measured, that
// reconstruction from pairs is the model, and that where pairs and neurons differ
// much it is the pairs that keep more.
func checkDemoEvaluations(t *testing.T, got *demoResult) {
	t.Helper()
	if len(got.Reconstruction) != 2 || got.Reconstruction[0].Top1 != got.ZeroShot.Top1 {
		t.Errorf("reconstruction %+v, want pairs as the model, %+v", got.Reconstruction, got.ZeroShot)
	}
	for _, v := range got.Reconstruction {
		if v.Top1 != v.Expected {
			t.Errorf("%s: top-1 %g, want %g", v.Variant, v.Top1, v.Expected)
		}
	}
	if len(got.Ablation) != len(demoPercentiles) {
		t.Errorf("%d points of the ablation curve", len(got.Ablation))
	}
	for _, a := range got.Ablation {
		// One image of 400, for weights rounded to fp16.
		const tolerance = 1.0 / 400
		if math.Abs(a.Pairs-a.ExpectedPairs) > tolerance || math.Abs(a.Neurons-a.ExpectedNeurons) > tolerance {
			t.Errorf("ablation %+v", a)
		}
		if a.Percentile <= 98 && a.Pairs < a.Neurons {
			t.Errorf("ablation %+v: pairs are below neurons", a)
		}
	}
}
