package onnx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

// message is what a reader of its own finds in bytes of protobuf: the values of each
// field in their order, uint64 or []byte.
type message map[int][]any

// parse reads a message by the description of the wire format, without the package that
// wrote it.
func parse(t *testing.T, b []byte) message {
	t.Helper()
	m := message{}
	varint := func() uint64 {
		x, n := binary.Uvarint(b)
		if n <= 0 {
			t.Fatalf("no varint in % x", b)
		}
		b = b[n:]
		return x
	}
	for len(b) > 0 {
		tag := varint()
		field := int(tag >> 3)
		switch tag & 7 {
		case 0:
			m[field] = append(m[field], varint())
		case 2:
			n := varint()
			if n > uint64(len(b)) {
				t.Fatalf("field %d has %d bytes of %d", field, n, len(b))
			}
			m[field] = append(m[field], b[:n])
			b = b[n:]
		case 5:
			m[field] = append(m[field], uint64(binary.LittleEndian.Uint32(b)))
			b = b[4:]
		default:
			t.Fatalf("field %d of wire type %d", field, tag&7)
		}
	}
	return m
}

func (m message) texts(field int) (list []string) {
	for _, v := range m[field] {
		list = append(list, string(v.([]byte)))
	}
	return list
}

func (m message) numbers(field int) (list []uint64) {
	for _, v := range m[field] {
		list = append(list, v.(uint64))
	}
	return list
}

func (m message) parts(t *testing.T, field int) (list []message) {
	for _, v := range m[field] {
		list = append(list, parse(t, v.([]byte)))
	}
	return list
}

// example is a model with everything that is written. Its largest tensor is beside it
// where that is asked for.
func example() *Model {
	m := &Model{Producer: "maker", Version: "v1", Doc: "of a test", Metadata: []Property{{"key", "value"}, {"other", ""}}}
	large := make([]float32, minExternal)
	for i := range large {
		large[i] = float32(i)
	}
	g := &m.Graph
	g.Name = "graph"
	g.Inputs = []Value{{"x", []Axis{{Name: "batch"}, {Length: 4}}}}
	g.Outputs = []Value{{"y", []Axis{{Name: "batch"}, {Length: minExternal / 4}}}}
	g.Constant(Floats("w", []int{4, minExternal / 4}, large))
	g.Constant(Ints("shape", 0, -1))
	g.Constant(Floats("unused", []int{1}, []float32{1}))
	g.Constant(Tensor{"half", Float16, []int{minExternal, 2}, func(w io.Writer) error {
		_, err := w.Write(make([]byte, 4*minExternal))
		return err
	}})
	h := g.Apply("Cast", "h", []string{"half"}, Attribute{"to", int64(1)})
	g.Apply("Relu", "dropped", []string{"unused"})
	g.Nodes = append(g.Nodes, Node{"Split", "s", []string{h}, []string{"a", "b"}, []Attribute{{"axis", int64(-1)}, {"list", []int64{3, -4}}, {"eps", float32(0.5)}}})
	g.Apply("MatMul", "y", []string{"x", "w", "a", "shape"})
	g.Prune()
	return m
}

func TestWrite(t *testing.T) {
	var out bytes.Buffer
	m := example()
	told := []int64{}
	m.OnTensor(func(n int64) error { told = append(told, n); return nil })
	if err := m.Write(&out); err != nil {
		t.Fatal(err)
	}
	if int64(out.Len()) != m.Size() {
		t.Errorf("%d bytes, want the size %d", out.Len(), m.Size())
	}
	if want := []int64{4 * minExternal, 16, 4 * minExternal}; !slices.Equal(told, want) {
		t.Errorf("told of tensors of %d bytes, want %d", told, want)
	}
	file := parse(t, out.Bytes())
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"IR version", file.numbers(1), []uint64{8}},
		{"producer", file.texts(2), []string{"maker"}},
		{"version", file.texts(3), []string{"v1"}},
		{"doc", file.texts(6), []string{"of a test"}},
		{"opset", file.parts(t, 8)[0].numbers(2), []uint64{17}},
		{"metadata", []string{file.parts(t, 14)[0].texts(1)[0], file.parts(t, 14)[0].texts(2)[0], file.parts(t, 14)[1].texts(1)[0], file.parts(t, 14)[1].texts(2)[0]}, []string{"key", "value", "other", ""}},
	} {
		if fmt.Sprint(c.got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	graph := file.parts(t, 7)[0]
	if graph.texts(2)[0] != "graph" {
		t.Errorf("graph %q", graph.texts(2))
	}
	checkNodes(t, graph)
	checkValues(t, graph)
	tensors := graph.parts(t, 5)
	if len(tensors) != 3 {
		t.Fatalf("%d tensors, want 3 that are read", len(tensors))
	}
	w := tensors[0]
	raw := w[9][0].([]byte)
	if !slices.Equal(w.numbers(1), []uint64{4, minExternal / 4}) || w.numbers(2)[0] != 1 || w.texts(8)[0] != "w" || len(raw) != 4*minExternal || w[14] != nil {
		t.Errorf("tensor w: %v %v %v, %d bytes", w.numbers(1), w.numbers(2), w.texts(8), len(raw))
	}
	if x := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*77:])); x != 77 {
		t.Errorf("element 77 is %g", x)
	}
	shape := tensors[1]
	if raw := shape[9][0].([]byte); shape.numbers(2)[0] != 7 || len(raw) != 16 || int64(binary.LittleEndian.Uint64(raw[8:])) != -1 {
		t.Errorf("integers: % x", shape[9])
	}
	if tensors[2].numbers(2)[0] != 10 {
		t.Errorf("half is of type %d", tensors[2].numbers(2))
	}
}

func checkNodes(t *testing.T, graph message) {
	t.Helper()
	var got []string
	for _, n := range graph.parts(t, 1) {
		text := fmt.Sprintf("%s %s %v->%v", n.texts(4), n.texts(3), n.texts(1), n.texts(2))
		for _, a := range n.parts(t, 5) {
			text += fmt.Sprintf(" %s:%d", a.texts(1)[0], a.numbers(20)[0])
			for _, field := range []int{2, 3, 8} {
				for _, x := range a.numbers(field) {
					text += fmt.Sprintf(" %d=%d", field, int64(x))
				}
			}
		}
		got = append(got, text)
	}
	want := []string{
		"[Cast] [h] [half]->[h] to:2 3=1",
		fmt.Sprintf("[Split] [s] [h]->[a b] axis:2 3=-1 list:7 8=3 8=-4 eps:1 2=%d", math.Float32bits(0.5)),
		"[MatMul] [y] [x w a shape]->[y]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("nodes\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func checkValues(t *testing.T, graph message) {
	t.Helper()
	for field, want := range map[int]string{11: "[x] 1 [[batch] []] [[] [4]]", 12: fmt.Sprintf("[y] 1 [[batch] []] [[] [%d]]", minExternal/4)} {
		v := graph.parts(t, field)[0]
		tensor := v.parts(t, 2)[0].parts(t, 1)[0]
		got := fmt.Sprintf("%v %d", v.texts(1), tensor.numbers(1)[0])
		for _, axis := range tensor.parts(t, 2)[0].parts(t, 1) {
			got += fmt.Sprintf(" [%v %v]", axis.texts(2), axis.numbers(1))
		}
		if got != want {
			t.Errorf("value %s, want %s", got, want)
		}
	}
}

// TestWriteBeside finds every tensor at the place that the model names.
func TestWriteBeside(t *testing.T) {
	var out, data bytes.Buffer
	if err := example().WriteBeside(&out, &data, "w.data"); err != nil {
		t.Fatal(err)
	}
	tensors := parse(t, out.Bytes()).parts(t, 7)[0].parts(t, 5)
	place := func(m message) (list []string) {
		for _, entry := range m.parts(t, 13) {
			list = append(list, entry.texts(1)[0], entry.texts(2)[0])
		}
		return list
	}
	half := (4*minExternal + alignment - 1) / alignment * alignment
	for i, want := range map[int][]string{
		0: {"location", "w.data", "offset", "0", "length", fmt.Sprint(4 * minExternal)},
		2: {"location", "w.data", "offset", fmt.Sprint(half), "length", fmt.Sprint(4 * minExternal)},
	} {
		if got := place(tensors[i]); !slices.Equal(got, want) || tensors[i].numbers(14)[0] != 1 || tensors[i][9] != nil {
			t.Errorf("tensor %d at %q, location %v; want %q", i, got, tensors[i][14], want)
		}
	}
	if tensors[1][9] == nil || tensors[1][13] != nil {
		t.Error("a shape is beside the model")
	}
	if data.Len() != half+4*minExternal {
		t.Errorf("%d bytes of weights, want %d", data.Len(), half+4*minExternal)
	}
	if x := math.Float32frombits(binary.LittleEndian.Uint32(data.Bytes()[4*77:])); x != 77 {
		t.Errorf("element 77 is %g", x)
	}
}

func TestWriteFails(t *testing.T) {
	short := func() *Model {
		m := example()
		m.Graph.Tensors[0].Write = func(w io.Writer) error { _, err := w.Write(make([]byte, 12)); return err }
		return m
	}
	if err := short().Write(io.Discard); err == nil || !strings.Contains(err.Error(), "tensor w has 12 bytes, want 4096") {
		t.Errorf("a short tensor: %v", err)
	}
	if err := short().WriteBeside(io.Discard, io.Discard, "d"); err == nil || !strings.Contains(err.Error(), "tensor w has 12 bytes") {
		t.Errorf("a short tensor beside: %v", err)
	}
	wrong := errors.New("wrong")
	m := example()
	m.Graph.Tensors[1].Write = func(io.Writer) error { return wrong }
	if err := m.Write(io.Discard); !errors.Is(err, wrong) {
		t.Errorf("a tensor that cannot be read: %v", err)
	}
	m = example()
	m.OnTensor(func(int64) error { return wrong })
	if err := m.Write(io.Discard); !errors.Is(err, wrong) {
		t.Errorf("an end that was asked for: %v", err)
	}
	m = example()
	m.Graph.Tensors[0].Shape = []int{1 << 16, 1 << 14} // 4 GiB
	m.Graph.Tensors[0].Write = func(io.Writer) error { t.Error("a tensor was written"); return nil }
	if err := m.Write(io.Discard); !errors.Is(err, ErrTooLarge) {
		t.Errorf("4 GiB: %v", err)
	}
	if m.Size() <= 4<<30 {
		t.Errorf("4 GiB of weights and a size of %d", m.Size())
	}
}
