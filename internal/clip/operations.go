package clip

import (
	"fmt"

	"gorgonia.org/tensor"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/quantity"
)

// This file has the operations of the ResNet; those of the attention pool are in
// pool.go.

var (
	mapForm    = form{rank: 4, blocked: true} // [B,C,H,W]
	matrixForm = form{rank: 3}
	vectorForm = form{rank: 2}
)

// wantShape returns an error unless the shape is of the given sizes behind the batch,
// where -1 stands for any.
func wantShape(got tensor.Shape, sizes ...int) error {
	fits := len(got) == len(sizes)+1
	for i, size := range sizes {
		fits = fits && (size == -1 || got[i+1] == size)
	}
	if !fits {
		return fmt.Errorf("input of shape %v, want the batch and %v (-1: any)", got, sizes)
	}
	return nil
}

// stemOp is the first convolution, 3x3 with stride 2, and ReLU: [B,3,H,W], row-major,
// to [B,out,H/2,W/2].
type stemOp struct {
	*kernel.Stem
	out int
}

func (o stemOp) form() form       { return mapForm }
func (o stemOp) overwrites() int  { return -1 }
func (o stemOp) describe() string { return "3x3 convolution, stride 2, ReLU" }

// stemAlgorithm names how the first convolution is computed.
const stemAlgorithm = "stem"

func (o stemOp) algorithm() string { return stemAlgorithm }

func (o stemOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	if err := wantShape(in[0], 3, -1, -1); err != nil {
		return nil, err
	}
	// With one pixel of padding: (side + 2 - 3)/2 + 1.
	return tensor.Shape{in[0][0], o.out, (in[0][2]-1)/2 + 1, (in[0][3]-1)/2 + 1}, nil
}

func (o stemOp) run(out *activation, in []*activation, w *workspace) {
	o.Run(out.used, in[0].rows, &w.scratch, w.team)
}

// convOp is a convolution that keeps the size, or several that are summed, with the
// batch norm's bias and ReLU.
type convOp struct{ *kernel.Conv }

func (o convOp) form() form        { return mapForm }
func (o convOp) overwrites() int   { return -1 }
func (o convOp) algorithm() string { return o.Spec().Algorithm.String() }

func (o convOp) describe() string {
	if len(o.Spec().In) > 1 {
		return "1x1 convolutions, sum, ReLU"
	}
	return fmt.Sprintf("%dx%d convolution, ReLU", o.Spec().Kernel, o.Spec().Kernel)
}

func (o convOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	sources := o.Spec().In
	if len(in) != len(sources) {
		return nil, fmt.Errorf("%s, want %d", quantity.Of(len(in), "input"), len(sources))
	}
	if err := wantShape(in[0], sources[0], -1, -1); err != nil {
		return nil, err
	}
	for i, channels := range sources[1:] {
		if err := wantShape(in[i+1], channels, in[0][2], in[0][3]); err != nil {
			return nil, err
		}
	}
	return tensor.Shape{in[0][0], o.Spec().Out, in[0][2], in[0][3]}, nil
}

func (o convOp) run(out *activation, in []*activation, w *workspace) {
	sources := make([]kernel.Map, len(in))
	for i, a := range in {
		sources[i] = a.used
	}
	o.Run(out.used, nil, &w.scratch, w.team, sources...)
}

// residualOp is a convolution whose second input is added before the ReLU.
type residualOp struct{ *kernel.Conv }

func (o residualOp) form() form       { return mapForm }
func (o residualOp) overwrites() int  { return 1 }
func (o residualOp) describe() string { return "1x1 convolution, sum, ReLU" }

func (o residualOp) algorithm() string { return o.Spec().Algorithm.String() }

func (o residualOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	if len(in) != 2 {
		return nil, fmt.Errorf("%s, want 2", quantity.Of(len(in), "input"))
	}
	out, err := convOp(o).infer(in[:1])
	if err == nil && !out.Eq(in[1]) {
		err = fmt.Errorf("shortcut of shape %v, want %v", in[1], out)
	}
	return out, err
}

func (o residualOp) run(out *activation, in []*activation, w *workspace) {
	o.Run(out.used, &in[1].used, &w.scratch, w.team, in[0].used)
}

// averageOp is the mean of 2x2 pixels: [B,C,H,W] to [B,C,H/2,W/2].
type averageOp struct{}

func (averageOp) form() form       { return mapForm }
func (averageOp) overwrites() int  { return -1 }
func (averageOp) describe() string { return "mean of 2x2 pixels" }

func (averageOp) infer(in []tensor.Shape) (tensor.Shape, error) {
	if err := wantShape(in[0], -1, -1, -1); err != nil {
		return nil, err
	}
	return tensor.Shape{in[0][0], in[0][1], in[0][2] / 2, in[0][3] / 2}, nil
}

func (averageOp) run(out *activation, in []*activation, w *workspace) {
	kernel.AvgPool2(out.used, in[0].used, w.team)
}
