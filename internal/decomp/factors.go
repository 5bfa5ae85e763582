package decomp

import (
	"math"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// Factors are the matrices that make of rows of factors what heads of a vision transformer add
// to image features: a row [F] times the matrix [F,O] of its head. A row of a head that is D
// wide has F = D+5 columns,
//
//	y/sd   D   what the head reads for the class token, of all tokens or of one
//	1/sd       times B_O/(P·H)
//	m/sd       times -mean/(S·P·H)
//	1          times shift/(S·P·H)
//	           what float16 leaves of 1/sd and of m/sd, times the same rows
//
// with what Tokens has, m and sd the mean and deviation of the class token in the last norm,
// S = 2L+1 and P the places that shares are spread over: T where rows are of single tokens, 1
// where they are of all.
type Factors struct {
	Heads, Width, OutDim int // H of all layers, F and O

	Matrices []float32 // [H,F,O]
}

// factorConstants are the columns behind what a head reads.
const factorConstants = 5

// FactorWidth is F of heads that are D wide.
func FactorWidth(headWidth int) int { return headWidth + factorConstants }

// Factors returns the matrices of heads, layerHeads in each layer, whose rows are of one of
// places tokens each, or of all tokens together where places is 1.
func (t *Tokens) Factors(layerHeads, places int) *Factors {
	D, O := t.Width/layerHeads, t.OutDim
	f := &Factors{Heads: t.Layers * layerHeads, Width: FactorWidth(D), OutDim: O}
	f.Matrices = kernel.Alloc(f.Heads * f.Width * O)
	shares := float64(places * layerHeads)
	parts := float64(2*t.Layers+1) * shares
	for h := range f.Heads {
		m, layer := f.Matrices[h*f.Width*O:][:f.Width*O], h/layerHeads
		copy(m, t.Out[h*D*O:(h+1)*D*O])
		for o := range O {
			bias, mean := float32(float64(t.OutBias[layer*O+o])/shares), float32(-float64(t.Mean[o])/parts)
			for i, x := range [factorConstants]float32{bias, mean, float32(float64(t.Shift[o]) / parts), bias, mean} {
				m[(D+i)*O+o] = x
			}
		}
	}
	return f
}

// Tokens returns what the matrices of heads were made of, whose rows are of all tokens together.
func (f *Factors) Tokens(layerHeads int) *Tokens {
	D, O, L := f.Width-factorConstants, f.OutDim, f.Heads/layerHeads
	shares := float32(layerHeads)
	parts := shares * float32(2*L+1)
	t := &Tokens{Layers: L, Width: layerHeads * D, OutDim: O}
	for h := range f.Heads {
		m := f.Matrices[h*f.Width*O:][:f.Width*O]
		t.Out = append(t.Out, m[:D*O]...)
		if h%layerHeads > 0 {
			continue
		}
		for o := range O {
			t.OutBias = append(t.OutBias, m[D*O+o]*shares)
			if h == 0 {
				t.Mean, t.Shift = append(t.Mean, -m[(D+1)*O+o]*parts), append(t.Shift, m[(D+2)*O+o]*parts)
			}
		}
	}
	return t
}

// FillFactors writes the factors of an image, [L,P,H,F], from what its heads read, [L,P,H·D],
// and the mean and 1/deviation of its class token.
func FillFactors(dst, reads, statistics []float32, headWidth int) {
	F, inverse := FactorWidth(headWidth), statistics[1]
	mean := statistics[0] * inverse
	constants := [factorConstants]float32{short(inverse), short(mean), 1, inverse - short(inverse), mean - short(mean)}
	for i := range len(dst) / F {
		row, read := dst[i*F:(i+1)*F], reads[i*headWidth:(i+1)*headWidth]
		for d, y := range read {
			row[d] = y * inverse
		}
		copy(row[headWidth:], constants[:])
	}
}

// short is x without the bits of its fraction that float16 does not have.
func short(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1<<13 - 1)) }

// Expand writes what heads first to first+count of n places each add, [n,count,O], of their
// factors [n,count,F].
func (f *Factors) Expand(dst, factors []float32, n, first, count int, team par.Team) {
	F, O := f.Width, f.OutDim
	for i := range count {
		kernel.Sgemm(1, kernel.Strided(factors[i*F:], n, F, count*F), kernel.Dense(f.Matrices[(first+i)*F*O:], F, O),
			0, kernel.Strided(dst[i*O:], n, O, count*O), team)
	}
}
