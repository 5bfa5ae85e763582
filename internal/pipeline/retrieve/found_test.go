package retrieve

import (
	"context"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestChoose leaves dead pairs out and ranks by cosine, or by cosine times norm.
func TestChoose(t *testing.T) {
	norms := map[string]float32{"h0n1": 0.0006, "h0n2": 4, "h0n3": 1, "h0n4": 8}
	var ranked []Neuron
	var near []FoundPair
	for i, pair := range []string{"h0n1", "h0n2", "h0n3", "h0n4"} { // by falling cosine
		ranked = append(ranked, Neuron{Units: []Unit{{Unit: "n", Top: []Hit{{Norm: 99}}}, {Unit: pair, Top: []Hit{{Norm: norms[pair]}}}}})
		near = append(near, FoundPair{Text: "cloud", Pair: pair, Cosine: 0.9 - 0.1*float64(i)})
	}
	for _, tt := range []struct {
		weigh bool
		want  []string
	}{{false, []string{"h0n2", "h0n3"}}, {true, []string{"h0n4", "h0n2"}}} {
		o := Options{Texts: []string{"cloud"}, TextPairs: 2, WeighByNorm: tt.weigh}
		var got []string
		for _, f := range o.choose(near, ranked, pipelinetest.Silent()) {
			got = append(got, f.Pair)
			if f.Norm != norms[f.Pair] {
				t.Errorf("%s: norm %g, want %g", f.Pair, f.Norm, norms[f.Pair])
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("by norm %v: %v, want %v", tt.weigh, got, tt.want)
		}
	}
}

// TestRetrieveTexts holds that the pairs of a text are those that are shown, with the norm
// of their strongest image, beside units that were asked for by name.
func TestRetrieveTexts(t *testing.T) {
	o := Options{
		Options: goldenImages(), Pairs: []string{"h1n37"}, Texts: []string{"a cloud"}, TextPairs: 3, Top: 2, Threads: 2,
		PCsPath: testutil.Golden("pc0_nh.npy"), Vocab: testutil.Golden("text/toy_merges.txt"),
	}
	for _, weigh := range []bool{false, true} {
		o.WeighByNorm = weigh
		r, err := Run(context.Background(), o, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		shown := map[string]float32{}
		pairs := 0
		for _, n := range r.Neurons {
			for _, u := range n.Units {
				shown[u.Unit] = u.Top[0].Norm
				if u.head != wholeNeuron {
					pairs++
				}
			}
		}
		if len(r.Found) != 3 || pairs < 3 || pairs > 4 || shown["h1n37"] == 0 {
			t.Errorf("found %v, shown %v", r.Found, shown)
		}
		for i, f := range r.Found {
			if f.Norm != shown[f.Pair] || f.Norm == 0 {
				t.Errorf("%s: norm %g, but its strongest image has %g", f.Pair, f.Norm, shown[f.Pair])
			}
			value := func(f FoundPair) float64 {
				if weigh {
					return f.Cosine * float64(f.Norm)
				}
				return f.Cosine
			}
			if i > 0 && value(f) > value(r.Found[i-1]) {
				t.Errorf("weigh %v: %v is out of order", weigh, r.Found)
			}
		}
	}
}
