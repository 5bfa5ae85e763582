package decomp_test

import (
	"testing"

	"github.com/clipnh/clipnh/internal/par"
)

// TestParts compares the split by heads and the split by tokens with the
// goldens, and checks that each adds up to the feature.
func TestParts(t *testing.T) {
	p := goldenOV(t)
	s, attention, tokens := read(t, "s.npy"), read(t, "attention_cls.npy"), read(t, "tokens.npy")
	heads, byToken, features := read(t, "heads.npy"), read(t, "cls_spatial_collapsed.npy"), read(t, "features.npy")
	H, C, O := p.Heads, p.Neurons, p.OutDim
	T := len(byToken) / (2 * O)
	for i := range 2 {
		byHead := make([]float32, H*O)
		p.HeadContributions(byHead, s[i*H*C:(i+1)*H*C], par.NewTeam(2))
		far(t, "heads", byHead, heads[i*H*O:(i+1)*H*O], rounding)

		got := make([]float32, T*O)
		p.TokenContributions(got, attention[i*H*T:(i+1)*H*T], tokens[i*T*C:(i+1)*T*C], par.NewTeam(2))
		far(t, "tokens", got, byToken[i*T*O:(i+1)*T*O], rounding)

		for name, parts := range map[string][]float32{"heads": byHead, "tokens": got} {
			total := make([]float32, O)
			for j, x := range parts {
				total[j%O] += x
			}
			far(t, "sum of "+name, total, features[i*O:(i+1)*O], sum)
		}
	}
}
