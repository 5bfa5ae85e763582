package edit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// TestNeuronsSayTheirLayer edits the same neurons with their layer given and without.
func TestNeuronsSayTheirLayer(t *testing.T) {
	for _, v := range vitEdits()[1:3] {
		dir := t.TempDir()
		given := v.options(t, "vit_sd32.pt", filepath.Join(dir, "given.pt"))
		said := given
		said.SavePath, said.Images.NeuronLayer = filepath.Join(dir, "said.pt"), nil
		if a, b := run(t, given), run(t, said); a.SHA256 != b.SHA256 || b.Pairs != a.Pairs || b.Changes[0].Neuron != a.Changes[0].Neuron {
			t.Errorf("%v: %+v without the layer, %+v with it", v, b, a)
		}
	}
}

// TestLastNeurons removes neurons of the last layer, which are in no pair, and says of which
// order the movement is.
func TestLastNeurons(t *testing.T) {
	o := headOptions(t, "vit_sd32.pt", "edited.pt", []string{"l4n5", "L4N9"}, Scaled{"l4n7", 0.5})
	o.Images.Data, o.Images.Stride, o.Images.BatchSize = dataset.Options{Kind: dataset.Images, Path: testutil.GoldenViT("images")}, 1, 3
	r := run(t, o)
	if r.Heads != 0 || r.Pairs != 0 || r.Columns != 3 || len(r.Changes) != 3 || r.Changes[1].Neuron != "l4n7" || r.Bias.Change != 0 {
		t.Errorf("%+v", r)
	}
	want, _ := pipelinetest.ReadNPY(t, testutil.GoldenViT("gelu/feature.npy"))
	got, moved := lookViT(t, o.SavePath), 0.0
	for b := range vitImages {
		moved = max(moved, distance(got, want, b))
	}
	m := r.Moved
	far(t, "largest distance", []float32{float32(m.DistanceMax)}, []float32{float32(moved)}, 1e-4)
	if m.Orders == nil || m.Orders.Second.Max != 0 || m.Orders.First.Max < 1e-3 || m.DistanceMean > m.Orders.First.Mean+m.Orders.Rest.Mean {
		t.Errorf("moved %+v, %+v", m, m.Orders)
	}
	a, err := artefact.EditedCheckpoint(o.SavePath)
	if err != nil {
		t.Fatal(err)
	}
	if e := a.Manifest.Origin.Edit; e.Units != "l4n5=0 l4n7=0.5 l4n9=0" || e.Neurons != 3 || e.Pairs != 0 {
		t.Errorf("%+v", e)
	}
	o.Threads = 1
	if again := run(t, o); again.SHA256 != r.SHA256 {
		t.Error("other bytes again")
	}
}

func TestNeuronsRefused(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"neurons of layers 1 and 2: their weights are edited one layer at a time": func(o *Options) { o.Remove = []string{"l1n5", "l2n7"} },
		"neurons of layers 4 and 3": func(o *Options) { o.Remove, o.Scale = []string{"l4n5"}, []Scaled{{"l3n1", 2}} },
		`unit "l5n0": want a neuron, l0n0 to l4n127, or a head, l0h0 to l4h3`:                                       func(o *Options) { o.Remove = []string{"l5n0"} },
		`unit "n5": a name in a ResNet, and these units are of a vision transformer: want a neuron, l0n0 to l4n127`: func(o *Options) { o.Remove = []string{"n5"} },
		`unit "l2n128": want a neuron, l2n0 to l2n127`:                                                              func(o *Options) { o.Remove = []string{"l2n128"} },
		`unit "l4n128": want a neuron, l4n0 to l4n127`:                                                              func(o *Options) { o.Remove = []string{"l4n5", "l4n128"} },
		"pair l3h1n5 has no weights of its own: all pairs of its neuron":                                            func(o *Options) { o.Remove = []string{"l3h1n5"} },
		"neurons of layer 4, the last, by mean":                                                                     func(o *Options) { o.By, o.MeansPath = ByMean, "means.npy" },
		"neurons of layer 4, the last, and units that {remove-mask}":                                                func(o *Options) { o.MaskPath = "mask.npy" },
		"neuron l4n5 has two factors: 0 by {remove} l4n5":                                                           func(o *Options) { o.Scale = []Scaled{{"l4n5", 2}} },
		"the image tower is a vision transformer: want the layer whose neurons to look at":                          func(o *Options) { o.Remove, o.MaskPath = nil, "mask.npy" },
		"head l2h1 has two factors: 0 and 0.5":                                                                      func(o *Options) { o.Remove, o.Scale = []string{"l2"}, []Scaled{{"l2h1", 0.5}} },
		`unit "l5": want a head, l0h0 to l4h3, or a layer, l0 to l4, together with no other`:                        func(o *Options) { o.Remove = []string{"l5"} },
	} {
		o := headOptions(t, "vit_sd32.pt", "edited.pt", []string{"l4n5"})
		change(&o)
		_, err := Run(context.Background(), o, pipelinetest.Silent())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || !errors.Is(err, usage.Err) && !errors.Is(err, unit.ErrUnknown) {
			t.Errorf("%v, want %q", err, want)
		}
		if _, err := os.Stat(o.SavePath); err == nil {
			t.Errorf("%s: written", want)
		}
	}
}

// TestLayerOfHeads takes the label of a layer for all of its heads.
func TestLayerOfHeads(t *testing.T) {
	edited := func(name string, remove ...string) *Result {
		return run(t, headOptions(t, "vit_sd32.pt", name, remove))
	}
	all, each := edited("a.pt", "L2"), edited("b.pt", "l2h0", "l2h1", "l2h2", "l2h3")
	if all.SHA256 != each.SHA256 || fmt.Sprint(all.Changes) == "[]" || len(all.Changes) != 4 {
		t.Errorf("%+v, by the names of heads %+v", all, each)
	}
}
