package report

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/report"
)

// Compared with itself nothing differs; without some pairs, those have died; and a model of
// other sizes is matched by scores on shared images.
func TestCompare(t *testing.T) {
	base := synthetic(t, 4, 64, 32, 40)
	compare := func(here, there string) *report.Moved {
		t.Helper()
		m, err := Compare(context.Background(), CompareOptions{Here: here, There: there, List: 1000, Threads: 2}, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := compare(base.ScoresPath, base.ScoresPath)
	if m.By != report.ByPair || m.Shared != 40 || len(m.Died)+len(m.Appeared) > 0 || len(m.Moved)+m.Differ > 0 || m.Same != m.HereAlive {
		t.Errorf("with itself: %s, %d shared, %d moved, %d died, %d appeared", m.By, m.Shared, len(m.Moved), len(m.Died), len(m.Appeared))
	}
	m, err := Compare(context.Background(), CompareOptions{Here: base.ScoresPath, There: base.ScoresPath, List: 1000, Threads: 2, Match: true}, pipelinetest.Silent())
	if err != nil || m.By != report.ByScores || m.Same != m.HereAlive || m.Differ > 0 {
		t.Errorf("matched with itself: %+v, %v", m, err)
	}
	scores, means, ov := columnsOf(t, base)
	names := make([]string, 40)
	for i := range names {
		names[i] = fmt.Sprintf("val/%08d.jpg", i)
	}
	random := rand.New(rand.NewPCG(7, 8))
	changed := make([]float32, 0, len(scores)*40)
	dead, other := 3, 5
	for b := range 40 {
		for u := range scores {
			x := scores[u][b]
			switch u {
			case dead:
				x = 0
			case other:
				x = random.NormFloat64()
			}
			changed = append(changed, float32(x))
		}
	}
	there := pipelinetest.ScoresOf(t, decomp.OVFromSlices(ov.Heads, ov.Neurons, ov.OutDim, ov.Value, ov.Out, ov.Bias), names, changed, origin.Origin{})
	m = compare(base.ScoresPath, there)
	if m.Shared != 40 || len(m.Died) != 1 || m.Died[0].Here != dead || m.Differ != 1 || m.Moved[0].Here != other || m.Same != m.HereAlive-2 {
		t.Errorf("%d shared; died %+v, want pair %d; moved %+v, want pair %d alone", m.Shared, m.Died, dead, m.Moved, other)
	}

	// Scores that vary more, or are others without varying, are not the same.
	for what, change := range map[string]func(u int, x, mean float64) float64{
		"three times the deviation": func(u int, x, mean float64) float64 { return mean + 3*(x-mean) },
		"another constant":          func(u int, x, mean float64) float64 { return 4 },
	} {
		var here, there []float32
		for b := range 40 {
			for u := range scores {
				x := scores[u][b]
				if what == "another constant" && u == other {
					x = 1
				}
				here = append(here, float32(x))
				if u == other {
					x = change(u, x, means[u])
				}
				there = append(there, float32(x))
			}
		}
		ovs := decomp.OVFromSlices(ov.Heads, ov.Neurons, ov.OutDim, ov.Value, ov.Out, ov.Bias)
		m = compare(pipelinetest.ScoresOf(t, ovs, names, here, origin.Origin{}), pipelinetest.ScoresOf(t, ovs, names, there, origin.Origin{}))
		if m.Differ != 1 || len(m.Moved) != 1 || m.Moved[0].Here != other {
			t.Errorf("%s: %d differ, %+v; want pair %d alone", what, m.Differ, m.Moved, other)
		}
	}

	// The first head alone, with its pairs in another order.
	C := ov.Neurons
	var part []float32
	for b := range 40 {
		for n := range C {
			part = append(part, float32(scores[C-1-n][b]))
		}
	}
	value := make([]float32, len(ov.Value)/ov.Heads)
	for d := range len(value) / C {
		for n := range C {
			value[d*C+n] = ov.Value[d*C+C-1-n]
		}
	}
	out := make([]float32, ov.OutDim*ov.Width)
	for o := range ov.OutDim {
		copy(out[o*ov.Width:(o+1)*ov.Width], ov.Out[o*ov.Inner():])
	}
	for i := range out {
		out[i] *= 1.5 // so that they differ
	}
	single := pipelinetest.ScoresOf(t, decomp.OVFromSlices(1, C, ov.OutDim, value, out, ov.Bias[:ov.OutDim]), names, part, origin.Origin{})
	m = compare(single, base.ScoresPath)
	if m.By != report.ByScores || len(m.Died) > 0 || len(m.Moved) == 0 {
		t.Errorf("another model: by %s, %d moved, %d died", m.By, len(m.Moved), len(m.Died))
	}
	for _, s := range m.Moved {
		if s.There != C-1-s.Here || s.Similarity < 1-1e-5 {
			t.Errorf("pair %d is matched with %d at %g, want %d", s.Here, s.There, s.Similarity, C-1-s.Here)
		}
	}
}

// The scores of a report whose path was relative are found from any working folder.
func TestCompareReportFromElsewhere(t *testing.T) {
	base := synthetic(t, 4, 64, 32, 12)
	dir := t.TempDir()
	relative, err := filepath.Rel(dir, base.ScoresPath)
	if err != nil {
		t.Fatal(err)
	}
	mark, err := json.Marshal(report.Mark{Format: report.Format, Tool: report.Tool, State: report.Complete, Inputs: []report.Input{
		{Kind: artefact.KindScores, Path: "caches/val", Relative: filepath.ToSlash(relative)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, report.MarkFile), mark, 0o666); err != nil {
		t.Fatal(err)
	}
	m, err := Compare(context.Background(), CompareOptions{Here: dir, There: base.ScoresPath, List: 1, Threads: 1}, pipelinetest.Silent())
	if err != nil || m.Shared != 12 {
		t.Errorf("%+v, %v; want 12 shared images", m, err)
	}
}
