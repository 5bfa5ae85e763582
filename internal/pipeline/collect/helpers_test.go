package collect

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// goldenImages are collect's options for the golden images.
func goldenImages(t testing.TB, file string) Options {
	return Options{
		Model: pipelinetest.TinyModel(), Data: dataset.Options{Kind: dataset.Images, Path: testutil.Golden("dataset")},
		Stride: 1, BatchSize: 8, Threads: 2, Mode: ModePairs, SavePath: filepath.Join(t.TempDir(), file),
	}
}

func run(t testing.TB, o Options) *Result {
	t.Helper()
	result, err := Run(context.Background(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// goldenStatistics are collect's options for statistics of the golden images.
func goldenStatistics(t testing.TB) Options {
	o := goldenImages(t, "statistics")
	o.StatsOnly, o.TopK = true, 20
	return o
}
