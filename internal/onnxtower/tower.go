// Package onnxtower describes the image tower of a checkpoint as a graph in ONNX, whose
// input is a batch of normalised images and whose outputs are those of the tower that
// package clip runs.
//
// Axis letters are those of package clip: B images, T tokens, H heads, C neurons, O the
// joint image-text dimension; of a vision transformer L layers, P of them after that of
// the neurons, W the width of its tokens.
package onnxtower

import (
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/onnx"
	"github.com/clipnh/clipnh/internal/usage"
)

// The outputs of a graph, by name.
const (
	Features  = "features"  // [B,O], not normalised
	Scores    = "scores"    // [B,H,C]; of a vision transformer [B,P·H,C]
	Attention = "attention" // the class token's, [B,H,T]; of a vision transformer [B,L,H,T]
	Tokens    = "tokens"    // that enter the pool or the first layer, [B,T,C] or [B,T,W]
)

// Outputs lists them in the order in which a graph has them.
func Outputs() []string { return []string{Features, Scores, Attention, Tokens} }

// Input is the name of the images, [B,3,S,S].
const Input = "images"

// batch is the name of the open axis.
const batch = "batch"

// Options says what a graph computes and how weights are stored.
type Options struct {
	Outputs []string // of those that Outputs lists
	// Half stores filters and matrices as float16, which the graph makes float32 before it
	// computes. Batch norms are nodes of their own then, since filters that are folded into
	// are not float16 any more.
	Half bool
	// NeuronLayer is the layer of a vision transformer whose neurons are scored; nil of a
	// ResNet, and where no scores are wanted.
	NeuronLayer *int
}

// Shape is an output or input with its axes behind the batch.
type Shape struct {
	Name   string `json:"name"`
	Axes   string `json:"axes"`
	Length []int  `json:"shape"` // without the batch
}

// Tower is a graph that is ready to be written. The checkpoint must stay open.
type Tower struct {
	Model   *onnx.Model
	Input   Shape
	Outputs []Shape
	// BatchNorms says where they are, folded or separate; empty of a tower without.
	BatchNorms string
	Properties []onnx.Property // of the tower, for the metadata
	// Rounded counts the weights that float16 does not hold exactly; known once the model
	// was written.
	Rounded int64
}

// family is the tower of one kind of image tower.
type family interface {
	// check returns an error of options that it does not have.
	check(o Options) error
	shapes() []Shape
	declare()
	// norms says where batch norms are, folded or separate; empty where there are none.
	norms() string
	// properties are what the graph says of the tower.
	properties() []onnx.Property
}

// New describes the tower of a checkpoint.
func New(ck *clip.Checkpoint, o Options) (*Tower, error) {
	c := ck.Config
	t := &Tower{Model: &onnx.Model{}, Input: Shape{Input, "B,3,S,S", []int{3, c.ImageSize, c.ImageSize}}}
	g := &t.Model.Graph
	g.Name = "image tower"
	b := &builder{Graph: g, ck: ck, weights: ck.WeightReader(), half: o.Half, rounded: &t.Rounded, ints: map[string]bool{}}
	var f family = &resNet{builder: b}
	if c.Has(clip.Residual) {
		f = &vit{builder: b, v: c.ViT, neurons: o.NeuronLayer}
	}
	if err := f.check(o); err != nil {
		return nil, err
	}
	f.declare()
	for _, s := range f.shapes() {
		if slices.Contains(o.Outputs, s.Name) {
			t.Outputs = append(t.Outputs, s)
			g.Outputs = append(g.Outputs, s.value())
		}
	}
	g.Inputs = []onnx.Value{t.Input.value()}
	g.Prune()
	t.BatchNorms, t.Properties = f.norms(), f.properties()
	return t, nil
}

func (s Shape) value() onnx.Value {
	v := onnx.Value{Name: s.Name, Axes: []onnx.Axis{{Name: batch}}}
	for _, n := range s.Length {
		v.Axes = append(v.Axes, onnx.Axis{Length: n})
	}
	return v
}

// CheckOutputs returns an error unless names are distinct outputs, at least one.
func CheckOutputs(names []string) error {
	want := strings.Join(Outputs(), ", ")
	if len(names) == 0 {
		return usage.Errorf("{outputs}: want some of %s", want)
	}
	for i, name := range names {
		if !slices.Contains(Outputs(), name) {
			return usage.Errorf("{outputs} %q: want some of %s", name, want)
		}
		if slices.Contains(names[:i], name) {
			return usage.Errorf("{outputs}: %s is named twice", name)
		}
	}
	return nil
}
