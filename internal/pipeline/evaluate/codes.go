package evaluate

import (
	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/omp"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
)

// codedDirections are what sparse codes over texts stand for: code times
// dictionary, as unit vectors. A code that is zero stands for none, and its
// direction is zero.
type codedDirections struct {
	codes *npy.Sparse // by rows, [units,M]
	texts []float32   // dictionary, [M,O]
	team  par.Team

	artefact, embeddings *cache.Artefact // nil for files of another program
}

// openCodes reads sparse codes of the units of a shape, [H,C,O] or [C,O], and the embeddings
// that they are over.
func openCodes(r artefact.Reader, path, textsPath string, by omp.Normalization, shape []int, of origin.Origin, team par.Team) (*codedDirections, error) {
	outDim := shape[len(shape)-1]
	texts, err := r.Embeddings(textsPath, artefact.OfModel(of), outDim)
	if err != nil {
		return nil, err
	}
	facts := artefact.Of(of).Normalize(by.String())
	if texts.Artefact != nil {
		facts = facts.Parent("embeddings", texts.Artefact.Hash())
	}
	codes, err := r.Codes(path, facts)
	if err != nil {
		return nil, err
	}
	if err := codes.WantUnits(len(shape) == 3); err != nil {
		return nil, err
	}
	omp.Normalize(texts.Rows, texts.Texts, outDim, by)
	return &codedDirections{codes.Rows, texts.Rows, team, codes.Artefact, texts.Artefact}, codes.Want(artefact.Product(shape)/outDim, texts.Texts)
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
			if n := decomp.Norm(row); n > 0 {
				for o := range row {
					row[o] = float32(sum[o] / n)
				}
			}
		}
	})
	return nil
}

func (c *codedDirections) close() error { return nil }
