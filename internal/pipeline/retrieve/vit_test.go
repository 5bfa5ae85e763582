package retrieve

import (
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
)

// goldenViTImages are the golden images and the golden vision transformer, with the pairs of
// layer 2.
func goldenViTImages() source.Options {
	layer := 2
	return source.Options{
		Model: testutil.GoldenViT("vit_sd32.pt"), Details: model.Details{Heads: 4, Activation: "gelu"}, NeuronLayer: &layer,
		Data: dataset.Options{Kind: dataset.Images, Path: testutil.GoldenViT("images")}, Stride: 1, BatchSize: 3,
	}
}

// TestViTHeatMaps compares the products of heat maps with what PyTorch says that pairs read of
// places.
func TestViTHeatMaps(t *testing.T) {
	src, err := source.OpenTower(t.Context(), goldenViTImages(), 2, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	tower, err := src.PairTower()
	if err != nil {
		t.Fatal(err)
	}
	want, shape := pipelinetest.ReadNPY(t, "../explain/testdata/vit_places.npy") // [images, heads, neurons, T]
	pixels, _ := pipelinetest.ReadNPY(t, testutil.GoldenViT("images.npy"))
	d := &renderer{tower: tower}
	H, T := shape[1], shape[3]
	for b := range shape[0] {
		for i, n := range []int{0, 5, 64, 127} {
			var s shown
			if err := d.look(&s, pixels[b*tower.ImageLen():(b+1)*tower.ImageLen()], n); err != nil {
				t.Fatal(err)
			}
			if len(s.activation) != T-1 || len(s.attention) != H*(T-1) {
				t.Fatalf("%d activations and %d weights", len(s.activation), len(s.attention))
			}
			for h := range H {
				at := ((b*H+h)*4 + i) * T
				if err := testutil.Far(s.maps(h)[2], want[at+1:at+T], pipelinetest.Rounding); err != nil {
					t.Errorf("image %d, head %d, n%d: %v", b, h, n, err)
				}
			}
		}
	}
}

// TestViTSheets holds that the sheets of collected scores with a model have the heat maps that
// those of a model alone have, whatever the threads.
func TestViTSheets(t *testing.T) {
	o := Options{Options: goldenViTImages(), Pairs: []string{"l4h1n5", "l3h2n5"}, Top: 2, Threads: 1, SaveDir: t.TempDir(), SheetHeads: 2}
	retrieve(t, o)
	want := retrievedFiles(t, o.SaveDir)
	if want["5/heat.png"] == "" || want["5/5_2/heat.png"] == "" || want["5/5_5/heat.png"] == "" {
		t.Fatalf("no heat maps among %d files", len(want))
	}
	scores := collecttest.GoldenViT(t, "neurons+heads", "scores")
	scores.NeuronLayer = o.NeuronLayer
	collecttest.Collect(t, scores)
	o.ScoresPath, o.NeuronLayer, o.Details, o.Threads, o.SaveDir = scores.SavePath, nil, model.Details{}, 3, filepath.Join(t.TempDir(), "again")
	retrieve(t, o)
	got := retrievedFiles(t, o.SaveDir)
	for name, content := range want {
		if got[name] != content {
			t.Errorf("%s: other bytes", name)
		}
	}
}
