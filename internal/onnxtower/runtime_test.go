package onnxtower

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/ort"
	"github.com/clipnh/clipnh/internal/ptfile"
	"github.com/clipnh/clipnh/internal/testutil"
)

// rounding is how far values of two float32 computations may be apart, as a share of the
// largest: sums run in another order, and a softmax multiplies what its logits are off by.
const rounding = 5e-5

// library opens the ONNX Runtime that CLIPNH_ONNXRUNTIME names, or skips the test.
func library(t *testing.T) *ort.Library {
	t.Helper()
	path := os.Getenv("CLIPNH_ONNXRUNTIME")
	if path == "" {
		t.Skip("no ONNX Runtime: make test-onnx fetches it and runs this test")
	}
	l, err := ort.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// write writes a tower to a folder, with its weights in a file beside it if asked for.
func write(t *testing.T, tower *Tower, beside bool) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tower.onnx")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !beside {
		if err := tower.Model.Write(f); err != nil {
			t.Fatal(err)
		}
		return path
	}
	data, err := os.Create(path + ".data")
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	if err := tower.Model.WriteBeside(f, data, filepath.Base(path)+".data"); err != nil {
		t.Fatal(err)
	}
	return path
}

// output is what our own tower gives of a name.
func output(o *clip.Output, name string) *[]float32 {
	return map[string]*[]float32{Features: &o.Features, Scores: &o.Scores, Attention: &o.Attention, Tokens: &o.Tokens}[name]
}

// compare runs a graph in ONNX Runtime and our own tower on random images.
func compare(t *testing.T, ck *clip.Checkpoint, o Options, beside bool, images int) {
	t.Helper()
	graph, err := New(ck, o)
	if err != nil {
		t.Fatal(err)
	}
	path := write(t, graph, beside)
	check(t, path)
	options := clip.ImageOptions{Batch: images, Threads: 2, ClassAttention: true}
	if ck.Config.ViT == (clip.ViT{}) {
		options.ClassAttention = false
	}
	if o.NeuronLayer != nil {
		options.Pairs, options.NeuronLayer = true, *o.NeuronLayer
	}
	tower, err := clip.NewImageTower(ck, options)
	if err != nil {
		t.Fatal(err)
	}
	input := ort.Tensor{Name: Input, Shape: append([]int{images}, graph.Input.Length...), Values: make([]float32, images*tower.ImageLen())}
	random := rand.New(rand.NewPCG(3, 4))
	for i := range input.Values {
		input.Values[i] = float32(random.NormFloat64())
	}
	var want clip.Output
	var got []ort.Tensor
	for _, s := range graph.Outputs {
		n := images
		for _, length := range s.Length {
			n *= length
		}
		*output(&want, s.Name) = make([]float32, n)
		got = append(got, ort.Tensor{Name: s.Name, Shape: append([]int{images}, s.Length...), Values: make([]float32, n)})
	}
	if err := tower.Run(input.Values, want); err != nil {
		t.Fatal(err)
	}
	session, err := library(t).NewSession(path, ort.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if err := session.Run(input, got); err != nil {
		t.Fatal(err)
	}
	for _, g := range got {
		if err := testutil.Far(g.Values, *output(&want, g.Name), rounding); err != nil {
			t.Errorf("%s: %v", g.Name, err)
		}
	}
}

// check has ONNX's own checker read a file, where CLIPNH_ONNX_PYTHON names a Python that
// has it.
func check(t *testing.T, path string) {
	t.Helper()
	python := os.Getenv("CLIPNH_ONNX_PYTHON")
	if python == "" {
		t.Log("not checked by onnx.checker: CLIPNH_ONNX_PYTHON=/path/to/python does")
		return
	}
	program := "import onnx, sys; onnx.checker.check_model(sys.argv[1], full_check=True)"
	if out, err := exec.Command(python, "-c", program, path).CombinedOutput(); err != nil {
		t.Errorf("onnx.checker: %v: %s", err, out)
	}
}

func open(t *testing.T, path string, d clip.Details) *clip.Checkpoint {
	t.Helper()
	ck, err := clip.OpenWith(path, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ck.Close() })
	return ck
}

// TestRuntime compares every form of graph with our own tower.
func TestRuntime(t *testing.T) {
	library(t)
	layer := 0
	vit := func(name string, activation string) func(*testing.T) *clip.Checkpoint {
		return func(t *testing.T) *clip.Checkpoint {
			return open(t, testutil.GoldenViT(name), clip.Details{Heads: 4, Activation: activation})
		}
	}
	tiny := func(name string) func(*testing.T) *clip.Checkpoint {
		return func(t *testing.T) *clip.Checkpoint {
			return open(t, testutil.Golden("model/"+name+".pt"), clip.Details{})
		}
	}
	for _, tt := range []struct {
		name   string
		open   func(*testing.T) *clip.Checkpoint
		o      Options
		beside bool
		images int
	}{
		{"all of a ResNet", tiny("tiny_sd_fp32"), Options{Outputs: Outputs()}, false, 3},
		{"of one image", tiny("tiny_sd_fp32"), Options{Outputs: Outputs()}, false, 1},
		{"beside", tiny("tiny_jit"), Options{Outputs: Outputs()}, true, 2},
		{"half", tiny("tiny_sd_fp16"), Options{Outputs: Outputs(), Half: true}, false, 2},
		{"half beside", tiny("tiny_sd_fp16"), Options{Outputs: []string{Features}, Half: true}, true, 2},
		{"tokens alone", tiny("tiny_sd_fp32"), Options{Outputs: []string{Tokens}}, false, 2},
		{"demo", func(t *testing.T) *clip.Checkpoint { return open(t, "../demo/assets/tiny-clip.pt", clip.Details{}) }, Options{Outputs: Outputs()}, false, 5},
		{"all of a transformer", vit("vit_sd32.pt", clip.QuickGELU), Options{Outputs: Outputs(), NeuronLayer: &layer}, false, 3},
		{"GELU", vit("vit_openclip.pt", clip.GELU), Options{Outputs: Outputs(), NeuronLayer: &layer}, true, 2},
		{"transformer without scores", vit("vit_sd32.pt", clip.QuickGELU), Options{Outputs: []string{Features, Attention}}, false, 2},
		{"half of a transformer", vit("vit_sd16.pt", clip.QuickGELU), Options{Outputs: Outputs(), NeuronLayer: &layer, Half: true}, false, 2},
	} {
		t.Run(tt.name, func(t *testing.T) { compare(t, tt.open(t), tt.o, tt.beside, tt.images) })
	}
}

// TestRuntimeOfPublishedSizes does the same with random weights of the sizes that people
// have.
func TestRuntimeOfPublishedSizes(t *testing.T) {
	library(t)
	if testing.Short() {
		t.Skip("models of hundreds of megabytes")
	}
	for _, size := range []struct {
		name   string
		c      clip.Config
		o      Options
		beside bool
	}{
		{"RN50", clip.Config{ResNet: clip.ResNet{Layers: [4]int{3, 4, 6, 3}, Width: 64}, ImageSize: 224, OutDim: 1024}, Options{Outputs: Outputs()}, false},
		{"RN50 half", clip.Config{ResNet: clip.ResNet{Layers: [4]int{3, 4, 6, 3}, Width: 64}, ImageSize: 224, OutDim: 1024}, Options{Outputs: Outputs(), Half: true}, false},
		{"RN50x16", clip.Config{ResNet: clip.ResNet{Layers: [4]int{6, 8, 18, 8}, Width: 96}, ImageSize: 384, OutDim: 768}, Options{Outputs: Outputs()}, true},
	} {
		t.Run(size.name, func(t *testing.T) {
			ck := open(t, randomResNet(t, size.c), clip.Details{})
			if ck.Config.ResNet != size.c.ResNet || ck.Config.ImageSize != size.c.ImageSize {
				t.Fatalf("made %+v", ck.Config)
			}
			compare(t, ck, size.o, size.beside, 2)
		})
	}
}

// randomResNet writes an image tower of random weights in float16.
func randomResNet(t *testing.T, c clip.Config) string {
	t.Helper()
	var entries []ptfile.Entry
	random := rand.New(rand.NewPCG(5, 6))
	add := func(name string, mean, scale float64, shape ...int) {
		n := 1
		for _, length := range shape {
			n *= length
		}
		seed := random.Uint64()
		entries = append(entries, ptfile.Entry{Keys: []string{name}, DType: ptfile.Float16, Shape: shape, Write: func(w io.Writer) error {
			values := rand.New(rand.NewPCG(seed, 7))
			b := make([]byte, 2*n)
			for i := range n {
				ptfile.Float16.Put(b[2*i:], mean+scale*values.NormFloat64())
			}
			_, err := io.Copy(w, bytes.NewReader(b))
			return err
		}})
	}
	conv := func(name, norm string, gamma float64, out, in, size int) {
		add(name+".weight", 0, math.Sqrt(2/float64(in*size*size)), out, in, size, size)
		add(norm+".weight", gamma, gamma/10, out)
		add(norm+".bias", 0, 0.1, out)
		add(norm+".running_mean", 0, 0.1, out)
		add(norm+".running_var", 1, 0.05, out)
	}
	w, C := c.Width, c.ResNet.Width*32
	conv("visual.conv1", "visual.bn1", 1, w/2, 3, 3)
	conv("visual.conv2", "visual.bn2", 1, w/2, w/2, 3)
	conv("visual.conv3", "visual.bn3", 1, w, w/2, 3)
	for _, b := range c.Bottlenecks() {
		conv(b.Name+".conv1", b.Name+".bn1", 1, b.Planes, b.In, 1)
		conv(b.Name+".conv2", b.Name+".bn2", 1, b.Planes, b.Planes, 3)
		conv(b.Name+".conv3", b.Name+".bn3", 0.2, b.Out, b.Planes, 1)
		if b.Projects {
			conv(b.Name+".downsample.0", b.Name+".downsample.1", 0.7, b.Out, b.In, 1)
		}
	}
	p := "visual.attnpool."
	add(p+"positional_embedding", 0, 0.1, 1+c.ImageSize/32*c.ImageSize/32, C)
	for _, name := range []string{"q_proj", "k_proj", "v_proj"} {
		add(p+name+".weight", 0, 1/math.Sqrt(float64(C)), C, C)
		add(p+name+".bias", 0, 0.1, C)
	}
	add(p+"c_proj.weight", 0, 1/math.Sqrt(float64(C)), c.OutDim, C)
	add(p+"c_proj.bias", 0, 0.1, c.OutDim)

	path := filepath.Join(t.TempDir(), "random.safetensors")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := ptfile.WriteSafetensors(f, entries); err != nil {
		t.Fatal(fmt.Errorf("write %s: %w", path, err))
	}
	return path
}

// TestProviders wants the processor's among those that the library lists.
func TestProviders(t *testing.T) {
	l := library(t)
	names, err := l.Providers()
	if err != nil || !slices.Contains(names, ort.CPU) {
		t.Fatalf("providers %q, %v", names, err)
	}
	t.Logf("ONNX Runtime %s with %q", l.Version(), names)
	if _, err := l.NewSession("no/such.onnx", ort.Options{}); err == nil {
		t.Error("a model that is not there was read")
	}
	if _, err := l.NewSession("no/such.onnx", ort.Options{Provider: "Other"}); err == nil {
		t.Error("a provider that is not there was taken")
	}
}
