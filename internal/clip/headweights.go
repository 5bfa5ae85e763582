package clip

import (
	"fmt"
	"math"

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
// bias B_O is no head's and stays. All that reads the residual later sees it.
func (ck *Checkpoint) EditHeads(layer int, factors []float64) (*Edit, error) {
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
	var r reader
	var err error
	if e.before, err = r.keep(ck, e.bias); err != nil {
		return nil, err
	}
	matrix, err := r.keep(ck, e.matrix) // [W,H·D]
	if err != nil {
		return nil, err
	}
	edited := append([]float32(nil), matrix...)
	e.apply(e.matrix, ck.tensors[e.matrix].DType.Round, edited)
	for h, f := range factors {
		if f == 1 {
			continue
		}
		square := 0.0
		for c := range W {
			for _, x := range matrix[c*W+h*D:][:D] {
				square += float64(x) * float64(x)
			}
		}
		e.Units = append(e.Units, EditedUnit{Unit: layer*v.Heads + h, Factor: f, Length: math.Sqrt(square)})
	}
	if err := e.finish(ck, matrix, edited); err != nil {
		return nil, err
	}
	e.after = func(o ImageOptions) (Edited, error) {
		t, err := NewImageTower(ck.edited(&e.columnEdit), ImageOptions{Batch: o.Batch, Threads: o.Threads, Precision: o.Precision})
		return editedTower{t}, err
	}
	return e, nil
}

// editedTower is an image tower with edited weights.
type editedTower struct{ tower ImageTower }

func (e editedTower) Features(dst []float32, s Seen, _ par.Team) error {
	return e.tower.Run(s.Pixels, Output{Features: dst})
}

func (editedTower) Orders([]float32, []float32, Seen, par.Team) bool { return false }
