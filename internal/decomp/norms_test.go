package decomp_test

import (
	"testing"

	"github.com/clipnh/clipnh/internal/par"
)

func TestNorms(t *testing.T) {
	n, s := goldenPool(t).NewNorms(par.NewTeam(2)), read(t, "s.npy")
	pairs := len(read(t, "poly_nh.npy"))
	got := make([]float32, len(s))
	for i, x := range s {
		got[i] = float32(n.Of(i%pairs, float64(x), 1))
	}
	far(t, "norms", got, read(t, "raw_norms_nh.npy"), rounding)
}
