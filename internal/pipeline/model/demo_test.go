package model

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/bpe"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/testutil"
)

// demoRounding covers that the demo's expected values were measured with every
// tensor in fp16, where the archive keeps norms and embeddings in fp32, and
// that they were printed with four decimals.
const demoRounding = 2e-3

// TestDemoModel compares the trained model's tokens and embeddings with those
// that PyTorch gave.
func TestDemoModel(t *testing.T) {
	expected, err := demo.Expected()
	if err != nil {
		t.Fatal(err)
	}
	assets := filepath.Join("..", "..", "demo", "assets")
	ck, err := clip.OpenWith(filepath.Join(assets, demo.Model), clip.Details{})
	if err != nil {
		t.Fatal(err)
	}
	defer ck.Close()
	tokenizer, err := bpe.Open(filepath.Join(assets, demo.Vocabulary))
	if err != nil {
		t.Fatal(err)
	}
	texts, err := clip.NewTextTower(ck, 2)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range expected.Golden.Texts {
		ids := tokenizer.Encode(text, ck.Config.ContextLength)
		if !slices.EqualFunc(ids, want.Tokens, func(a int32, b int) bool { return int(a) == b }) {
			t.Errorf("%q: tokens %v, want %v", text, ids, want.Tokens)
			continue
		}
		got := make([]float32, ck.Config.OutDim)
		if err := texts.Encode(context.Background(), got, [][]int32{ids}, nil); err != nil {
			t.Fatal(err)
		}
		if err := testutil.Far(got, want.Embedding, demoRounding); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	images, err := clip.NewImageTower(ck, clip.ImageOptions{Batch: 1, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	image := make([]float32, images.ImageLen())
	for name, want := range expected.Golden.Images {
		path := filepath.Join(assets, filepath.FromSlash(name))
		b, err := imageprep.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := imageprep.PreprocessFile(image, b, ck.Config.Input(), imageprep.Options{}); err != nil {
			t.Fatal(err)
		}
		got := make([]float32, ck.Config.OutDim)
		if err := images.Run(image, clip.Output{Features: got}); err != nil {
			t.Fatal(err)
		}
		if err := testutil.Far(got, want.Embedding, demoRounding); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
