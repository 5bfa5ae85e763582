package report

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/report"
)

func compareHeads(t *testing.T, o CompareOptions) *report.MovedHeads {
	t.Helper()
	if o.List == 0 {
		o.List = 1000
	}
	o.Threads = max(o.Threads, 2)
	if !o.OfHeads() {
		t.Fatalf("%s and %s are not taken for heads", o.Here, o.There)
	}
	m, err := CompareHeads(context.Background(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestCompareHeads compares alignments, shifts and norms with those of outputs that are written out:
// of heads that are turned, moved, grown, replaced and removed, over the images that both have,
// whose order is another one; and in each form in which heads are kept.
func TestCompareHeads(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	a := makeHeads(random, 60, 2, 3, 16)
	const turned, moved, grown, other, removed = 0, 1, 2, 3, 4 // and 5, which stays
	b := a.clone()
	for i := range a.dims / 2 { // turned in each plane of two dimensions
		for k := range madeWidth {
			row := b.matrix(turned)[k*a.dims:]
			x, y := float64(row[2*i]), float64(row[2*i+1])
			row[2*i], row[2*i+1] = float32(0.6*x-0.8*y), float32(0.8*x+0.6*y)
		}
	}
	for i := range b.images {
		b.factor(i, moved)[0] += 2
		for k := range madeWidth {
			b.factor(i, grown)[k] *= 2
			b.factor(i, other)[k] = float32(random.NormFloat64())
			b.factor(i, removed)[k] *= 1e-4
		}
	}
	// The first 50 images of a are the last of b, backward; the others have other names.
	at := make([]int, 50)
	perm := b.clone()
	for i := range b.images {
		copy(perm.factors[i*6*madeWidth:(i+1)*6*madeWidth], b.factors[(59-i)*6*madeWidth:(60-i)*6*madeWidth])
		perm.names[i] = b.names[59-i]
		if 59-i >= 50 {
			perm.names[i] = "other" + perm.names[i]
		}
	}
	for i := range at {
		at[i] = i
	}
	here := map[string]string{"dense": a.dense(t), "factors": a.factored(t, npy.Float32), "halves": a.factored(t, npy.Float16)}
	there := map[string]string{"dense": perm.dense(t), "factors": perm.factored(t, npy.Float32), "halves": perm.factored(t, npy.Float16)}
	for form := range here {
		tolerance := 2e-5
		if form == "halves" {
			tolerance = 2e-3
		}
		m := compareHeads(t, CompareOptions{Here: here[form], There: there[form]})
		if m.By != report.ByHead || m.Shared != 50 || m.HereHeads != 6 || m.HereAlive != 6 || m.ThereAlive != 5 || m.Chance != nil {
			t.Errorf("%s: %+v", form, m)
		}
		if m.Differ != 4 || m.Same != 1 || len(m.Appeared) != 0 || len(m.Died) != 1 || m.Died[0].HereName != "l1h1" || m.Moved[0].HereName != "l1h0" {
			t.Errorf("%s: %d differ, %d are the same; moved %+v; died %+v", form, m.Differ, m.Same, m.Moved, m.Died)
		}
		total := 0.0
		for _, s := range m.Moved {
			total += s.ShareHere
			near := func(what string, got, want float64) {
				t.Helper()
				if math.Abs(got-want) > tolerance*max(1, math.Abs(want)) {
					t.Errorf("%s: %s: %s is %g, want %g", form, s.HereName, what, got, want)
				}
			}
			if s.Here != s.There || s.HereName != s.ThereName {
				t.Errorf("%s: %+v", form, s)
			}
			near("CKA", s.Similarity, directCKA(a.head(s.Here, at), b.head(s.Here, at)))
			meanA, normA, deviation := statistics(a.head(s.Here, all(60)))
			meanB, normB, _ := statistics(b.head(s.Here, all(60)))
			near("norm here", s.NormHere, normA)
			near("norm there", s.NormThere, normB)
			gap := 0.0
			for o := range meanA {
				gap += (meanB[o] - meanA[o]) * (meanB[o] - meanA[o])
			}
			near("shift", *s.Shift, math.Sqrt(gap)/deviation)
			if s.Here == turned || s.Here == moved || s.Here == grown {
				near("CKA of one that is turned, moved or grown", s.Similarity, 1)
			}
		}
		if total <= 0.3 || total >= 1 {
			t.Errorf("%s: shares sum to %g", form, total)
		}
		m = compareHeads(t, CompareOptions{Here: here[form], There: here[form]})
		if m.Same != 6 || m.Differ != 0 || len(m.Died)+len(m.Appeared) != 0 || m.Shared != 60 {
			t.Errorf("%s with itself: %+v", form, m)
		}
		m = compareHeads(t, CompareOptions{Here: there[form], There: here[form]})
		if len(m.Appeared) != 1 || m.Appeared[0].ThereName != "l1h1" || len(m.Died) != 0 {
			t.Errorf("%s: appeared %+v, died %+v", form, m.Appeared, m.Died)
		}
	}
	if m := compareHeads(t, CompareOptions{Here: here["dense"], There: here["halves"]}); m.Same != 6 {
		t.Errorf("as float16 %d of 6 heads are the same: %+v", m.Same, m.Moved)
	}
}

func all(n int) []int {
	of := make([]int, n)
	for i := range of {
		of[i] = i
	}
	return of
}

// statistics are the mean of rows, the mean of their norms, and the root mean square of their
// distances from the mean.
func statistics(rows [][]float64) (mean []float64, norm, deviation float64) {
	n := float64(len(rows))
	mean = make([]float64, len(rows[0]))
	for _, row := range rows {
		square := 0.0
		for o, x := range row {
			mean[o] += x / n
			square += x * x
		}
		norm += math.Sqrt(square) / n
	}
	for _, row := range rows {
		for o, x := range row {
			deviation += (x - mean[o]) * (x - mean[o]) / n
		}
	}
	return mean, norm, math.Sqrt(deviation)
}

// TestCompareHeadsApart: without enough images that both have, heads of one architecture are
// compared by their means, and others not at all.
func TestCompareHeadsApart(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	a := makeHeads(random, 40, 2, 2, 12)
	b := a.clone()
	for i := range b.images {
		b.names[i] = fmt.Sprintf("later/%s", b.names[i])
		b.factor(i, 1)[0] += 1
		b.factor(i, 2)[3] -= 4
	}
	copy(b.names, a.names[:9])
	m := compareHeads(t, CompareOptions{Here: a.factored(t, npy.Float32), There: b.factored(t, npy.Float32)})
	if m.By != report.ByHeadMeans || m.Shared != 9 || m.Same != 2 || m.Differ != 2 || m.Moved[0].HereName != "l1h0" || m.Moved[1].HereName != "l0h1" {
		t.Errorf("%+v", m)
	}
	for _, s := range m.Moved {
		x, _, deviation := statistics(a.head(s.Here, all(40)))
		y, _, _ := statistics(b.head(s.Here, all(40)))
		xy, xx, yy, gap := 0.0, 0.0, 0.0, 0.0
		for o := range x {
			xy, xx, yy, gap = xy+x[o]*y[o], xx+x[o]*x[o], yy+y[o]*y[o], gap+(x[o]-y[o])*(x[o]-y[o])
		}
		if want := xy / math.Sqrt(xx*yy); math.Abs(s.Similarity-want) > 1e-5 {
			t.Errorf("%s: cosine %g, want %g", s.HereName, s.Similarity, want)
		}
		if want := math.Sqrt(gap) / deviation; math.Abs(*s.Shift-want) > 1e-5*want {
			t.Errorf("%s: shift %g, want %g", s.HereName, *s.Shift, want)
		}
	}
	other := makeHeads(random, 40, 2, 2, 14)
	copy(other.names, b.names[9:])
	_, err := CompareHeads(context.Background(), CompareOptions{Here: a.dense(t), There: other.dense(t)}, pipelinetest.Silent())
	if err == nil || !strings.Contains(err.Error(), "heads of two architectures on 9 images that both have, want 10 or more") {
		t.Errorf("two architectures: %v", err)
	}
}

// TestCompareHeadsPool: heads of an attention pool, which have no layers, are compared with each
// other and with those of a vision transformer.
func TestCompareHeadsPool(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 4))
	a := makeHeads(random, 50, 1, 4, 12)
	pool := a.write(t, a.rows(), npy.Float32, []string{"B", "H", "O"}, []int{4, 12}, nil, origin.Origin{})
	if m := compareHeads(t, CompareOptions{Here: pool, There: pool}); m.Same != 4 || m.By != report.ByHead {
		t.Errorf("%+v", m)
	}
	b := a.clone()
	for i := range b.factors {
		b.factors[i] += float32(0.3 * random.NormFloat64())
	}
	m := compareHeads(t, CompareOptions{Here: pool, There: b.factored(t, npy.Float32)})
	if m.By != report.ByCKA || m.Differ != 4 || m.Moved[0].ThereName != "l0"+m.Moved[0].HereName {
		t.Errorf("%+v", m)
	}
}

// TestCompareHeadsManyImages: what few of many images show counts, though those that the span of a
// head is taken from do not have it; and results are the same by any number of threads.
func TestCompareHeadsManyImages(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	a := makeHeads(random, 600, 1, 2, 12)
	b := a.clone()
	rowsA, rowsB := a.rows(), b.rows()
	sampled := map[int]bool{}
	for k := range sampleImages {
		sampled[k*a.images/sampleImages] = true
	}
	for i := range a.images {
		if i%10 == 3 && !sampled[i] {
			rowsA[i*24+5] += float32(12 * random.NormFloat64())
			rowsB[i*24+5] += float32(12 * random.NormFloat64())
		}
	}
	axes, shape := []string{"B", "L", "H", "O"}, []int{1, 2, 12}
	o := CompareOptions{Here: a.write(t, rowsA, npy.Float32, axes, shape, nil, origin.Origin{}), There: b.write(t, rowsB, npy.Float32, axes, shape, nil, origin.Origin{})}
	m := compareHeads(t, o)
	if m.Differ != 1 || m.Same != 1 || m.Moved[0].Here != 0 {
		t.Fatalf("%+v", m)
	}
	outputs := func(rows []float32) (of [][]float64) {
		for i := range a.images {
			row := make([]float64, 12)
			for k := range row {
				row[k] = float64(rows[i*24+k])
			}
			of = append(of, row)
		}
		return of
	}
	if want := directCKA(outputs(rowsA), outputs(rowsB)); math.Abs(m.Moved[0].Similarity-want) > 1e-5 {
		t.Errorf("CKA %g, want %g", m.Moved[0].Similarity, want)
	}
	o.Match = true
	said := func(threads int) string {
		o.Threads = threads
		found, err := CompareHeads(context.Background(), o, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(found)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if one, five := said(1), said(5); one != five {
		t.Errorf("by one thread %s, by five %s", one, five)
	}
}
