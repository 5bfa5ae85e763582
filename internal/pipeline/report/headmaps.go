package report

import (
	"context"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/report"
)

// headMapSet has the maps of the images that heads show first.
type headMapSet struct {
	side    int     // S
	images  []int   // ascending
	wanted  [][]int // heads that each image is shown with, ascending, by image
	results []headMapped
}

// headMapped is what some heads add to an image by place.
type headMapped struct {
	Failed bool      `json:"failed"`
	Token  []float32 `json:"token"`  // of the class token, [wanted]
	Values []float32 `json:"values"` // [wanted,S,S]
}

// shownOf are the images that a head's page shows with maps: the first ones along its first text,
// and the last, or, without it, those of largest norm.
func (b *headBuilder) shownOf(h int) []int32 {
	if at := b.alongOf[h]; at >= 0 {
		strongest, _ := b.along.strongest.of(at)
		weakest, _ := b.along.weakest.of(at)
		return slices.Concat(strongest, weakest)
	}
	strongest, _ := b.norms.strongest.of(h)
	return strongest
}

// findMaps computes maps.
func (b *headBuilder) findMaps(ctx context.Context) error {
	if !b.places {
		return nil
	}
	m := b.chooseMaps(b.model.Config.Grid())
	w, err := b.newMapper(m)
	if err != nil {
		return err
	}
	b.maps = m
	m.results, err = keptMaps(b.base, len(m.images), func(first int, group []headMapped) error { return w.group(ctx, first, group) })
	return err
}

// chooseMaps says which images have maps: of more than there may be, those that most heads show.
func (b *headBuilder) chooseMaps(side int) *headMapSet {
	of, counts := make([][]int, b.images), make([]int, b.images)
	for h := range b.heads() {
		for _, image := range b.shownOf(h) {
			if own := of[image]; len(own) == 0 || own[len(own)-1] != h {
				of[image] = append(own, h)
				counts[image]++
			}
		}
	}
	m := &headMapSet{side: side, images: mostShown(counts, headMapBytes/(side*side))}
	for _, image := range m.images {
		m.wanted = append(m.wanted, of[image])
	}
	return m
}

// headMapper runs images through the tower.
type headMapper struct {
	*headBuilder
	set   *headMapSet
	tower clip.ImageTower
	split []*attribution.Heads // by head
	unit  bool                 // parts are of features as unit vectors
	batch int
}

func (b *headBuilder) newMapper(m *headMapSet) (*headMapper, error) {
	// Planned for more than one image, whatever the batch: its size never changes a result.
	n := max(min(b.BatchSize, len(m.images)), 1)
	tower, err := clip.NewImageTower(b.model.Checkpoint, clip.ImageOptions{Batch: max(n, 2), Threads: b.Threads, Precision: b.Precision, Reads: true})
	if err != nil {
		return nil, err
	}
	tokens, err := b.model.Tokens()
	if err != nil {
		return nil, err
	}
	w := &headMapper{headBuilder: b, set: m, tower: tower, batch: n}
	if c := artefact.OriginOf(b.artefact).Collect; c != nil {
		w.unit = c.Form == origin.Published
	}
	for h := range b.heads() {
		var first []float32
		if b.alongOf[h] >= 0 {
			first = b.embeddings[h][:b.parts.OutDim]
		}
		each := b.parts.LayerHeads
		w.split = append(w.split, attribution.NewHeads(tokens, h/each, h%each, 1, each, first))
	}
	return w, nil
}

// group computes the maps of some images, from place first on.
func (w *headMapper) group(ctx context.Context, first int, group []headMapped) error {
	for i := range group {
		group[i].Failed = true
	}
	c, n := w.model.Config, w.batch
	layers, _ := c.Layered()
	out := clip.Output{
		Features: make([]float32, n*c.OutDim), Reads: make([]float32, n*layers*c.Tokens()*c.TokenWidth()), Statistics: make([]float32, 2*n),
	}
	return w.send(ctx, w.set.images[first:first+len(group)], c.Input(), n, func(pixels []float32, places []int) error {
		k := len(places)
		of := out.First(k, n)
		if err := w.tower.Run(pixels, of); err != nil {
			return err
		}
		w.team().For(k, func(lo, hi, _ int) {
			for i := lo; i < hi; i++ {
				group[places[i]] = w.image(w.set.wanted[first+places[i]], of.Of(i, k))
			}
		})
		return nil
	})
}

// image is what heads add to an image by place.
func (w *headMapper) image(heads []int, out clip.Output) headMapped {
	parts, scale := make([]float64, w.model.Config.Tokens()), 1.0
	if w.unit {
		scale = 1 / decomp.Norm(out.Features)
	}
	var m headMapped
	for _, h := range heads {
		if w.alongOf[h] >= 0 {
			w.split[h].Along(parts, 0, out.Reads, out.Statistics)
		} else {
			w.split[h].Norms(parts, out.Reads, out.Statistics)
		}
		m.Token = append(m.Token, float32(parts[0]*scale))
		for _, x := range parts[1:] {
			m.Values = append(m.Values, float32(x*scale))
		}
	}
	return m
}

// ofHead are the maps of a head.
func (m *headMapSet) ofHead(h int) *report.HeadMaps {
	f := &report.HeadMaps{Side: m.side, Images: []int{}}
	each := m.side * m.side
	var token, values []float32
	for at, image := range m.images {
		i, found := slices.BinarySearch(m.wanted[at], h)
		if r := &m.results[at]; found && !r.Failed {
			f.Images = append(f.Images, image)
			token, values = append(token, r.Token[i]), append(values, r.Values[i*each:(i+1)*each]...)
		}
	}
	f.Token, f.Values = report.Floats(token), report.Quantized(values)
	return f
}
