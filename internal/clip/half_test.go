package clip

import (
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/float16"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/ptfile"
	"github.com/clipnh/clipnh/internal/testutil"
)

// floatCopy writes the tensors of a checkpoint in half precision as float32.
func floatCopy(t *testing.T, path string) string {
	t.Helper()
	f, err := ptfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string]stored{}
	for _, tensor := range f.Tensors() {
		if !tensor.DType.IsFloat() {
			continue
		}
		s := stored{tensor.Shape, make([]float32, elements(tensor.Shape))}
		if err := f.Float32(tensor, s.data); err != nil {
			t.Fatal(err)
		}
		all[tensor.Name] = s
	}
	return writeSafetensors(t, all)
}

func sameOutputs(t *testing.T, name string, got, want []float32) {
	t.Helper()
	zero := true
	for i, x := range got {
		if math.Float32bits(x) != math.Float32bits(want[i]) {
			t.Errorf("%s: element %d is %g, and %g of weights in float32", name, i, x, want[i])
			return
		}
		zero = zero && x == 0
	}
	if zero {
		t.Errorf("%s: all zero", name)
	}
}

// TestHalfPools holds that weights which a checkpoint has in half precision give the bits that
// the same numbers in float32 give, in all outputs of a pool.
func TestHalfPools(t *testing.T) {
	half := open(t, testutil.Golden("model/tiny_sd_fp16.pt"))
	float := open(t, floatCopy(t, testutil.Golden("model/tiny_sd_fp16.pt")))
	if name := "visual.attnpool.k_proj.weight"; !half.half(name) || float.half(name) {
		t.Fatal("the checkpoints have other precisions")
	}
	c := half.Config
	H, C, T, O := c.Heads(), c.Neurons(), c.Tokens(), c.OutDim
	pixels, shape := golden(t, "dataset_pre4.npy")
	each := len(pixels) / shape[0]
	for _, n := range []int{1, shape[0]} {
		run := func(ck *Checkpoint) (Output, []float32) {
			tw := tower(t, ck, ImageOptions{Batch: n, Threads: 1, AllAttention: true, TokenValues: true, SelfSelf: true})
			out := Output{
				Features: make([]float32, n*O), Scores: make([]float32, n*H*C), Attention: make([]float32, n*H*T), Tokens: make([]float32, n*T*C),
				AllAttention: make([]float32, n*H*T*T), TokenValues: make([]float32, n*T*C), SelfSelf: make([]float32, n*T*C),
			}
			if err := tw.Run(pixels[:n*each], out); err != nil {
				t.Fatal(err)
			}
			drops := make([]float32, C)
			tw.NewSinkProbe().Drops(drops, out.Tokens[:T*C])
			return out, drops
		}
		a, drops := run(half)
		b, want := run(float)
		for name, pair := range map[string][2][]float32{
			"features": {a.Features, b.Features}, "scores": {a.Scores, b.Scores}, "attention": {a.Attention, b.Attention},
			"attention of all": {a.AllAttention, b.AllAttention}, "token values": {a.TokenValues, b.TokenValues}, "self-self": {a.SelfSelf, b.SelfSelf},
			"drops": {drops, want},
		} {
			sameOutputs(t, name, pair[0], pair[1])
		}
	}
	p, q := ovOf(t, half), ovOf(t, float)
	if p.FeatureBytes() != q.FeatureBytes()/2 {
		t.Errorf("weights of features take %d bytes, and %d in float32", p.FeatureBytes(), q.FeatureBytes())
	}
	got, want := make([]float32, p.Width), make([]float32, p.Width)
	for _, pair := range []int{0, C + 3, H*C - 1} {
		p.ValueOf(got, pair)
		q.ValueOf(want, pair)
		sameOutputs(t, "value of a pair", got, want)
		for d, x := range got {
			if h, n := pair/C, pair%C; x != p.Value[(h*p.Width+d)*C+n] {
				t.Errorf("pair %d: channel %d is %g", pair, d, x)
			}
		}
	}
	y := make([]float32, 2*C)
	for i := range y {
		y[i] = float32(i%7) - 3
	}
	left, right := make([]float32, 2*O), make([]float32, 2*O)
	p.Outputs(left, y, par.Team{})
	q.Outputs(right, y, par.Team{})
	sameOutputs(t, "outputs", left, right)
}

// TestMixedPools holds that of a checkpoint where only some weights are in half precision the others
// lose nothing.
func TestMixedPools(t *testing.T) {
	all := goldenTensors(t)
	const value, out = "visual.attnpool.v_proj.weight", "visual.attnpool.c_proj.weight"
	for _, name := range []string{value, out} {
		for i := range all[name].data {
			all[name].data[i] *= 1.0003 // which half precision cannot hold
		}
	}
	for _, half := range []string{value, out} {
		rounded := maps.Clone(all)
		numbers := slices.Clone(all[half].data)
		for i, x := range numbers {
			numbers[i] = float16.FromBits(float16.Bits(x))
		}
		rounded[half] = stored{all[half].shape, numbers}
		want := ovOf(t, open(t, writeSafetensors(t, rounded)))
		mixed := open(t, writeMixed(t, all, func(name string) bool { return name == half }))
		if !mixed.half(half) {
			t.Fatalf("%s is not in half precision", half)
		}
		got := ovOf(t, mixed)
		scores := make([]float32, got.Heads*got.Neurons)
		for i := range scores {
			scores[i] = float32(i%7) - 3
		}
		values, a, b := make([]float32, got.Inner()), make([]float32, got.OutDim), make([]float32, got.OutDim)
		got.Features(a, values, scores, 1, par.Team{})
		want.Features(b, values, scores, 1, par.Team{})
		sameOutputs(t, "features with "+half+" alone", a, b)
	}
}

func ovOf(t *testing.T, ck *Checkpoint) *decomp.OV {
	t.Helper()
	ov, err := ck.OV()
	if err != nil {
		t.Fatal(err)
	}
	return ov
}

// TestHalfViT holds the same of the class token's attention in a vision transformer.
func TestHalfViT(t *testing.T) {
	path := testutil.GoldenViT("vit_sd16.pt")
	pixels, shape := goldenViT(t, "images.npy")
	var features [2][]float32
	for i, path := range []string{path, floatCopy(t, path)} {
		ck, err := OpenWith(path, Details{Heads: 4, Activation: "quick_gelu"})
		if err != nil {
			t.Fatal(err)
		}
		defer ck.Close()
		if ck.half("visual.transformer.resblocks.0.attn.in_proj_weight") != (i == 0) {
			t.Fatal("the checkpoints have other precisions")
		}
		tw, err := NewViTTower(ck, ImageOptions{Batch: shape[0], Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		features[i] = make([]float32, shape[0]*ck.Config.OutDim)
		if err := tw.Run(pixels, Output{Features: features[i]}); err != nil {
			t.Fatal(err)
		}
	}
	sameOutputs(t, "features", features[0], features[1])
}
