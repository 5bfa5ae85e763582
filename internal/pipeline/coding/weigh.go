package coding

import (
	"cmp"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
)

// A Speaker is a unit whose words count so many times.
type Speaker struct {
	Unit   string
	Terms  []artefact.Term
	Factor float64
}

// A Weighed word is what several units say together.
type Weighed struct {
	Index  int     `json:"index"` // in the list of words
	Word   string  `json:"word"`
	Weight float64 `json:"weight"`
	Parts  []Part  `json:"parts"` // the units that add most, by the size of what they add
}

// Part is what a unit adds to the weight of a word.
type Part struct {
	Unit string  `json:"unit"`
	Part float64 `json:"part"`
}

// mostParts is how many units are named of a word.
const mostParts = 5

// Weigh returns the words of positive weight, the sum over the units of
//
//	coefficient · factor
//
// heaviest first, at most n of them; of equal ones the first of the list comes first.
func Weigh(units []Speaker, n int) []Weighed {
	words := map[int]*Weighed{}
	var all []*Weighed
	each := func(do func(t artefact.Term, unit string, part float64)) {
		for _, u := range units {
			for _, t := range u.Terms {
				do(t, u.Unit, float64(t.Coefficient)*u.Factor)
			}
		}
	}
	each(func(t artefact.Term, _ string, part float64) {
		w, known := words[t.Index]
		if !known {
			w = &Weighed{Index: t.Index, Word: t.Word}
			words[t.Index], all = w, append(all, w)
		}
		w.Weight += part
	})
	all = slices.DeleteFunc(all, func(w *Weighed) bool { return !(w.Weight > 0) })
	slices.SortFunc(all, func(a, b *Weighed) int { return cmp.Or(cmp.Compare(b.Weight, a.Weight), cmp.Compare(a.Index, b.Index)) })
	all = all[:min(n, len(all))]
	clear(words)
	for _, w := range all {
		words[w.Index] = w
	}
	each(func(t artefact.Term, unit string, part float64) {
		if w := words[t.Index]; w != nil && part != 0 {
			w.Parts = append(w.Parts, Part{unit, part})
		}
	})
	heaviest := make([]Weighed, len(all))
	for i, w := range all {
		slices.SortStableFunc(w.Parts, func(a, b Part) int { return cmp.Compare(math.Abs(b.Part), math.Abs(a.Part)) })
		w.Parts = w.Parts[:min(mostParts, len(w.Parts))]
		heaviest[i] = *w
	}
	return heaviest
}
