package clip

import "testing"

// TestTokenOutputs compares the values of all tokens, and their outputs under
// attention among likes, both projected to [O], with the goldens.
func TestTokenOutputs(t *testing.T) {
	images, shape := golden(t, "dataset_pre4.npy")
	for _, o := range []ImageOptions{{Batch: 1, Threads: 1}, {Batch: 3, Threads: 2}} {
		o.TokenValues, o.SelfSelf = true, true
		tw := tower(t, tiny(t), o)
		n, c := shape[0], tw.Config()
		out := Output{TokenValues: make([]float32, n*c.Tokens()*c.Neurons()), SelfSelf: make([]float32, n*c.Tokens()*c.Neurons())}
		if err := tw.Run(images, out); err != nil {
			t.Fatal(err)
		}
		got := make([]float32, n*c.Tokens()*c.OutDim)
		tw.OV().Outputs(got, out.TokenValues, tw.all)
		closeTo(t, "values", got, "values_only.npy", rounding)
		tw.OV().Outputs(got, out.SelfSelf, tw.all)
		closeTo(t, "self-self", got, "self_self.npy", rounding)
	}
}
