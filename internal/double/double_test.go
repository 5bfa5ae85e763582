package double

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/clipnh/clipnh/internal/kernel/cpu"
)

// random returns n numbers of several sizes.
func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64() * math.Exp2(float64(r.IntN(20)-10)))
	}
	return x
}

func doubles(r *rand.Rand, n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = r.NormFloat64()
	}
	return x
}

// results are what all functions make of a row of n numbers.
func results(n int) []float64 {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	x, p, q := random(r, n+1)[1:], doubles(r, n), doubles(r, n)
	var all []float64
	if n > 0 {
		sum, low, high := Sum(x)
		all = append(all, sum, float64(low), float64(high))
	}
	all = append(all, Squares(x, 0.3), Dot(x, p))
	Add(q, x)
	all = append(all, q...)
	const guard = -12345
	dst := make([]float32, n+8)
	for _, write := range []func(){
		func() { Norms(dst[:n], x, 1.7, -0.4, 0.02) }, func() { Norms(dst[:n], x, 1, 1, 0.5) }, func() { Distances(dst[:n], x, 0.1) },
	} {
		for i := range dst {
			dst[i] = guard
		}
		write()
		for _, v := range dst {
			all = append(all, float64(v))
		}
	}
	bins := make([]uint16, n+8)
	Bins(bins[:n], x, -6e3, 5)
	for _, b := range bins {
		all = append(all, float64(b))
	}
	return all
}

// All functions return the same bits in plain Go and in assembly, at every length.
func TestLevelsAgree(t *testing.T) {
	for n := range 70 {
		restore := cpu.Force(cpu.Generic)
		want := results(n)
		restore()
		for i, got := range results(n) {
			if math.Float64bits(got) != math.Float64bits(want[i]) {
				t.Fatalf("%d numbers: result %d is %g, want %g as in plain Go", n, i, got, want[i])
			}
		}
	}
}

// Sums are those of the definition, and what lies behind results is not written to.
func TestDefinitions(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 3))
	x, p := random(r, 61), doubles(r, 61)
	sum, squares, product := 0.0, 0.0, 0.0
	low, high := x[0], x[0]
	norms, far, sums := make([]float32, 61), make([]float32, 61), make([]float64, 61)
	Norms(norms, x, 2, 0.5, 3)
	Distances(far, x, 1)
	Add(sums, x)
	Add(sums, x)
	for i, v := range x {
		f := float64(v)
		sum, squares, product = sum+f, squares+(f-0.5)*(f-0.5), product+f*p[i]
		low, high = min(low, v), max(high, v)
		if want := math.Sqrt(2*f*f + f + 3); math.Abs(float64(norms[i])-want) > 1e-6*want {
			t.Errorf("norm of %g is %g, want %g", f, norms[i], want)
		}
		if far[i] != float32(math.Abs(f-1)) || sums[i] != 2*f {
			t.Errorf("%g: distance %g, sum %g", f, far[i], sums[i])
		}
	}
	close := func(what string, got, want float64) {
		if math.Abs(got-want) > 1e-12*(math.Abs(want)+squares) {
			t.Errorf("%s is %g, want %g", what, got, want)
		}
	}
	gotSum, gotLow, gotHigh := Sum(x)
	close("sum", gotSum, sum)
	close("sum of squares", Squares(x, 0.5), squares)
	close("product", Dot(x, p), product)
	if gotLow != low || gotHigh != high {
		t.Errorf("from %g to %g, want %g to %g", gotLow, gotHigh, low, high)
	}
	bins := make([]uint16, 4)
	if Bins(bins, []float32{1, 1.4, 1.6, 3}, 1, 2); bins[0] != 0 || bins[1] != 0 || bins[2] != 1 || bins[3] != 4 {
		t.Errorf("bins %d", bins)
	}
}

func TestOutside(t *testing.T) {
	for _, level := range cpu.Supported() {
		restore := cpu.Force(level)
		for n := range 40 {
			x, means, scales := make([]float32, n), make([]float64, n), make([]float64, n)
			for i := range x {
				x[i], means[i], scales[i] = float32(i)+0.5, float64(i), 2
			}
			if got := Outside(x, means, scales, -1, 1); got != n { // the bounds themselves are inside
				t.Errorf("%s: %d numbers: %d is outside", level, n, got)
			}
			for at := range n {
				for _, by := range []float32{1, -2} {
					x[at] += by
					if got := Outside(x, means, scales, -1, 1); got != at {
						t.Errorf("%s: %d numbers: first outside is %d, want %d", level, n, got, at)
					}
					x[at] -= by
				}
			}
		}
		restore()
	}
}

// Forms are those of the definition, with the same bits in plain Go and in assembly.
func TestForms(t *testing.T) {
	for heads := 1; heads < 9; heads++ {
		r := rand.New(rand.NewPCG(uint64(heads), 5))
		x, gram, weights := doubles(r, heads*Images), doubles(r, heads*heads), doubles(r, heads)
		for h := range heads {
			for g := range h {
				gram[g*heads+h] = gram[h*heads+g]
			}
		}
		var first [2][Images]float64
		for _, level := range cpu.Supported() {
			restore := cpu.Force(level)
			var forms, sums [Images]float64
			Forms(&forms, x, gram, heads)
			Combine(&sums, x, weights)
			restore()
			if level == cpu.Generic {
				first = [2][Images]float64{forms, sums}
			}
			if forms != first[0] || sums != first[1] {
				t.Errorf("%s: %d heads: other bits than in plain Go", level, heads)
			}
		}
		for i := range Images {
			form, sum := 0.0, 0.0
			for h := range heads {
				sum += weights[h] * x[h*Images+i]
				for g := range heads {
					form += x[h*Images+i] * x[g*Images+i] * gram[h*heads+g]
				}
			}
			if math.Abs(first[0][i]-form) > 1e-12*float64(heads*heads) || math.Abs(first[1][i]-sum) > 1e-12*float64(heads) {
				t.Errorf("%d heads: image %d has form %g and sum %g, want %g and %g", heads, i, first[0][i], first[1][i], form, sum)
			}
		}
	}
}

func BenchmarkDouble(b *testing.B) {
	const n = 50000
	r := rand.New(rand.NewPCG(1, 1))
	x, dst, bins, sums := random(r, n), make([]float32, n), make([]uint16, n), make([]float64, n)
	for name, do := range map[string]func(){
		"Sum": func() { Sum(x) }, "Squares": func() { Squares(x, 1) }, "Norms": func() { Norms(dst, x, 1, 2, 3) },
		"Distances": func() { Distances(dst, x, 1) }, "Bins": func() { Bins(bins, x, -6000, 5) }, "Add": func() { Add(sums, x) },
		"Outside": func() { Outside(x, sums, sums, math.Inf(-1), math.Inf(1)) }, "Dot": func() { Dot(x, sums) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(4 * n)
			for b.Loop() {
				do()
			}
		})
	}
	for _, heads := range []int{32, 48} {
		x, gram := doubles(r, heads*Images), doubles(r, heads*heads)
		b.Run(fmt.Sprintf("Forms/H=%d", heads), func(b *testing.B) {
			var dst [Images]float64
			for b.Loop() {
				Forms(&dst, x, gram, heads)
			}
		})
	}
}
