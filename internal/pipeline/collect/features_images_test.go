package collect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// manyImages copies the golden images of the vision transformers to two chunks of files, and
// returns the folder.
func manyImages(t *testing.T) string {
	t.Helper()
	golden, err := filepath.Glob(testutil.GoldenViT("images/*.png"))
	if err != nil || len(golden) < 2 {
		t.Fatalf("images %q, %v", golden, err)
	}
	dir := t.TempDir()
	for i := range ChunkImages + 2 {
		data, err := os.ReadFile(golden[i%len(golden)])
		if err == nil {
			data = append(data, "no part of the image"...) // for spoil
			err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.png", i)), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestFeaturesOfOtherImages refuses, where scores are resumed, features beside them, finished or
// not, of images that have the same names and sizes, but other bytes.
func TestFeaturesOfOtherImages(t *testing.T) {
	layer := 2
	for _, after := range []int64{5, 1 << 20} {
		o := goldenViT(t, ModePairs, "scores")
		o.NeuronLayer, o.Data.Path = &layer, manyImages(t)
		begin := func(o Options, after int64) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_, err := Run(ctx, o, &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: after, Cancel: cancel})
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		alone := o
		alone.Mode, alone.NeuronLayer, alone.SavePath = ModeFeatures, nil, filepath.Join(t.TempDir(), "alone")
		image := filepath.Join(o.Data.Path, "01.png")
		whole := spoil(t, image)
		begin(alone, after)
		if err := os.WriteFile(image, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		begin(o, 5)
		features := filepath.Join(o.SavePath, artefact.FeaturesFolder)
		if err := errors.Join(os.RemoveAll(features), os.Rename(alone.SavePath, features)); err != nil {
			t.Fatal(err)
		}
		if _, err := Run(t.Context(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrStale) || !strings.HasPrefix(err.Error(), image) {
			t.Errorf("after %d images: %v, want %s to be another one", after, err, image)
		}
	}
}

// TestScoresWithOtherFeatures refuses scores with the features of images that have the same
// names and sizes, but other bytes.
func TestScoresWithOtherFeatures(t *testing.T) {
	layer := 2
	o := goldenViT(t, ModePairs, "scores")
	o.NeuronLayer, o.Data.Path = &layer, manyImages(t)
	run(t, o)
	other := o
	other.SavePath = filepath.Join(t.TempDir(), "other")
	spoil(t, filepath.Join(o.Data.Path, "33.png"))
	run(t, other)
	features := filepath.Join(o.SavePath, artefact.FeaturesFolder)
	if err := errors.Join(os.RemoveAll(features), os.Rename(filepath.Join(other.SavePath, artefact.FeaturesFolder), features)); err != nil {
		t.Fatal(err)
	}
	_, err := (artefact.Reader{}).WholeScores(o.SavePath, nil)
	if !errors.Is(err, cache.ErrStale) || !strings.HasPrefix(err.Error(), features) || !strings.Contains(err.Error(), "33.png") {
		t.Errorf("%v, want 33.png to be another one", err)
	}
	var hint interface{ Hint() string }
	if !errors.As(err, &hint) || !strings.Contains(hint.Hint(), features) {
		t.Errorf("%v: no hint how to get the right ones", err)
	}
}
