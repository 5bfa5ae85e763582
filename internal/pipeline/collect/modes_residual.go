package collect

import (
	"fmt"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/unit"
)

// The forms of the parts of the residual.
const (
	FormOwn       = "own"            // they sum to the image feature
	FormPublished = origin.Published // they sum to it as a unit vector
)

// formOf is the form of parts in origins: empty for their own.
func formOf(published bool) string {
	if published {
		return origin.Published
	}
	return ""
}

// residualPart is a way of taking the class token's residual of a vision transformer
// apart.
type residualPart struct {
	kind, meanKind, file string
	axes                 []string
	shape                func(clip.Config) []int
	want                 func(*clip.ImageOptions)
	output               func(values []float32) clip.Output
	label                func(index []int) string // of what is at an index, the last of which counts dimensions
	factors              *partFactors             // in their place where nothing else is asked for; nil where there are none
}

// The ways, by their modes.
var (
	headParts = residualPart{
		artefact.KindHeads, artefact.KindMeanHeads, artefact.HeadsFile, []string{"L", "H", "O"},
		func(c clip.Config) []int { layers, heads := c.Layered(); return []int{layers, heads, c.OutDim} },
		func(o *clip.ImageOptions) { o.FirstOrder = true },
		func(values []float32) clip.Output { return clip.Output{Heads: values} },
		func(i []int) string { return fmt.Sprintf("l%dh%d", i[0], i[1]) },
		&headFactors,
	}
	mlpParts = residualPart{
		artefact.KindMLPs, artefact.KindMeanMLPs, artefact.MLPsFile, []string{"L+1", "O"},
		func(c clip.Config) []int { layers, _ := c.Layered(); return []int{layers + 1, c.OutDim} },
		func(o *clip.ImageOptions) { o.FirstOrder = true },
		func(values []float32) clip.Output { return clip.Output{MLPs: values} },
		func(i []int) string {
			if i[0] == 0 {
				return "the first class token"
			}
			return fmt.Sprintf("the MLP of layer %d", i[0]-1)
		},
		nil,
	}
	tokenParts = residualPart{
		artefact.KindTokens, artefact.KindMeanTokens, artefact.TokensFile, []string{"L", "T", "H", "O"},
		func(c clip.Config) []int {
			layers, heads := c.Layered()
			return []int{layers, c.Tokens(), heads, c.OutDim}
		},
		func(o *clip.ImageOptions) { o.TokenParts = true },
		func(values []float32) clip.Output { return clip.Output{TokenParts: values} },
		func(i []int) string { return fmt.Sprintf("l%dh%d at token %d", i[0], i[2], i[1]) },
		&tokenFactors,
	}
	classParts = residualPart{
		artefact.KindClassParts, artefact.KindMeanClassParts, artefact.ClassPartsFile, []string{"L", "O"},
		func(c clip.Config) []int { layers, _ := c.Layered(); return []int{layers, c.OutDim} },
		func(o *clip.ImageOptions) { o.ClassParts = true },
		func(values []float32) clip.Output { return clip.Output{ClassParts: values} },
		func(i []int) string { return fmt.Sprintf("the class token that layer %d reads", i[0]) },
		nil,
	}
)

// residualMode keeps what each part of the residual adds to the image feature, or, in the
// published form, to the feature as a unit vector.
type residualMode struct {
	config    clip.Config
	part      residualPart
	published bool
}

func (r residualMode) values() int { return artefact.Product(r.part.shape(r.config)) }

func (r residualMode) label(i int) string { return labelOf(r.part, r.part.shape(r.config), i) }

// labelOf names value i of parts of a shape.
func labelOf(part residualPart, shape []int, i int) string {
	index := make([]int, len(shape))
	for axis := len(shape) - 1; axis >= 0; axis-- {
		index[axis], i = i%shape[axis], i/shape[axis]
	}
	return "part of " + part.label(index)
}

func (r residualMode) start(from towers, o clip.ImageOptions) (*started, error) {
	r.part.want(&o)
	if !r.published {
		return onTower(from, o, r.part.output)
	}
	t, err := from.image(o)
	if err != nil {
		return nil, err
	}
	O := r.config.OutDim
	return &started{tower: t, options: o, compute: func(values, images []float32) error {
		n := len(images) / t.ImageLen()
		out := r.part.output(values)
		out.Features = make([]float32, n*O)
		if err := t.Run(images, out); err != nil {
			return err
		}
		each := r.values()
		for b := range n {
			norm := decomp.Norm(out.Features[b*O : (b+1)*O])
			for i, x := range values[b*each : (b+1)*each] {
				values[b*each+i] = float32(float64(x) / norm)
			}
		}
		return nil
	}}, nil
}

func (r residualMode) row() row {
	return row{
		kind: r.part.kind, meanKind: r.part.meanKind, file: r.part.file, axes: r.part.axes, shape: r.part.shape(r.config),
	}
}

func (r residualMode) rowBuilder() (func(row, values []float32), error) { return nil, nil }

// layerActivationsMode keeps the activations of the neurons of a layer at every token.
type layerActivationsMode struct {
	config clip.Config
	pairs  clip.Pairs
}

func (l layerActivationsMode) values() int { return artefact.Product(l.row().shape) }

func (l layerActivationsMode) label(i int) string {
	T := l.config.Tokens()
	layers := unit.Layers{First: l.pairs.FirstLayer, Heads: l.pairs.LayerHeads}
	return fmt.Sprintf("activation of %s at token %d", layers.Neuron(i/T), i%T)
}

func (l layerActivationsMode) start(from towers, o clip.ImageOptions) (*started, error) {
	l.pairs.Want(&o)
	o.PairTokens = true
	t, err := from.image(o)
	if err != nil {
		return nil, err
	}
	T, N := l.config.Tokens(), l.pairs.Neurons
	var rows []float32 // [B,T,N]
	return &started{tower: t, options: o, compute: func(values, images []float32) error {
		if len(rows) < len(values) {
			rows = make([]float32, len(values))
		}
		if err := t.Run(images, clip.Output{Neurons: rows[:len(values)]}); err != nil {
			return err
		}
		for at := 0; at < len(values); at += T * N {
			kernel.Transpose(values[at:at+T*N], rows[at:at+T*N], T, N)
		}
		return nil
	}}, nil
}

func (l layerActivationsMode) row() row {
	return row{
		kind: artefact.KindActivations, meanKind: artefact.KindMeanActivations, file: artefact.ActivationsFile,
		axes: []string{"C", "T"}, shape: []int{l.pairs.Neurons, l.config.Tokens()},
	}
}

func (l layerActivationsMode) rowBuilder() (func(row, values []float32), error) { return nil, nil }
