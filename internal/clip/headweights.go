package clip

import (
	"fmt"
	"math"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/quantity"
)

// EditHeads prepares to multiply what the heads of a layer of a vision transformer add, by
// factors [H]. Head h reads the residual by its queries, keys and values, and adds to it by
// columns h·D to (h+1)·D of the output projection alone,
//
//	W_O'^h = α[h]·W_O^h
//
// makes of its output W_O^h z[t] the output α·W_O^h z[t], for every token t of every image. The
// bias B_O is no head's and stays, unless there are outputs [W] to keep: then
//
//	B_O' = B_O + Σ_h (W_O^h - W_O'^h) outputs[h]
//
// so that every token has α·z[t] + (1-α)·outputs[h] in place of z[t]. All that reads the
// residual later sees it.
func (ck *Checkpoint) EditHeads(layer int, factors, outputs []float64) (*Edit, error) {
	if err := ck.Require(Residual); err != nil {
		return nil, err
	}
	v := ck.Config.ViT
	if layer < 0 || layer >= v.Layers || len(factors) != v.Heads {
		return nil, fmt.Errorf("%s: layer %d with %s, want 0 to %d with %d", ck.path, layer, quantity.Of(len(factors), "head"), v.Layers-1, v.Heads)
	}
	name, D, W := v.layer(layer)+"attn.out_proj.", v.HeadWidth(), v.Width
	columns := make([]float64, W)
	for c := range columns {
		columns[c] = factors[c/D]
	}
	e := &Edit{columnEdit: columnEdit{matrix: name + "weight", bias: name + "bias", columns: W, band: W, factors: columns}, Of: EditedHeads}
	var err error
	if e.before, err = ck.keep(e.bias); err != nil {
		return nil, err
	}
	matrix, err := ck.keep(e.matrix) // [W,H·D]
	if err != nil {
		return nil, err
	}
	edited := append([]float32(nil), matrix...)
	e.apply(e.matrix, ck.tensors[e.matrix].DType.Round, edited)
	if outputs != nil {
		e.biasChange = make([]float64, W)
		for i, x := range matrix {
			if x != edited[i] {
				e.biasChange[i/W] += outputs[i%W] * (float64(x) - float64(edited[i]))
			}
		}
	}
	for h, f := range factors {
		if f == 1 {
			continue
		}
		mean := 0.0 // what the head adds at the outputs
		square := 0.0
		for c := range W {
			sum := 0.0
			for d, x := range matrix[c*W+h*D:][:D] {
				square += float64(x) * float64(x)
				if outputs != nil {
					sum += float64(x) * outputs[h*D+d]
				}
			}
			mean += sum * sum
		}
		e.Units = append(e.Units, EditedUnit{Unit: layer*v.Heads + h, Factor: f, Length: math.Sqrt(square), Mean: math.Sqrt(mean)})
	}
	if err := e.finish(ck, matrix, edited); err != nil {
		return nil, err
	}
	e.after = func(o ImageOptions) (Edited, error) {
		t, err := NewImageTower(ck.edited(&e.columnEdit), ImageOptions{Batch: o.Batch, Threads: o.Threads, Precision: o.Precision})
		if err != nil || outputs == nil {
			return editedTower{t}, err
		}
		return ck.meanHeads(editedTower{t}, e, outputs, layer, o)
	}
	return e, nil
}

// A MeanHeads is a vision transformer with heads at mean outputs.
type MeanHeads interface {
	// FirstOrder writes by how much what the heads add to the class token's residual itself would
	// move features, [B,O], were all else in the tower as it is, and to parts [B,heads,O] what each
	// of the edited heads adds to features before the edit, its shares of biases included.
	FirstOrder(first, parts []float32, s Seen) error
}

type meanHeads struct {
	editedTower
	before  ImageTower
	tokens  *decomp.Tokens
	matrix  []float32 // W_O, [W,W]
	units   []EditedUnit
	outputs []float64
	layer   int
}

func (ck *Checkpoint) meanHeads(t editedTower, e *Edit, outputs []float64, layer int, o ImageOptions) (Edited, error) {
	before, err := NewImageTower(ck, ImageOptions{Batch: o.Batch, Threads: o.Threads, Precision: o.Precision, Reads: true})
	if err != nil {
		return nil, err
	}
	tokens, err := ck.Tokens()
	if err != nil {
		return nil, err
	}
	matrix, err := ck.keep(e.matrix)
	return &meanHeads{t, before, tokens, matrix, e.Units, outputs, layer}, err
}

func (m *meanHeads) FirstOrder(first, parts []float32, s Seen) error {
	c, d, n := m.before.Config(), m.tokens, s.Images
	T, W, O, H, D := c.Tokens(), d.Width, d.OutDim, c.ViT.Heads, c.ViT.HeadWidth()
	out := Output{Reads: make([]float32, n*d.Layers*T*W), Statistics: make([]float32, 2*n)}
	if err := m.before.Run(s.Pixels, out); err != nil {
		return err
	}
	count := float64(2*d.Layers + 1)
	for b := range n {
		mean, inverse := float64(out.Statistics[2*b]), float64(out.Statistics[2*b+1])
		reads := out.Reads[(b*d.Layers+m.layer)*T*W:][:T*W]
		moved := make([]float64, O)
		for i, u := range m.units {
			head := u.Unit % H
			part := make([]float64, O)
			shift := 0.0 // of the residual's mean
			for k := head * D; k < (head+1)*D; k++ {
				z := 0.0
				for t := range T {
					z += float64(reads[t*W+k])
				}
				change := (u.Factor - 1) * (z - m.outputs[k])
				for o, x := range d.Out[(m.layer*W+k)*O:][:O] {
					part[o] += z * inverse * float64(x)
					moved[o] += change * inverse * float64(x)
				}
				for row := range W {
					shift += change * float64(m.matrix[row*W+k]) / float64(W)
				}
			}
			dst := parts[(b*len(m.units)+i)*O:][:O]
			for o := range dst {
				share := float64(d.OutBias[m.layer*O+o])*inverse + (float64(d.Shift[o])-mean*inverse*float64(d.Mean[o]))/count
				dst[o] = float32(part[o] + share/float64(H))
				moved[o] -= shift * inverse * float64(d.Mean[o])
			}
		}
		for o, x := range moved {
			first[b*O+o] = float32(x)
		}
	}
	return nil
}

// editedTower is an image tower with edited weights.
type editedTower struct{ tower ImageTower }

func (e editedTower) Features(dst []float32, s Seen, _ par.Team) error {
	return e.tower.Run(s.Pixels, Output{Features: dst})
}

func (editedTower) Orders([]float32, []float32, Seen, par.Team) bool { return false }
