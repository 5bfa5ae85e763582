package show

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/trend"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
)

// measurement is what is found of a unit while the images are read in order.
type measurement struct {
	scores       *artefact.Scores
	units        unit.Layered // [H,C]
	head, neuron int          // head is wholeNeuron of a neuron
	team         par.Team

	ofNeuron *decomp.NeuronNorms
	ofHead   *decomp.HeadNorms // of a pair

	norms, values []float64 // of the unit, [B]; values are scores, of a pair
	heads         []sums    // of the neuron's pairs, [H]
	neurons       []sums    // of the head's pairs, [C]; of a pair
}

// sums are those of the norms of a unit beside the one that is shown.
type sums struct {
	total, largest float64
	image          int // of the largest norm, the first of equal ones
}

func (s *sums) add(norm float64, image int) {
	if s.total += norm; image == 0 || norm > s.largest {
		s.largest, s.image = norm, image
	}
}

func newMeasurement(s *artefact.Scores, units unit.Layered, head, neuron int, team par.Team) *measurement {
	m := &measurement{scores: s, units: units, head: head, neuron: neuron, team: team, ofNeuron: s.OV.NeuronNorms(neuron, team), heads: make([]sums, s.OV.Heads)}
	if head != wholeNeuron {
		m.ofHead, m.neurons = s.OV.HeadNorms(head, team), make([]sums, s.OV.Neurons)
	}
	return m
}

// batchImages is how many images' scores are in memory at a time: of a head of RN50x16,
// 3 MB.
const batchImages = 256

// run reads all images.
func (m *measurement) run(ctx context.Context, say ui.Reporter) error {
	B, H, C := m.scores.Images, m.scores.OV.Heads, m.scores.OV.Neurons
	progress := say.Progress()
	progress.Start(int64(B), ui.Images, "show")
	defer progress.Done()
	ofHeads := make([][]float32, H) // the neuron's scores, [H][b]
	for h := range ofHeads {
		ofHeads[h] = make([]float32, min(B, batchImages))
	}
	var ofNeurons []float32 // the head's scores, [b,C]
	if m.ofHead != nil {
		ofNeurons = make([]float32, min(B, batchImages)*C)
	}
	for lo := 0; lo < B; lo += batchImages {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(batchImages, B-lo)
		for h := range ofHeads {
			if err := m.scores.ReadPart(ofHeads[h][:n], lo, h, m.neuron, 1); err != nil {
				return err
			}
		}
		if m.ofHead != nil {
			if err := m.scores.ReadPart(ofNeurons[:n*C], lo, m.head, 0, C); err != nil {
				return err
			}
		}
		if err := m.add(lo, n, ofHeads, ofNeurons); err != nil {
			return err
		}
		progress.Add(int64(n))
	}
	return nil
}

// add adds n images, from number first on.
func (m *measurement) add(first, n int, ofHeads [][]float32, ofNeurons []float32) error {
	scores := make([]float32, len(ofHeads)) // of the neuron, [H]
	for b := range n {
		for h := range ofHeads {
			scores[h] = ofHeads[h][b]
			m.heads[h].add(m.ofNeuron.Pair(h, scores[h]), first+b)
		}
		norm := 0.0
		if m.head == wholeNeuron {
			norm = m.ofNeuron.Sum(scores)
		} else {
			norm = m.ofNeuron.Pair(m.head, scores[m.head])
			m.values = append(m.values, float64(scores[m.head]))
		}
		if norm-norm != 0 {
			return fmt.Errorf("%s: the norm of image %d is %g, want a finite one", m.scores.Path(), first+b, norm)
		}
		m.norms = append(m.norms, norm)
	}
	C := len(m.neurons)
	m.team.For(C, func(lo, hi, _ int) {
		for b := range n {
			for u := lo; u < hi; u++ {
				m.neurons[u].add(m.ofHead.Pair(u, ofNeurons[b*C+u]), first+b)
			}
		}
	})
	return nil
}

// result ranks the images and the units beside the one that is shown.
func (m *measurement) result(name string, names []string, top, beside int) *Result {
	B, C := len(m.norms), m.scores.OV.Neurons
	r := &Result{Unit: name, Neuron: m.neuron, Images: B, Norms: trend.Summarize(m.norms)}
	if m.head != wholeNeuron {
		scores, direction := trend.Summarize(m.values), m.ofHead.Direction(m.neuron)
		r.Head, r.Scores, r.Direction = &m.head, &scores, &direction
	}
	r.Strongest, r.Median, r.Weakest = rankByNorm(m.norms, top, func(rank, image int) Hit { return m.hit(rank, image, names) })
	r.Beside = []Group{group(m.units.Layers.Neuron(m.neuron), m.heads, m.head, beside, names, m.units, func(h int) int { return h*C + m.neuron })}
	if m.head != wholeNeuron {
		head, _, _ := strings.Cut(m.units.Name(m.head*C+m.neuron), "n")
		r.Beside = append(r.Beside, group(head, m.neurons, m.neuron, beside, names, m.units, func(n int) int { return m.head*C + n }))
	}
	return r
}

// rankByNorm ranks images by norms as retrieve compares them, in float32, and gives top of each end,
// and of the middle.
func rankByNorm(norms []float64, top int, hit func(rank, image int) Hit) (strongest, median, weakest []Hit) {
	B := len(norms)
	order := make([]int, B)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(float32(norms[b]), float32(norms[a])) })
	k := min(top, B)
	hits := func(lo int) []Hit {
		found := make([]Hit, 0, k)
		for rank := lo; rank < lo+k; rank++ {
			found = append(found, hit(rank+1, order[rank]))
		}
		return found
	}
	return hits(0), hits((B - k) / 2), hits(B - k)
}

// hit is an image of a rank.
func (m *measurement) hit(rank, image int, names []string) Hit {
	h := Hit{Rank: rank, Image: image, Name: names[image], Norm: float32(m.norms[image])}
	if m.values != nil {
		score := float32(m.values[image])
		h.Score = &score
	}
	return h
}

// group lists the strongest of some pairs and, after them, the one at own, if there is one
// and it is not among them.
func group(of string, all []sums, own, most int, names []string, pairs unit.Layered, pair func(i int) int) Group {
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(all[b].total, all[a].total) })
	g := Group{Of: of, Count: len(all), Units: []Unit{}}
	for i, at := range order {
		if i >= most && at != own {
			continue
		}
		s, p := all[at], pair(at)
		g.Units = append(g.Units, Unit{
			Unit: pairs.Name(p), Rank: i + 1, Mean: s.total / float64(len(names)), Largest: s.largest, Image: names[s.image], pair: p,
		})
	}
	return g
}
