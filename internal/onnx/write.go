package onnx

import (
	"errors"
	"fmt"
	"io"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The numbers of the fields that are written, by message.
const (
	modelIR, modelProducer, modelVersion, modelDoc = 1, 2, 3, 6
	modelGraph, modelOpset, modelMetadata          = 7, 8, 14

	opsetVersion         = 2
	entryKey, entryValue = 1, 2

	graphNode, graphName, graphTensor, graphInput, graphOutput = 1, 2, 5, 11, 12

	nodeInput, nodeOutput, nodeName, nodeOperator, nodeAttribute = 1, 2, 3, 4, 5

	attributeName, attributeFloat, attributeInt, attributeInts, attributeType = 1, 2, 3, 8, 20
	typeFloat, typeInt, typeInts                                              = 1, 2, 7 // values of attributeType

	tensorDims, tensorType, tensorName, tensorRaw, tensorExternal, tensorLocation = 1, 2, 8, 9, 13, 14
	locationExternal                                                              = 1

	valueName, valueType                          = 1, 2
	typeTensor, typeElement, typeShape, shapeAxis = 1, 1, 2, 1
	axisLength, axisName                          = 1, 2
)

// ErrTooLarge means that a model with its weights is larger than MaxBytes.
var ErrTooLarge = errors.New("the file would be larger than 2 GiB, the most that this format takes")

const (
	// minExternal is the size from which tensors are put beside a model. Shapes must be in it.
	minExternal = 1 << 10
	// alignment is that of tensors in external data, so that they can be mapped.
	alignment = 1 << 12
)

// Write writes the model with its weights. It is ErrTooLarge where they do not fit.
func (m *Model) Write(w io.Writer) error { return m.write(w, m.Graph.encode("")) }

// Size is how many bytes Write writes.
func (m *Model) Size() int64 { return m.size(m.Graph.encode("")) }

// WriteBeside writes the model to w, and weights that it names by place in a file of the
// given name to data. That file must be in the model's folder.
func (m *Model) WriteBeside(w, data io.Writer, name string) error {
	end := int64(0)
	for _, t := range m.Graph.Tensors {
		if t.Bytes() < minExternal {
			continue
		}
		gap := aligned(end) - end
		if _, err := data.Write(make([]byte, gap)); err != nil {
			return err
		}
		if err := m.writeTensor(data, t); err != nil {
			return err
		}
		end += gap + t.Bytes()
	}
	return m.write(w, m.Graph.encode(name))
}

func aligned(offset int64) int64 { return (offset + alignment - 1) / alignment * alignment }

// encodedTensor is what comes before a tensor's elements, and the elements unless they are
// beside the model.
type encodedTensor struct {
	head     []byte
	elements *Tensor
}

func (t encodedTensor) size() int64 {
	if t.elements == nil {
		return int64(len(t.head))
	}
	return int64(len(t.head)) + t.elements.Bytes()
}

// encodedGraph is a graph in the order of its fields.
type encodedGraph struct {
	before  []byte // the tensors
	tensors []encodedTensor
	after   []byte
}

func (g encodedGraph) size() int64 {
	n := int64(len(g.before) + len(g.after))
	for _, t := range g.tensors {
		n += t.size()
	}
	return n
}

// encode returns the graph with its weights in the model, or by place in a file of a name.
func (g *Graph) encode(external string) encodedGraph {
	var e encodedGraph
	for _, n := range g.Nodes {
		e.before = appendMessage(e.before, graphNode, n.encode())
	}
	e.before = appendString(e.before, graphName, g.Name)
	end := int64(0)
	for i := range g.Tensors {
		t := &g.Tensors[i]
		if external == "" || t.Bytes() < minExternal {
			e.tensors = append(e.tensors, encodedTensor{t.head(), t})
			continue
		}
		offset := aligned(end)
		e.tensors = append(e.tensors, encodedTensor{appendMessage(nil, graphTensor, t.reference(external, offset)), nil})
		end = offset + t.Bytes()
	}
	for _, v := range g.Inputs {
		e.after = appendMessage(e.after, graphInput, v.encode())
	}
	for _, v := range g.Outputs {
		e.after = appendMessage(e.after, graphOutput, v.encode())
	}
	return e
}

// head is the model before its graph, tail what follows it.
func (m *Model) head(graph encodedGraph) []byte {
	b := appendInt(nil, modelIR, IRVersion)
	b = appendString(b, modelProducer, m.Producer)
	b = appendString(b, modelVersion, m.Version)
	b = appendString(b, modelDoc, m.Doc)
	b = protowire.AppendTag(b, modelGraph, protowire.BytesType)
	return protowire.AppendVarint(b, uint64(graph.size()))
}

func (m *Model) tail() []byte {
	b := appendMessage(nil, modelOpset, appendInt(nil, opsetVersion, Opset))
	for _, p := range m.Metadata {
		b = appendMessage(b, modelMetadata, appendString(appendString(nil, entryKey, p.Key), entryValue, p.Value))
	}
	return b
}

func (m *Model) size(graph encodedGraph) int64 {
	return int64(len(m.head(graph))) + graph.size() + int64(len(m.tail()))
}

func (m *Model) write(w io.Writer, graph encodedGraph) error {
	if m.size(graph) > MaxBytes {
		return ErrTooLarge
	}
	if _, err := w.Write(append(m.head(graph), graph.before...)); err != nil {
		return err
	}
	for _, t := range graph.tensors {
		if _, err := w.Write(t.head); err != nil {
			return err
		}
		if t.elements == nil {
			continue
		}
		if err := m.writeTensor(w, *t.elements); err != nil {
			return err
		}
	}
	_, err := w.Write(append(graph.after, m.tail()...))
	return err
}

// writeTensor writes the elements of a tensor, as many as its shape says.
func (m *Model) writeTensor(w io.Writer, t Tensor) error {
	c := &counter{w: w}
	if err := t.Write(c); err != nil {
		return err
	}
	if c.n != t.Bytes() {
		return fmt.Errorf("tensor %s has %d bytes, want %d", t.Name, c.n, t.Bytes())
	}
	if m.written == nil {
		return nil
	}
	return m.written(c.n)
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// description is what a tensor is, without its elements.
func (t Tensor) description() []byte {
	var b []byte
	for _, length := range t.Shape {
		b = appendInt(b, tensorDims, int64(length))
	}
	return appendString(appendInt(b, tensorType, int64(t.Type)), tensorName, t.Name)
}

// head is the field of a graph that a tensor is, up to its elements.
func (t Tensor) head() []byte {
	body := protowire.AppendTag(t.description(), tensorRaw, protowire.BytesType)
	body = protowire.AppendVarint(body, uint64(t.Bytes()))
	b := protowire.AppendTag(nil, graphTensor, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(len(body))+uint64(t.Bytes()))
	return append(b, body...)
}

// reference is a tensor whose elements are in another file.
func (t Tensor) reference(file string, offset int64) []byte {
	b := t.description()
	for _, p := range []Property{{"location", file}, {"offset", fmt.Sprint(offset)}, {"length", fmt.Sprint(t.Bytes())}} {
		b = appendMessage(b, tensorExternal, appendString(appendString(nil, entryKey, p.Key), entryValue, p.Value))
	}
	return appendInt(b, tensorLocation, locationExternal)
}

func (n Node) encode() []byte {
	var b []byte
	for _, name := range n.Inputs {
		b = appendString(b, nodeInput, name)
	}
	for _, name := range n.Outputs {
		b = appendString(b, nodeOutput, name)
	}
	b = appendString(appendString(b, nodeName, n.Name), nodeOperator, n.Operator)
	for _, a := range n.Attributes {
		b = appendMessage(b, nodeAttribute, a.encode())
	}
	return b
}

func (a Attribute) encode() []byte {
	b := appendString(nil, attributeName, a.Name)
	switch x := a.Value.(type) {
	case float32:
		b = protowire.AppendTag(b, attributeFloat, protowire.Fixed32Type)
		return appendInt(protowire.AppendFixed32(b, math.Float32bits(x)), attributeType, typeFloat)
	case int64:
		return appendInt(appendInt(b, attributeInt, x), attributeType, typeInt)
	case []int64:
		for _, n := range x {
			b = appendInt(b, attributeInts, n)
		}
		return appendInt(b, attributeType, typeInts)
	}
	panic("onnx: attribute of another type")
}

func (v Value) encode() []byte {
	var shape []byte
	for _, a := range v.Axes {
		var axis []byte
		if a.Name != "" {
			axis = appendString(nil, axisName, a.Name)
		} else {
			axis = appendInt(nil, axisLength, int64(a.Length))
		}
		shape = appendMessage(shape, shapeAxis, axis)
	}
	tensor := appendMessage(appendInt(nil, typeElement, int64(Float32)), typeShape, shape)
	return appendMessage(appendString(nil, valueName, v.Name), valueType, appendMessage(nil, typeTensor, tensor))
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func appendMessage(b []byte, field protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), message)
}

func appendInt(b []byte, field protowire.Number, x int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(x))
}
