package sketch

import (
	"bytes"
	"math"
	"math/big"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/par"
)

// scores are synthetic: every unit has a mean, a spread and a skewness of its own.
func scores(images, units int, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	values := make([]float32, images*units)
	for i := range values {
		u := i % units
		x := r.NormFloat64()
		if u%3 == 0 {
			x = r.ExpFloat64() - 1
		}
		values[i] = float32(math.Ldexp(x+float64(u%5)-1, u%12-8))
	}
	return values
}

func encoded(t testing.TB, s *Set) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestAnyOrder holds that a set has the same bytes for any number of threads, order of the
// images and grouping into sets that are merged.
func TestAnyOrder(t *testing.T) {
	const images, units = 500, 150
	values := scores(images, units, 1)
	whole := New(units)
	whole.Add(values, par.NewTeam(1))
	want := encoded(t, whole)
	r := rand.New(rand.NewPCG(2, 2))
	for round := range 20 {
		order := r.Perm(images)
		parts := make([]*Set, 1+r.IntN(6))
		for i := range parts {
			parts[i] = New(units)
		}
		for _, b := range order {
			parts[r.IntN(len(parts))].Add(values[b*units:(b+1)*units], par.NewTeam(1+round%4))
		}
		for len(parts) > 1 { // any tree of merges
			i, j := r.IntN(len(parts)), r.IntN(len(parts))
			if i == j {
				continue
			}
			parts[i].Merge(parts[j])
			parts = slices.Delete(parts, j, j+1)
		}
		if !bytes.Equal(encoded(t, parts[0]), want) {
			t.Fatalf("round %d: other bytes", round)
		}
	}
}

// TestMoments compares the sums with exact ones of the values.
func TestMoments(t *testing.T) {
	const images, units = 300, 40
	values := scores(images, units, 3)
	s, e := New(units), lowrank.NewExtremes(units, 1)
	s.Add(values, par.NewTeam(2))
	e.Add(values, par.NewTeam(2))
	for u := range units {
		if got, want := s.Sum(u), e.Sum.Of(u); got != want {
			t.Errorf("unit %d: sum %g, want %g, as of lowrank.Sums", u, got, want)
		}
		sum := new(big.Rat)
		for b := range images {
			sum.Add(sum, new(big.Rat).SetFloat64(float64(values[b*units+u])))
		}
		mean := sum.Quo(sum, big.NewRat(images, 1))
		var m2, m3 big.Rat
		for b := range images {
			d := new(big.Rat).SetFloat64(float64(values[b*units+u]))
			d.Sub(d, mean)
			square := new(big.Rat).Mul(d, d)
			m2.Add(&m2, square)
			m3.Add(&m3, square.Mul(square, d))
		}
		mean1, squares, cubes := s.Moments(u)
		for i, got := range []float64{mean1, squares, cubes} {
			want, _ := []*big.Rat{mean, &m2, &m3}[i].Float64()
			// Values are rounded to 2^-52, far below their spread.
			if math.Abs(got-want) > 1e-10*math.Abs(want)+1e-13 {
				t.Errorf("unit %d: moment %d is %g, want %g", u, i+1, got, want)
			}
		}
	}
}

// TestCells holds that a value lies within the ends of its cell, that cells follow one
// another, and that they are no wider than the bound.
func TestCells(t *testing.T) {
	end := -float64(Limit)
	for cell := range Cells {
		lo, hi := edges(cell)
		if lo != end || hi <= lo {
			t.Fatalf("cell %d from %g to %g, after one to %g", cell, lo, hi, end)
		}
		if smaller := min(math.Abs(lo), math.Abs(hi)); cell != nearZero && hi-lo > smaller/CellsPerOctave {
			t.Errorf("cell %d from %g to %g is wider than an eighth", cell, lo, hi)
		}
		end = hi
	}
	if end != Limit {
		t.Errorf("the last cell ends at %g", end)
	}
	r := rand.New(rand.NewPCG(4, 4))
	for range 100_000 {
		x := float32(math.Ldexp(r.NormFloat64(), r.IntN(30)-20))
		if OutOfRange([]float32{x}) >= 0 {
			continue
		}
		cell := cellOf(x)
		lo, hi := edges(cell)
		if v := float64(x); v < lo || v > hi {
			t.Fatalf("%g is in cell %d, from %g to %g", x, cell, lo, hi)
		}
	}
	for _, x := range []float32{0, float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32} {
		if cellOf(x) != nearZero {
			t.Errorf("%g is in cell %d", x, cellOf(x))
		}
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for _, x := range []float32{nan, inf, Limit, -Limit} {
		if OutOfRange([]float32{0, x}) != 1 {
			t.Errorf("%g is not out of range", x)
		}
	}
	largest := math.Nextafter32(Limit, 0)
	s := New(1)
	s.Add([]float32{largest, -largest, largest, largest}, par.NewTeam(1))
	if s.Counts[Cells-1] != 3 || s.Counts[0] != 1 || s.Sum(0) != 2*float64(largest) {
		t.Errorf("of the largest values: sum %g, counts %d and %d", s.Sum(0), s.Counts[0], s.Counts[Cells-1])
	}
}

// TestQuantiles holds the stated bound, and logs what is usual.
func TestQuantiles(t *testing.T) {
	const images, units = 4000, 60
	values := scores(images, units, 5)
	s := New(units)
	s.Add(values, par.NewTeam(2))
	var worst, worstSpread float64
	for u := range units {
		column := make([]float64, images)
		for b := range column {
			column[b] = float64(values[b*units+u])
		}
		slices.Sort(column)
		_, squares, _ := s.Moments(u)
		sd := math.Sqrt(squares / images)
		for _, p := range []float64{0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1} {
			rank := p * (images - 1)
			at := int(rank)
			want := column[at]
			if at+1 < images {
				want += (rank - float64(at)) * (column[at+1] - column[at])
			}
			got := s.Quantile(u, p)
			bound := max(math.Abs(got), math.Abs(want))/CellsPerOctave + 1.0/(1<<13)
			if d := math.Abs(got - want); d > bound {
				t.Errorf("unit %d: quantile %g is %g, want %g to %g", u, p, got, want, bound)
			} else if p > 0 && p < 1 {
				worst, worstSpread = max(worst, d/bound), max(worstSpread, d/sd)
			}
		}
	}
	t.Logf("between 1 and 99 %%: at most %.2f of the bound, and %.3f standard deviations", worst, worstSpread)
	// Means here are up to four deviations from zero, where cells are half a deviation wide.
	if worst > 0.6 || worstSpread > 0.2 {
		t.Errorf("want at most 0.6 of the bound, and 0.2 standard deviations")
	}
}

// TestWithoutImages: nothing is divided by zero.
func TestWithoutImages(t *testing.T) {
	s := New(2)
	mean, squares, cubes := s.Moments(1)
	if mean != 0 || squares != 0 || cubes != 0 || s.Quantile(1, 0.5) != 0 {
		t.Errorf("moments %g %g %g", mean, squares, cubes)
	}
	again, err := Read(bytes.NewReader(encoded(t, s)), 2)
	if err != nil || again.Images != 0 {
		t.Errorf("%+v, %v", again, err)
	}
}

// TestFlat adds a thousand times more images to a set and to extremes, and wants the same
// memory and, but for the digits of larger counts and cells that come to be used, the same
// bytes on disk. BenchmarkFlat goes to ten million.
func TestFlat(t *testing.T) {
	few, many := flat(t, 1_000, 64), flat(t, 1_000_000, 64)
	t.Logf("%d units: %+v and %+v", 64, few, many)
	if many.heap > few.heap+1<<16 {
		t.Errorf("heap %d after 1,000,000 images, %d after 1,000", many.heap, few.heap)
	}
	if bound := int64(64*(8*words+2+Cells*(1+5)) + 24); many.disk > bound {
		t.Errorf("%d bytes on disk, want at most %d", many.disk, bound)
	}
}

type size struct{ heap, disk int64 }

// flat feeds synthetic scores to what collect feeds without rows.
func flat(t testing.TB, images, units int) size {
	t.Helper()
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	const batch = 32
	pool := scores(1024, units, 7) // what images are drawn from, each scaled by a factor of its own
	before := heap()
	s, e := New(units), lowrank.NewExtremes(units, 50)
	row, team := make([]float32, batch*units), par.NewTeam(2)
	r := rand.New(rand.NewPCG(8, 8))
	for done := 0; done < images; done += batch {
		n := min(batch, images-done)
		for b := range n {
			from, factor := pool[r.IntN(1024)*units:], float32(0.5+r.ExpFloat64())
			for u := range units {
				row[b*units+u] = from[u] * factor
			}
		}
		s.Add(row[:n*units], team)
		e.Add(row[:n*units], team)
	}
	after := heap()
	disk := int64(len(encoded(t, s)))
	runtime.KeepAlive(e)
	runtime.KeepAlive(pool)
	if s.Images != images {
		t.Fatalf("%d images", s.Images)
	}
	return size{after - before, disk}
}

// BenchmarkFlat feeds 10,000, 100,000, 1,000,000 and 10,000,000 images to a set and to
// extremes of 512 pairs, and says what they take.
func BenchmarkFlat(b *testing.B) {
	const units = 512
	for _, images := range []int{10_000, 100_000, 1_000_000, 10_000_000} {
		b.Run("images="+big.NewInt(int64(images)).String(), func(b *testing.B) {
			for range b.N {
				got := flat(b, images, units)
				b.ReportMetric(float64(got.heap)/units, "heap-B/pair")
				b.ReportMetric(float64(got.disk)/units, "disk-B/pair")
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(images)/units, "ns/score")
		})
	}
}
