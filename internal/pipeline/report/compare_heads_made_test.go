package report

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
)

// madeHeads are made-up heads: each is factors times a matrix, as those of a vision transformer.
type madeHeads struct {
	images, layers, heads, width, dims int

	matrices *decomp.Factors
	factors  []float32 // [B,L·H,F]
	names    []string
}

const madeWidth = 5 // of factors

func makeHeads(random *rand.Rand, images, layers, heads, dims int) *madeHeads {
	return makeWide(random, images, layers, heads, madeWidth, dims)
}

// makeWide makes heads with factors of some width.
func makeWide(random *rand.Rand, images, layers, heads, width, dims int) *madeHeads {
	m := &madeHeads{images: images, layers: layers, heads: heads, width: width, dims: dims}
	m.matrices = &decomp.Factors{Heads: layers * heads, Width: width, OutDim: dims}
	for range layers * heads * width * dims {
		m.matrices.Matrices = append(m.matrices.Matrices, float32(random.NormFloat64()))
	}
	for range images * layers * heads * width {
		m.factors = append(m.factors, float32(0.5+random.NormFloat64()))
	}
	for b := range images {
		m.names = append(m.names, fmt.Sprintf("%04d.jpg", b))
	}
	return m
}

// clone is a copy that can be changed.
func (m *madeHeads) clone() *madeHeads {
	c, f := *m, *m.matrices
	f.Matrices, c.factors, c.names = slices.Clone(f.Matrices), slices.Clone(m.factors), slices.Clone(m.names)
	c.matrices = &f
	return &c
}

func (m *madeHeads) factor(b, head int) []float32 {
	return m.factors[(b*m.layers*m.heads+head)*madeWidth:][:madeWidth]
}

func (m *madeHeads) matrix(head int) []float32 {
	return m.matrices.Matrices[head*madeWidth*m.dims:][:madeWidth*m.dims]
}

// rows are what heads add, [B,L·H,O].
func (m *madeHeads) rows() []float32 {
	rows := make([]float32, m.images*m.layers*m.heads*m.dims)
	m.matrices.Expand(rows, m.factors, m.images, 0, m.layers*m.heads, par.Team{})
	return rows
}

// write writes rows of a shape, with the matrices of factors where there are some.
func (m *madeHeads) write(t testing.TB, rows []float32, dtype npy.DType, axes []string, shape []int, matrices *decomp.Factors, from origin.Origin) string {
	t.Helper()
	path, payload := filepath.Join(t.TempDir(), "heads"), artefact.HeadsFile
	if matrices != nil {
		payload = artefact.FactorsFile
	}
	w, err := new(cache.Store).OpenChunks(path, cache.Plan{
		Kind: artefact.KindHeads, Axes: axes, Row: shape, DType: dtype, Origin: from, Inputs: m.images, ChunkInputs: m.images, Payload: payload,
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(w.Append(rows, nil), w.AddFile(artefact.ImagesFile, func(to io.Writer) error {
		_, err := io.WriteString(to, strings.Join(m.names, "\n")+"\n")
		return err
	}))
	if matrices != nil {
		err = errors.Join(err, artefact.AddMatrices(w, matrices, m.layers))
	}
	if _, finished := w.Finish(); errors.Join(err, finished) != nil {
		t.Fatal(err, finished)
	}
	return path
}

func (m *madeHeads) dense(t *testing.T) string {
	t.Helper()
	return m.write(t, m.rows(), npy.Float32, []string{"B", "L", "H", "O"}, []int{m.layers, m.heads, m.dims}, nil, origin.Origin{})
}

func (m *madeHeads) factored(t testing.TB, dtype npy.DType) string {
	t.Helper()
	return m.write(t, m.factors, dtype, []string{"B", "L", "H", artefact.FactorAxis}, []int{m.layers, m.heads, m.width}, m.matrices, origin.Origin{})
}

// head are the outputs of a head for some images, in float64.
func (m *madeHeads) head(head int, images []int) (rows [][]float64) {
	for _, b := range images {
		row := make([]float64, m.dims)
		for i, x := range m.factor(b, head) {
			for o, v := range m.matrix(head)[i*m.dims : (i+1)*m.dims] {
				row[o] += float64(x) * float64(v)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// directCKA is that without bias, from matrices of the images' products.
func directCKA(x, y [][]float64) float64 {
	n := len(x)
	gram := func(rows [][]float64) [][]float64 { // with rows and columns that sum to 0
		k, total := make([][]float64, n), 0.0
		sums := make([]float64, n)
		for i := range n {
			k[i] = make([]float64, n)
			for j := range n {
				if i == j {
					continue
				}
				for o := range rows[i] {
					k[i][j] += rows[i][o] * rows[j][o]
				}
				sums[i] += k[i][j]
				total += k[i][j]
			}
		}
		for i := range n {
			for j := range n {
				if i != j {
					k[i][j] += total/float64((n-1)*(n-2)) - (sums[i]+sums[j])/float64(n-2)
				}
			}
		}
		return k
	}
	inner := func(a, b [][]float64) (sum float64) {
		for i := range n {
			for j := range n {
				sum += a[i][j] * b[i][j]
			}
		}
		return sum
	}
	a, b := gram(x), gram(y)
	return inner(a, b) / math.Sqrt(inner(a, a)*inner(b, b))
}
