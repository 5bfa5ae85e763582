package collect

import (
	"fmt"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// publishedScale is what effects of neurons are multiplied by in the published form, over the
// norm of the image's feature: the scale of logits.
const publishedScale = 100

// publishedMode keeps the pairs of a vision transformer in the published form. Values, and rows,
// are [H,C+O]: of each head the scores of its pairs and the vector that these share, all times
// publishedScale and over the norm of the image's feature. Source: the published code of
// arXiv:2406.04341.
type publishedMode struct{ scoresMode }

// publishedScores is the published form of scores, or of what is kept in their place.
func (b builder) publishedScores() (mode, error) {
	p := publishedMode{b.scoresMode}
	switch {
	case b.writtenOut:
		return publishedContributionsMode{p, b.name == ModeNeurons, b.team}, nil
	case b.mean:
		return nil, usage.Errorf("{form} published and {mean} make mean contributions: want a path that ends in .npy or .dat")
	}
	return p, nil
}

// each is how many values a head has.
func (p publishedMode) each() int   { return p.pairs.Neurons + p.config.OutDim }
func (p publishedMode) values() int { return p.pairs.Heads * p.each() }

func (p publishedMode) label(i int) string {
	head, n := i/p.each(), i%p.each()
	if n < p.pairs.Neurons {
		return p.scoresMode.label(head*p.pairs.Neurons + n)
	}
	layers := unit.Layers{First: p.pairs.FirstLayer, Heads: p.pairs.LayerHeads}
	return fmt.Sprintf("dimension %d of what all pairs of %s share", n-p.pairs.Neurons, layers.Head(head))
}

func (p publishedMode) row() row {
	return row{
		kind: artefact.KindPublished, file: artefact.PublishedFile,
		axes: []string{"H", "C+O"}, shape: []int{p.pairs.Heads, p.each()}, ov: p.pairs.PublishedOV,
	}
}

func (p publishedMode) scored() scoredMode { return p }

func (p publishedMode) start(from towers, o clip.ImageOptions) (*started, error) {
	return p.startAll(from, o)
}

func (p publishedMode) startAll(from towers, o clip.ImageOptions) (*started, error) {
	p.pairs.Want(&o)
	o.Common = true
	t, err := from.image(o)
	if err != nil {
		return nil, err
	}
	C, O := p.pairs.Neurons, p.config.OutDim
	return &started{tower: t, options: o, compute: func(values, images []float32) error {
		n, rows := len(images)/t.ImageLen(), len(values)/(C+O) // a row of each image and head
		out := clip.Output{Features: make([]float32, n*O), Scores: make([]float32, rows*C), Common: make([]float32, rows*O)}
		if err := t.Run(images, out); err != nil {
			return err
		}
		for r := range rows {
			b := r / (rows / n)
			scale := publishedScale / decomp.Norm(out.Features[b*O:(b+1)*O])
			row := values[r*(C+O) : (r+1)*(C+O)]
			scaled(row[:C], out.Scores[r*C:], scale)
			scaled(row[C:], out.Common[r*O:], scale)
		}
		return nil
	}}, nil
}

// scaled writes as many of x as dst has, times a scale, to dst.
func scaled(dst, x []float32, scale float64) {
	for i := range dst {
		dst[i] = float32(scale * float64(x[i]))
	}
}

// publishedContributionsMode keeps contributions in the published form written out, of pairs or
// summed over heads.
type publishedContributionsMode struct {
	publishedMode
	neurons bool
	team    par.Team
}

func (p publishedContributionsMode) row() row {
	return contributionsMode{p.scoresMode, p.neurons, p.team}.row()
}

func (p publishedContributionsMode) rowBuilder() (func(row, values []float32), error) {
	ov, err := p.pairs.PublishedOV()
	if err != nil {
		return nil, err
	}
	H, C, O := ov.Heads, ov.Neurons, ov.OutDim
	directions := ov.AllDirections(p.team)
	if !p.neurons {
		return func(row, values []float32) {
			for h := range H {
				of := values[h*(C+O) : (h+1)*(C+O)]
				decomp.PublishedContributions(row[h*C*O:(h+1)*C*O], of[:C], directions[h*C*O:(h+1)*C*O], of[C:], p.team)
			}
		}, nil
	}
	scores, common := make([]float32, H*C), make([]float32, H*O)
	return func(row, values []float32) {
		for h := range H {
			of := values[h*(C+O) : (h+1)*(C+O)]
			copy(scores[h*C:], of[:C])
			copy(common[h*O:], of[C:])
		}
		decomp.PublishedNeuronContributions(row, scores, directions, common, H, p.team)
	}, nil
}
