package onnxtower

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/onnx"
	"github.com/clipnh/clipnh/internal/testutil"
)

func operators(m *onnx.Model, name string) (n int) {
	for _, node := range m.Graph.Nodes {
		if node.Operator == name {
			n++
		}
	}
	return n
}

// TestNew checks the structure of graphs: every value is computed once and before it is
// read, every tensor is read, and the outputs are those that were asked for.
func TestNew(t *testing.T) {
	resNet := open(t, testutil.Golden("model/tiny_sd_fp16.pt"), clip.Details{})
	vit := open(t, testutil.GoldenViT("vit_sd32.pt"), clip.Details{Heads: 4})
	layer := 1
	blocks := len(resNet.Config.Bottlenecks())
	for _, tt := range []struct {
		name   string
		ck     *clip.Checkpoint
		o      Options
		shapes string
		counts map[string]int
	}{
		{"features", resNet, Options{Outputs: []string{Features}}, "features B,O", map[string]int{"BatchNormalization": 0, "Cast": 0, "Softmax": 1, "Relu": 3 + 3*blocks}},
		{"in the order of Outputs", resNet, Options{Outputs: []string{Tokens, Features}}, "features B,O; tokens B,T,C", map[string]int{"Softmax": 1}},
		{"tokens", resNet, Options{Outputs: []string{Tokens}}, "tokens B,T,C", map[string]int{"Softmax": 0, "Gemm": 0}},
		{"attention", resNet, Options{Outputs: []string{Attention}}, "attention B,H,T", map[string]int{"Softmax": 1, "Gemm": 1}},
		{"half", resNet, Options{Outputs: []string{Features}, Half: true}, "features B,O", map[string]int{"Cast": operators(tower(t, resNet).Model, "Conv") + 4, "BatchNormalization": operators(tower(t, resNet).Model, "Conv")}},
		{"transformer", vit, Options{Outputs: Outputs(), NeuronLayer: &layer}, "features B,O; scores B,PH,C; attention B,L,H,T; tokens B,T,W", map[string]int{"Softmax": vit.Config.ViT.Layers, "LayerNormalization": 2*vit.Config.ViT.Layers + 2}},
		{"tokens of a transformer", vit, Options{Outputs: []string{Tokens}}, "tokens B,T,W", map[string]int{"Softmax": 0, "LayerNormalization": 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			made, err := New(tt.ck, tt.o)
			if err != nil {
				t.Fatal(err)
			}
			var shapes []string
			for _, s := range made.Outputs {
				shapes = append(shapes, s.Name+" "+s.Axes)
			}
			if got := strings.Join(shapes, "; "); got != tt.shapes {
				t.Errorf("outputs %s, want %s", got, tt.shapes)
			}
			for name, want := range tt.counts {
				if got := operators(made.Model, name); got != want {
					t.Errorf("%d %s, want %d", got, name, want)
				}
			}
			checkGraph(t, made.Model.Graph)
			var once, again bytes.Buffer
			if err := made.Model.Write(&once); err != nil {
				t.Fatal(err)
			}
			if err := made.Model.Write(&again); err != nil || !bytes.Equal(once.Bytes(), again.Bytes()) {
				t.Errorf("written twice with other bytes: %v", err)
			}
		})
	}
}

func tower(t *testing.T, ck *clip.Checkpoint) *Tower {
	t.Helper()
	made, err := New(ck, Options{Outputs: Outputs()})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func checkGraph(t *testing.T, g onnx.Graph) {
	t.Helper()
	there, read := map[string]bool{Input: true}, map[string]bool{}
	define := func(name string) {
		if there[name] {
			t.Errorf("%s is there twice", name)
		}
		there[name] = true
	}
	for _, w := range g.Tensors {
		define(w.Name)
	}
	for _, n := range g.Nodes {
		for _, name := range n.Inputs {
			if !there[name] {
				t.Errorf("%s reads %s, which is not there yet", n.Name, name)
			}
			read[name] = true
		}
		for _, name := range n.Outputs {
			define(name)
		}
	}
	for _, w := range g.Tensors {
		if !read[w.Name] {
			t.Errorf("nothing reads %s", w.Name)
		}
	}
	for _, v := range g.Outputs {
		if !there[v.Name] {
			t.Errorf("the output %s is not there", v.Name)
		}
	}
}

func TestRefused(t *testing.T) {
	resNet := open(t, testutil.Golden("model/tiny_sd_fp32.pt"), clip.Details{})
	vit := open(t, testutil.GoldenViT("vit_sd32.pt"), clip.Details{Heads: 4})
	layer, last := 0, vit.Config.ViT.Layers-1
	for _, tt := range []struct {
		ck   *clip.Checkpoint
		o    Options
		want string
	}{
		{resNet, Options{Outputs: []string{Scores}, NeuronLayer: &layer}, "is a CLIP-ResNet"},
		{vit, Options{Outputs: []string{Scores}}, "want {neuron-layer} too"},
		{vit, Options{Outputs: []string{Features}, NeuronLayer: &layer}, "want {outputs} with scores"},
		{vit, Options{Outputs: []string{Scores}, NeuronLayer: &last}, fmt.Sprintf("{neuron-layer} %d: want a layer before the last", last)},
	} {
		if _, err := New(tt.ck, tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.o, err, tt.want)
		}
	}
	for _, tt := range []struct {
		names []string
		want  string
	}{
		{nil, "want some of features, scores, attention, tokens"},
		{[]string{"feature"}, `"feature"`},
		{[]string{Scores, Scores}, "scores is named twice"},
	} {
		if err := CheckOutputs(tt.names); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q", tt.names, err, tt.want)
		}
	}
	if err := CheckOutputs(Outputs()); err != nil {
		t.Error(err)
	}
}

// TestHalf counts what float16 changes, and refuses what it cannot hold.
func TestHalf(t *testing.T) {
	exact := open(t, testutil.Golden("model/tiny_sd_fp16.pt"), clip.Details{})
	made, err := New(exact, Options{Outputs: Outputs(), Half: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Model.Write(io.Discard); err != nil || made.Rounded != 0 {
		t.Errorf("%v, and %d weights of a float16 checkpoint were rounded", err, made.Rounded)
	}
	write := func(large bool) (*Tower, error) {
		ck := open(t, randomResNet(t, clip.Config{ResNet: clip.ResNet{Layers: [4]int{1, 1, 1, 1}, Width: 4}, ImageSize: 64, OutDim: 8}), clip.Details{})
		made, err := New(ck, Options{Outputs: []string{Features}, Half: true})
		if err != nil {
			return nil, err
		}
		b := &builder{ck: ck, half: true, rounded: &made.Rounded, Graph: new(onnx.Graph)}
		x := float32(0.1)
		if large {
			x = 70000
		}
		b.matrix("w", func() ([]float32, error) { return []float32{1, x}, nil }, 2)
		made.Model.Graph.Tensors = append(made.Model.Graph.Tensors, b.Graph.Tensors...)
		return made, made.Model.Write(io.Discard)
	}
	if made, err := write(false); err != nil || made.Rounded != 1 {
		t.Errorf("%v, and %d weights were rounded, want 1", err, made.Rounded)
	}
	if _, err := write(true); err == nil || !strings.Contains(err.Error(), "w: element 1 is 70000, too large for float16: want {precision} f32") {
		t.Errorf("70000: %v", err)
	}
}
