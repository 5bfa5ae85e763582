package report

import (
	"errors"
	"math"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/report"
	summed "github.com/clipnh/clipnh/internal/sketch"
)

// summarized writes the summary of a folder of scores, with change done to the scores [B,U].
func summarized(t *testing.T, folder string, change func(u int, x float32) float32) string {
	t.Helper()
	scores, err := artefact.Reader{}.Scores(folder, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer scores.Close()
	h, c, team := scores.OV.Heads, scores.OV.Neurons, par.NewTeam(2)
	rows := make([]float32, scores.Images*h*c)
	names, err := scores.Names()
	if err = errors.Join(err, scores.Read(rows, 0)); err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		rows[i] = change(i%(h*c), rows[i])
	}
	e, s, named := lowrank.NewExtremes(h*c, 2), summed.New(h*c), map[int]string{}
	e.Add(rows, team)
	s.Add(rows, team)
	for i, name := range names {
		named[i] = name
	}
	path := filepath.Join(t.TempDir(), "summary")
	w, err := new(cache.Store).OpenChunks(path, cache.Plan{
		Kind: artefact.KindSummary, Axes: []string{"B", "H", "C"}, Row: []int{h, c}, DType: npy.Float32, Origin: scores.Manifest.Origin,
		Inputs: 1, ChunkInputs: 1, Payload: artefact.MeansFile,
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(w.Append(artefact.Means(s), nil), artefact.AddSummary(w, e, s, named, nil, h, c), artefact.AddOV(w, scores.OV, false, team))
	if _, finished := w.Finish(); errors.Join(err, finished) != nil {
		t.Fatal(err, finished)
	}
	return path
}

// TestCompareSummaries: of a summary, alone or beside scores, the same pairs differ and have
// died as their moments say, and norms are root mean squares.
func TestCompareSummaries(t *testing.T) {
	base := synthetic(t, 4, 64, 32, 40)
	same := func(_ int, x float32) float32 { return x }
	const dead, other = 3, 5
	changed := func(u int, x float32) float32 {
		switch u {
		case dead:
			return 0
		case other:
			return 2*x + 3
		}
		return x
	}
	whole, there := summarized(t, base.ScoresPath, same), summarized(t, base.ScoresPath, changed)
	for _, sides := range [][2]string{{whole, there}, {base.ScoresPath, there}} {
		m, err := Compare(t.Context(), CompareOptions{Here: sides[0], There: sides[1], List: 1000, Threads: 2}, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		if m.By != report.ByPair || m.Shared != 0 || len(m.Died) != 1 || m.Died[0].Here != dead || m.Differ != 1 || m.Moved[0].Here != other {
			t.Errorf("%s and %s: %+v; want that pair %d died and %d differs", sides[0], sides[1], m, dead, other)
			continue
		}
		scores, _, ov := columnsOf(t, base)
		v, sum := make([]float32, ov.OutDim), 0.0
		h, n := other/ov.Neurons, other%ov.Neurons
		ov.Directions(v, h, n, n+1, par.NewTeam(1))
		for _, x := range scores[other] {
			square := 0.0
			for o := range v {
				r := x*float64(v[o]) + float64(ov.Bias[h*ov.OutDim+o])
				square += r * r
			}
			sum += square / float64(len(scores[other]))
		}
		if got, want := m.Moved[0].NormHere, math.Sqrt(sum); math.Abs(got-want) > 1e-5*want {
			t.Errorf("norm %g, want the root mean square %g", got, want)
		}
	}
	m, err := Compare(t.Context(), CompareOptions{Here: whole, There: whole, List: 10, Threads: 1}, pipelinetest.Silent())
	if err != nil || m.Differ != 0 || m.Same != m.HereAlive || m.HereAlive == 0 {
		t.Errorf("with itself: %+v, %v", m, err)
	}
}
