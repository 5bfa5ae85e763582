package main

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestBatchesLeaveResults holds what the help of --batch-size says: features have the same bits
// for every number of images at a time.
func TestBatchesLeaveResults(t *testing.T) {
	images := pipelinetest.Palettes(t)
	for _, precision := range []string{"f32", "bf16"} {
		var want string
		for _, batch := range []int{1, 2, 3, 8} {
			path := filepath.Join(t.TempDir(), "features.npy")
			must(t, exitDone, "ablate", "--model", testutil.Golden("model/tiny_jit.pt"), "--data-path", images, "--dataset", "images", "--precision", precision,
				"--pairs", "h1n3", "--means-path", testutil.Golden("means_nh.npy"), "--features-save-path", path, "--batch-size", strconv.Itoa(batch), "--quiet")
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if batch == 1 {
				want = string(content)
			} else if string(content) != want {
				t.Errorf("%s: features with --batch-size %d differ from those with 1", precision, batch)
			}
		}
	}
}
