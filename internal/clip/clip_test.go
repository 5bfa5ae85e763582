package clip

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/testutil"
)

// rounding is the goldens' tolerance for what goes through a tower in
// float32, as the manifest gives it; weightsOnly is for what does not.
const (
	rounding    = 1e-4
	weightsOnly = 1e-5
)

// checkpoints are the golden model's files: the same values in every form,
// but for bf16's.
var checkpoints = []string{"tiny_sd_fp32", "tiny_sd_fp16", "tiny_sd_mixed", "tiny_legacy", "tiny_openclip", "tiny_jit"}

func open(t testing.TB, path string) *Checkpoint {
	t.Helper()
	ck, err := OpenWith(path, Details{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ck.Close() })
	return ck
}

func tiny(t testing.TB) *Checkpoint { return open(t, testutil.Golden("model/tiny_sd_fp32.pt")) }

func golden(t testing.TB, name string) ([]float32, []int) {
	t.Helper()
	data, shape, err := npy.ReadFloat32(testutil.Golden(name))
	if err != nil {
		t.Fatal(err)
	}
	return data, shape
}

func closeTo(t *testing.T, what string, got []float32, name string, tolerance float64) {
	t.Helper()
	want, _ := golden(t, name)
	if err := testutil.Far(got, want[:min(len(want), len(got))], tolerance); err != nil {
		t.Errorf("%s against %s: %v", what, name, err)
	}
}

func tower(t testing.TB, ck *Checkpoint, o ImageOptions) *ResNetTower {
	t.Helper()
	tw, err := NewResNetTower(ck, o)
	if err != nil {
		t.Fatal(err)
	}
	return tw
}

func TestConfig(t *testing.T) {
	for _, name := range append(checkpoints, "tiny_sd_bf16") {
		t.Run(name, func(t *testing.T) {
			ck := open(t, testutil.Golden("model/"+name+".pt"))
			data, err := os.ReadFile(testutil.Golden("model/config.json"))
			if err != nil {
				t.Fatal(err)
			}
			var want map[string]any
			if err := json.Unmarshal(data, &want); err != nil {
				t.Fatal(err)
			}
			c := ck.Config
			got := map[string]any{
				"layers":         []any{float64(c.Layers[0]), float64(c.Layers[1]), float64(c.Layers[2]), float64(c.Layers[3])},
				"context_length": float64(c.ContextLength), "embed_dim": float64(c.Neurons()), "grid": float64(c.Grid()),
				"heads": float64(c.Heads()), "image_size": float64(c.ImageSize), "output_dim": float64(c.OutDim),
				"text_heads": float64(c.TextHeads()), "text_layers": float64(c.TextLayers), "text_width": float64(c.TextWidth),
				"vocab_size": float64(c.VocabSize), "width": float64(c.Width),
			}
			for key, w := range want {
				if g, _ := json.Marshal(got[key]); string(g) != string(must(json.Marshal(w))) {
					t.Errorf("%s: got %s, want %v", key, g, w)
				}
			}
			if err := ck.Verify(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestImageTower compares every intermediate with the goldens in forward order,
// so that the first mismatch names the stage.
func TestImageTower(t *testing.T) {
	for _, name := range checkpoints {
		t.Run(name, func(t *testing.T) {
			tw := tower(t, open(t, testutil.Golden("model/"+name+".pt")), ImageOptions{Batch: 4, Threads: 1, KeepBlocks: true})
			c := tw.Config()
			images, shape := golden(t, "dataset_pre4.npy")
			n, hw := shape[0], c.Tokens()-1
			out := Output{
				Features:  make([]float32, n*c.OutDim),
				Scores:    make([]float32, n*c.Heads()*c.Neurons()),
				Attention: make([]float32, n*c.Heads()*c.Tokens()),
				Tokens:    make([]float32, n*c.Tokens()*c.Neurons()),
			}
			for range c.Layers[3] {
				out.Blocks = append(out.Blocks, make([]float32, n*hw*c.Neurons()))
			}
			if err := tw.Run(images, out); err != nil {
				t.Fatal(err)
			}
			for i, b := range out.Blocks {
				planar := make([]float32, 0, len(b))
				for image := range n {
					planar = append(planar, transposed(b[image*hw*c.Neurons():][:hw*c.Neurons()], hw, c.Neurons())...)
				}
				want, _ := golden(t, "layer4_maps.npy")
				if err := testutil.Far(planar, want[i*len(planar):][:len(planar)], rounding); err != nil {
					t.Errorf("block %d of layer4: %v", i, err)
				}
			}
			closeTo(t, "tokens", out.Tokens, "tokens.npy", rounding)
			closeTo(t, "attention", out.Attention, "attention_cls.npy", rounding)
			closeTo(t, "scores", out.Scores, "s.npy", rounding)
			closeTo(t, "features", out.Features, "features.npy", rounding)
			closeTo(t, "directions", tw.OV().AllDirections(tw.all), "v.npy", weightsOnly)
			closeTo(t, "bias", tw.OV().Bias, "b.npy", weightsOnly)
		})
	}
}

// TestAllAttention compares every token's attention with the goldens, and the
// class token's row with the way it is computed for scores.
func TestAllAttention(t *testing.T) {
	images, shape := golden(t, "dataset_pre4.npy")
	for _, o := range []ImageOptions{{Batch: 1, Threads: 1}, {Batch: 3, Threads: 2}} {
		o.AllAttention = true
		tw := tower(t, tiny(t), o)
		n, heads, tokens := shape[0], tw.Config().Heads(), tw.Config().Tokens()
		out := Output{Attention: make([]float32, n*heads*tokens), AllAttention: make([]float32, n*heads*tokens*tokens)}
		if err := tw.Run(images, out); err != nil {
			t.Fatal(err)
		}
		closeTo(t, "attention", out.AllAttention, "attention.npy", rounding)
		var rows []float32
		for i := range n * heads {
			rows = append(rows, out.AllAttention[i*tokens*tokens:][:tokens]...)
		}
		if err := testutil.Far(rows, out.Attention, weightsOnly); err != nil {
			t.Errorf("class rows: %v", err)
		}
	}
}

// TestLenses pools other blocks' maps: the first block's scores are the golden
// ones, the last block's have the same bits as the tower's own.
func TestLenses(t *testing.T) {
	images, shape := golden(t, "dataset_pre4.npy")
	tw := tower(t, tiny(t), ImageOptions{Batch: 3, Threads: 2, Lenses: []int{1, 0}})
	each := shape[0] * tw.Config().Heads() * tw.Config().Neurons()
	out := Output{Scores: make([]float32, each), Lenses: []Output{{Scores: make([]float32, each)}, {Scores: make([]float32, each)}}}
	if err := tw.Run(images, out); err != nil {
		t.Fatal(err)
	}
	closeTo(t, "scores of block 0", out.Lenses[1].Scores, "s_block0.npy", rounding)
	if !slices.Equal(out.Lenses[0].Scores, out.Scores) {
		t.Error("the last block as a lens has other scores than the tower")
	}
	if _, err := NewResNetTower(tiny(t), ImageOptions{Batch: 1, Threads: 1, Lenses: []int{2}}); err == nil {
		t.Error("block 2 of 2: no error")
	}
}

func TestFeaturesOfPreprocessed(t *testing.T) {
	images, shape := golden(t, "preprocessed.npy")
	tw := tower(t, tiny(t), ImageOptions{Batch: shape[0], Threads: 2})
	features := make([]float32, shape[0]*tw.Config().OutDim)
	if err := tw.Run(images, Output{Features: features}); err != nil {
		t.Fatal(err)
	}
	closeTo(t, "features", features, "features_images.npy", rounding)
}

func TestBFloat16Checkpoint(t *testing.T) {
	images, shape := golden(t, "dataset_pre4.npy")
	tw := tower(t, open(t, testutil.Golden("model/tiny_sd_bf16.pt")), ImageOptions{Batch: shape[0], Threads: 1})
	features := make([]float32, shape[0]*tw.Config().OutDim)
	if err := tw.Run(images, Output{Features: features}); err != nil {
		t.Fatal(err)
	}
	closeTo(t, "features", features, "features_bf16.npy", rounding)
}

// TestBFloat16Products holds the reduced precision to the error that its
// rounding explains: 2^-9 for each factor, through some ten layers.
func TestBFloat16Products(t *testing.T) {
	if !kernel.HasBFloat16() {
		_, err := NewResNetTower(tiny(t), ImageOptions{Batch: 1, Threads: 1, Precision: kernel.BFloat16})
		if err == nil {
			t.Error("a tower without the instructions it needs")
		}
		t.Skip("the processor has no bfloat16 products")
	}
	const reduced = 5e-2
	tw := tower(t, tiny(t), ImageOptions{Batch: 4, Threads: 1, Precision: kernel.BFloat16})
	images, shape := golden(t, "dataset_pre4.npy")
	features := make([]float32, shape[0]*tw.Config().OutDim)
	if err := tw.Run(images, Output{Features: features}); err != nil {
		t.Fatal(err)
	}
	closeTo(t, "features", features, "features.npy", reduced)
	want, _ := golden(t, "features.npy")
	if err := testutil.Far(features, want[:len(features)], rounding); err == nil {
		t.Error("features as precise as in float32: bfloat16 was not used")
	}
}

// TestRunSplits holds the promise that an image's results have the same bits
// whatever the batch it comes in and the number of threads.
func TestRunSplits(t *testing.T) {
	ck := tiny(t)
	images, shape := golden(t, "preprocessed.npy")
	var want []float32
	for _, batch := range []int{2, 3, 8, 16} {
		for _, threads := range []int{1, 2, 5} {
			tw := tower(t, ck, ImageOptions{Batch: batch, Threads: threads})
			c := tw.Config()
			each := c.Heads() * c.Neurons()
			got := make([]float32, shape[0]*each)
			for lo := 0; lo < shape[0]; lo += batch {
				n := min(batch, shape[0]-lo)
				if err := tw.Run(images[lo*tw.ImageLen():(lo+n)*tw.ImageLen()], Output{Scores: got[lo*each : (lo+n)*each]}); err != nil {
					t.Fatal(err)
				}
			}
			if want == nil {
				want = got
			} else if !slices.Equal(got, want) {
				t.Errorf("batch %d, %d threads: scores differ from batch 2, 1 thread", batch, threads)
			}
		}
	}
}

func TestTextTower(t *testing.T) {
	tokens, shape := golden(t, "text/tokens.npy")
	var texts [][]int32
	for i := range shape[0] {
		row := tokens[i*shape[1] : (i+1)*shape[1]]
		end := slices.Index(row, slices.Max(row))
		text := make([]int32, end+1)
		for j := range text {
			text[j] = int32(row[j])
		}
		texts = append(texts, text)
	}
	for _, threads := range []int{1, 3} {
		tw, err := NewTextTower(tiny(t), threads)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float32, len(texts)*tw.Config().OutDim)
		if err := tw.Encode(context.Background(), got, texts, nil); err != nil {
			t.Fatal(err)
		}
		closeTo(t, "text features", got, "text/features.npy", rounding)

		alone := make([]float32, tw.Config().OutDim)
		for i, text := range texts {
			if err := tw.Encode(context.Background(), alone, [][]int32{text}, nil); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(alone, got[i*len(alone):][:len(alone)]) {
				t.Errorf("text %d alone differs from among others", i)
			}
		}
	}
}

// TestRepeatedTexts encodes more equal texts than a pass has prefixes, as the
// labels of images, one a line, are.
func TestRepeatedTexts(t *testing.T) {
	tw, err := NewTextTower(tiny(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	texts := make([][]int32, 2*prefixesPerPass+77)
	for i := range texts {
		texts[i] = []int32{1, int32(2 + i%3), 3}
	}
	O := tw.Config().OutDim
	got, want := make([]float32, len(texts)*O), make([]float32, 3*O)
	if err := tw.Encode(context.Background(), got, texts, nil); err != nil {
		t.Fatal(err)
	}
	if err := tw.Encode(context.Background(), want, texts[:3], nil); err != nil {
		t.Fatal(err)
	}
	for i := range texts {
		if !slices.Equal(got[i*O:][:O], want[i%3*O:][:O]) {
			t.Fatalf("text %d differs from the same one among three", i)
		}
	}
}

func TestTextTowerRefuses(t *testing.T) {
	tw, err := NewTextTower(tiny(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	c := tw.Config()
	for name, text := range map[string][]int32{
		"empty": {}, "too long": make([]int32, c.ContextLength+1), "negative": {-1}, "beyond the vocabulary": {int32(c.VocabSize)},
	} {
		if err := tw.Encode(context.Background(), make([]float32, c.OutDim), [][]int32{text}, nil); err == nil {
			t.Errorf("%s text: no error", name)
		}
	}
}

func TestDemoCheckpoint(t *testing.T) {
	ck := open(t, filepath.Join("..", "demo", "assets", "tiny-clip.pt"))
	c := ck.Config
	if c.Neurons() != 512 || c.Heads() != 8 || c.OutDim != 64 || c.ImageSize != 192 || c.ContextLength != 32 {
		t.Errorf("config %+v", c)
	}
}
