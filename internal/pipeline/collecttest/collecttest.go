// Package collecttest collects the golden images for tests of other stages.
package collecttest

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// GoldenImages are collect's options for the golden images.
func GoldenImages(t testing.TB, file string) collect.Options {
	return collect.Options{
		Model: pipelinetest.TinyModel(), Data: dataset.Options{Kind: dataset.Images, Path: testutil.Golden("dataset")},
		Stride: 1, BatchSize: 8, Threads: 2, Mode: collect.ModePairs, SavePath: filepath.Join(t.TempDir(), file),
	}
}

// Collect collects what o says.
func Collect(t testing.TB, o collect.Options) *collect.Result {
	t.Helper()
	result, err := collect.Run(context.Background(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// GoldenStatistics are collect's options for statistics of the golden images.
func GoldenStatistics(t testing.TB) collect.Options {
	o := GoldenImages(t, "statistics")
	o.StatsOnly, o.TopK = true, 20
	return o
}

// GoldenViT are the options that collect the golden images through the golden vision
// transformer, with the activation of the goldens in the folder gelu.
func GoldenViT(t testing.TB, mode, file string) collect.Options {
	return collect.Options{
		Model: testutil.GoldenViT("vit_sd32.pt"), Details: model.Details{Heads: 4, Activation: "gelu"},
		Data: dataset.Options{Kind: dataset.Images, Path: testutil.GoldenViT("images")}, Stride: 1,
		BatchSize: 3, Threads: 2, Mode: mode, SavePath: filepath.Join(t.TempDir(), file),
	}
}
