package clip

import (
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// dropRounding is the manifest's tolerance for drops, which are small
// differences of attention.
const dropRounding = 1e-3

// TestSinkDrops compares the drops with the goldens, and with running the pool
// once for every neuron, for any number of threads.
func TestSinkDrops(t *testing.T) {
	images, shape := golden(t, "dataset_pre4.npy")
	var first []float32
	for _, threads := range []int{1, 3} {
		tw := tower(t, tiny(t), ImageOptions{Batch: 4, Threads: threads})
		C, H, T := tw.Config().Neurons(), tw.Config().Heads(), tw.Config().Tokens()
		tokens := make([]float32, shape[0]*T*C)
		if err := tw.Run(images, Output{Tokens: tokens}); err != nil {
			t.Fatal(err)
		}
		probe, got, naive := tw.NewSinkProbe(), make([]float32, shape[0]*C), make([]float32, shape[0]*C)
		for b := range shape[0] {
			x := tokens[b*T*C : (b+1)*T*C]
			probe.Drops(got[b*C:(b+1)*C], x)
			before := lastAttention(tw, x)
			for n := range C {
				zeroed := slices.Clone(x)
				for m := range T {
					zeroed[m*C+n] = tw.Position()[m*C+n]
				}
				after := lastAttention(tw, zeroed)
				for h := range H {
					naive[b*C+n] += (before[h] - after[h]) / float32(H)
				}
			}
		}
		if first == nil {
			first = got
		}
		if !slices.Equal(first, got) {
			t.Errorf("%d threads give other bits", threads)
		}
		closeTo(t, "drops", got, "register_diffs.npy", dropRounding)
		if err := testutil.Far(got, naive, rounding); err != nil {
			t.Errorf("neuron by neuron: %v", err)
		}
	}
}

// lastAttention returns the class token's attention to the last token, [H].
func lastAttention(tw *ResNetTower, tokens []float32) []float32 {
	H, T := tw.Config().Heads(), tw.Config().Tokens()
	attention := make([]float32, H*T)
	if err := tw.Attend(tokens, Output{Attention: attention}); err != nil {
		panic(err)
	}
	var last []float32
	for h := range H {
		last = append(last, attention[(h+1)*T-1])
	}
	return last
}
