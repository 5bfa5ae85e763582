package live

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/evaluate"
	"github.com/clipnh/clipnh/internal/pipeline/explain"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/pipeline/words"
	"github.com/clipnh/clipnh/internal/ui"
)

// headsOf collects heads of the demo's images through one of its models, their MLPs where it has
// such, and embeds the classes.
func headsOf(t *testing.T, checkpoint string, mlps bool) Options {
	t.Helper()
	dir, say := t.TempDir(), pipelinetest.Silent()
	w := theWorld(t)
	o := w.options()
	o.ModelPath, o.PCsPath, o.ClassesPath, o.ScoresPath = asset(checkpoint), "", filepath.Join(dir, "classes.npy"), filepath.Join(dir, "heads")
	o.Given = map[Input]bool{Scores: true, Images: true, Model: true, Vocab: true, Classes: true}
	o.Edit = func(e EditCommand) string { return fmt.Sprint(e.By, e.Heads, e.Layered) }
	modes := map[string]string{collect.ModeHeads: o.ScoresPath}
	if mlps {
		o.Parts = []string{filepath.Join(dir, "mlps")}
		modes[collect.ModeMLPs] = o.Parts[0]
	}
	for mode, path := range modes {
		_, err := collect.Run(t.Context(), collect.Options{Model: o.ModelPath, Data: o.Data, Stride: 4, BatchSize: 8, Threads: 2, Mode: mode, SavePath: path}, say)
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := words.Embed(t.Context(), words.EmbedOptions{Model: o.ModelPath, Vocab: o.Vocab, Texts: w.names, Templates: w.templates, SavePath: o.ClassesPath, Threads: 2}, say)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func openedHeads(t *testing.T, o Options) *Heads {
	t.Helper()
	h, err := OpenHeads(t.Context(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	if err := h.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

// TestHeadsImage compares an explanation by heads with what explain says of the image, of both
// families; parts sum to the logit, and those of maps to what the head adds.
func TestHeadsImage(t *testing.T) {
	for checkpoint, test := range map[string]struct {
		mlps   bool
		heads  []string
		layer  *int
		others string // a name of the other family
	}{
		demo.ViTModel: {true, []string{"l3h1", "l2"}, new(int), "h1"}, demo.Model: {false, []string{"h3", "h7"}, nil, "l3h1"},
	} {
		o := headsOf(t, checkpoint, test.mlps)
		h := openedHeads(t, o)
		if s := h.Status(); !s.Image.On || !s.Text.On || !s.Drop.On || !s.Toggle.On || s.Toggle.Reason != "" || s.Segment.On || s.Scores.On || s.Images != 100 || len(s.Classes) == 0 || s.MaxOff != 8 {
			t.Errorf("%s: %+v", checkpoint, s)
		}
		q := Question{Classes: []string{"car", "boat", "tree"}, List: 3, Maps: 2}
		a, err := h.Image(t.Context(), 7, q)
		if err != nil {
			t.Fatal(err)
		}
		var want *explain.Explanation
		_, err = explain.Run(t.Context(), explain.Options{
			Model: o.ModelPath, NeuronLayer: test.layer, Threads: 1, BatchSize: 1, Inputs: explain.Inputs{Data: o.Data, Stride: 4},
			Texts: explain.Texts{Classes: q.Classes, Vocab: o.Vocab, Templates: o.Templates}, Maps: 8,
		}, explain.Sink{Begin: func(*explain.Setup) error { return nil }, Explanation: func(x *explain.Explanation) error {
			if x.Name == a.Name {
				want = x
			}
			return nil
		}}, pipelinetest.Silent())
		if err != nil || want == nil {
			t.Fatalf("%v, %v", err, want)
		}
		if a.Target != want.Class || a.Logit != want.Logit || len(a.Explanation.HeadMaps.Maps) != 2 || jsonOf(t, a.Explanation.HeadMaps.Maps) != jsonOf(t, want.HeadMaps.Maps[:2]) {
			t.Errorf("%s: %s %g, want %s %g", checkpoint, a.Target, a.Logit, want.Class, want.Logit)
		}
		sum, places := a.Constant+a.Rest, a.Places.Position+want.Constant
		for _, p := range append(a.For, a.Against...) {
			sum += p.Part
		}
		for _, v := range a.Places.Parts {
			places += float64(v)
		}
		if m := a.Explanation.HeadMaps; math.Abs(sum-a.Logit) > 1e-3 || math.Abs(places-a.Logit) > 1e-3 || math.Abs(m.Listed+m.Rest+a.Constant-a.Logit) > 1e-3 || a.RestHeads != 8-len(a.For)-len(a.Against) || m.RestHeads != 6 {
			t.Errorf("%s: parts sum to %g, places to %g, want %g; %+v", checkpoint, sum, places, a.Logit, m)
		}
		q.Heads = test.heads
		if a, err = h.Image(t.Context(), 7, q); err != nil {
			t.Fatal(err)
		}
		for i, m := range a.Explanation.HeadMaps.Maps {
			elsewhere := m.ClassToken
			if elsewhere == nil {
				elsewhere = m.Position
			}
			if sum := attribution.Sum(m.Places) + *elsewhere; m.Head != q.Heads[i] || math.Abs(sum-m.Part) > 1e-8 {
				t.Errorf("%s adds %g, its places %g", m.Head, m.Part, sum)
			}
		}
		// The same image, as it is sent.
		item := h.items[a.Name]
		file, err := item.Load()
		if err != nil {
			t.Fatal(err)
		}
		data := file.Bytes
		if data == nil {
			if data, err = os.ReadFile(file.Path); err != nil {
				t.Fatal(err)
			}
		}
		if b, err := h.Drop(t.Context(), a.Name, data, "", q); err != nil || jsonOf(t, b) != jsonOf(t, a) {
			t.Errorf("%s: sent: %v", checkpoint, err)
		}
		for want, q := range map[string]Question{
			"api/toggle": {Off: []string{test.heads[0]}}, "of pairs": {Unusual: true}, "want a head": {Heads: []string{test.others + "h"}}, "want 0 to": {Maps: 1000},
		} {
			if _, err := h.Image(t.Context(), 7, q); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v: %v, want %q", q, err, want)
			}
		}
	}
}

// TestHeadsText: heads are ordered by how far what they add along a text differs.
func TestHeadsText(t *testing.T) {
	o := headsOf(t, demo.ViTModel, true)
	h := openedHeads(t, o)
	a, err := h.Text(t.Context(), "a yellow car")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := h.Text(t.Context(), "a yellow car"); err != nil || again != a {
		t.Errorf("asked again: another answer, %v", err)
	}
	m, err := model.OpenWith(t.Context(), o.ModelPath, model.Details{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	text, err := model.TextOptions{Vocab: o.Vocab, Templates: o.Templates, Threads: 1}.Embeddings(t.Context(), m, []string{"a yellow car"}, "text", pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	f, err := artefact.Reader{}.FirstOrder(o.ScoresPath, o.Parts)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := make([]float32, f.Images*f.Heads.Each())
	if err := f.Heads.Read(all, 0, f.Images, 0, f.Heads.Each()); err != nil {
		t.Fatal(err)
	}
	O, heads := f.OutDim, f.Heads.Each()/f.OutDim
	if len(a.Heads) != heads || len(a.Images) != 16 {
		t.Fatalf("%d heads, %d images", len(a.Heads), len(a.Images))
	}
	last := math.Inf(1)
	for _, n := range a.Heads {
		at, ok := f.HeadLayers().FindHead(n.Head, heads)
		if !ok || n.Deviation > last {
			t.Fatalf("%+v", n)
		}
		last = n.Deviation
		along := make([]float64, f.Images)
		mean, square, strongest := 0.0, 0.0, 0
		centre, spread := make([]float64, O), 0.0
		for b := range along {
			for i, x := range all[(b*heads+at)*O:][:O] {
				along[b] += float64(x) * float64(text[i])
				centre[i] += float64(x) / float64(f.Images)
			}
			mean += along[b] / float64(f.Images)
			if along[b] > along[strongest] {
				strongest = b
			}
		}
		for b, x := range along {
			square += (x - mean) * (x - mean) / float64(f.Images)
			for i, x := range all[(b*heads+at)*O:][:O] {
				spread += (float64(x) - centre[i]) * (float64(x) - centre[i]) / float64(f.Images)
			}
		}
		same := func(x, y float64) bool { return math.Abs(x-y) < 1e-4*(1+math.Abs(y)) }
		if !same(n.Mean, mean) || !same(n.Deviation, math.Sqrt(square)) || !same(n.Explained, square/spread) || len(n.Images) != 4 || n.Images[0].Image != strongest || !same(n.Images[0].Value, along[strongest]) {
			t.Errorf("%+v, want mean %g, deviation %g, %g explained, image %d", n, mean, math.Sqrt(square), square/spread, strongest)
		}
	}
}

// TestHeadsToggle compares accuracies with those of Ablate, by which what heads add is replaced too,
// and an image with its logits; edits are one layer after the other.
func TestHeadsToggle(t *testing.T) {
	o := headsOf(t, demo.ViTModel, true)
	h := openedHeads(t, o)
	image := 17
	r := ToggleRequest{Off: []string{"l3h1", "l2", "l3h1"}, Image: &image}
	got, err := h.Toggle(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	want, err := evaluate.Ablate(t.Context(), evaluate.AblateOptions{
		Options: source.Options{ScoresPath: o.ScoresPath, Parts: o.Parts, Data: o.Data, Stride: 1}, Modes: []string{evaluate.AblateHeads}, Units: r.Off,
		ClassesPath: o.ClassesPath, Threads: 1,
	}, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	if v := want.Variants[0]; got.After.Correct != v.Correct || got.Before.Correct != want.Baseline.Correct || v.Correct == want.Baseline.Correct || len(got.After.ByClass) != len(theWorld(t).names) {
		t.Errorf("%+v, want %d of %d", got.After, v.Correct, want.Baseline.Correct)
	}
	if fmt.Sprint(got.Off) != "[l2h0 l2h1 l3h1]" || got.Edit != "" || !strings.HasPrefix(got.EditNote, source.Untold) {
		t.Errorf("%v, edit %q, %q", got.Off, got.Edit, got.EditNote)
	}
	if x := got.Image; x.Before.Places != nil || x.Before.Logit == x.After.Logit || x.Class != x.Before.Classes[0].Name {
		t.Errorf("%+v", x)
	}
	none, err := h.Toggle(t.Context(), ToggleRequest{Image: &image})
	if err != nil || none.Edit != "" || none.After.Correct != none.Before.Correct || jsonOf(t, none.Image.After) != jsonOf(t, got.Image.Before) {
		t.Errorf("%v, %+v", err, none)
	}
	if a, err := h.Toggle(t.Context(), ToggleRequest{Off: r.Off, By: ByZero}); err != nil || a.Edit != "zero[[l3h1] [l2h0 l2h1]] true" || !strings.Contains(a.EditNote, "later layers see it") {
		t.Errorf("%v, %+v", err, a)
	}
	if _, err := h.Toggle(t.Context(), ToggleRequest{Off: []string{"l3h1n7"}}); err == nil || !strings.Contains(err.Error(), "want a head, l0h0 to l3h1") {
		t.Errorf("a pair: %v", err)
	}

	// Without MLPs features are not known, and without classes nothing is right or wrong.
	o.Parts = nil
	h = openedHeads(t, o)
	if a, err := h.Toggle(t.Context(), ToggleRequest{Off: []string{"l3h1"}}); err != nil || a.After != nil || !strings.Contains(a.Reason, "{parts}") {
		t.Errorf("%v, %+v", err, a)
	}
	if a, err := h.Toggle(t.Context(), ToggleRequest{Off: []string{"l3h1"}, Image: &image}); err != nil || a.Image != nil {
		t.Errorf("an image without its feature: %v, %+v", err, a)
	}
	pool := openedHeads(t, headsOf(t, demo.Model, false)) // which is the sum of its heads
	if a, err := pool.Toggle(t.Context(), ToggleRequest{Off: []string{"h3", "h1"}, Image: &image}); err != nil || a.Edit != "mean[[h1 h3]] false" || a.EditNote != "" || a.After == nil || a.Image == nil {
		t.Errorf("%v, %+v", err, a)
	}
	if a, err := h.Text(t.Context(), "a car"); err != nil || len(a.Images) != 0 || len(a.Heads) != 8 {
		t.Errorf("%v, %+v", err, a)
	}
}

// TestHeadsOff: what is not there switches off what needs it, and pairs have no part in it.
func TestHeadsOff(t *testing.T) {
	o := headsOf(t, demo.ViTModel, false)
	o.Vocab, o.Data, o.ClassesPath = "", dataset.Options{}, ""
	h := openedHeads(t, o)
	if s := h.Status(); s.Image.On || s.Text.On || !s.Drop.On || !s.Toggle.On || s.Image.Reason == "" || !strings.Contains(s.Text.Reason, "{vocab}") {
		t.Errorf("%+v", s)
	}
	ctx := context.Background()
	for name, err := range map[string]error{
		"scores":  func() error { _, err := h.Scores(ctx, "l3h1"); return err }(),
		"segment": func() error { _, err := h.Segment(ctx, "x", nil, SegmentQuestion{}); return err }(),
		"image":   func() error { _, err := h.SegmentImage(ctx, 1, SegmentQuestion{}); return err }(),
		"text":    func() error { _, err := h.Text(ctx, "a car"); return err }(),
	} {
		if !errors.Is(err, ErrOff) {
			t.Errorf("%s: %v", name, err)
		}
	}
	o.ScoresPath = theWorld(t).scores // of pairs
	if _, err := OpenHeads(ctx, o, ui.Reporter(pipelinetest.Silent())); err == nil {
		t.Error("scores of pairs are taken for heads")
	}
}

// TestHeadsOfOneLayer: a vision transformer of one layer has no pairs to open a tower for, which
// takes no more than explanations of images away.
func TestHeadsOfOneLayer(t *testing.T) {
	o := headsOf(t, demo.ViTModel, false)
	h, err := OpenHeads(t.Context(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	h.model.Config.ViT.Layers = 1
	if err := h.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	const want = "a vision transformer of one layer is not explained"
	if s := h.Status(); s.Image.On || s.Drop.On || !strings.HasPrefix(s.Image.Reason, want) || !strings.HasPrefix(s.Drop.Reason, want) || !s.Text.On || !s.Toggle.On {
		t.Errorf("%+v", s)
	}
	if _, err := h.Image(t.Context(), 0, Question{}); !errors.Is(err, ErrOff) {
		t.Errorf("an image: %v", err)
	}
}

// TestHeadsAlone: heads that do not sum to the features, without MLPs, keep none.
func TestHeadsAlone(t *testing.T) {
	h := openedHeads(t, headsOf(t, demo.ViTModel, false))
	if h.ledger.Features != nil || h.ledger.Unjudged() == nil || h.ledger.Labels != nil || len(h.ledger.Names) == 0 || h.ledger.Spread[0] <= 0 {
		t.Errorf("%d features, %v, %d labels of %d", len(h.ledger.Features), h.ledger.Unjudged(), len(h.ledger.Labels), len(h.ledger.Names))
	}
	if names, _ := h.ledger.Classes(); len(names) == 0 {
		t.Error("no classes")
	}
}
