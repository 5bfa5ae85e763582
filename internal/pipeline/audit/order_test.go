package audit

import (
	"math"
	"path/filepath"
	"slices"
	"testing"
)

// The halves and the permutations, and so what is found, depend on the images and the seed,
// and not on the order in which classes are given.
func TestOrderOfClasses(t *testing.T) {
	c := plant(t, small)
	o := c.options(t)
	r := run(t, o)
	o.Classes, o.ClassesPath, o.Dir = []string{classNames[1], classNames[0]}, filepath.Join(t.TempDir(), "swapped.npy"), filepath.Join(t.TempDir(), "audit")
	texts := make([]float32, 2*small.outDim)
	texts[1], texts[small.outDim] = 1, 1
	writeRows(t, o.ClassesPath, texts, small.outDim)
	swapped := run(t, o)
	if len(swapped.Pairs) != len(r.Pairs) || swapped.Chosen != r.Chosen || swapped.Untouched.Mean != r.Untouched.Mean || swapped.After.Mean != r.After.Mean {
		t.Fatalf("%d pairs, %d chosen, %+v, %+v; in the other order %d, %d, %+v, %+v", len(r.Pairs), r.Chosen, r.Untouched, r.After,
			len(swapped.Pairs), swapped.Chosen, swapped.Untouched, swapped.After)
	}
	for i, p := range r.Pairs {
		q := swapped.Pairs[i]
		if p.Index != q.Index || p.R != q.R || p.P != q.P || math.Abs(p.Effect-q.Effect) > 1e-12 {
			t.Errorf("%s: r %g, P %g, effect %g; in the other order %s: %g, %g, %g", p.Unit, p.R, p.P, p.Effect, q.Unit, q.R, q.P, q.Effect)
		}
	}
	for _, g := range r.Untouched.Groups {
		at := slices.IndexFunc(swapped.Untouched.Groups, func(h Group) bool { return h.Label == g.Label && h.Group == g.Group })
		if at < 0 || swapped.Untouched.Groups[at] != g {
			t.Errorf("%+v is not among %+v", g, swapped.Untouched.Groups)
		}
	}
}

// The margins without the chosen pairs are those of the features without them: the groups of
// a label no longer differ.
func TestMarginsAfter(t *testing.T) {
	r := run(t, plant(t, small).options(t))
	for at := 0; at < len(r.After.Groups); at += 2 {
		gap := func(a Accuracies) float64 { return math.Abs(a.Groups[at].Margin - a.Groups[at+1].Margin) }
		if was, is := gap(r.Untouched), gap(r.After); is > was/4 {
			t.Errorf("label %s: mean margins of its groups differ by %g, and by %g without the pairs", r.After.Groups[at].Label, was, is)
		}
	}
}
