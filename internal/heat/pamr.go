package heat

import (
	"math"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// PAMR is pixel-adaptive mask refinement: every pixel's logits become, Steps
// times over, a mean of its neighbours', in which neighbours of like colour
// count more. The neighbours are the eight at each of the Dilations, in pixels;
// beyond the edges the pixels of the edge go on.
//
//	α[i,n] = softmax over neighbours n of mean over colours of -|x[n] - x[i]| / (σ[i]/10)
//	m[i]   = Σ_n α[i,n]·m[n]
//
// where σ is the standard deviation of a colour over pixel i and its neighbours; pixel i
// counts once for each of the Dilations, as in the authors' program.
//
// Source: Araslanov and Roth, Single-Stage Semantic Segmentation from Image
// Labels, CVPR 2020, section 4.2. As other segmentors of this kind, it is used on
// logits, before the softmax over texts.
type PAMR struct {
	Steps     int
	Dilations []int
}

// Refine refines a field whose image is pix [Rows,Cols,3]. From then on the
// field holds the logits of all pixels.
func (p PAMR) Refine(f *Field, pix []byte, team par.Team) {
	if len(pix) != 3*f.Rows*f.Cols {
		panic("heat: the image is not [Rows,Cols,3]")
	}
	if p.Steps < 1 || len(p.Dilations) == 0 {
		return
	}
	f.planes = f.Logits(team)
	f.wide = nil
	g := p.grid(f.Rows, f.Cols)
	affinity := g.affinities(pix, team)
	each := f.Rows * f.Cols
	team.For(f.Queries, func(lo, hi, _ int) {
		padded := make([]float32, g.height*g.width)
		for q := lo; q < hi; q++ {
			plane := f.planes[q*each : (q+1)*each]
			for range p.Steps {
				g.pad(padded, plane, 1, 0)
				g.mean(plane, padded, affinity)
			}
		}
	})
}

// paddedGrid is an image with its edges drawn out by margin pixels, and where
// the neighbours of a pixel lie in it.
type paddedGrid struct {
	rows, cols, margin, height, width int
	offsets                           []int // of the neighbours
	centres                           int   // how often a pixel itself counts in σ
}

func (p PAMR) grid(rows, cols int) paddedGrid {
	g := paddedGrid{rows: rows, cols: cols, centres: len(p.Dilations)}
	for _, d := range p.Dilations {
		g.margin = max(g.margin, d)
	}
	g.height, g.width = rows+2*g.margin, cols+2*g.margin
	for _, d := range p.Dilations {
		for y := -1; y <= 1; y++ {
			for x := -1; x <= 1; x++ {
				if y != 0 || x != 0 {
					g.offsets = append(g.offsets, d*(y*g.width+x))
				}
			}
		}
	}
	return g
}

// pad writes number at of every step values of src, an image, to dst, drawing
// out the edges.
func (g *paddedGrid) pad(dst, src []float32, step, at int) {
	for y := range g.height {
		from := min(max(y-g.margin, 0), g.rows-1) * g.cols
		row := dst[y*g.width:][:g.width]
		for x := range g.cols {
			row[g.margin+x] = src[(from+x)*step+at]
		}
		for x := range g.margin {
			row[x], row[g.margin+g.cols+x] = row[g.margin], row[g.margin+g.cols-1]
		}
	}
}

// affinities returns α, [neighbours,Rows,Cols].
func (g *paddedGrid) affinities(pix []byte, team par.Team) []float32 {
	N, each := len(g.offsets), g.rows*g.cols
	values := make([]float32, len(pix))
	for i, v := range pix {
		values[i] = float32(v)
	}
	var colours [3][]float32
	for c := range colours {
		colours[c] = make([]float32, g.height*g.width)
		g.pad(colours[c], values, 3, c)
	}
	alpha := make([]float32, N*each)
	team.For(g.rows, func(lo, hi, _ int) {
		row := make([]float32, g.cols*N) // [Cols,N]
		for y := lo; y < hi; y++ {
			clear(row)
			for x := range g.cols {
				at := (y+g.margin)*g.width + g.margin + x
				for _, colour := range colours {
					g.differences(row[x*N:(x+1)*N], colour, at)
				}
			}
			kernel.Softmax(row, g.cols, N)
			for n := range N {
				dst := alpha[n*each+y*g.cols:][:g.cols]
				for x := range dst {
					dst[x] = row[x*N+n]
				}
			}
		}
	})
	return alpha
}

// differences adds a colour's part of the logits of α at a pixel.
func (g *paddedGrid) differences(dst, colour []float32, at int) {
	const part = 0.1
	own := float64(colour[at])
	sum, squares := 0.0, 0.0 // of the differences, which have the values' deviation
	for _, o := range g.offsets {
		d := float64(colour[at+o]) - own
		sum += d
		squares += d * d
	}
	n := float64(len(g.offsets) + g.centres)
	sigma := math.Sqrt(max(squares-sum*sum/n, 0) / (n - 1))
	if sigma == 0 {
		return
	}
	scale := 1 / (3 * part * sigma)
	for i, o := range g.offsets {
		dst[i] -= float32(math.Abs(float64(colour[at+o])-own) * scale)
	}
}

// mean writes the means of neighbours of src, padded, to dst.
func (g *paddedGrid) mean(dst, src, alpha []float32) {
	each := g.rows * g.cols
	for y := range g.rows {
		row := dst[y*g.cols:][:g.cols]
		clear(row)
		at := (y+g.margin)*g.width + g.margin
		for n, o := range g.offsets {
			a, s := alpha[n*each+y*g.cols:][:g.cols], src[at+o:][:g.cols]
			for x := range row {
				row[x] += a[x] * s[x]
			}
		}
	}
}
