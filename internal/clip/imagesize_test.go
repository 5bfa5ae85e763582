package clip

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestSizes compares the features of images of other sizes with PyTorch's,
// which testdata/sizes.py wrote, by one tower after the other on the same weights.
func TestSizes(t *testing.T) {
	data, err := os.ReadFile("testdata/sizes.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Rows, Cols int
		Features   []float32
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	images, _ := golden(t, "dataset_pre4.npy")
	for _, batch := range []int{1, 4} {
		model := tower(t, tiny(t), ImageOptions{Batch: batch, Threads: 2})
		for _, c := range cases {
			tw, err := model.ForSize(32*c.Rows, 32*c.Cols)
			if err != nil {
				t.Fatal(err)
			}
			features := make([]float32, len(c.Features))
			if err := tw.Run(wall(images, 32*c.Rows, 32*c.Cols), Output{Features: features}); err != nil {
				t.Fatal(err)
			}
			if err := testutil.Far(features, c.Features, rounding); err != nil {
				t.Errorf("batch %d, grid %dx%d: %v", batch, c.Rows, c.Cols, err)
			}
		}
	}
}

// wall puts golden images [4,3,64,64] beside and below each other, number
// (y+x) mod 4 at place (y,x), and cuts h x w pixels from the corner.
func wall(images []float32, h, w int) []float32 {
	const side = 64
	var out []float32
	for c := range 3 {
		for y := range h {
			for x := range w {
				i := (y/side + x/side) % 4
				out = append(out, images[((i*3+c)*side+y%side)*side+x%side])
			}
		}
	}
	return out
}

// TestOwnSize finds that a tower for the model's size gives the same bits as the
// model's tower, and leaves that one as it was.
func TestOwnSize(t *testing.T) {
	images, shape := golden(t, "dataset_pre4.npy")
	model := tower(t, tiny(t), ImageOptions{Batch: 2, Threads: 2})
	run := func(tw *ResNetTower) []float32 {
		features := make([]float32, shape[0]*tw.Config().OutDim)
		if err := tw.Run(images, Output{Features: features}); err != nil {
			t.Fatal(err)
		}
		return features
	}
	want := run(model)
	same, err := model.ForSize(shape[2], shape[3])
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(run(same), want) || !slices.Equal(run(model), want) {
		t.Error("features differ")
	}
	for _, size := range [][2]int{{0, 64}, {64, 48}, {-32, 32}, {1 << 14, 1 << 14}} {
		if _, err := model.ForSize(size[0], size[1]); err == nil {
			t.Errorf("%dx%d: no error", size[0], size[1])
		}
	}
}
