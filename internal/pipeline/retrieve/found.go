package retrieve

import (
	"cmp"
	"slices"

	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

const (
	// nearPairs is how many pairs are looked at for each that is to stand for a text: some
	// are left out, and norms may change their order.
	nearPairs = 20

	// deadShare is the share of the largest norm among the pairs near a text below which a
	// pair is dead: its component may point anywhere, as it adds next to nothing.
	deadShare = 0.01
)

// choose returns the TextPairs pairs that stand for each text, best first, with their norms:
// of those near it that are not dead, the closest, or with WeighByNorm those of the largest
// product of cosine and norm. ranked has the images of all of them.
func (o Options) choose(near []FoundPair, ranked []Neuron, say ui.Reporter) []FoundPair {
	norms := map[string]float32{}
	for _, n := range ranked {
		for _, u := range n.Units {
			norms[u.Unit] = u.Top[0].Norm
		}
	}
	var found []FoundPair
	for _, text := range o.Texts {
		var pairs []FoundPair
		largest := float32(0)
		for _, f := range near {
			if f.Text == text {
				f.Norm = norms[f.Pair]
				largest = max(largest, f.Norm)
				pairs = append(pairs, f)
			}
		}
		closest := pairs[:min(o.TextPairs, len(pairs))]
		dead := 0
		for _, f := range closest {
			if f.Norm < deadShare*largest {
				dead++
			}
		}
		alive := slices.DeleteFunc(slices.Clone(pairs), func(f FoundPair) bool { return f.Norm < deadShare*largest })
		if dead > 0 {
			say.Note("%q: left out %d of the %s, which add next to nothing to any image (norms below %.2g)", text, dead, quantity.Of(len(closest), "closest pair"), deadShare*largest)
		}
		if o.WeighByNorm {
			slices.SortStableFunc(alive, func(a, b FoundPair) int {
				return cmp.Compare(b.Cosine*float64(b.Norm), a.Cosine*float64(a.Norm))
			})
		}
		found = append(found, alive[:min(o.TextPairs, len(alive))]...)
	}
	return found
}

// only returns the neurons and pairs that are asked for, in their order.
func only(ranked []Neuron, asked []askedNeuron) []Neuron {
	var kept []Neuron
	for _, a := range asked {
		at := slices.IndexFunc(ranked, func(n Neuron) bool { return n.index == a.index })
		n := ranked[at]
		n.Units = slices.DeleteFunc(slices.Clone(n.Units), func(u Unit) bool {
			return u.head != wholeNeuron && !slices.Contains(a.heads, u.head)
		})
		kept = append(kept, n)
	}
	return kept
}
