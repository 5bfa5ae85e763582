package onnxtower

import (
	"encoding/binary"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/float16"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/onnx"
	"github.com/clipnh/clipnh/internal/usage"
)

// builder adds nodes and weights to a graph. Its methods return the names of values.
type builder struct {
	*onnx.Graph
	ck      *clip.Checkpoint
	weights *clip.WeightReader
	half    bool
	rounded *int64
	ints    map[string]bool // vectors of integers that are there, by name
}

// read returns a tensor's elements when it is written.
type read func() ([]float32, error)

func (b *builder) stored(name string) read {
	return func() ([]float32, error) { return b.weights.Read(name) }
}

// transposed is a matrix [rows,cols] that is stored as [cols,rows].
func (b *builder) transposed(name string, rows, cols int) read {
	return func() ([]float32, error) {
		w, err := b.weights.Read(name)
		return transpose(w, rows, cols), err
	}
}

func transpose(m []float32, rows, cols int) []float32 {
	if m == nil {
		return nil
	}
	t := make([]float32, rows*cols)
	for i := range rows {
		for j := range cols {
			t[j*rows+i] = m[i*cols+j]
		}
	}
	return t
}

// vector adds weights in float32.
func (b *builder) vector(name string, values read, shape ...int) string {
	return b.Constant(onnx.Tensor{Name: name, Type: onnx.Float32, Shape: shape, Write: func(w io.Writer) error {
		x, err := values()
		if err != nil {
			return err
		}
		return npy.WriteElements(w, x)
	}})
}

// parameter is a tensor of the checkpoint, in float32 and by its name.
func (b *builder) parameter(name string, shape ...int) string {
	return b.vector(name, b.stored(name), shape...)
}

// matrix adds weights, as float16 with b.half, and returns the name of their float32
// value.
func (b *builder) matrix(name string, values read, shape ...int) string {
	if !b.half {
		return b.vector(name, values, shape...)
	}
	b.Constant(onnx.Tensor{Name: name, Type: onnx.Float16, Shape: shape, Write: func(w io.Writer) error {
		x, err := values()
		if err != nil {
			return err
		}
		return b.writeHalf(w, name, x)
	}})
	return b.Apply("Cast", name+".float32", []string{name}, onnx.Attribute{Name: "to", Value: int64(onnx.Float32)})
}

// writeHalf writes numbers as float16 and counts those that change.
func (b *builder) writeHalf(w io.Writer, name string, values []float32) error {
	const block = 1 << 14
	buf := make([]byte, 0, 2*block)
	for i, x := range values {
		h := float16.Bits(x)
		y := float16.FromBits(h)
		if math.IsInf(float64(y), 0) {
			return usage.Errorf("%s: %s: element %d is %g, too large for float16: want {precision} f32", b.ck.Path(), name, i, x)
		}
		if y != x {
			*b.rounded++
		}
		if buf = binary.LittleEndian.AppendUint16(buf, h); len(buf) == cap(buf) || i == len(values)-1 {
			if _, err := w.Write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
	}
	return nil
}

// integers is a vector of the integers, each once in a graph.
func (b *builder) integers(values ...int) string {
	var name strings.Builder
	name.WriteString("integers")
	list := make([]int64, len(values))
	for i, v := range values {
		name.WriteString("_" + strconv.Itoa(v))
		list[i] = int64(v)
	}
	if !b.ints[name.String()] {
		b.ints[name.String()] = true
		b.Constant(onnx.Ints(name.String(), list...))
	}
	return name.String()
}

// number is a scalar.
func (b *builder) number(name string, x float32) string {
	return b.Constant(onnx.Floats(name, nil, []float32{x}))
}

func axes(name string, list ...int) onnx.Attribute {
	values := make([]int64, len(list))
	for i, v := range list {
		values[i] = int64(v)
	}
	return onnx.Attribute{Name: name, Value: values}
}

func axis(n int) onnx.Attribute { return onnx.Attribute{Name: "axis", Value: int64(n)} }

func (b *builder) transpose(name, x string, order ...int) string {
	return b.Apply("Transpose", name, []string{x}, axes("perm", order...))
}

// reshape gives x another shape: 0 keeps an axis, and -1 is what is left.
func (b *builder) reshape(name, x string, shape ...int) string {
	return b.Apply("Reshape", name, []string{x, b.integers(shape...)})
}

// first is the first token of x [B,T,C], [B,1,C].
func (b *builder) first(name, x string) string {
	return b.Apply("Gather", name, []string{x, b.integers(0)}, axis(1))
}

func (b *builder) softmax(name, x string) string {
	return b.Apply("Softmax", name, []string{x}, axis(-1))
}

// dense is x W^T + bias of a matrix x [B,in] and weights [out,in].
func (b *builder) dense(name, x, weight, bias string, in, out int) string {
	return b.Apply("Gemm", name, []string{
		x, b.matrix(weight, b.stored(weight), out, in), b.parameter(bias, out),
	}, onnx.Attribute{Name: "transB", Value: int64(1)})
}
