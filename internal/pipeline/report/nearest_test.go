package report

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/par"
)

// The nearest of rows are those that comparing each with all others finds, equal ones in their
// order, for any number of threads and of blocks.
func TestNearestAreThoseOfAllProducts(t *testing.T) {
	const dims, each = 3, 5
	random := rand.New(rand.NewPCG(1, 2))
	for _, U := range []int{1, 2, 63, 64, 65, 300, 1025} {
		rows := make([]float32, U*dims)
		for i := range rows {
			rows[i] = float32(random.IntN(5) - 2) // many products are equal
		}
		product := func(u, q int) float32 {
			sum := float32(0)
			for d := range dims {
				sum += rows[u*dims+d] * rows[q*dims+d]
			}
			return sum
		}
		one := nearest(rows, dims, each, par.NewTeam(1))
		three := nearest(rows, dims, each, par.NewTeam(3))
		if !slices.Equal(one.units, three.units) || !slices.Equal(one.values, three.values) {
			t.Errorf("%d rows: three threads find others than one", U)
		}
		for u := range U {
			var want []int32
			for q := range U {
				if q != u && product(u, q) > 0 {
					want = append(want, int32(q))
				}
			}
			slices.SortStableFunc(want, func(a, b int32) int { return cmp.Compare(product(u, int(b)), product(u, int(a))) })
			want = want[:min(len(want), each)]
			units, values := one.of(u)
			for i, q := range units {
				if i >= len(want) {
					if q >= 0 {
						t.Fatalf("%d rows: row %d has %d more than there are", U, u, q)
					}
				} else if q != want[i] || values[i] != product(u, int(q)) {
					t.Fatalf("%d rows: nearest %d of row %d is %d with %g, want %d with %g", U, i, u, q, values[i], want[i], product(u, int(want[i])))
				}
			}
		}
	}
}
