package report

import (
	"cmp"
	"context"
	"fmt"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/ui"
)

// headBuilder is a Run of heads under way.
type headBuilder struct {
	*headInputs
	norms  *columns  // of heads
	along  *columns  // of what those with texts add along the first; values are ranked as they are
	byText hits      // of all texts, in the order of heads and texts: where the head adds most along them
	shares []float64 // of the feature; nil where it is not known

	alongOf, textsOf []int // of a head, the first unit of along and of byText; -1: none
	maps             *headMapSet
}

func (in *headInputs) builder() *headBuilder {
	b := &headBuilder{headInputs: in, alongOf: make([]int, in.heads()), textsOf: make([]int, in.heads())}
	b.result.Heads = in.heads()
	return b
}

func (b *headBuilder) steps() []step {
	return []step{
		b.once("heads", b.newColumns, b.readParts, b.values),
		{"maps", b.findMaps}, {"records", b.writeRecords}, {"list", b.writeList}, {"images", b.writeImages}, {"moved", b.writeMoved},
		{"thumbnails", func(ctx context.Context) error {
			return b.drawThumbs(ctx, b.shownIn(b.norms, b.along, &columns{strongest: b.byText}))
		}},
		{"overview", b.writeOverview}, {"pages", b.writePages},
	}
}

// newColumns makes room for what readParts finds.
func (b *headBuilder) newColumns() {
	along, texts := 0, 0
	for h := range b.alongOf {
		b.alongOf[h], b.textsOf[h] = report.None, report.None
		if b.embeddings != nil && len(b.embeddings[h]) > 0 {
			b.alongOf[h], b.textsOf[h] = along, texts
			along, texts = along+1, texts+len(b.embeddings[h])/b.parts.OutDim
		}
	}
	b.norms, b.along = newColumns(b.heads(), b.images), newColumns(along, b.images)
	b.byText = newHits(texts, min(report.TextImages, b.images))
	b.shares = nil
	if b.parts.Whole() {
		b.shares = make([]float64, b.heads())
	}
}

// values are what is kept of readParts.
func (b *headBuilder) values() []any {
	return append(append(b.norms.values(), b.along.values()...), &b.byText.images, &b.byText.values, &b.shares)
}

// headImages is how many images' parts are in memory at a time.
const headImages = 64

// readParts reads what heads add to the images, once, and ranks these.
func (b *headBuilder) readParts(ctx context.Context) error {
	r := b.newReading()
	progress := b.say.Progress()
	progress.Start(int64(b.images), ui.Images, "report: heads")
	defer progress.Done()
	for lo := 0; lo < b.images; lo += headImages {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(headImages, b.images-lo)
		if err := r.read(lo, n); err != nil {
			return err
		}
		progress.Add(int64(n))
	}
	return r.rank()
}

// headReading is a pass over the images.
type headReading struct {
	*headBuilder
	rows, mlps, features []float32 // of some images
	lengths              []float64 // |f|² of these
	norms, along         []float32 // of all, [heads,B]
	texts                []*first  // by text
	products             [][]float32
}

func (b *headBuilder) newReading() *headReading {
	f, n, team := b.parts, min(headImages, b.images), b.team()
	r := &headReading{
		headBuilder: b, rows: make([]float32, n*f.Heads.Each()), features: make([]float32, n*f.OutDim), lengths: make([]float64, n),
		norms: make([]float32, b.heads()*b.images), along: make([]float32, len(b.along.norm)*b.images),
		products: make([][]float32, team.Size()),
	}
	if f.MLPs != nil {
		r.mlps = make([]float32, n*f.MLPs.Each())
	}
	for range len(b.byText.images) / max(b.byText.each, 1) {
		r.texts = append(r.texts, newFirst(b.byText.each))
	}
	for w := range r.products {
		r.products[w] = make([]float32, n*report.HeadTexts)
	}
	return r
}

// read takes n images from number lo on.
func (r *headReading) read(lo, n int) error {
	f, each, team := r.parts, r.parts.Heads.Each(), r.team()
	if err := f.Heads.Read(r.rows[:n*each], lo, n, 0, each); err != nil {
		return err
	}
	if f.MLPs != nil {
		if err := f.MLPs.Read(r.mlps[:n*f.MLPs.Each()], lo, n, 0, f.MLPs.Each()); err != nil {
			return err
		}
	}
	if f.Whole() {
		if err := r.sumUp(lo, n); err != nil {
			return err
		}
	}
	team.For(r.heads(), func(first, last, w int) {
		for h := first; h < last; h++ {
			r.head(h, lo, n, r.products[w])
		}
	})
	return nil
}

// sumUp makes the features of n images, the first of which is number lo, of all their parts.
func (r *headReading) sumUp(lo, n int) error {
	f, O := r.parts, r.parts.OutDim
	failed := make([]error, n)
	r.team().For(n, func(first, last, _ int) {
		sum := make([]float64, O)
		for i := first; i < last; i++ {
			clear(sum)
			of := [][]float32{r.rows[i*f.Heads.Each() : (i+1)*f.Heads.Each()]}
			if f.MLPs != nil {
				of = append(of, r.mlps[i*f.MLPs.Each():(i+1)*f.MLPs.Each()])
			}
			for _, parts := range of {
				for at, x := range parts {
					sum[at%O] += float64(x)
				}
			}
			r.lengths[i] = 0
			for o, x := range sum {
				r.features[i*O+o] = float32(x)
				r.lengths[i] += x * x
			}
			if length := r.lengths[i]; !(length > 0) || length-length != 0 {
				failed[i] = fmt.Errorf("%s: the feature of image %d has no direction (zero or not finite)", r.ScoresPath, lo+i)
			}
		}
	})
	return cmp.Or(failed...)
}

// head takes what a head adds to n images from number lo on.
func (r *headReading) head(h, lo, n int, products []float32) {
	O, each, B := r.parts.OutDim, r.parts.Heads.Each(), r.images
	for i := range n {
		row := r.rows[i*each+h*O:][:O]
		r.norms[h*B+lo+i] = float32(decomp.Norm(row))
		if r.shares != nil {
			r.shares[h] += dot(row, r.features[i*O:(i+1)*O]) / r.lengths[i] / float64(B)
		}
	}
	if r.alongOf[h] < 0 {
		return
	}
	texts := r.embeddings[h]
	K := len(texts) / O
	kernel.Sgemm(1, kernel.Strided(r.rows[h*O:], n, O, each), kernel.Dense(texts, K, O).T(), 0, kernel.Dense(products, n, K), par.Team{})
	for i := range n {
		r.along[r.alongOf[h]*B+lo+i] = products[i*K]
		for k, x := range products[i*K : (i+1)*K] {
			if t := r.texts[r.textsOf[h]+k]; float64(x) > t.least {
				t.put(lo+i, float64(x))
			}
		}
	}
}

// rank ranks the images once all are read.
func (r *headReading) rank() error {
	if err := r.rankIn(r.headBuilder.norms, r.norms, r.name); err != nil {
		return err
	}
	heads := make([]int, len(r.headBuilder.along.norm))
	for h, at := range r.alongOf {
		if at >= 0 {
			heads[at] = h
		}
	}
	if err := r.rankIn(r.headBuilder.along, r.along, func(u int) string { return r.name(heads[u]) }); err != nil {
		return err
	}
	for t, found := range r.texts {
		images, values := r.byText.of(t)
		for i, image := range found.items {
			images[i], values[i] = int32(image), float32(found.keys[i])
		}
	}
	return nil
}

// rankIn ranks the images of units by their values [units,B].
func (r *headReading) rankIn(c *columns, values []float32, name func(unit int) string) error {
	units, B, team := len(c.norm), c.images, r.team()
	failed := make([]error, team.Size())
	team.For(units, func(lo, hi, w int) {
		ranker := r.newRanker(c, name)
		for u := lo; u < hi; u++ {
			of := values[u*B : (u+1)*B]
			if failed[w] = ranker.add(u, of, of); failed[w] != nil {
				return
			}
			c.norm[u].Median = ranker.median(of, c.norm[u])
		}
	})
	return cmp.Or(failed...)
}
