package lowrank

import (
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/clipnh/clipnh/internal/par"
)

// Streamed computes what Neurons does, with the same bits, of scores that are handed over
// in blocks of images, all of them twice. Its memory does not grow with their number.
//
// The first time it sums up scores (AddMeans). With the metric of each neuron (Measure) it
// then knows how far an image is from the mean, and the second time keeps the scores of the
// k images that are furthest (AddNorms). Solve finds the directions from those.
type Streamed struct {
	images, heads, neurons int // B, H, C, of the scores
	first, units           int // the neurons first to first+units are computed
	kept                   int // k

	means   []float64 // [H,U], sums until all images were added
	metrics []float64 // [U,H,H]
	top     []furthest
	seen    int // images of the second time
}

// furthest are the images of a neuron that are furthest from its mean, and others that may
// be among them, in the order of the images.
type furthest struct {
	bound   float64 // those that follow have to be further; not used while there are fewer than k
	full    bool
	squares []float64
	images  []int32
	rows    []float32 // their scores, [len(images),H]
}

// streamedRows is how many images' deviations a worker has in memory.
const streamedRows = 64

// StreamedBytes is the memory that a Streamed takes for each neuron.
func StreamedBytes(heads, topK int) int { return 8*heads*(heads+1) + 2*topK*(4*heads+12) }

// NewStreamed returns a Streamed for units neurons from first on, of scores of these
// images, heads and neurons.
func NewStreamed(images, heads, neurons, first, units, topK int) *Streamed {
	if images < 1 || heads < 1 || units < 1 || first < 0 || units > neurons-first || topK < 1 {
		panic("lowrank: neurons of wrong size")
	}
	return &Streamed{
		images: images, heads: heads, neurons: neurons, first: first, units: units, kept: min(images, topK),
		means: make([]float64, heads*units), metrics: make([]float64, units*heads*heads), top: make([]furthest, units),
	}
}

// count returns how many images' scores [b,H,C] are.
func (s *Streamed) count(scores []float32) int {
	images := len(scores) / (s.heads * s.neurons)
	if len(scores) != images*s.heads*s.neurons || s.seen+images > s.images {
		panic("lowrank: scores of wrong size")
	}
	return images
}

// AddMeans adds the scores of the next images, [b,H,C], the first time.
func (s *Streamed) AddMeans(scores []float32, team par.Team) {
	images := s.count(scores)
	team.For(s.heads, func(lo, hi, _ int) {
		for b := range images {
			for h := lo; h < hi; h++ {
				sums := s.means[h*s.units : (h+1)*s.units]
				for u, x := range scores[(b*s.heads+h)*s.neurons+s.first:][:s.units] {
					sums[u] += float64(x)
				}
			}
		}
	})
	if s.seen += images; s.seen == s.images {
		s.seen = 0
		for i := range s.means {
			s.means[i] /= float64(s.images)
		}
	}
}

// Measure takes the directions v [H,n,O] of n neurons from number first of the Streamed on.
// It returns a *UnitError, as Neurons does.
func (s *Streamed) Measure(first int, directions []float32, outDim int, team par.Team) error {
	units := len(directions) / (s.heads * outDim)
	return forUnits(units, neuronGroup, team, func() func(lo, hi int) *UnitError {
		n := s.neuron(1, outDim)
		return func(lo, hi int) *UnitError {
			for u := lo; u < hi; u++ {
				n.take(directions, units, u)
				n.metric.Data = s.metric(first + u)
				s.meansOf(n.means, first+u)
				if err := n.measure(u); err != nil {
					return err
				}
			}
			return nil
		}
	})
}

// neuron returns scratch memory for one neuron and the deviations of some images.
func (s *Streamed) neuron(images, outDim int) *neuron {
	return newNeuron(images, s.heads, outDim, s.kept)
}

func (s *Streamed) metric(u int) []float64 {
	return s.metrics[u*s.heads*s.heads : (u+1)*s.heads*s.heads]
}

func (s *Streamed) meansOf(dst []float64, u int) {
	for h := range dst {
		dst[h] = s.means[h*s.units+u]
	}
}

// AddNorms adds the scores of the next images, [b,H,C], the second time.
func (s *Streamed) AddNorms(scores []float32, team par.Team) {
	images := s.count(scores)
	groups := (s.units + neuronGroup - 1) / neuronGroup
	team.For(groups, func(first, end, _ int) {
		n := s.neuron(streamedRows, 1)
		rows := make([]float32, neuronGroup*streamedRows*s.heads) // [U,b,H]
		for lo := 0; lo < images; lo += streamedRows {
			count := min(streamedRows, images-lo)
			n.d.Rows, n.dg.Rows = count, count
			for g := first; g < end; g++ {
				units := min(neuronGroup, s.units-g*neuronGroup)
				s.gather(rows, scores, lo, count, g*neuronGroup, units)
				for u := range units {
					s.add(n, g*neuronGroup+u, s.seen+lo, rows[u*count*s.heads:(u+1)*count*s.heads])
				}
			}
		}
	})
	s.seen += images
}

// gather copies the scores of count images and some neurons to dst [units,count,H].
func (s *Streamed) gather(dst, scores []float32, image, count, unit, units int) {
	for b := range count {
		for h := range s.heads {
			for u, x := range scores[((image+b)*s.heads+h)*s.neurons+s.first+unit:][:units] {
				dst[(u*count+b)*s.heads+h] = x
			}
		}
	}
}

// add adds the scores rows [b,H] of neuron u to what is furthest of it.
func (s *Streamed) add(n *neuron, u, image int, rows []float32) {
	s.meansOf(n.means, u)
	for i, x := range rows {
		n.d.Data[i] = float64(x) - n.means[i%s.heads]
	}
	n.metric.Data = s.metric(u)
	n.project()
	t := &s.top[u]
	for b, square := range n.squares[:len(rows)/s.heads] {
		if t.full && square <= t.bound {
			continue
		}
		if t.squares == nil {
			most := min(2*s.kept, s.images)
			t.squares, t.images, t.rows = make([]float64, 0, most), make([]int32, 0, most), make([]float32, 0, most*s.heads)
		}
		t.squares, t.images = append(t.squares, square), append(t.images, int32(image+b))
		t.rows = append(t.rows, rows[b*s.heads:(b+1)*s.heads]...)
		if len(t.squares) == 2*s.kept {
			t.keep(&n.selector, s.kept, s.heads)
		}
	}
}

// keep drops all but the k furthest images.
func (t *furthest) keep(s *selector, k, heads int) {
	for i, from := range s.top(t.squares, k) {
		t.squares[i], t.images[i] = t.squares[from], t.images[from]
		copy(t.rows[i*heads:(i+1)*heads], t.rows[from*heads:])
	}
	t.squares, t.images, t.rows = t.squares[:k], t.images[:k], t.rows[:k*heads]
	t.bound, t.full = slices.Min(t.squares), true
}

// Solve computes the units of r, the neurons from number first of the Streamed on, after all
// images were added twice. Arguments and errors are those of Neurons.
func (s *Streamed) Solve(r *Result, first int, directions, bias []float32, opt Options, team par.Team) error {
	r.check(s.images, opt.TopK)
	if s.seen != s.images || first < 0 || r.Units > s.units-first || opt.Index < 0 || r.Kept != s.kept ||
		len(directions) != s.heads*len(r.Direction) || len(bias) != r.OutDim {
		panic("lowrank: neurons of wrong size")
	}
	return forUnits(r.Units, neuronGroup, team, func() func(lo, hi int) *UnitError {
		n := s.neuron(1, r.OutDim)
		return func(lo, hi int) *UnitError {
			for u := lo; u < hi; u++ {
				t := &s.top[first+u]
				t.keep(&n.selector, s.kept, s.heads)
				copy(r.Images[u*r.Kept:(u+1)*r.Kept], t.images)
				putNorms(r.Norms[u*r.Kept:(u+1)*r.Kept], t.squares, n.selector.top(t.squares, s.kept))
				n.take(directions, r.Units, u)
				s.meansOf(n.means, first+u)
				n.metric.Data = s.metric(first + u)
				for i, x := range t.rows {
					n.dTop.Data[i] = float64(x) - n.means[i%s.heads]
				}
				blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, n.dTop, n.metric, 0, n.dgTop)
				if err := n.finish(r, u, bias, opt); err != nil {
					return err
				}
			}
			return nil
		}
	})
}
