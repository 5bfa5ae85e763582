package directions

import (
	"math/rand/v2"
	"testing"
)

// TestInertias holds that a unit's inertia is Σ|e - m|² as added up in order, whatever the
// number of units at a time.
func TestInertias(t *testing.T) {
	const B, O, k = 30, 7, 5
	random := rand.New(rand.NewPCG(1, 2))
	embeddings, images := make([]float32, B*O), make([]int32, together*k)
	for i := range embeddings {
		embeddings[i] = float32(random.NormFloat64())
	}
	for i := range images {
		images[i] = int32(random.IntN(B))
	}
	var want [together]float64
	for u := range want {
		var mean [O]float64
		for _, b := range images[u*k : (u+1)*k] {
			for o := range mean {
				mean[o] += float64(embeddings[int(b)*O+o])
			}
		}
		for _, b := range images[u*k : (u+1)*k] {
			for o := range mean {
				d := float64(embeddings[int(b)*O+o]) - mean[o]/k
				want[u] += d * d
			}
		}
	}
	for n := 1; n <= together; n++ {
		got := make([]float64, n)
		inertias(got, embeddings, images[:n*k], make([]float64, together*O))
		for u, x := range got {
			if x != want[u] {
				t.Errorf("%d units: %g of unit %d, want %g", n, x, u, want[u])
			}
		}
	}
}
