package heat

import (
	"sync"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// LabelOptions says how logits become labels.
type LabelOptions struct {
	Class      []int   // [P], the class of each query; every class has one
	LogitScale float64 // logits are multiplied by it before the softmax over queries
	// ProbThd is the probability of the best class below which a pixel becomes
	// class 0; 0 for none.
	ProbThd float64
	// AreaThd is the share, among the pixels whose best class is not 0, that a
	// class must exceed, else it is taken out; 0 for none.
	AreaThd float64
}

// classes is the number of classes.
func (o LabelOptions) classes() int {
	n := 0
	for _, c := range o.Class {
		n = max(n, c+1)
	}
	return n
}

// Labels writes the class of every pixel to dst [Rows,Cols]. The probability of
// a class is the largest of its queries', after a softmax over all queries; the
// best class is the lowest of the largest probability.
func (f *Field) Labels(dst []uint16, o LabelOptions, team par.Team) {
	if len(dst) != f.Rows*f.Cols || len(o.Class) != f.Queries {
		panic("heat: labels are not [Rows,Cols] or classes not [P]")
	}
	// The class of the largest probability is that of the largest logit.
	f.bands(1, team, func(y, n int, logits []float32) { best(dst[y*f.Cols:][:n*f.Cols], logits, o.Class) })
	var out []bool // classes that are taken out
	if o.AreaThd > 0 {
		out = small(dst, o.classes(), o.AreaThd)
	}
	if out == nil && o.ProbThd <= 0 {
		return
	}
	f.bands(float32(o.LogitScale), team, func(y, n int, logits []float32) {
		likely(dst[y*f.Cols:][:n*f.Cols], logits, o, out)
	})
}

// Probabilities hands over the probability of every class at every pixel, in rows from the
// first on, [Cols,classes] each: the largest of the class's queries, after a softmax over all
// queries. Thresholds are not applied. A row is valid until do returns.
func (f *Field) Probabilities(o LabelOptions, do func(row []float32) error) error {
	if len(o.Class) != f.Queries {
		panic("heat: classes are not [P]")
	}
	var failed error
	classes, P := o.classes(), f.Queries
	row := make([]float32, f.Cols*classes)
	// A single worker, so that rows come in their order.
	f.bands(float32(o.LogitScale), par.Team{}, func(_, n int, logits []float32) {
		pixels := make([]float32, len(logits))
		kernel.Transpose(pixels, logits, P, n*f.Cols)
		kernel.Softmax(pixels, n*f.Cols, P)
		for y := range n {
			if failed != nil {
				return
			}
			clear(row)
			for x := range f.Cols {
				for p, probability := range pixels[(y*f.Cols+x)*P:][:P] {
					at := x*classes + o.Class[p]
					row[at] = max(row[at], probability)
				}
			}
			failed = do(row)
		}
	})
	return failed
}

// best writes the class of the largest logit of [P,pixels].
func best(dst []uint16, logits []float32, class []int) {
	n := len(dst)
	top := tops.Get().(*[]float32)
	defer tops.Put(top)
	*top = grown(*top, n)
	largest := *top
	copy(largest, logits[:n])
	for i := range dst {
		dst[i] = uint16(class[0])
	}
	for p := 1; p < len(class); p++ {
		c := uint16(class[p])
		for i, x := range logits[p*n : (p+1)*n] {
			if x > largest[i] || x == largest[i] && c < dst[i] {
				largest[i], dst[i] = x, c
			}
		}
	}
}

// tops are buffers that best and likely use again.
var tops = sync.Pool{New: func() any { return new([]float32) }}

// small returns which classes but 0 have no more than the share of the pixels
// that are not of class 0; nil if none.
func small(labels []uint16, classes int, share float64) []bool {
	counts := make([]int, classes)
	for _, c := range labels {
		counts[c]++
	}
	total := len(labels) - counts[0]
	var out []bool
	for c := 1; c < classes; c++ {
		if counts[c] > 0 && float64(counts[c]) <= share*float64(total) {
			if out == nil {
				out = make([]bool, classes)
			}
			out[c] = true
		}
	}
	return out
}

// likely writes, for scaled logits [P,pixels], the class of the largest
// probability among those that are not out, or 0 where that is below the
// threshold. Classes that are out have probability 0.
func likely(dst []uint16, logits []float32, o LabelOptions, out []bool) {
	n, P := len(dst), len(o.Class)
	buf := tops.Get().(*[]float32)
	defer tops.Put(buf)
	*buf = grown(*buf, n*P)
	rows := *buf
	kernel.Transpose(rows, logits, P, n)
	kernel.Softmax(rows, n, P)
	for i := range dst {
		label, top := 0, float32(-1)
		for p, x := range rows[i*P : (i+1)*P] {
			c := o.Class[p]
			if out != nil && out[c] {
				x = 0
			}
			if x > top || x == top && c < label {
				label, top = c, x
			}
		}
		if float64(top) < o.ProbThd {
			label = 0
		}
		dst[i] = uint16(label)
	}
}
