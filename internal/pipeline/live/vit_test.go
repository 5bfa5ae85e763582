package live

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/directions"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestViT answers questions about the golden vision transformer: parts and places sum to
// the logit, also where pairs are taken out, and pixels are labelled.
func TestViT(t *testing.T) {
	dir, layer := t.TempDir(), 2
	checkpoint, scores, pcs := pipelinetest.GoldenViTWithText(t), filepath.Join(dir, "scores"), filepath.Join(dir, "pcs.npy")
	data := dataset.Options{Kind: dataset.Images, Path: testutil.GoldenViT("images")}
	_, err := collect.Run(t.Context(), collect.Options{
		Model: checkpoint, Details: model.Details{Heads: 4, Activation: "gelu"}, NeuronLayer: &layer, Data: data, Stride: 1, BatchSize: 3, Threads: 2,
		Mode: collect.ModePairs, SavePath: scores,
	}, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := directions.SVD(t.Context(), directions.SVDOptions{CollectPath: scores, TopK: 2, OutPath: pcs, Threads: 2}, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	o := Options{
		Threads: 2, ScoresPath: scores, Data: data, ModelPath: checkpoint, Vocab: testutil.Golden("text/toy_merges.txt.gz"), PCsPath: pcs,
		Given: map[Input]bool{Scores: true, Images: true, Model: true, Vocab: true, Components: true},
		Edit:  func(e EditCommand) string { return fmt.Sprint(e.By, e.Units, e.Neurons, e.Scores) },
	}
	l := opened(t, o)
	var before float64
	for _, q := range []Question{
		{}, {Off: []string{"l2n5", "l3h1n7", "l4h0n64"}}, {Off: []string{"l2n5", "l3h1n7", "l4h0n64"}, By: ByZero}, {Versus: "a cat", Class: "a dog"},
	} {
		q.Classes, q.List, q.Maps = []string{"a dog", "a cat", "water"}, 4, 2
		a, err := l.Image(t.Context(), 3, q)
		if err != nil {
			t.Fatal(err)
		}
		x := a.Explanation
		sum, places := a.Constant+a.Rest, a.Places.Position+x.Constant
		for _, p := range append(a.For, a.Against...) {
			sum += p.Part
		}
		for _, v := range a.Places.Parts {
			places += float64(v)
		}
		if math.Abs(sum-a.Logit) > 1e-3 || math.Abs(places-a.Logit) > 1e-3 || math.Abs(x.Difference) > 1e-3 {
			t.Errorf("%v: parts sum to %g, places to %g, want %g", q.Off, sum, places, a.Logit)
		}
		heads := x.HeadMaps
		if all := heads.Listed + heads.Rest + x.Elsewhere.MLPs + x.Constant; len(heads.Maps) != 2 || heads.RestHeads != 18 || math.Abs(all-x.Sum) > 1e-10 {
			t.Errorf("%v: %d maps of heads, sum %.17g, want %.17g", q.Off, len(heads.Maps), all, x.Sum)
		}
		q.Heads = []string{"l3h1", "l4"}
		if a, err = l.Image(t.Context(), 3, q); err != nil {
			t.Fatal(err)
		}
		for i, m := range a.Explanation.HeadMaps.Maps {
			if sum := attribution.Sum(m.Places) + *m.ClassToken; m.Head != q.Heads[i] || math.Abs(sum-m.Part) > 1e-10 {
				t.Errorf("%v: %s adds %.17g, its places %.17g", q.Off, m.Head, m.Part, sum)
			}
		}
		q.Heads = []string{"l5h0"}
		if _, err := l.Image(t.Context(), 3, q); err == nil || !strings.Contains(err.Error(), "unit \"l5h0\": want a head, l0h0 to l4h3") {
			t.Errorf("no such head: %v", err)
		}
		if len(q.Off) == 0 && q.Versus == "" {
			before = a.Logit
		} else if len(q.Off) > 0 && (math.Abs(a.Logit-before) < 1e-3 || a.Edit != "" || a.EditNote != "pair l3h1n7 has no weights of its own: all pairs of l2n7 share them") {
			t.Errorf("%v by %q: logit %g, before %g, edit %q, %q", q.Off, q.By, a.Logit, before, a.Edit, a.EditNote)
		}
		if name := x.Pairs.For[0].Unit; !strings.HasPrefix(name, "l3h") && !strings.HasPrefix(name, "l4h") {
			t.Errorf("a pair is called %s", name)
		}
	}
	// Whole neurons can be edited, also where their pairs are named one by one.
	whole := []string{"l2n9"}
	for l := 3; l <= 4; l++ {
		for h := range 4 {
			whole = append(whole, fmt.Sprintf("l%dh%dn3", l, h))
		}
	}
	for by, want := range map[string]string{ByMean: "mean[l2n3 l2n9] true", ByZero: "zero[l2n3 l2n9] true"} {
		if a, err := l.Toggle(t.Context(), ToggleRequest{Off: whole, By: by}); err != nil || a.Edit != want || !strings.HasPrefix(a.EditNote, "this takes the neurons out of the weights") {
			t.Errorf("by %s: %v, %+v", by, err, a)
		}
	}
	if s, err := l.Scores(t.Context(), "l4h2n7"); err != nil || s.Unit != "l4h2n7" || len(s.Scores) != 8 {
		t.Errorf("scores %+v, %v", s, err)
	}
	if _, err := l.Scores(t.Context(), "h2n7"); err == nil || !strings.Contains(err.Error(), "l3h0n0 to l4h3n127") {
		t.Errorf("a pair of a ResNet: %v", err)
	}
	labels, err := l.SegmentImage(t.Context(), 3, SegmentQuestion{Classes: []string{"a dog", "a cat", "water"}})
	if err != nil || labels.Width != 48 || len(labels.Classes) != 3 {
		t.Errorf("labels %+v, %v", labels, err)
	}

	// Without scores, nothing says which layer's neurons pairs are made of.
	o.ScoresPath, o.PCsPath = "", ""
	delete(o.Given, Scores)
	delete(o.Given, Components)
	o.Given[Model] = true
	if _, err := Open(t.Context(), o, pipelinetest.Silent()); err == nil || strings.Contains(err.Error(), "neuron-layer") {
		t.Errorf("without scores: %v", err)
	}
}
