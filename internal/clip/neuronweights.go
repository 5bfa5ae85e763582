package clip

import (
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/par"
)

// neuronWeights are those of the neurons of a layer of a vision transformer. Neuron n adds
// p[t,n]·w[n] to the residual of token t, and w[n] is a column of the MLP's output weights.
// An edit by factors α [N] and means m [N] of activations,
//
//	w'[n] = α[n]·w[n]
//	b'    = b + Σ_n m[n]·(w[n] - w'[n])
//
// makes of p[t,n] the activation α·p + (1-α)·m, for every token of every image. All that
// reads the residual later sees it, so features change by more than the pairs of n add.
type neuronWeights struct {
	pairs Pairs
	layer int
}

func (neuronWeights) Means() MeansOf { return ActivationMeans }

func (w neuronWeights) Check(factors []float64) error {
	N := w.pairs.Neurons
	for u, f := range factors {
		if f == factors[u%N] {
			continue
		}
		if f == 1 {
			u %= N // the one that was named
		}
		return &InseparableError{Pair: u, Neuron: u % N}
	}
	return nil
}

func (w neuronWeights) Edit(factors, means []float64) (*Edit, error) {
	ck, H := w.pairs.ck, w.pairs.Heads
	N, W := w.pairs.Neurons, ck.Config.ViT.Width
	name := ck.Config.ViT.layer(w.layer) + "mlp.c_proj."
	e := &Edit{columnEdit: columnEdit{matrix: name + "weight", bias: name + "bias", columns: N, band: W, factors: factors[:N]}, Of: EditedNeurons}
	var err error
	if e.before, err = ck.keep(e.bias); err != nil {
		return nil, err
	}
	matrix, err := ck.keep(e.matrix) // [W,N]
	if err != nil {
		return nil, err
	}
	edited := append([]float32(nil), matrix...)
	e.apply(e.matrix, ck.tensors[e.matrix].DType.Round, edited)
	if means != nil {
		e.biasChange = make([]float64, W)
		for i, x := range matrix {
			if x != edited[i] {
				e.biasChange[i/N] += means[i%N] * (float64(x) - float64(edited[i]))
			}
		}
	}
	column := make([]float32, W)
	for n, f := range e.factors {
		if f == 1 {
			continue
		}
		for i := range column {
			column[i] = matrix[i*N+n]
		}
		unit := EditedUnit{Unit: n, Factor: f, Length: norm(column)}
		if means != nil {
			unit.Mean = means[n]
		}
		e.Units = append(e.Units, unit)
	}
	if err := e.finish(ck, matrix, edited); err != nil {
		return nil, err
	}
	e.after = func(o ImageOptions) (Edited, error) { return w.edited(e, matrix, H, o) }
	return e, nil
}

// editedNeurons is a vision transformer with edited weights, and what its units would add
// by themselves.
type editedNeurons struct {
	tower   ImageTower
	units   []EditedUnit
	heads   int
	ov      *decomp.OV
	direct  []float32 // what each unit adds to the feature by the class token's residual, over its activation and the last norm's deviation, [units,O]
	values  []float32
	changed []float32 // of scores, [B,H,N]
}

func (w neuronWeights) edited(e *Edit, matrix []float32, heads int, o ImageOptions) (Edited, error) {
	if heads == 0 {
		return w.editedLast(e, o)
	}
	ck := w.pairs.ck
	t, err := NewImageTower(ck.edited(&e.columnEdit), ImageOptions{Batch: o.Batch, Threads: o.Threads, Precision: o.Precision})
	if err != nil {
		return nil, err
	}
	ov, err := w.pairs.OV()
	if err != nil {
		return nil, err
	}
	post, err := ck.affine("visual.ln_post")
	if err != nil {
		return nil, err
	}
	projection, err := ck.keep("visual.proj") // [W,O]
	if err != nil {
		return nil, err
	}
	W, N, O, K := len(post.gamma), ov.Neurons, ov.OutDim, len(e.Units)
	direct := make([]float32, K*O)
	if K > 0 { // else every factor is 1
		columns := make([]float32, W*K)
		for i, u := range e.Units {
			for c := range W {
				columns[c*K+i] = matrix[c*N+u.Unit]
			}
		}
		centreColumns(columns, W, K)
		for c, gamma := range post.gamma {
			for i := range K {
				columns[c*K+i] *= gamma
			}
		}
		kernel.Sgemm(1, kernel.Dense(columns, W, K).T(), kernel.Dense(projection, W, O), 0, kernel.Dense(direct, K, O), par.NewTeam(o.Threads))
	}
	return &editedNeurons{tower: t, units: e.Units, heads: heads, ov: ov, direct: direct}, nil
}

func (e *editedNeurons) Features(dst []float32, s Seen, _ par.Team) error {
	return e.tower.Run(s.Pixels, Output{Features: dst})
}

func (e *editedNeurons) Orders(first, second []float32, s Seen, team par.Team) bool {
	H, N, O := e.heads, e.ov.Neurons, e.ov.OutDim
	T := len(s.Weights) / (s.Images * H)
	if n := s.Images * H * N; len(e.changed) < n {
		e.changed, e.values = make([]float32, n), make([]float32, s.Images*e.ov.Inner())
	}
	clear(e.changed)
	for b := range s.Images {
		sum := make([]float64, O)
		for i, u := range e.units {
			p := float64(s.Neurons[b*T*N+u.Unit]) // of the class token
			d := (u.Factor - 1) * (p - u.Mean) * float64(s.Statistics[2*b+1])
			for o, v := range e.direct[i*O : (i+1)*O] {
				sum[o] += d * float64(v)
			}
		}
		for o, x := range sum {
			first[b*O+o] = float32(x)
		}
		for h := range H {
			constant := 0.0 // the score of a neuron that is 1 at every token
			for _, x := range s.Weights[(b*H+h)*T:][:T] {
				constant += float64(x)
			}
			for _, u := range e.units {
				at := (b*H+h)*N + u.Unit
				e.changed[at] = float32((u.Factor - 1) * (float64(s.Scores[at]) - u.Mean*constant))
			}
		}
	}
	e.ov.Features(second, e.values, e.changed[:s.Images*H*N], s.Images, team)
	return true
}
