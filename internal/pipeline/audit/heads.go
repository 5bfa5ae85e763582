package audit

import (
	"math"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
)

// headsOf are the heads of a source of the first order, whose shares are
//
//	100·r·(t-t')/|f|
//
// with r [O] what a head adds to the feature f of an image. Source: arXiv:2310.05916, section 4.
type headsOf struct {
	parts   *artefact.Parts // [B,L,H,O]
	layers  unit.Layers
	O       int
	means   []float64 // [L,H,O]
	classes []float32 // [M,O]
	team    par.Team
}

func newHeads(src *source.Source, classes []float32, team par.Team) *headsOf {
	f := src.FirstOrder
	return &headsOf{parts: f.Heads, layers: f.HeadLayers(), O: f.OutDim, means: make([]float64, f.Heads.Each()), classes: classes, team: team}
}

func (h *headsOf) noun() string            { return "head" }
func (h *headsOf) counted() ui.Unit        { return ui.Heads }
func (h *headsOf) count() int              { return len(h.means) / h.O }
func (h *headsOf) name(u int) string       { return h.layers.Head(u) }
func (h *headsOf) direction(int) []float32 { return nil }
func (h *headsOf) close() error            { return nil } // the source closes its files

func (h *headsOf) add(b source.Batch) error {
	each := len(h.means)
	h.team.For(each, func(lo, hi, _ int) {
		for at := 0; at < b.Parts.Images*each; at += each {
			for u := lo; u < hi; u++ {
				h.means[u] += float64(b.Parts.Heads[at+u])
			}
		}
	})
	return nil
}

func (h *headsOf) end(n int) {
	for u := range h.means {
		h.means[u] /= float64(n)
	}
}

func (h *headsOf) block(first, images, _ int) int {
	return min(h.count()-first, max(1, blockValues/(images*h.O)))
}

// read returns what n heads, from number first on, add to images of rows, [len(rows),n,O].
func (h *headsOf) read(rows []int, first, n int) ([]float32, error) {
	values := make([]float32, len(rows)*n*h.O)
	for i, row := range rows {
		if err := h.parts.Read(values[i*n*h.O:(i+1)*n*h.O], row, 1, first*h.O, (first+n)*h.O); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// share is that of what a head adds to an image.
func (h *headsOf) share(adds []float32, image sample) float64 {
	t, rival := h.classes[image.label*h.O:][:h.O], h.classes[image.rival*h.O:][:h.O]
	sum := 0.0
	for o, x := range adds {
		sum += float64(x) * (float64(t[o]) - float64(rival[o]))
	}
	return attribution.Scale * sum / image.length
}

func (h *headsOf) shares(values []float32, images []sample, first, n int) error {
	adds, err := h.read(rowsOf(images), first, n)
	if err != nil {
		return err
	}
	h.team.For(len(values), func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			values[i] = float32(h.share(adds[i*h.O:(i+1)*h.O], images[i/n]))
		}
	})
	return nil
}

func (h *headsOf) shareOf(u int, images []sample) ([]float64, error) {
	adds, err := h.read(rowsOf(images), u, 1)
	if err != nil {
		return nil, err
	}
	shares := make([]float64, len(images))
	for i, image := range images {
		shares[i] = h.share(adds[i*h.O:(i+1)*h.O], image)
	}
	return shares, nil
}

// beyond are what a head adds to images of rows beyond its mean, [len(rows),O].
func (h *headsOf) beyond(u int, rows []int) ([]float64, error) {
	adds, err := h.read(rows, u, 1)
	if err != nil {
		return nil, err
	}
	all, mean := make([]float64, len(adds)), h.means[u*h.O:][:h.O]
	for i, x := range adds {
		all[i] = float64(x) - mean[i%h.O]
	}
	return all, nil
}

func (h *headsOf) strengths(u int, rows []int) ([]float32, error) {
	beyond, err := h.beyond(u, rows)
	if err != nil {
		return nil, err
	}
	lengths := make([]float32, len(rows))
	for i := range lengths {
		square := 0.0
		for _, x := range beyond[i*h.O : (i+1)*h.O] {
			square += x * x
		}
		lengths[i] = float32(math.Sqrt(square))
	}
	return lengths, nil
}

// ablate changes a feature by
//
//	f' = f - (r - mean r)
func (h *headsOf) ablate(u int, rows []int, features [][]float64) error {
	beyond, err := h.beyond(u, rows)
	for i := range beyond {
		features[i/h.O][i%h.O] -= beyond[i]
	}
	return err
}

// areHeads reports whether what is at a path of scores are heads of the first order, as it is
// with other parts.
func areHeads(scores string, parts []string) bool {
	if len(parts) > 0 {
		return true
	}
	a, err := cache.Open(scores)
	return err == nil && artefact.WholeKind(a.Manifest.Kind) == artefact.KindHeads
}
