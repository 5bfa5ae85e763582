package audit

import (
	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
)

// A subject is the parts of features among which those are looked for that go with groups:
// pairs, or heads of the first order.
type subject interface {
	// noun is what a part is called, pair or head, and counted what a progress counts.
	noun() string
	counted() ui.Unit
	count() int
	name(u int) string

	// add is called with each batch of images, in their order, and end after all, which are n:
	// it makes means.
	add(b source.Batch) error
	end(n int)

	// block is how many parts from number first on are looked at in one call of shares, of a
	// number of images and permutations.
	block(first, images, width int) int
	// shares fills values [images,n] with the shares of the margins of images that n parts
	// have, from number first on.
	shares(values []float32, images []sample, first, n int) error
	// shareOf is shares of one part, in double precision.
	shareOf(u int, images []sample) ([]float64, error)
	// direction is the v that what a part adds is a number times; nil where there is none.
	direction(u int) []float32
	// strengths are how strong a part is in images, which have rows: a pair's score, or the
	// length of what a head adds beyond its mean.
	strengths(u int, rows []int) ([]float32, error)
	// ablate puts the mean of a part in the place of what it adds to features [len(rows)][O].
	ablate(u int, rows []int, features [][]float64) error

	close() error
}

// A sample is an image of which shares are asked: its row, its label and the strongest other
// class, and the length of its feature.
type sample struct {
	row, label, rival int
	length            float64
}

func rowsOf(images []sample) []int {
	rows := make([]int, len(images))
	for i, s := range images {
		rows[i] = s.row
	}
	return rows
}

// pairsOf are the pairs of a source, whose shares are
//
//	100·s·(v·(t-t'))/|f|
//
// with s the score of a pair in an image, v its direction, t and t' the texts of the label and
// of its strongest rival.
type pairsOf struct {
	src     *source.Source
	rows    columns   // scores of all images of the source
	means   []float64 // of these scores, [H,C]
	classes []float32 // [M,O]
	team    par.Team
}

func (p *pairsOf) noun() string      { return "pair" }
func (p *pairsOf) counted() ui.Unit  { return ui.Pairs }
func (p *pairsOf) count() int        { return p.src.Heads * p.src.Neurons }
func (p *pairsOf) name(u int) string { return p.src.Units().Name(u) }

func (p *pairsOf) add(b source.Batch) error {
	if s, ok := p.rows.(*spool); ok {
		if err := s.add(b.Scores); err != nil {
			return err
		}
	}
	pairs := p.count()
	p.team.For(pairs, func(lo, hi, _ int) {
		for at := 0; at < len(b.Scores); at += pairs {
			for u := lo; u < hi; u++ {
				p.means[u] += float64(b.Scores[at+u])
			}
		}
	})
	return nil
}

func (p *pairsOf) end(n int) {
	for u := range p.means {
		p.means[u] /= float64(n)
	}
}

// Sizes of blocks: 16 Mi values take 64 MB.
const (
	blockValues = 16 << 20
	minBlock    = 64
	maxBlock    = 1024
)

func (p *pairsOf) block(first, images, width int) int {
	C := p.src.Neurons
	return min(p.most(images, width), C-first%C)
}

// most is how many pairs a block has at most.
func (p *pairsOf) most(images, width int) int {
	return min(p.src.Neurons, max(minBlock, min(maxBlock, blockValues/max(images, width))))
}

func (p *pairsOf) shares(values []float32, images []sample, first, n int) error {
	O, C := p.src.OutDim, p.src.Neurons
	classes := len(p.classes) / O
	v, products := make([]float32, n*O), make([]float32, n*classes)
	p.src.OV.Directions(v, first/C, first%C, first%C+n, p.team)
	kernel.Sgemm(1, kernel.Dense(v, n, O), kernel.Dense(p.classes, classes, O).T(), 0, kernel.Dense(products, n, classes), p.team)
	if err := p.rows.ReadColumns(values, rowsOf(images), first, n); err != nil {
		return err
	}
	p.team.For(len(images), func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			image, row := images[i], values[i*n:(i+1)*n]
			factor := float32(attribution.Scale / image.length)
			for u := range row {
				row[u] *= factor * (products[u*classes+image.label] - products[u*classes+image.rival])
			}
		}
	})
	return nil
}

func (p *pairsOf) shareOf(u int, images []sample) ([]float64, error) {
	scores, err := p.strengths(u, rowsOf(images))
	if err != nil {
		return nil, err
	}
	v := p.direction(u)
	products := make([]float64, len(p.classes)/len(v))
	for m := range products {
		products[m] = dot(v, p.classes[m*len(v):(m+1)*len(v)])
	}
	shares := make([]float64, len(scores))
	for i, s := range scores {
		image := images[i]
		shares[i] = attribution.Scale * float64(s) * (products[image.label] - products[image.rival]) / image.length
	}
	return shares, nil
}

func (p *pairsOf) strengths(u int, rows []int) ([]float32, error) {
	scores := make([]float32, len(rows))
	return scores, p.rows.ReadColumns(scores, rows, u, 1)
}

// ablate changes a feature by
//
//	f' = f - (s - m)·v
func (p *pairsOf) ablate(u int, rows []int, features [][]float64) error {
	scores, err := p.strengths(u, rows)
	if err != nil {
		return err
	}
	v := p.direction(u)
	p.team.For(len(rows), func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			moved := float64(scores[i]) - p.means[u]
			for o, x := range v {
				features[i][o] -= moved * float64(x)
			}
		}
	})
	return nil
}

func (p *pairsOf) direction(u int) []float32 {
	C := p.src.Neurons
	v := make([]float32, p.src.OutDim)
	p.src.OV.Directions(v, u/C, u%C, u%C+1, p.team)
	return v
}

func (p *pairsOf) close() error { return p.rows.close() }

func dot(x, y []float32) float64 {
	sum := 0.0
	for i, v := range x {
		sum += float64(v) * float64(y[i])
	}
	return sum
}

// newPairs returns the pairs of a source; rows are their scores.
func newPairs(src *source.Source, classes []float32, rows columns, team par.Team) *pairsOf {
	return &pairsOf{src: src, rows: rows, means: make([]float64, src.Heads*src.Neurons), classes: classes, team: team}
}
