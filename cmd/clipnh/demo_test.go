package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/unit"
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
		checkDemoViT(t, &got.Transformer)
		checkDemoScores(t, filepath.Join(dir, "caches", "vit-val"))
		checkDemoWorth(t, &got.Worth)
		checkDemoCue(t, &got.Cue)
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

// checkDemoViT holds that the vision transformer classifies as PyTorch measured, and that the
// same pairs of both models agree on words, by more than chance on most.
func checkDemoViT(t *testing.T, v *demoViT) {
	t.Helper()
	const image = 1.0 / 400 // for features that differ in their last bits
	if v.ZeroShot.Images != 400 || math.Abs(v.ZeroShot.Top1-v.Expected) > image || math.Abs(v.Rebuilt.Top1-v.Rebuilt.Expected) > image {
		t.Errorf("accuracies %+v, want %g, and %+v", v.ZeroShot, v.Expected, v.Rebuilt)
	}
	a := v.Agreement
	if a == nil || len(a.Words) != 31 || len(v.ExpectedWords) != 31 || a.Images != 400 {
		t.Fatalf("agreement %+v, expected %d words", a, len(v.ExpectedWords))
	}
	for i, w := range a.Words {
		const tolerance = 1e-3 // of weights rounded to fp16, in the ResNet that PyTorch read
		if want := v.ExpectedWords[i]; w.Here.Name() != want.Here || w.There.Name() != want.There || math.Abs(w.Correlation-want.Correlation) > tolerance {
			t.Errorf("%+v, want %+v", w, want)
		}
	}
	const drawn = 0.03 // the permutations are others
	if math.Abs(a.ByChance-a.Expected) > drawn || a.Above() < 25 {
		t.Errorf("by chance %g, want %g; %d words above", a.ByChance, a.Expected, a.Above())
	}
}

// checkDemoScores compares scores of pairs of the vision transformer with those that PyTorch
// computed by their formula.
func checkDemoScores(t *testing.T, path string) {
	t.Helper()
	expected, err := demo.ExpectedOfViT()
	if err != nil {
		t.Fatal(err)
	}
	s, err := artefact.Reader{}.Scores(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	names, err := s.Names()
	if err != nil {
		t.Fatal(err)
	}
	units := unit.Layered{Shape: unit.Shape{s.OV.Heads, s.OV.Neurons}, Layers: artefact.LayersOf(s.Artefact)}
	row, compared := make([]float32, units.Count()), 0
	for image, scores := range expected.Scores {
		at := slices.IndexFunc(names, func(name string) bool { return strings.HasSuffix(image, "/"+name) })
		if at < 0 {
			t.Fatalf("%s: no image %s", path, image)
		}
		if err := s.Read(row, at); err != nil {
			t.Fatal(err)
		}
		for name, want := range scores {
			found, err := units.Find([]string{name})
			if err != nil {
				t.Fatal(err)
			}
			const tolerance = 2e-4 // printed with 4 decimals
			if got := float64(row[found[0]]); math.Abs(got-want) > tolerance {
				t.Errorf("%s, %s: score %g, want %g", image, name, got, want)
			}
			compared++
		}
	}
	if compared != 20 {
		t.Errorf("%d scores compared, want 20", compared)
	}
}

// checkDemoWorth holds that on the harder images accuracies are those that PyTorch
// measured, far from the ceiling, and that pairs are ahead by more than the interval.
func checkDemoWorth(t *testing.T, w *demoWorth) {
	t.Helper()
	const image = 1.0 / 160 // for features that differ in their last bits
	if w.Images != 160 || math.Abs(w.Top1-w.Expected) > image || w.Top1 > 0.95 {
		t.Errorf("top-1 %g of %d images, want %g of 160", w.Top1, w.Images, w.Expected)
	}
	if len(w.Ablation) != 2 {
		t.Fatalf("ablations %+v, want two", w.Ablation)
	}
	for _, a := range w.Ablation {
		if math.Abs(a.Pairs-a.ExpectedPairs) > image || math.Abs(a.Neurons-a.ExpectedNeurons) > image {
			t.Errorf("ablation %+v", a)
		}
		if a.Interval <= 0 || a.Pairs-a.Neurons < a.Interval {
			t.Errorf("ablation %+v: pairs are not ahead by more than the interval", a)
		}
	}
	const tolerance = 1e-3 // of other signs of some pairs
	for _, f := range w.Segmentation {
		if math.Abs(f.Value-f.Expected) > tolerance {
			t.Errorf("%s: %g, want %g", f.Name, f.Value, f.Expected)
		}
	}
	if s := w.Segmentation; w.Scenes != 30 || len(s) != 2 || s[0].Value-s[1].Value < 0.01 {
		t.Errorf("%d scenes, %+v: want pairs well ahead of values", w.Scenes, s)
	}
}

// checkDemoCue holds that the second model has the cue that PyTorch measured, that the
// audit finds it, and that removing its pairs, in the edited checkpoint too, takes most of
// it away from images that they were not chosen on.
func checkDemoCue(t *testing.T, c *demoCue) {
	t.Helper()
	for group, want := range c.Expected {
		if got := c.Right[group]; math.Abs(float64(got-want)) > 1 {
			t.Errorf("%d images of %s right, want %d", got, group, want)
		}
	}
	if len(c.Expected) != 4 || c.Images != 240 || c.Before.Worst > 0.5 || c.Before.Mean-c.Before.Worst < 0.25 {
		t.Errorf("the cue: %+v of %d images, groups %v", c.Before, c.Images, c.Expected)
	}
	if c.After != c.Edited || c.After.Worst < c.HeldOut.Worst+0.25 || c.After.Mean < c.HeldOut.Mean+0.1 {
		t.Errorf("before %+v, without pairs %+v, edited %+v", c.HeldOut, c.After, c.Edited)
	}
	if head, run := c.sameHead(); c.Found < len(c.Removed) || head != 4 || run < 10 {
		t.Errorf("%d pairs found, %d removed, the first %d of head %d", c.Found, len(c.Removed), run, head)
	}
	if x := c.Image; x.Class != "butterfly" || x.Label != "fish" || x.Logit <= 0 || x.Part <= 0 || !strings.Contains(x.Words, "lawn") {
		t.Errorf("explained %+v", x)
	}
}

// TestDemoLocked keeps a second demo out of a folder in which one is at work.
func TestDemoLocked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	must(t, exitDone, "demo", "--dir", dir, "--files-only", "--quiet")
	release, err := new(cache.Store).LockArtefact(filepath.Join(dir, demo.Log))
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, said := must(t, exitFailed, "demo", "--dir", dir, "--quiet"); !strings.Contains(said, cache.ErrLocked.Error()) {
		t.Errorf("said %q", said)
	}
}
