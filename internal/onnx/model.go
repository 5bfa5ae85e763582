// Package onnx writes models in the format of the Open Neural Network Exchange, ONNX.
//
// A Model is a Graph of nodes with what programs need to know of it. Values are named: a
// node names those that it reads and those that it computes. Tensors with the weights are
// in the file, or in a second one beside it, external data, since a file of this format is
// one message of protobuf and has at most MaxBytes. Weights are asked for while they are
// written, one tensor at a time.
//
// Source: onnx.proto of IR version 8, and docs/ExternalData.md, of the ONNX project.
package onnx

import (
	"encoding/binary"
	"io"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/npy"
)

const (
	// IRVersion is the version of the format.
	IRVersion = 8
	// Opset is the version of the operators.
	Opset = 17
	// MaxBytes is the largest size of a message of protobuf.
	MaxBytes = math.MaxInt32
)

// Model is what a file holds.
type Model struct {
	Producer string // the program that made it
	Version  string // of that program
	Doc      string // for people
	Metadata []Property
	Graph    Graph

	written func(bytes int64) error
}

// OnTensor has f called with the size of each tensor once it is written; an error of f
// ends the writing.
func (m *Model) OnTensor(f func(bytes int64) error) { m.written = f }

// Property is a key with its value.
type Property struct{ Key, Value string }

// Graph computes its outputs from its inputs and tensors.
type Graph struct {
	Name    string
	Inputs  []Value
	Outputs []Value
	Nodes   []Node // after those whose outputs they read
	Tensors []Tensor
}

// Value is an input or output of a graph: float32 numbers. An axis of a name has any
// length.
type Value struct {
	Name string
	Axes []Axis
}

// Axis is one of a Value: a length, or a name where it is open.
type Axis struct {
	Length int
	Name   string
}

// Node is an operator with the names of what it reads and computes.
type Node struct {
	Operator, Name  string
	Inputs, Outputs []string
	Attributes      []Attribute
}

// Attribute is a constant of an operator: an int64, a float32 or an []int64.
type Attribute struct {
	Name  string
	Value any
}

// Type is that of a tensor's elements, by its number in the format.
type Type int

// The types that are written.
const (
	Float32 Type = 1
	Int64   Type = 7
	Float16 Type = 10
)

// size is that of an element, in bytes.
func (t Type) size() int64 {
	switch t {
	case Float16:
		return 2
	case Int64:
		return 8
	}
	return 4
}

// Tensor is a constant, row-major.
type Tensor struct {
	Name  string
	Type  Type
	Shape []int
	// Write writes the elements, little-endian.
	Write func(w io.Writer) error
}

// Bytes is the size of the elements.
func (t Tensor) Bytes() int64 {
	n := t.Type.size()
	for _, length := range t.Shape {
		n *= int64(length)
	}
	return n
}

// Apply adds a node with one output, which has the node's name, and returns that.
func (g *Graph) Apply(operator, name string, inputs []string, attributes ...Attribute) string {
	g.Nodes = append(g.Nodes, Node{operator, name, inputs, []string{name}, attributes})
	return name
}

// Constant adds a tensor and returns its name.
func (g *Graph) Constant(t Tensor) string {
	g.Tensors = append(g.Tensors, t)
	return t.Name
}

// Floats is a tensor of float32 numbers that are in memory.
func Floats(name string, shape []int, values []float32) Tensor {
	return Tensor{name, Float32, shape, func(w io.Writer) error { return npy.WriteElements(w, values) }}
}

// Ints is a vector of int64 numbers.
func Ints(name string, values ...int64) Tensor {
	return Tensor{name, Int64, []int{len(values)}, func(w io.Writer) error { return binary.Write(w, binary.LittleEndian, values) }}
}

// Prune drops nodes and tensors that no output needs.
func (g *Graph) Prune() {
	needed := map[string]bool{}
	for _, v := range g.Outputs {
		needed[v.Name] = true
	}
	for i := len(g.Nodes) - 1; i >= 0; i-- {
		if n := g.Nodes[i]; slices.ContainsFunc(n.Outputs, func(name string) bool { return needed[name] }) {
			for _, name := range n.Inputs {
				needed[name] = true
			}
		}
	}
	g.Nodes = slices.DeleteFunc(g.Nodes, func(n Node) bool {
		return !slices.ContainsFunc(n.Outputs, func(name string) bool { return needed[name] })
	})
	g.Tensors = slices.DeleteFunc(g.Tensors, func(t Tensor) bool { return !needed[t.Name] })
}
