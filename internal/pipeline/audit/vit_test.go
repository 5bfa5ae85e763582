package audit

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// ofTransformer makes c a collection of a vision transformer, whose pairs are all of the
// image features.
func ofTransformer(t testing.TB, c *planted) {
	t.Helper()
	o := origin.Origin{Model: "planted", Weights: strings.Repeat("a", 64), Transformer: &origin.Transformer{Activation: "gelu", Heads: 1, Layers: 5, NeuronLayer: 2}}
	c.scores = pipelinetest.ScoresOf(t, c.ov, c.names, c.rows, o)
	features := make([]float32, len(c.names)*c.ov.OutDim)
	c.ov.Features(features, make([]float32, len(c.names)*c.ov.Inner()), c.rows, len(c.names), par.NewTeam(1))
	of := *o.Transformer
	of.NeuronLayer = -1
	o.Transformer = &of
	w, err := new(cache.Store).OpenChunks(filepath.Join(c.scores, artefact.FeaturesFolder), cache.Plan{
		Kind: artefact.KindImageFeatures, Axes: []string{"B", "O"}, Row: []int{c.ov.OutDim}, DType: npy.Float32, Origin: o,
		Inputs: len(c.names), ChunkInputs: len(c.names), Payload: artefact.FeaturesFile,
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	c.finish(t, w, features)
}

// finish writes the one chunk of a collection of the planted images, and their names.
func (c *planted) finish(t testing.TB, w *cache.ChunkWriter, values []float32) {
	t.Helper()
	list := func(to io.Writer) error {
		_, err := io.WriteString(to, strings.Join(c.names, "\n")+"\n")
		return err
	}
	if err := errors.Join(w.Append(values, nil), w.AddFile(artefact.ImagesFile, list)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
}

// TestNeuronsOfPairs holds that an audit of a vision transformer finds what it finds of a
// ResNet with the same scores, and lists the neurons of the pairs for an edit.
func TestNeuronsOfPairs(t *testing.T) {
	c := plant(t, small)
	want := run(t, c.options(t))
	ofTransformer(t, &c)
	o := c.options(t)
	var removed []Removed
	o.CommandLines = func(r Removed) []string { removed = append(removed, r); return []string{"edit " + r.List} }
	for range 2 { // the second replaces the lists of the first
		r := run(t, o)
		if r.Found != want.Found || r.Chosen != want.Chosen || r.Chosen == 0 || r.Pairs[0].Unit != "l4h0n11" || r.After.Worst != want.After.Worst {
			t.Errorf("%d pairs, %d chosen, first %+v; want those of %+v", r.Found, r.Chosen, r.Pairs[0], want.Pairs[0])
		}
		neurons, err := os.ReadFile(filepath.Join(o.Dir, neuronFile))
		if lines := strings.Fields(string(neurons)); err != nil || lines[0] != "l2n11" || slices.ContainsFunc(lines, func(name string) bool { return strings.Contains(name, "h") }) {
			t.Errorf("neurons %q, %v", neurons, err)
		}
		page, err := os.ReadFile(filepath.Join(o.Dir, pageFile))
		if text := string(page); err != nil || !strings.Contains(text, "have no weights of their own") || !strings.Contains(text, "    edit "+filepath.Join(o.Dir, neuronFile)) {
			t.Errorf("page %s, %v", text, err)
		}
	}
	if first := removed[0]; first.List != filepath.Join(o.Dir, neuronFile) || first.Of.Transformer == nil || first.Of.Transformer.NeuronLayer != 2 {
		t.Errorf("removed %+v", first)
	}
}
