package omp

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/kernel/cpu"
)

// sumTolerance allows for fused products, relative to the sum of sizes.
const sumTolerance = 1e-6

// atLevels runs a test at every level of vector instructions.
func atLevels(t *testing.T, test func(t *testing.T, f panelFuncs)) {
	for _, level := range cpu.Supported() {
		t.Run(fmt.Sprint(level), func(t *testing.T) {
			defer cpu.Force(level)()
			test(t, panels())
		})
	}
}

func TestAccumulate(t *testing.T) {
	const signals, atoms, guard = 5, 7, 3
	atLevels(t, func(t *testing.T, f panelFuncs) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := range 20 {
			// An unaligned start, and guard values around the rows.
			panel := make([]int16, guard+atoms*panelWidth)
			for i := range panel {
				panel[i] = int16(r.IntN(1<<16) - 1<<15)
			}
			panel[guard], panel[guard+1] = math.MinInt16, math.MaxInt16
			got := make([]float32, guard+signals*panelWidth+guard)
			for i := range got {
				got[i] = float32(r.NormFloat64())
			}
			want := slices.Clone(got)
			sizes := make([]float64, len(got))
			pairs := make([]pair, n+pairsAhead) // the pairs after n must not be added
			for i := range pairs {
				pairs[i] = pair{uint32(r.IntN(atoms) * panelBytes), uint32(r.IntN(signals) * sumsBytes), float32(r.NormFloat64() / 32768)}
				if i >= n {
					continue
				}
				for k := range panelWidth {
					at := guard + int(pairs[i].signal)/4 + k
					product := float64(pairs[i].coefficient) * float64(panel[guard+int(pairs[i].atom)/2+k])
					want[at] -= float32(product)
					sizes[at] += math.Abs(product) + math.Abs(float64(want[at]))
				}
			}
			f.accumulate(&got[guard], &panel[guard], &pairs[0], n)
			for i := range got {
				if math.Abs(float64(got[i])-float64(want[i])) > sumTolerance*sizes[i] {
					t.Fatalf("%d pairs: at %d: %g, want %g", n, i-guard, got[i], want[i])
				}
			}
		}
	})
}

func TestHits(t *testing.T) {
	inf := float32(math.Inf(1))
	atLevels(t, func(t *testing.T, f panelFuncs) {
		// A row for each position of the deciding element, of either sign, and a few
		// others. The condition is (|x| + 0.25)·norm >= 1.
		const rows = 2*panelWidth + 6
		norms := make([]float32, 1+panelWidth)
		sums := make([]float32, 1+rows*panelWidth)
		limits := make([]limit, rows)
		for k := range panelWidth {
			norms[1+k] = 1 / float32(int(1)<<(k%4))
		}
		var want []int32
		for i := range rows {
			row := sums[1+i*panelWidth:][:panelWidth]
			limits[i] = limit{margin: 0.25, least: 1}
			for k := range row {
				row[k] = (1/norms[1+k] - 0.375) * float32(1-2*(k%2)) // not enough
			}
			hit := true
			switch {
			case i < panelWidth:
				row[i] = 1/norms[1+i] - 0.25
			case i < 2*panelWidth:
				k := i - panelWidth
				row[k] = 0.25 - 1/norms[1+k]
			case i == 2*panelWidth:
				limits[i].margin = 0.5
			case i == 2*panelWidth+1:
				limits[i].least = 0.5
			case i == 2*panelWidth+2:
				row[7], limits[i].least, hit = 1e30, inf, false
			default:
				hit = false
			}
			if hit {
				want = append(want, int32(i))
			}
		}
		for n := range rows + 1 {
			found := make([]int32, n+1)
			found[n] = -7
			count := f.hits(&found[0], &sums[1], &norms[1], &limits[0], n)
			if found[n] != -7 {
				t.Fatalf("%d rows: wrote past the end of found", n)
			}
			some := want[:0:0]
			for _, i := range want {
				if int(i) < n {
					some = append(some, i)
				}
			}
			if !slices.Equal(found[:count], some) {
				t.Fatalf("%d rows: %v, want %v", n, found[:count], some)
			}
		}
	})
}
