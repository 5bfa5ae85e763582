package edit

import (
	"context"
	"fmt"
	"math"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
)

// Movement is how far the features of images moved.
type Movement struct {
	Images int `json:"images"`

	CosineMean float64 `json:"cosine_mean"` // of each feature before and after
	CosineMin  float64 `json:"cosine_min"`
	Farthest   string  `json:"farthest"` // the image of the smallest cosine, the first of equal ones

	DistanceMean float64 `json:"distance_mean"` // |f' - f| / |f|
	DistanceMax  float64 `json:"distance_max"`

	NormBefore float64 `json:"norm_before"` // mean of |f|
	NormAfter  float64 `json:"norm_after"`

	Orders *Orders    `json:"orders,omitempty"` // where more changes than what the pairs add
	Heads  *HeadMoves `json:"heads,omitempty"`  // of heads at their means
}

// HeadMoves is what a movement f' - f of heads at their means is made of, as sizes over |f|: what
// the heads add to the class token's residual, by the last norm as it was before, and the rest; and how far
// f' is from the feature by ablate, where the heads' parts of the feature are at their means.
type HeadMoves struct {
	First   Size `json:"first"`
	Rest    Size `json:"rest"`
	Ablated Size `json:"from_ablated"`
}

// Orders is what a movement f' - f is made of, as sizes over |f|: what the neurons add to the
// class token's residual, what their pairs add, by attention and norms as they were before, and
// what is left of f' - f without both, which comes of everything that reads the residual after
// the neurons.
type Orders struct {
	First  Size `json:"first"`
	Second Size `json:"second"`
	Rest   Size `json:"rest"`
}

// Size is that of a change of features.
type Size struct {
	Mean float64 `json:"mean"`
	Max  float64 `json:"max"`
}

// add adds an image; until all are added, means are sums.
func (s *Size) add(change, length float64) {
	s.Mean += change / length
	s.Max = max(s.Max, change/length)
}

// move sends the images through the model, and has their features by the edited weights.
func (e *editor) move(ctx context.Context, edit *clip.Edit) (*Movement, error) {
	o := e.Images
	o.Model, o.ScoresPath, o.PairTokens = e.Model, "", true
	o.FeaturesOnly = e.ov == nil
	src, err := source.OpenTower(ctx, o, e.Threads, e.say)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	progress := e.say.Progress()
	progress.Start(int64(src.Images), ui.Images, "compare")
	defer progress.Done()
	m, O := &Movement{CosineMin: math.Inf(1)}, src.OutDim
	after, err := edit.Edited(clip.ImageOptions{Batch: max(min(o.BatchSize, src.Images), 2), Threads: e.Threads, Precision: o.Precision})
	if err != nil {
		return nil, err
	}
	var before, moved, first, second []float32
	err = src.Each(ctx, func(b source.Batch) error {
		n := len(b.Names)
		if len(before) < n*O {
			before, moved, first, second = make([]float32, n*O), make([]float32, n*O), make([]float32, n*O), make([]float32, n*O)
		}
		b.Features(before[:n*O], e.team)
		seen := clip.Seen{Images: n, Pixels: b.Pixels, Scores: b.Scores, Weights: b.Attention, Neurons: b.Tokens, Statistics: b.Statistics}
		if err := after.Features(moved[:n*O], seen, e.team); err != nil {
			return err
		}
		heads, err := e.headMoves(after, seen, before[:n*O])
		if err != nil {
			return err
		}
		split := after.Orders(first[:n*O], second[:n*O], seen, e.team)
		for i, name := range b.Names {
			part := func(x []float32) []float32 { return x[i*O : (i+1)*O] }
			if err := m.add(name, part(before), part(moved)); err != nil {
				return err
			}
			if heads != nil {
				m.addHeads(part(before), part(moved), part(heads.first), part(heads.ablated))
			}
			if split {
				m.addOrders(part(before), part(moved), part(first), part(second))
			}
		}
		progress.Add(int64(n))
		return nil
	})
	if err != nil {
		return nil, err
	}
	if m.Images == 0 {
		return nil, fmt.Errorf("%s: none of %s could be read", o.Data.Path, ui.Images.Count(int64(src.Images)))
	}
	e.result.Rounding = src.Rounding
	n := float64(m.Images)
	m.CosineMean, m.DistanceMean, m.NormBefore, m.NormAfter = m.CosineMean/n, m.DistanceMean/n, m.NormBefore/n, m.NormAfter/n
	if o := m.Orders; o != nil {
		o.First.Mean, o.Second.Mean, o.Rest.Mean = o.First.Mean/n, o.Second.Mean/n, o.Rest.Mean/n
	}
	if h := m.Heads; h != nil {
		h.First.Mean, h.Rest.Mean, h.Ablated.Mean = h.First.Mean/n, h.Rest.Mean/n, h.Ablated.Mean/n
	}
	e.result.Skipped = append(append(e.result.Skipped, src.Skipped...), src.Unlisted...)
	return m, nil
}

// add adds an image with its features; until all are added, means are sums.
func (m *Movement) add(name string, before, after []float32) error {
	product, square := 0.0, 0.0
	for o, x := range before {
		d := float64(after[o]) - float64(x)
		product += float64(x) * float64(after[o])
		square += d * d
	}
	length, lengthAfter := decomp.Norm(before), decomp.Norm(after)
	if !(length > 0) || !(lengthAfter > 0) {
		return fmt.Errorf("%s: its feature has no direction (zero or not finite) before or after the edit", name)
	}
	cosine, distance := min(product/(length*lengthAfter), 1), math.Sqrt(square)/length
	if cosine < m.CosineMin {
		m.CosineMin, m.Farthest = cosine, name
	}
	m.Images++
	m.CosineMean += cosine
	m.DistanceMean += distance
	m.DistanceMax = max(m.DistanceMax, distance)
	m.NormBefore += length
	m.NormAfter += lengthAfter
	return nil
}

// addOrders adds what an image's movement is made of.
func (m *Movement) addOrders(before, after, first, second []float32) {
	if m.Orders == nil {
		m.Orders = &Orders{}
	}
	rest := 0.0
	for o, x := range before {
		d := float64(after[o]) - float64(x) - float64(first[o]) - float64(second[o])
		rest += d * d
	}
	length := decomp.Norm(before)
	m.Orders.First.add(decomp.Norm(first), length)
	m.Orders.Second.add(decomp.Norm(second), length)
	m.Orders.Rest.add(math.Sqrt(rest), length)
}
