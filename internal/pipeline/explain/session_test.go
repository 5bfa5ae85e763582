package explain

import (
	"context"
	"encoding/json"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/pipeline/edit"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/unit"
)

// opened opens a session with o, and makes a question of its texts.
func opened(t *testing.T, o Options) (*Session, Question) {
	t.Helper()
	m, err := model.OpenWith(t.Context(), o.Model, model.Details{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	s, err := Open(t.Context(), o, m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	from := model.TextOptions{Path: o.TextsPath, Vocab: o.Vocab, Threads: 2}
	texts, err := from.Embeddings(t.Context(), m, o.Classes, "class", pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	return s, Question{Classes: o.Classes, Embeddings: texts, Units: o.Units, Maps: o.Maps, Unusual: o.Unusual, Class: o.Class, Versus: o.Versus}
}

// asked explains one image.
func asked(t *testing.T, s *Session, path string, q Question) *Explanation {
	t.Helper()
	file, err := imageprep.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Look(path, file)
	if err != nil {
		t.Fatal(err)
	}
	x, err := s.Explain(t.Context(), p, q)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSession: a session says what Run says, to the byte, also with means and columns that
// the caller has.
func TestSession(t *testing.T) {
	path := filepath.Join(testutil.Golden("dataset"), pipelinetest.GoldenNames(t)[1])
	o := tinyOptions(testutil.Golden("model/tiny_sd_fp32.pt"), path)
	o.ScoresPath, o.Unusual, o.Class, o.Versus = collected(t, 0), true, "class 3", "class 4"
	_, all, _ := explained(t, o)
	want := jsonOf(t, all[0])
	s, q := opened(t, o)
	if got := jsonOf(t, asked(t, s, path, q)); got != want {
		t.Errorf("a session says\n%s\nwant\n%s", got, want)
	}
	scores, err := artefact.Reader{}.Scores(o.ScoresPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer scores.Close()
	columns := 0
	o.Means = slices.Clone(s.usual.means)
	o.Column = func(_ context.Context, pair int) ([]float32, error) {
		columns++
		column, C := make([]float32, scores.Images), scores.OV.Neurons
		return column, scores.ReadPairs(column, pair/C, pair%C, 1)
	}
	s, q = opened(t, o)
	if got := jsonOf(t, asked(t, s, path, q)); got != want || columns != 2*o.Units {
		t.Errorf("with columns, %d of them read:\n%s\nwant\n%s", columns, got, want)
	}
}

// TestOff compares what a session says without pairs with what Run says of the model that
// edit makes.
func TestOff(t *testing.T) {
	path := filepath.Join(testutil.Golden("dataset"), pipelinetest.GoldenNames(t)[2])
	o := tinyOptions(testutil.Golden("model/tiny_sd_fp32.pt"), path)
	o.ScoresPath = collected(t, 0)
	s, q := opened(t, o)
	before := asked(t, s, path, q)
	for _, p := range append(before.Pairs.For, before.Pairs.Against[0]) {
		q.Off = append(q.Off, p.Index)
	}
	for _, by := range []string{edit.ByMean, edit.ByZero} {
		q.Zero = by == edit.ByZero
		got := asked(t, s, path, q)
		e := edit.Options{Model: o.Model, SavePath: filepath.Join(t.TempDir(), "edited.pt"), Threads: 2, By: by}
		if by == edit.ByMean {
			e.ScoresPath = o.ScoresPath
		}
		for _, u := range q.Off {
			e.Remove = append(e.Remove, unit.Pair(u, s.ov.Neurons))
		}
		if _, err := edit.Run(t.Context(), e, pipelinetest.Silent()); err != nil {
			t.Fatal(err)
		}
		edited := o
		edited.Model, edited.ScoresPath = e.SavePath, ""
		_, all, _ := explained(t, edited)
		want := all[0]
		if got.Class != want.Class || got.Pairs.For[0].Unit != want.Pairs.For[0].Unit {
			t.Errorf("by %s: %s by %s first, want %s by %s", by, got.Class, got.Pairs.For[0].Unit, want.Class, want.Pairs.For[0].Unit)
		}
		logits := func(x *Explanation) (l []float64) {
			for _, c := range x.Classes {
				l = append(l, c.Logit, c.Probability)
			}
			return append(l, x.Logit, x.Constant, x.Sum, x.Norm, x.Places.Position)
		}
		closeTo(t, by+": logits", logits(got), logits(want))
		closeTo(t, by+": places", got.Places.Parts, want.Places.Parts)
		closeTo(t, by+": heads", got.Heads, want.Heads)
		if math.Abs(got.Difference) > 1e-4 {
			t.Errorf("by %s: the parts differ from the logit by %g", by, got.Difference)
		}
		if got.Logit == before.Logit {
			t.Errorf("by %s: nothing changed", by)
		}
	}
	s.usual.means, q.Zero = nil, false
	file, err := imageprep.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Look("a", file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Explain(t.Context(), p, q); err == nil {
		t.Error("pairs were replaced by means that nobody knows")
	}
	q.Class, q.Zero = "no class", true
	if _, err := s.Explain(t.Context(), p, q); err == nil {
		t.Error("a class that is none was explained")
	}
}
