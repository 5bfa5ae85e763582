package pipeline

import (
	"fmt"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/par"
)

// codedDirections are what sparse codes over texts stand for: code times
// dictionary, as unit vectors. A code that is zero stands for none, and its
// direction is zero.
type codedDirections struct {
	codes *npy.Sparse // by rows, [units,M]
	texts []float32   // dictionary, [M,O]
	team  par.Team
}

// openCodes reads sparse codes of a number of units, and the embeddings that
// they are over.
func openCodes(path, textsPath string, by omp.Normalization, units, outDim int, weights string, team par.Team) (*codedDirections, error) {
	codes, err := requireModel(path, "sparse --decomposition-save-path", kindCodes, weights)
	if err != nil {
		return nil, err
	}
	words, err := requireModel(textsPath, "embed --embeddings-save-path", kindEmbeddings, weights)
	if err != nil {
		return nil, err
	}
	if codes != nil {
		want := cache.Manifest{Origin: cache.Origin{Parameters: map[string]any{"normalize": by.String()}}}
		if words != nil {
			want.Origin.Parents = map[string]string{"embeddings": words.Hash()}
		}
		if err := codes.Require(want); err != nil {
			return nil, err
		}
	}
	texts, shape, err := readTensor(textsPath)
	if err != nil {
		return nil, err
	}
	if len(shape) != 2 || shape[0] < 1 || shape[1] != outDim {
		return nil, fmt.Errorf("%s: shape %s, want [texts,%d]", textsPath, npy.ShapeString(shape), outDim)
	}
	if i := notFinite(texts); i >= 0 {
		return nil, notFiniteAt(textsPath, i, shape, texts[i])
	}
	omp.Normalize(texts, shape[0], outDim, by)
	a, err := npy.OpenArchive(path)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	m, err := a.ReadSparse(mostUnits, mostTexts)
	if err != nil {
		return nil, err
	}
	if i := notFinite(m.Data); i >= 0 {
		return nil, fmt.Errorf("%s: coefficient %d is %g, want finite ones", path, i, m.Data[i])
	}
	if m.Rows != units || m.Cols != shape[0] {
		return nil, fmt.Errorf("%s: shape %dx%d, want %dx%d: a row for each unit of the means, a column for each text", path, m.Rows, m.Cols, units, shape[0])
	}
	return &codedDirections{m.Rowwise(), texts, team}, nil
}

// read writes those of the units from first on to dst [U,O].
func (c *codedDirections) read(dst []float32, first int) error {
	O := len(c.texts) / c.codes.Cols
	c.team.For(len(dst)/O, func(lo, hi, _ int) {
		sum := make([]float64, O)
		for u := lo; u < hi; u++ {
			clear(sum)
			texts, values := c.codes.Slice(first + u)
			for i, text := range texts {
				for o, x := range c.texts[int(text)*O : (int(text)+1)*O] {
					sum[o] += float64(values[i]) * float64(x)
				}
			}
			row := dst[u*O : (u+1)*O]
			for o := range row {
				row[o] = float32(sum[o])
			}
			if n := norm(row); n > 0 {
				for o := range row {
					row[o] = float32(sum[o] / n)
				}
			}
		}
	})
	return nil
}

func (c *codedDirections) close() error { return nil }
