package show

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/trend"
	"github.com/clipnh/clipnh/internal/ui"
)

// HeadOptions says which head to show, and what of it.
type HeadOptions struct {
	Artefacts artefact.Reader
	HeadsPath string   // what heads add, of the first order
	Parts     []string // of the same features: MLPs; may be empty
	SpansPath string   // texts of heads; may be empty
	Head      string   // such as l10h3, or h3 of an attention pool
	Top       int      // images of each kind
	Beside    int      // heads of its layer
	Threads   int
}

// HeadResult is what is known of a head. Norms are those of what it adds to image features, not
// centred.
type HeadResult struct {
	Unit      string              `json:"unit"`
	Images    int                 `json:"images"`
	Norms     trend.Summary       `json:"norms"`
	Share     *float64            `json:"share"`     // of the feature, see the report of heads; null where that is not known
	Explained *float64            `json:"explained"` // of its variance, by all of its texts; null where the file of texts does not say it
	Texts     []artefact.HeadText `json:"texts"`     // in the order in which they were taken
	Spanned   bool                `json:"-"`         // texts were given
	Strongest []Hit               `json:"strongest"`
	Median    []Hit               `json:"median"` // of the middle of the ranking
	Weakest   []Hit               `json:"weakest"`
	Beside    HeadGroup           `json:"beside"`
}

// HeadGroup is the heads of a layer, or of an attention pool: all are counted, and the strongest
// listed, and the one that is shown.
type HeadGroup struct {
	Of    string     `json:"of"`    // the layer, such as l10; empty of an attention pool
	Count int        `json:"count"` // the head itself included
	Heads []HeadUnit `json:"heads"` // by descending mean norm; of equal ones the first head comes first
}

// HeadUnit is one of a group.
type HeadUnit struct {
	Unit    string              `json:"unit"`
	Rank    int                 `json:"rank"` // from 1, by mean norm
	Mean    float64             `json:"mean_norm"`
	Largest float64             `json:"largest_norm"`
	Image   string              `json:"strongest_image"` // the one of largest norm
	Texts   []artefact.HeadText `json:"texts"`
}

// RunHead reads what heads add once. It keeps a norm of each image, as little as its name.
func RunHead(ctx context.Context, o HeadOptions, say ui.Reporter) (*HeadResult, error) {
	src, err := source.Open(ctx, source.Options{Artefacts: o.Artefacts, ScoresPath: o.HeadsPath, Parts: o.Parts, FirstOrder: true, Stride: 1}, o.Threads, say)
	if err != nil {
		return nil, err
	}
	result, err := o.run(ctx, src, say)
	if err := errors.Join(err, src.Close()); err != nil {
		return nil, err
	}
	return result, nil
}

func (o HeadOptions) run(ctx context.Context, src *source.Source, say ui.Reporter) (*HeadResult, error) {
	f := src.FirstOrder
	layers := f.HeadLayers()
	count := f.Layers * f.LayerHeads
	head, ok := layers.FindHead(o.Head, count)
	if !ok {
		return nil, fmt.Errorf("%s: %w", o.HeadsPath, layers.Unknown(o.Head, fmt.Sprintf("a head, %s to %s", layers.Head(0), layers.Head(count-1))))
	}
	var texts [][]artefact.HeadText
	if o.SpansPath != "" {
		var err error
		if texts, err = o.Artefacts.HeadTexts(o.SpansPath, artefact.Of(src.Origin), f.Layers, f.LayerHeads); err != nil {
			return nil, err
		}
	}
	m := &headMeasurement{src: src, head: head, first: head / f.LayerHeads * f.LayerHeads, beside: make([]sums, f.LayerHeads), team: par.NewTeam(o.Threads)}
	if err := m.run(ctx, say); err != nil {
		return nil, err
	}
	r := &HeadResult{Unit: layers.Head(head), Images: len(m.norms), Norms: trend.Summarize(m.norms), Share: m.share, Texts: []artefact.HeadText{}, Spanned: texts != nil}
	if texts != nil {
		r.Texts = append(r.Texts, texts[head]...)
	}
	if n := len(r.Texts); n > 0 {
		r.Explained = r.Texts[n-1].Explained
	}
	r.Strongest, r.Median, r.Weakest = rankByNorm(m.norms, o.Top, func(rank, image int) Hit {
		return Hit{Rank: rank, Image: image, Name: src.Names[image], Norm: float32(m.norms[image])}
	})
	r.Beside = HeadGroup{Count: f.LayerHeads, Heads: []HeadUnit{}}
	if layers.Heads > 0 {
		r.Beside.Of = fmt.Sprintf("l%d", head/layers.Heads)
	}
	order := make([]int, f.LayerHeads)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(m.beside[b].total, m.beside[a].total) })
	for i, at := range order {
		if i >= o.Beside && m.first+at != head {
			continue
		}
		s := m.beside[at]
		u := HeadUnit{Unit: layers.Head(m.first + at), Rank: i + 1, Mean: s.total / float64(len(m.norms)), Largest: s.largest, Image: src.Names[s.image], Texts: []artefact.HeadText{}}
		if texts != nil {
			u.Texts = append(u.Texts, texts[m.first+at]...)
		}
		r.Beside.Heads = append(r.Beside.Heads, u)
	}
	return r, nil
}

// headMeasurement is what is found of a head, and of those of its layer, while images are read in
// order.
type headMeasurement struct {
	src         *source.Source
	head, first int // and the first of its layer
	team        par.Team

	norms  []float64 // of the head, [B]
	beside []sums    // of the heads of its layer
	share  *float64  // of the feature; nil where that is not known
}

func (m *headMeasurement) run(ctx context.Context, say ui.Reporter) error {
	f := m.src.FirstOrder
	O := f.OutDim
	if f.Whole() {
		m.share = new(float64)
	}
	var features []float32
	progress := say.Progress()
	progress.Start(int64(f.Images), ui.Images, "show")
	defer progress.Done()
	return m.src.Each(ctx, func(b source.Batch) error {
		n := len(b.Names)
		if len(features) < n*O {
			features = make([]float32, n*O)
		}
		if m.share != nil {
			b.Features(features[:n*O], m.team)
		}
		for i := range n {
			image := len(m.norms)
			for h := range m.beside {
				row := b.Parts.Heads[i*f.Heads.Each()+(m.first+h)*O:][:O]
				norm := decomp.Norm(row)
				if norm-norm != 0 {
					return fmt.Errorf("%s: the norm of image %d is %g, want a finite one", f.Heads.Path, image, norm)
				}
				m.beside[h].add(norm, image)
				if m.first+h != m.head {
					continue
				}
				m.norms = append(m.norms, norm)
				if m.share == nil {
					continue
				}
				along, length := 0.0, 0.0
				for o, x := range features[i*O : (i+1)*O] {
					along += float64(row[o]) * float64(x)
					length += float64(x) * float64(x)
				}
				if !(length > 0) {
					return fmt.Errorf("%s: the feature of image %d has no direction (zero or not finite)", f.Heads.Path, image)
				}
				*m.share += along / length / float64(f.Images)
			}
		}
		progress.Add(int64(n))
		return nil
	})
}
