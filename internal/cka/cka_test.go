package cka

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/par"
)

// direct is HSIC_1 of rows x [n,p] and y [n,q] as Song et al. write it, with matrices of n x n
// numbers. It does not centre.
func direct(x, y []float32, n int) float64 {
	gram := func(rows []float32) []float64 {
		k, width := make([]float64, n*n), len(rows)/n
		for i := range n {
			for j := range n {
				if i == j {
					continue
				}
				for c := range width {
					k[i*n+j] += float64(rows[i*width+c]) * float64(rows[j*width+c])
				}
			}
		}
		return k
	}
	K, L := gram(x), gram(y)
	trace, sumK, sumL, rows := 0.0, 0.0, 0.0, 0.0
	for i := range n {
		k, l := 0.0, 0.0
		for j := range n {
			trace += K[i*n+j] * L[j*n+i]
			k, l = k+K[i*n+j], l+L[i*n+j]
		}
		sumK, sumL, rows = sumK+k, sumL+l, rows+k*l
	}
	N := float64(n)
	return (trace + sumK*sumL/((N-1)*(N-2)) - 2*rows/(N-2)) / (N * (N - 3))
}

// outputs are rows [n,width] of parts of some widths, each with a scale of its own.
func outputs(random *rand.Rand, n int, widths []int) []float32 {
	var rows []float32
	for range n {
		for i, w := range widths {
			for range w {
				rows = append(rows, float32(float64(i+1)*random.NormFloat64()+0.5))
			}
		}
	}
	return rows
}

// centred are rows [n,width] less their mean.
func centred(rows []float32, n int) []float32 {
	width := len(rows) / n
	c := slices.Clone(rows)
	for k := range width {
		mean := 0.0
		for b := range n {
			mean += float64(rows[b*width+k])
		}
		mean /= float64(n)
		for b := range n {
			c[b*width+k] = float32(float64(rows[b*width+k]) - mean)
		}
	}
	return c
}

// part is one of the parts of rows.
func part(rows []float32, l Layout, i, n int) (p []float32) {
	start, width := l.Of(i)
	for b := range n {
		p = append(p, rows[b*l.Width()+start:][:width]...)
	}
	return p
}

// TestHSIC compares estimates from products of outputs with those of the definition: of each part
// with that of its number, of some parts with all, of all at once and in blocks, and by any team.
func TestHSIC(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const n = 37
	a, b := NewLayout([]int{3, 1, 8, 5}), NewLayout([]int{2, 9, 4, 0})
	x, y := outputs(random, n, []int{3, 1, 8, 5}), outputs(random, n, []int{2, 9, 4, 0})
	for i := range n { // part 2 of both have something in common
		y[i*b.Width()+11] += 2 * x[i*a.Width()+4]
	}
	cx, cy := centred(x, n), centred(y, n)
	each, some := Each(a, b), All(a, b, 1, 3)
	for _, s := range []*Sums{each, some} {
		for lo := 0; lo < n; lo += 16 {
			k := min(16, n-lo)
			s.Add(cx[lo*a.Width():(lo+k)*a.Width()], cy[lo*b.Width():(lo+k)*b.Width()], k, par.NewTeam(1))
		}
	}
	check := func(what string, s *Sums, i, j int) {
		t.Helper()
		want := direct(part(x, a, i, n), part(y, b, j, n), n)
		scale := math.Sqrt(direct(part(x, a, i, n), part(x, a, i, n), n) * direct(part(y, b, j, n), part(y, b, j, n), n))
		const rounding = 1e-6 // products are added up in float32 within a block
		if got := s.HSIC(i, j); math.Abs(got-want) > rounding*scale {
			t.Errorf("%s: HSIC of %d and %d is %g, want %g", what, i, j, got, want)
		}
	}
	for i := range 4 {
		check("each", each, i, i)
	}
	for i := 1; i < 3; i++ {
		for j := range 4 {
			check("all", some, i, j)
		}
	}
	other := All(a, b, 0, 4) // which is turned to other parts
	other.Add(cx, cy, n, par.NewTeam(2))
	check("all at once", other, 3, 2)
	other.Turn(1, 3)
	for lo := 0; lo < n; lo += 16 {
		k := min(16, n-lo)
		other.Add(cx[lo*a.Width():(lo+k)*a.Width()], cy[lo*b.Width():(lo+k)*b.Width()], k, par.NewTeam(5))
	}
	if got, want := other.HSIC(2, 1), some.HSIC(2, 1); got != want {
		t.Errorf("by a team of five %g, by one %g", got, want)
	}
	if other.HSIC(2, 2) < 0.1*scaleOf(x, a, y, b, n) {
		t.Errorf("parts that have something in common: %g", other.HSIC(2, 2))
	}
}

func scaleOf(x []float32, a Layout, y []float32, b Layout, n int) float64 {
	return math.Sqrt(direct(part(x, a, 2, n), part(x, a, 2, n), n) * direct(part(y, b, 2, n), part(y, b, 2, n), n))
}

// alignment is that of rows x and y of n images.
func alignment(x, y []float32, n int) float64 {
	a, b := NewLayout([]int{len(x) / n}), NewLayout([]int{len(y) / n})
	x, y = centred(x, n), centred(y, n)
	both, own, other := Each(a, b), Each(a, a), Each(b, b)
	both.Add(x, y, n, par.NewTeam(2))
	own.Add(x, x, n, par.NewTeam(2))
	other.Add(y, y, n, par.NewTeam(2))
	return Of(both.HSIC(0, 0), own.HSIC(0, 0), other.HSIC(0, 0))
}

// TestAlignment: of outputs with themselves, and turned, scaled and moved, in a space of more
// dimensions, it is 1; of independent ones of 64 dimensions it is 0 on average, of 30 images too,
// where the biased estimate is above 0.6.
func TestAlignment(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	const n, p = 30, 64
	x := outputs(random, n, []int{p})
	if got := alignment(x, x, n); got != 1 {
		t.Errorf("with itself %v, want 1", got)
	}
	const q = 80
	turn, err := Basis(outputs(random, p, []int{q}), p, q, 1e-6) // orthonormal [p,q]
	if err != nil || len(turn) != p*q {
		t.Fatalf("%d numbers, %v", len(turn), err)
	}
	turned := make([]float32, n*q)
	for b := range n {
		for k := range q {
			sum := 0.0
			for i := range p {
				sum += float64(x[b*p+i]) * turn[i*q+k]
			}
			turned[b*q+k] = float32(3*sum + 7)
		}
	}
	if got := alignment(x, turned, n); math.Abs(got-1) > 1e-6 {
		t.Errorf("turned, scaled and moved %v, want 1", got)
	}
	const draws = 200
	mean, most, biased := 0.0, 0.0, 0.0
	for range draws {
		y := outputs(random, n, []int{p})
		r := alignment(x, y, n)
		mean, most = mean+r/draws, max(most, math.Abs(r))
		cx, cy := centred(x, n), centred(y, n)
		biased += product(cx, cy, n) / math.Sqrt(product(cx, cx, n)*product(cy, cy, n)) / draws
	}
	// The deviation of one is about √2/n = 0.05.
	if math.Abs(mean) > 0.015 || most > 0.3 {
		t.Errorf("of independent outputs %g on average, at most %g, want about 0", mean, most)
	}
	if biased < 0.6 {
		t.Errorf("the biased estimate of them is %g, want it large, or the test says nothing", biased)
	}
}

// product is |XᵀY|² of centred rows.
func product(x, y []float32, n int) float64 {
	p, q, sum := len(x)/n, len(y)/n, 0.0
	for i := range p {
		for j := range q {
			s := 0.0
			for b := range n {
				s += float64(x[b*p+i]) * float64(y[b*q+j])
			}
			sum += s * s
		}
	}
	return sum
}

// TestConstant: parts that do not vary are alike, and unlike those that do.
func TestConstant(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	x, still := outputs(random, 20, []int{4}), make([]float32, 20*3)
	for i := range still {
		still[i] = 2
	}
	if got := alignment(still, still, 20); got != 1 {
		t.Errorf("of two that do not vary %g, want 1", got)
	}
	if got := alignment(x, still, 20); got != 0 {
		t.Errorf("of one that varies and one that does not %g, want 0", got)
	}
}

// TestBasis: coordinates keep the products of rows, there are as many as the rows' rank, and what
// rounding to float16 leaves is not taken for more.
func TestBasis(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	const n, dims, rank = 40, 96, 6
	factors, vectors := outputs(random, n, []int{rank}), outputs(random, rank, []int{dims})
	rows := make([]float32, n*dims)
	for b := range n {
		for i := range rank {
			for o := range dims {
				rows[b*dims+o] += factors[b*rank+i] * vectors[i*dims+o]
			}
		}
	}
	check := func(what string, rows []float32, rounding, tolerance float64) {
		t.Helper()
		basis, err := Basis(rows, n, dims, rounding)
		if err != nil || len(basis) != rank*dims {
			t.Fatalf("%s: rank %d, %v, want %d", what, len(basis)/dims, err, rank)
		}
		at := make([]float64, n*rank)
		for b := range n {
			for k := range rank {
				for o := range dims {
					at[b*rank+k] += float64(rows[b*dims+o]) * basis[k*dims+o]
				}
			}
		}
		for b := range n {
			for c := range n {
				whole, kept, scale := 0.0, 0.0, 0.0
				for o := range dims {
					whole += float64(rows[b*dims+o]) * float64(rows[c*dims+o])
					scale += math.Abs(float64(rows[b*dims+o]) * float64(rows[c*dims+o]))
				}
				for k := range rank {
					kept += at[b*rank+k] * at[c*rank+k]
				}
				if math.Abs(whole-kept) > tolerance*scale {
					t.Fatalf("%s: product of rows %d and %d is %g, want %g", what, b, c, kept, whole)
				}
			}
		}
	}
	check("float32", rows, 1.0/(1<<20), 1e-6)
	for i, x := range rows {
		_, e := math.Frexp(float64(x))
		unit := math.Ldexp(1, e-11)
		rows[i] = float32(math.Round(float64(x)/unit) * unit)
	}
	check("float16", rows, 1.0/(1<<14)*16, 1e-3)
	if basis, err := Basis(make([]float32, 12), 3, 4, 1e-6); err != nil || len(basis) != 0 {
		t.Errorf("of rows of zeros %v, %v", basis, err)
	}
}
