package live

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/heat"
	"github.com/clipnh/clipnh/internal/pipeline/evaluate"
	"github.com/clipnh/clipnh/internal/pipeline/explain"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/retrieve"
	"github.com/clipnh/clipnh/internal/pipeline/segment"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/unit"
)

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// manyUnits are so many that accuracy suffers.
func manyUnits() (units []string) {
	for n := range 300 {
		units = append(units, fmt.Sprint("n", n))
	}
	return append(units, "h3n400", "h3n400", "n7")
}

// TestToggle compares accuracies with those of Ablate, and an image with what Run says of it.
func TestToggle(t *testing.T) {
	w := theWorld(t)
	o := w.options()
	o.GroupNames, o.GroupOf = []string{"odd", "even"}, make([]int, 100)
	for i := range o.GroupOf {
		o.GroupOf[i] = i % 2
	}
	o.GroupOf[0] = -1
	l := opened(t, o)
	image := 17
	got, err := l.Toggle(t.Context(), ToggleRequest{Off: manyUnits(), Image: &image})
	if err != nil {
		t.Fatal(err)
	}
	a := evaluate.AblateOptions{
		Options: source.Options{ScoresPath: w.scores, Data: w.data, Stride: 1}, Modes: []string{evaluate.AblatePairs}, Threads: 2,
		ClassesPath: w.classes, Means: []string{w.means}, Units: got.Off,
	}
	want, err := evaluate.Ablate(t.Context(), a, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	before, after := want.Baseline, want.Variants[0]
	if got.Before.Correct != before.Correct || got.After.Correct != after.Correct || got.After.All != after.Top1 || got.After.Top5 != after.Top5 || after.Correct == before.Correct {
		t.Errorf("before %+v, after %+v, want %d and %d correct", got.Before, got.After, before.Correct, after.Correct)
	}
	lowest := 2.0
	for i, c := range want.Classes {
		if got.Before.ByClass[i] != c.Baseline || got.After.ByClass[i] != c.Variants[0] || got.After.Classes[i] != c.Images {
			t.Errorf("class %s: %g to %g of %d, want %+v", c.Name, got.Before.ByClass[i], got.After.ByClass[i], got.After.Classes[i], c)
		}
		lowest = math.Min(lowest, c.Variants[0])
	}
	if got.After.WorstClass.Accuracy != lowest || w.names[got.After.WorstClass.Number] != got.After.WorstClass.Name {
		t.Errorf("worst class %+v, want %g", got.After.WorstClass, lowest)
	}
	correct := 0.0
	for g, share := range got.After.ByGroup {
		correct += share * float64(got.After.Groups[g])
	}
	first := 0.0
	if after.Predictions[0] == want.Labels[0] {
		first = 1
	}
	if got.After.Groups[0] != 49 || got.After.Groups[1] != 50 || math.Round(correct+first) != float64(after.Correct) {
		t.Errorf("groups of %v images, %g correct in all, want %d", got.After.Groups, correct+first, after.Correct)
	}
	if !slices.IsSorted(l.mustPairs(t, got.Off)) || len(got.Off) != 300*8+1 {
		t.Errorf("%d pairs off", len(got.Off))
	}
	if want := fmt.Sprint(EditCommand{Model: asset(demo.Model), Scores: w.scores, Units: got.Off, By: ByMean}); got.Edit != want {
		t.Errorf("edit by %.200s", got.Edit)
	}
	x, err := l.Image(t.Context(), image, Question{Off: manyUnits(), Class: got.Image.Class, List: 5})
	if err != nil {
		t.Fatal(err)
	}
	if jsonOf(t, x.Explanation.Classes) != jsonOf(t, got.Image.After.Classes) || jsonOf(t, x.Explanation.Places) != jsonOf(t, got.Image.After.Places) || x.Edit != got.Edit {
		t.Error("an image says one thing as it is, and another toggled")
	}
	for i, c := range x.Classes {
		at := slices.IndexFunc(got.Image.Before.Classes, func(b explain.ClassLogit) bool { return b.Name == c.Class })
		if c.Before == nil || *c.Before != got.Image.Before.Classes[at].Probability || c.BeforeLogit == nil || *c.BeforeLogit != got.Image.Before.Classes[at].Logit || i > 0 && c.Logit > x.Classes[i-1].Logit {
			t.Errorf("class %+v, before %+v", c, got.Image.Before.Classes[at])
		}
	}

	// Without a tower, an image's logits come from its scores.
	o.ModelPath, o.Vocab = "", ""
	for _, by := range []string{ByMean, ByZero} {
		r := ToggleRequest{Off: []string{"n3", "h5n100"}, By: by, Image: &image}
		with, err := l.Toggle(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		bare, err := opened(t, o).Toggle(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if bare.Image.After.Places != nil || bare.Image.Class != with.Image.Class || jsonOf(t, bare.After) != jsonOf(t, with.After) {
			t.Errorf("without a tower: %s, %+v", bare.Image.Class, bare.After)
		}
		for _, pair := range [][2]float64{{bare.Image.Before.Logit, with.Image.Before.Logit}, {bare.Image.After.Logit, with.Image.After.Logit}, {bare.Image.After.Norm, with.Image.After.Norm}} {
			if math.Abs(pair[0]-pair[1]) > 1e-4*math.Abs(pair[1]) {
				t.Errorf("by %s, without a tower: %g, want %g", by, pair[0], pair[1])
			}
		}
		want := EditCommand{Scores: w.scores, Units: bare.Off, By: by}
		if by == ByZero {
			want.Scores = ""
		}
		if bare.Edit != fmt.Sprint(want) {
			t.Errorf("edit by %s", bare.Edit)
		}

		// Nor does an image need labels.
		unlabelled := o
		unlabelled.Data = dataset.Options{}
		l := opened(t, unlabelled)
		alone, err := l.Toggle(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if s := l.Status(); !s.Toggle.On || s.Toggle.Reason == "" || len(s.Classes) == 0 || alone.Before != nil || alone.Reason != s.Toggle.Reason || jsonOf(t, alone.Image) != jsonOf(t, bare.Image) {
			t.Errorf("without labels: %+v, %s, %+v", s.Toggle, alone.Reason, alone.Image)
		}
	}
}

func (l *Live) mustPairs(t *testing.T, units []string) []int {
	t.Helper()
	shape := unit.Shape{l.ov.Heads, l.ov.Neurons}
	pairs, err := shape.Find(units)
	if err != nil {
		t.Fatal(err)
	}
	return pairs
}

// TestImage compares an explanation with that of Run: the same, to the byte, with classes of
// the embeddings and with typed ones.
func TestImage(t *testing.T) {
	w := theWorld(t)
	l := opened(t, w.options())
	const image = 5
	name := l.ledger.Names[image]
	run := func(change func(o *explain.Options)) *explain.Explanation {
		o := explain.Options{
			Model: asset(demo.Model), Threads: 1, BatchSize: 8, Inputs: explain.Inputs{Paths: []string{l.items[name].Path}, Stride: 1},
			Collected: explain.Collected{ScoresPath: w.scores}, Units: 5, Maps: 6,
		}
		change(&o)
		var x *explain.Explanation
		_, err := explain.Run(t.Context(), o, explain.Sink{
			Begin: func(*explain.Setup) error { return nil }, Explanation: func(e *explain.Explanation) error { x = e; return nil },
		}, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		x.Name = name
		return x
	}
	typed := []string{"yellow car", "a blue house", "star"}
	for _, test := range []struct {
		q      Question
		change func(o *explain.Options)
	}{
		{Question{List: 5, Maps: 6}, func(o *explain.Options) { o.Classes, o.TextsPath = w.names, w.classes }},
		{Question{List: 5, Maps: 6, Classes: typed, Class: "star", Versus: "yellow car", Unusual: true}, func(o *explain.Options) {
			o.Classes, o.Vocab, o.Templates, o.Class, o.Versus, o.Unusual = typed, asset(demo.Vocabulary), w.templates, "star", "yellow car", true
		}},
	} {
		want := run(test.change)
		for range 2 { // the second time, the tower is not asked
			got, err := l.Image(t.Context(), image, test.q)
			if err != nil {
				t.Fatal(err)
			}
			if x, y := jsonOf(t, got.Explanation), jsonOf(t, want); x != y {
				t.Errorf("%.2000s\nwant %.2000s", x, y)
			}
			if got.Sum != want.Sum || len(got.For) != 5 || got.For[0].Part != want.Pairs.For[0].Part || got.Places.Side != 6 || len(got.Places.Parts) != 36 {
				t.Errorf("for %v, places %+v", got.For, got.Places)
			}
		}
	}
	if len(l.passes.kept) != 1 {
		t.Errorf("%d images kept", len(l.passes.kept))
	}
	data, err := os.ReadFile(l.items[name].Path)
	if err != nil {
		t.Fatal(err)
	}
	dropped, err := l.Drop(t.Context(), name, data, "h3n149", Question{List: 5, Maps: 6})
	if err != nil {
		t.Fatal(err)
	}
	known, err := l.Image(t.Context(), image, Question{List: 5, Maps: 6})
	if err != nil {
		t.Fatal(err)
	}
	if jsonOf(t, dropped.Explanation) != jsonOf(t, known.Explanation) {
		t.Error("an image says another thing when it is sent")
	}
	scores, err := l.Scores(t.Context(), "h3n149")
	if err != nil {
		t.Fatal(err)
	}
	larger := 0
	for _, s := range scores.Scores {
		if s > scores.Scores[image] {
			larger++
		}
	}
	u := dropped.Unit
	if u.Unit != "h3n149" || u.Score != float64(scores.Scores[image]) || u.Rank != larger+1 || u.Images != 100 || u.Mean != l.ledger.Means[u.Pair] {
		t.Errorf("%+v, want score %g and rank %d", u, scores.Scores[image], larger+1)
	}
}

// TestText compares pairs with those that retrieve finds, and images with their features.
func TestText(t *testing.T) {
	w := theWorld(t)
	o := w.options()
	o.Norms = make([]float64, 8*512)
	for i := range o.Norms {
		o.Norms[i] = float64(i)
	}
	o.GroupNames, o.GroupOf = []string{"1990", "1991", "1992"}, make([]int, 100)
	for i := range o.GroupOf {
		o.GroupOf[i] = i % 3
	}
	l := opened(t, o)
	a, err := l.Text(t.Context(), "yellow")
	if err != nil {
		t.Fatal(err)
	}
	r, err := retrieve.Run(t.Context(), retrieve.Options{
		Options: source.Options{ScoresPath: w.scores, Model: asset(demo.Model), BatchSize: 8, Stride: 1}, Texts: []string{"yellow"}, TextPairs: 5,
		PCsPath: w.pcs, Vocab: asset(demo.Vocabulary), Templates: w.templates, Top: 1, Threads: 2,
	}, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range r.Found {
		if p := a.Pairs[i]; unit.Pair(p.Pair, 512) != f.Pair || p.Cosine != f.Cosine || p.Norm != float64(p.Pair) {
			t.Errorf("pair %d: %+v, want %+v", i, p, f)
		}
	}
	row, _ := l.texts.get("yellow")
	for i, n := range a.Images {
		logits := make([]float64, 1)
		f := l.ledger.Features[n.Image*l.ov.OutDim:][:l.ov.OutDim]
		factor, _ := attribution.Factor(f)
		attribution.Logits(logits, f, row.row, factor)
		if math.Abs(logits[0]-100*n.Cosine) > 1e-9 || i > 0 && n.Cosine > a.Images[i-1].Cosine {
			t.Errorf("image %d: %g, want %g", n.Image, n.Cosine, logits[0]/100)
		}
	}
	if len(a.Pairs) != nearest || len(a.Images) != nearest || len(a.Groups) != 3 || a.Groups[0].Images != 34 || a.Lost != 0 {
		t.Errorf("%+v", a)
	}
	if long, err := l.Text(t.Context(), strings.Repeat("yellow car ", 40)); err != nil || long.Lost == 0 {
		t.Errorf("a long text: %v", err)
	}
	o.PCsPath = "" // directions take the components' place
	bare, err := opened(t, o).Text(t.Context(), "yellow")
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float32, l.ov.OutDim)
	for i, p := range bare.Pairs {
		l.ov.UnitDirections(v, p.Pair, l.team)
		along := 0.0
		for o, x := range v {
			along += float64(x) * float64(row.row[o])
		}
		if math.Abs(along-p.Cosine) > 1e-5 || i > 0 && p.Cosine > bare.Pairs[i-1].Cosine {
			t.Errorf("without components, pair %d: %g, want %g", p.Pair, p.Cosine, along)
		}
	}
}

// TestSegment compares with Run.
func TestSegment(t *testing.T) {
	w := theWorld(t)
	l := opened(t, w.options())
	const image = 20
	o := segment.Options{
		Model: asset(demo.Model), Threads: 2, Texts: segment.Texts{Vocab: asset(demo.Vocabulary), Templates: w.templates},
		Scenes: segment.Scenes{Paths: []string{l.items[l.ledger.Names[image]].Path}},
		Heat:   segment.Heat{Setup: segmentSetup(), PCsPath: w.pcs, SimBlock: -1, Methods: []heat.Method{heat.ByPairs}},
		Output: segment.Output{SaveDir: t.TempDir(), Store: &cache.Store{}},
	}
	o.Setup.Classes = []configs.Class{{"butterfly"}, {"sky", "cloud"}, {"car"}}
	want, err := segment.Run(t.Context(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	png, err := os.ReadFile(want.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	q := SegmentQuestion{Classes: []string{"butterfly", "sky|cloud", "car"}}
	got, err := l.SegmentImage(t.Context(), image, q)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(o.Paths[0])
	if err != nil {
		t.Fatal(err)
	}
	sent, err := l.Segment(t.Context(), "image", data, q)
	if err != nil || jsonOf(t, sent) != jsonOf(t, got) {
		t.Errorf("an image has other labels when it is sent (%v)", err)
	}
	if !bytes.Equal(got.PNG, png) {
		t.Error("other labels than those of Run")
	}
	for _, s := range want.Shares[0].Classes {
		if at := slices.IndexFunc(got.Classes, func(c ClassShare) bool { return c.Class == s.Name && c.Share == s.Share }); at < 0 {
			t.Errorf("%+v, want %+v", got.Classes, s)
		}
	}
	o.Setup.Sink, o.SaveDir, q.NoSink = false, t.TempDir(), true
	if want, err = segment.Run(t.Context(), o, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	bare, err := l.SegmentImage(t.Context(), image, q)
	if err != nil {
		t.Fatal(err)
	}
	if png, err = os.ReadFile(want.Files[0]); err != nil || !bytes.Equal(bare.PNG, png) {
		t.Errorf("without a sink, other labels than those of Run (%v)", err)
	}
}
