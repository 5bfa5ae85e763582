package textspan

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// Moments are the mean and the second moments around it of the outputs of one part.
type Moments struct {
	dims, images int
	mean         []float64        // [O]
	around       blas64.Symmetric // Σ_b (x[b]-mean)·(x[b]-mean)ᵀ, [O,O], its upper triangle
	centred      blas64.General   // scratch
}

// NewMoments returns those of no outputs yet, whose mean is known. It retains mean.
func NewMoments(mean []float64) *Moments {
	O := len(mean)
	return &Moments{
		dims: O, mean: mean,
		around: blas64.Symmetric{N: O, Stride: O, Data: make([]float64, O*O), Uplo: blas.Upper},
	}
}

// Add adds n outputs, of which one begins every stride elements of rows. Sums depend on how
// the outputs are cut into calls, in the last bits.
func (m *Moments) Add(rows []float32, n, stride int) {
	O := m.dims
	if n > 0 && len(rows) < (n-1)*stride+O {
		panic("textspan: too few outputs")
	}
	if m.centred.Rows < n {
		m.centred = general(n, O)
	}
	part := m.centred
	part.Rows = n
	for b := range n {
		to := part.Data[b*O : (b+1)*O]
		for o, x := range rows[b*stride : b*stride+O] {
			to[o] = float64(x) - m.mean[o]
		}
	}
	blas64.Syrk(blas.Trans, 1, part, 1, m.around)
	m.images += n
}

// variance is the sum of the outputs' squared distances from their mean.
func (m *Moments) variance() float64 {
	sum := 0.0
	for o := range m.dims {
		sum += m.around.Data[o*m.dims+o]
	}
	return sum
}
