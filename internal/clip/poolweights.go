package clip

import (
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/par"
)

const (
	valueName   = "visual.attnpool.v_proj.weight"
	outBiasName = "visual.attnpool.c_proj.bias"
)

// poolWeights are those of the pairs of an attention pool; see decomp.OV's EditedValue.
type poolWeights struct{ pairs Pairs }

func (poolWeights) Means() MeansOf { return ScoreMeans }

func (poolWeights) Check([]float64) error { return nil }

func (w poolWeights) Edit(factors, means []float64) (*Edit, error) {
	ck := w.pairs.ck
	ov, err := w.pairs.OV()
	if err != nil {
		return nil, err
	}
	C := ov.Neurons
	e := &Edit{columnEdit: columnEdit{matrix: valueName, bias: outBiasName, columns: C, band: ov.Width, factors: factors}, before: ov.OutBias()}
	edited := ov.EditedValue(factors, ck.tensors[valueName].DType.Round)
	if means != nil {
		e.biasChange = ov.BiasChange(edited, means)
	}
	v, of := make([]float32, C*ov.OutDim), -1 // the directions of a head
	for u, f := range factors {
		if f == 1 {
			continue
		}
		h, n := u/C, u%C
		if of != h {
			ov.Directions(v, h, 0, C, par.NewTeam(1))
			of = h
		}
		unit := EditedUnit{Unit: u, Factor: f, Length: decomp.Norm(v[n*ov.OutDim : (n+1)*ov.OutDim])}
		if means != nil {
			unit.Mean = means[u]
		}
		e.Units = append(e.Units, unit)
	}
	if err := e.finish(ck, ov.Value, edited); err != nil {
		return nil, err
	}
	e.after = func(ImageOptions) (Edited, error) { return &editedPool{ov: ov.Edited(edited, e.biasChange)}, nil }
	return e, nil
}

// editedPool is an attention pool with edited weights. As an edit leaves tokens and
// attention as they are, scores are those of the pool before.
type editedPool struct {
	ov     *decomp.OV
	values []float32
}

func (e *editedPool) Features(dst []float32, s Seen, team par.Team) error {
	if n := s.Images * e.ov.Neurons; len(e.values) < n {
		e.values = make([]float32, n)
	}
	e.ov.Features(dst, e.values, s.Scores, s.Images, team)
	return nil
}

func (e *editedPool) Orders([]float32, []float32, Seen, par.Team) bool { return false }
