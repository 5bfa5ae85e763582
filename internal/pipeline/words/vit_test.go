package words

import (
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestEmbedOfViT embeds texts with a vision transformer's checkpoint, whose text tower is
// that of the golden ResNet, cut to fewer dimensions: with OpenAI's activation it gives
// the ResNet's embeddings, cut, and with the other one others.
func TestEmbedOfViT(t *testing.T) {
	path, dims := pipelinetest.ViTWithText(t)
	embed := func(modelPath, activation string) ([]float32, int, *cache.Artefact) {
		t.Helper()
		save := filepath.Join(t.TempDir(), "texts.npy")
		result, err := Embed(t.Context(), EmbedOptions{
			Model: modelPath, Details: model.Details{Activation: activation}, Vocab: testutil.Golden("text/toy_merges.txt"),
			Texts: []string{"a cat", "the dog"}, SavePath: save, Threads: 1,
		}, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		rows, _, err := npy.ReadFloat32(save)
		if err != nil {
			t.Fatal(err)
		}
		a, err := cache.Open(save)
		if err != nil {
			t.Fatal(err)
		}
		return rows, result.OutDim, a
	}
	whole, outDim, _ := embed(pipelinetest.TinyModel(), "")
	got, gotDim, a := embed(path, "quick_gelu")
	if gotDim != dims {
		t.Fatalf("%d dimensions, want %d", gotDim, dims)
	}
	want := make([]float32, 0, len(got))
	for ; len(whole) > 0; whole = whole[outDim:] {
		length := 0.0
		for _, x := range whole[:dims] {
			length += float64(x) * float64(x)
		}
		for _, x := range whole[:dims] {
			want = append(want, float32(float64(x)/math.Sqrt(length)))
		}
	}
	if err := testutil.Far(got, want, pipelinetest.Rounding); err != nil {
		t.Error(err)
	}
	if o := a.Manifest.Origin.Transformer; o == nil || o.Activation != "quick_gelu" || o.Heads != 2 || o.NeuronLayer != -1 {
		t.Errorf("origin %+v", o)
	}
	if other, _, _ := embed(path, "gelu"); slices.Equal(other, got) {
		t.Error("the other activation gives the same embeddings")
	}
}
