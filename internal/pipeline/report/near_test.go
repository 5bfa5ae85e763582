package report

import (
	"context"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/report"
)

// columnsOf are the scores of all pairs of options, [U,B], with their means.
func columnsOf(t *testing.T, o Options) (scores [][]float64, means []float64, ov *decomp.OV) {
	t.Helper()
	s, err := o.Artefacts.Scores(o.ScoresPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all := make([]float32, s.Images*s.OV.Heads*s.OV.Neurons)
	if err := s.Read(all, 0); err != nil {
		t.Fatal(err)
	}
	U := len(all) / s.Images
	scores, means = make([][]float64, U), make([]float64, U)
	for u := range scores {
		for b := range s.Images {
			scores[u] = append(scores[u], float64(all[b*U+u]))
			means[u] += float64(all[b*U+u]) / float64(s.Images)
		}
	}
	return scores, means, s.OV
}

func cosine(x, y []float64) float64 {
	xx, yy, xy := 0.0, 0.0, 0.0
	for i := range x {
		xx, yy, xy = xx+x[i]*x[i], yy+y[i]*y[i], xy+x[i]*y[i]
	}
	return xy / math.Sqrt(xx*yy)
}

// Neighbours are those that comparing all pairs finds, where nothing is projected.
func TestNeighbours(t *testing.T) {
	o := golden(t)
	run(t, o)
	scores, means, ov := columnsOf(t, o)
	C, O := ov.Neurons, ov.OutDim
	v := ov.AllDirections(par.NewTeam(2))
	directions := make([][]float64, len(scores))
	for u := range scores {
		for i := range scores[u] {
			scores[u][i] -= means[u]
		}
		for _, x := range v[u*O : (u+1)*O] {
			directions[u] = append(directions[u], float64(x))
		}
	}
	for _, u := range []int{5, 2*C + 37} {
		n := read[report.Neuron](t, o.Dir, report.NeuronName(u%C))
		for name, kind := range map[string]struct {
			rows [][]float64
			near report.Near
		}{"directions": {directions, n.Pairs.ByDirection}, "scores": {scores, n.Pairs.ByScores}} {
			want := orderOf(len(kind.rows), func(q int) float64 {
				if q == u {
					return -2
				}
				return cosine(kind.rows[u], kind.rows[q])
			})
			got, similar := indices(t, kind.near.Pairs)[u/C*8:][:8], values(t, kind.near.Values)[u/C*8:][:8]
			for i := range got {
				w := cosine(kind.rows[u], kind.rows[want[i]])
				if math.Abs(similar[i]-w) > kind.near.Values.Step || math.Abs(cosine(kind.rows[u], kind.rows[got[i]])-w) > 1e-5 {
					t.Errorf("%s of %d: %d is %d at %.3f, want %d at %.3f", name, u, i, got[i], similar[i], want[i], w)
				}
			}
		}
	}
}

// Where vectors are projected, the neighbours that are found have their exact similarity,
// and the nearest are found.
func TestNeighboursAreComparedExactly(t *testing.T) {
	o := synthetic(t, 4, 256, 640, 600)
	o.Threads, o.Dir = 2, filepath.Join(t.TempDir(), "report")
	in, err := o.open(context.Background(), pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	b := &builder{inputs: in}
	b.newPairColumns()
	if err := b.readColumns(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.newRows()
	if err := b.readRows(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b.sketch.exact || dimensions(in.pairs(), 640) == 640 {
		t.Fatal("nothing is projected")
	}
	if err := b.findNeighbours(context.Background()); err != nil {
		t.Fatal(err)
	}
	scores, means, ov := columnsOf(t, o)
	for u := range scores {
		for i := range scores[u] {
			scores[u][i] -= means[u]
		}
	}
	v := ov.AllDirections(par.NewTeam(2))
	row := func(u int) []float64 {
		var x []float64
		for _, y := range v[u*640 : (u+1)*640] {
			x = append(x, float64(y))
		}
		return x
	}
	found := 0
	for u := 0; u < len(scores); u += 97 {
		for name, kind := range map[string]struct {
			near *near
			of   func(q int) float64
		}{
			"directions": {b.byDirection, func(q int) float64 { return cosine(row(u), row(q)) }},
			"scores":     {b.byScores, func(q int) float64 { return cosine(scores[u], scores[q]) }},
		} {
			units, similar := kind.near.of(u)
			best, most := 0, math.Inf(-1)
			for q := range scores {
				if x := kind.of(q); q != u && x > most {
					best, most = q, x
				}
			}
			if int(units[0]) == best {
				found++
			}
			for i, q := range units {
				if want := kind.of(int(q)); math.Abs(float64(similar[i])-want) > 1e-4 {
					t.Errorf("%s of %d: %d at %g, want %g", name, u, q, similar[i], want)
				}
			}
		}
	}
	if want := 2 * ((len(scores) + 96) / 97); found < want*8/10 {
		t.Errorf("the nearest was found %d times of %d", found, want)
	}
}

// The effect of ablating a pair is that of features without it.
func TestEffects(t *testing.T) {
	o := golden(t)
	run(t, o)
	scores, means, ov := columnsOf(t, o)
	C, O, B := ov.Neurons, ov.OutDim, len(scores[0])
	classes, err := o.Artefacts.UnitEmbeddings(o.ClassesPath, nil, O)
	if err != nil {
		t.Fatal(err)
	}
	_, labels := pipelinetest.LabelledNames(t)
	K, u := classes.Texts, 3*C+11
	mean, right, count := make([]float64, K), make([]float64, K), make([]float64, K)
	for b := range B {
		row := make([]float32, len(scores))
		for q := range row {
			row[q] = float32(scores[q][b])
		}
		best := func() (int, float64) {
			f, values, logits := make([]float32, O), make([]float32, ov.Inner()), make([]float64, K)
			ov.Features(f, values, row, 1, par.NewTeam(1))
			factor, _ := attribution.Factor(f)
			attribution.Logits(logits, f, classes.Rows, factor)
			return slices.Index(logits, slices.Max(logits)), logits[labels[b]]
		}
		k := labels[b]
		count[k]++
		for _, sign := range []float64{-1, 1} { // before, and after
			winner, logit := best()
			mean[k] += sign * logit
			if winner == k {
				right[k] += sign
			}
			row[u] = float32(means[u])
		}
	}
	n := read[report.Neuron](t, o.Dir, report.NeuronName(u%C))
	e := n.Pairs.Ablation
	each := e.Classes.Len() / ov.Heads
	at := u / C * each
	most := 0.0
	for k := range mean {
		if count[k] > 0 {
			most = max(most, math.Abs(mean[k]/count[k]))
		}
	}
	for i := range each {
		k := indices(t, e.Classes)[at+i]
		if got, want := values(t, e.Logit)[at+i], mean[k]/count[k]; math.Abs(got-want) > 1e-3 {
			t.Errorf("class %d: the logit changes by %g, want %g", k, got, want)
		}
		if got, want := values(t, e.Accuracy)[at+i], right[k]/count[k]; math.Abs(got-want) > 1e-4 {
			t.Errorf("class %d: the accuracy changes by %g, want %g", k, got, want)
		}
	}
	if first := math.Abs(values(t, e.Logit)[at]); math.Abs(first-most) > 1e-3 {
		t.Errorf("the largest change is %g, want %g", first, most)
	}
}

// A small report has all scores, for the scatter of two pairs.
func TestScoresOfAllImages(t *testing.T) {
	o := golden(t)
	run(t, o)
	scores, _, ov := columnsOf(t, o)
	const neuron = 37
	column := read[report.Neuron](t, o.Dir, report.NeuronName(neuron)).Pairs.Scores
	got := values(t, column)
	for h := range ov.Heads {
		for b, want := range scores[h*ov.Neurons+neuron] {
			if x := got[h*len(scores[0])+b]; math.Abs(x-want) > column.Step {
				t.Fatalf("head %d, image %d: %g, want %g", h, b, x, want)
			}
		}
	}
}

// Where features of images are projected, the cosines that are found are those of the
// features, and the nearest images are found.
func TestNearestImagesOfManyDimensions(t *testing.T) {
	const images, O = 300, mostDimensions + 100
	in := &inputs{base: &base{Options: Options{Threads: 2, Seed: 3}, images: images, say: pipelinetest.Silent()}, scores: &artefact.Scores{OV: &decomp.OV{OutDim: O}, Images: images}}
	random := rand.New(rand.NewPCG(1, 2))
	units := make([]float32, images*O)
	for i := range images {
		for o := range O {
			units[i*O+o] = float32(random.NormFloat64() + 2*math.Sin(float64((i%20+1)*(o+1))))
		}
		normalize(units[i*O : (i+1)*O])
	}
	found := (&builder{inputs: in}).nearestImages(units, 5)
	for i := range images {
		others, cosines := found.of(i)
		for at, q := range others {
			if want := dot(units[i*O:(i+1)*O], units[int(q)*O:(int(q)+1)*O]); math.Abs(float64(cosines[at])-want) > 1e-6 || int(q)%20 != i%20 || int(q) == i {
				t.Fatalf("image %d: %d at %g, want %g", i, q, cosines[at], want)
			}
		}
	}
}
