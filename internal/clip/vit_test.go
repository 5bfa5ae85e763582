package clip

import (
	"fmt"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/testutil"
)

// vitRounding is what float32 explains of the golden vision transformer's values, whose
// largest are compared: a tower of 5 layers.
const vitRounding = 1e-5

// vitCheckpoints are the golden vision transformer's files: the same values in every
// form.
var vitCheckpoints = []string{"vit_sd32.pt", "vit_sd16.pt", "vit_openclip.pt"}

func openViT(t testing.TB, file, activation string) *Checkpoint {
	t.Helper()
	ck, err := OpenWith(testutil.GoldenViT(file), Details{Heads: 4, Activation: activation})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ck.Close() })
	return ck
}

func goldenViT(t testing.TB, name string) ([]float32, []int) {
	t.Helper()
	data, shape, err := npy.ReadFloat32(testutil.GoldenViT(name))
	if err != nil {
		t.Fatal(err)
	}
	return data, shape
}

// vitOutput has room for everything that a tower of the golden model gives for n images.
func vitOutput(c Config, n, layer int) Output {
	v, T, O := c.ViT, c.Tokens(), c.OutDim
	out := Output{
		Features: make([]float32, n*O), Tokens: make([]float32, n*T*v.Width), Attention: make([]float32, n*v.Layers*v.Heads*T),
		Heads: make([]float32, n*v.Layers*v.Heads*O), MLPs: make([]float32, n*(v.Layers+1)*O), TokenParts: make([]float32, n*v.Layers*T*v.Heads*O),
		ClassParts: make([]float32, n*v.Layers*O),
		Scores:     make([]float32, n*(v.Layers-1-layer)*v.Heads*v.MLP),
		Common:     make([]float32, n*(v.Layers-1-layer)*v.Heads*O),
		Weights:    make([]float32, n*(v.Layers-1-layer)*v.Heads*T), Neurons: make([]float32, n*T*v.MLP), Statistics: make([]float32, 2*n),
		Reads: make([]float32, n*v.Layers*T*v.Width), HeadReads: make([]float32, n*v.Layers*v.Width),
	}
	for range v.Layers {
		out.Blocks = append(out.Blocks, make([]float32, n*T*v.Width))
	}
	return out
}

// everything are the options for all of them.
func everything(batch, threads, layer int) ImageOptions {
	return ImageOptions{
		Batch: batch, Threads: threads, KeepBlocks: true, ClassAttention: true, FirstOrder: true, TokenParts: true, ClassParts: true, Pairs: true, Common: true, PairTokens: true, Reads: true, HeadReads: true, NeuronLayer: layer,
	}
}

// TestViT compares every value of the golden vision transformer in forward order, for both
// activations, each form of checkpoint and each family of kernels.
func TestViT(t *testing.T) {
	const layer = 2
	for _, activation := range Activations() {
		for _, file := range vitCheckpoints {
			for _, level := range cpu.Supported() {
				t.Run(fmt.Sprintf("%s/%s/%v", activation, file, level), func(t *testing.T) {
					defer cpu.Force(level)()
					ck := openViT(t, file, activation)
					tw, err := NewImageTower(ck, everything(4, 2, layer))
					if err != nil {
						t.Fatal(err)
					}
					images, shape := goldenViT(t, "images.npy")
					n, c := shape[0], ck.Config
					out := vitOutput(c, n, layer)
					if err := tw.Run(images, out); err != nil {
						t.Fatal(err)
					}
					compare := func(what string, got []float32) {
						t.Helper()
						want, _ := goldenViT(t, activation+"/"+what+".npy")
						if err := testutil.Far(got, want, vitRounding); err != nil {
							t.Errorf("%s: %v", what, err)
						}
					}
					compare("pre", out.Tokens)
					blocks, each := make([]float32, 0, n*c.ViT.Layers*c.Tokens()*c.ViT.Width), c.Tokens()*c.ViT.Width
					for b := range n {
						for _, block := range out.Blocks {
							blocks = append(blocks, block[b*each:(b+1)*each]...)
						}
					}
					compare("blocks", blocks)
					compare("attention_cls", out.Attention)
					compare("feature", out.Features)
					compare("first_mlps", out.MLPs)
					compare("first_heads", out.Heads)
					compare("first_tokens", out.TokenParts)
					if err := testutil.Far(out.ClassParts, goldenClassParts(t, activation), vitRounding); err != nil {
						t.Errorf("class tokens: %v", err)
					}
					compare("second_scores", out.Scores)
					compare("second_common", commonOf(out.Common, n, c.OutDim))
					published := publishedOf(t, ck, layer, out.Scores, out.Common, n)
					compare("second_published", published)
					compare("first_tokens", partsOf(t, ck, out.Reads, out.Statistics))
					compare("first_tokens", factoredParts(t, ck, out.Reads, out.Statistics, c.Tokens()))
					compare("first_heads", factoredParts(t, ck, out.HeadReads, out.Statistics, 1))
					compare("second_scores", scoresOf(out.Weights, out.Neurons, n, c.Tokens(), c.ViT.MLP))
				})
			}
		}
	}
}

// commonOf are common vectors [n,H,O] summed over heads, [n,O].
func commonOf(common []float32, n, O int) []float32 {
	sums := make([]float32, n*O)
	for i, x := range common {
		sums[i/(len(common)/n)*O+i%O] += x
	}
	return sums
}

// publishedOf are the effects of neurons in the published form, [n,N,O]: scores times
// directions plus the common vectors, summed over heads.
func publishedOf(t testing.TB, ck *Checkpoint, layer int, scores, common []float32, n int) []float32 {
	t.Helper()
	ov, err := ck.PublishedLayerPairs(layer)
	if err != nil {
		t.Fatal(err)
	}
	each, per, O := ov.Heads*ov.Neurons, ov.Neurons*ov.OutDim, ov.OutDim
	effects, shared, directions := make([]float32, n*per), commonOf(common, n, O), ov.AllDirections(par.NewTeam(1))
	for b := range n {
		ov.NeuronContributions(effects[b*per:(b+1)*per], scores[b*each:(b+1)*each], directions, par.NewTeam(1))
	}
	for i := range effects {
		effects[i] += shared[i/per*O+i%O]
	}
	return effects
}

// factoredParts are the parts that reads of places give by way of factors.
func factoredParts(t *testing.T, ck *Checkpoint, reads, statistics []float32, places int) []float32 {
	t.Helper()
	tokens, err := ck.Tokens()
	if err != nil {
		t.Fatal(err)
	}
	v, n := ck.Config.ViT, len(statistics)/2
	f := tokens.Factors(v.Heads, places)
	each, rows := v.Layers*places*v.Width, places*v.Heads // of an image, of a layer
	factors, parts := make([]float32, v.Layers*rows*f.Width), make([]float32, n*v.Layers*rows*f.OutDim)
	for b := range n {
		decomp.FillFactors(factors, reads[b*each:(b+1)*each], statistics[2*b:2*b+2], v.HeadWidth())
		for l := range v.Layers {
			f.Expand(parts[(b*v.Layers+l)*rows*f.OutDim:], factors[l*rows*f.Width:], places, l*v.Heads, v.Heads, par.Team{})
		}
	}
	return parts
}

// goldenClassParts are the goldens' first tokens summed over heads, [B,L,O].
func goldenClassParts(t testing.TB, activation string) []float32 {
	tokens, shape := goldenViT(t, activation+"/first_tokens.npy") // [B,L,T,H,O]
	T, H, O := shape[2], shape[3], shape[4]
	parts := make([]float32, shape[0]*shape[1]*O)
	for i := range parts {
		for h := range H {
			parts[i] += tokens[(i/O*T*H+h)*O+i%O]
		}
	}
	return parts
}

// scoresOf are the scores that weights [n,H,T] of heads make of neurons [n,T,N].
func scoresOf(weights, neurons []float32, n, T, N int) []float32 {
	H := len(weights) / (n * T)
	scores := make([]float32, n*H*N)
	for b := range n {
		for i, w := range weights[b*H*T : (b+1)*H*T] {
			for j, p := range neurons[(b*T+i%T)*N:][:N] {
				scores[(b*H+i/T)*N+j] += w * p
			}
		}
	}
	return scores
}

// partsOf are what tokens add by each head [n,L,T,H,O], of what the heads read of them.
func partsOf(t testing.TB, ck *Checkpoint, reads, statistics []float32) []float32 {
	t.Helper()
	tokens, err := ck.Tokens()
	if err != nil {
		t.Fatal(err)
	}
	v, T, O := ck.Config.ViT, ck.Config.Tokens(), ck.Config.OutDim
	n, D := len(statistics)/2, v.HeadWidth()
	var parts []float32
	for at := range n * v.Layers * T * v.Heads { // image, layer, token, head
		h, l, image := at%v.Heads, at/(v.Heads*T)%v.Layers, at/(v.Heads*T*v.Layers)
		mean, inverse := float64(statistics[2*image]), float64(statistics[2*image+1])
		for o := range O {
			part := 0.0
			for d, x := range reads[at*D : (at+1)*D] {
				part += float64(x) * float64(tokens.Out[(l*v.Width+h*D+d)*O+o])
			}
			shares := float64(v.Heads * T)
			part += float64(tokens.OutBias[l*O+o])/shares - mean*float64(tokens.Mean[o])/float64(2*v.Layers+1)/shares
			parts = append(parts, float32(part*inverse+float64(tokens.Shift[o])/float64(2*v.Layers+1)/shares))
		}
	}
	return parts
}

// TestViTParts holds that the parts of the first order sum to the feature, and tokens to
// heads.
func TestViTParts(t *testing.T) {
	ck := openViT(t, "vit_sd32.pt", GELU)
	tw, err := NewImageTower(ck, everything(8, 1, 0))
	if err != nil {
		t.Fatal(err)
	}
	images, shape := goldenViT(t, "images.npy")
	n, c := shape[0], ck.Config
	O := c.OutDim
	out := vitOutput(c, n, 0)
	if err := tw.Run(images, out); err != nil {
		t.Fatal(err)
	}
	sum, heads := make([]float32, n*O), make([]float32, len(out.Heads))
	for i, x := range out.Heads {
		sum[i/(len(out.Heads)/n)*O+i%O] += x
	}
	for i, x := range out.MLPs {
		sum[i/(len(out.MLPs)/n)*O+i%O] += x
	}
	if err := testutil.Far(sum, out.Features, vitRounding); err != nil {
		t.Errorf("heads and MLPs: %v", err)
	}
	per := c.ViT.Heads * O
	for i, x := range out.TokenParts { // [B·L,T,H·O]
		heads[i/(c.Tokens()*per)*per+i%per] += x
	}
	if err := testutil.Far(heads, out.Heads, vitRounding); err != nil {
		t.Errorf("tokens: %v", err)
	}
}

// TestViTSameBytes holds that an image's values depend neither on the threads nor on the
// images beside it, nor on what else is computed.
func TestViTSameBytes(t *testing.T) {
	ck := openViT(t, "vit_sd32.pt", QuickGELU)
	images, shape := goldenViT(t, "images.npy")
	n := shape[0]
	var want Output
	for i, o := range []ImageOptions{everything(8, 1, 1), everything(8, 3, 1), everything(3, 2, 1), everything(1, 4, 1)} {
		tw, err := NewViTTower(ck, o)
		if err != nil {
			t.Fatal(err)
		}
		out := vitOutput(ck.Config, n, 1)
		if err := tw.Run(images, out); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			want = out
			continue
		}
		for _, pair := range [][2][]float32{
			{out.Features, want.Features}, {out.Scores, want.Scores}, {out.Attention, want.Attention}, {out.Heads, want.Heads},
			{out.MLPs, want.MLPs}, {out.TokenParts, want.TokenParts}, {out.ClassParts, want.ClassParts}, {out.Blocks[4], want.Blocks[4]},
			{out.Weights, want.Weights}, {out.Neurons, want.Neurons}, {out.Statistics, want.Statistics}, {out.Reads, want.Reads}, {out.HeadReads, want.HeadReads}, {out.Common, want.Common},
		} {
			if !slices.Equal(pair[0], pair[1]) {
				t.Errorf("%d images on %d threads: other bytes", o.Batch, o.Threads)
			}
		}
	}
	tw, err := NewViTTower(ck, ImageOptions{Batch: 2, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	features := make([]float32, len(want.Features))
	if err := tw.Run(images, Output{Features: features}); err != nil || !slices.Equal(features, want.Features) {
		t.Errorf("features alone: other bytes, %v", err)
	}
}

// TestLayerPairs compares the directions of pairs with the goldens, and scores times
// directions with what the neurons add to the feature.
func TestLayerPairs(t *testing.T) {
	const layer = 2
	for _, activation := range Activations() {
		ck := openViT(t, "vit_sd16.pt", activation)
		ov, err := ck.LayerPairs(layer)
		if err != nil {
			t.Fatal(err)
		}
		directions := ov.AllDirections(par.NewTeam(1))
		want, shape := goldenViT(t, activation+"/second_directions.npy")
		if err := testutil.Far(directions, want, vitRounding); err != nil {
			t.Errorf("directions: %v", err)
		}
		if H, N := shape[0]*shape[1], shape[2]; ov.Heads != H || ov.Neurons != N || ov.OutDim != shape[3] {
			t.Errorf("a pool of %d heads, %d neurons and %d dimensions, want %d", ov.Heads, ov.Neurons, ov.OutDim, shape)
		}
		scores, _ := goldenViT(t, activation+"/second_scores.npy")
		own, shape := goldenViT(t, activation+"/second_own.npy")
		got := make([]float32, len(own))
		each, per := len(scores)/shape[0], shape[1]*shape[2]
		for b := range shape[0] {
			ov.NeuronContributions(got[b*per:(b+1)*per], scores[b*each:(b+1)*each], directions, par.NewTeam(1))
		}
		if err := testutil.Far(got, own, vitRounding); err != nil {
			t.Errorf("contributions: %v", err)
		}
		sum := make([]float32, shape[0]*shape[2])
		for i, x := range own {
			sum[i/per*shape[2]+i%shape[2]] += x
		}
		features := make([]float32, len(sum))
		ov.Features(features, make([]float32, shape[0]*ov.Inner()), scores, shape[0], par.NewTeam(1))
		if err := testutil.Far(features, sum, vitRounding); err != nil {
			t.Errorf("sum of all pairs: %v", err)
		}
	}
	if err := (ViT{Layers: 1}).checkNeuronLayer(0); testutil.Line(err, "of one layer, which has no pairs") != nil {
		t.Errorf("one layer: %v", err)
	}
	if _, err := (layered{sizes: ViT{Layers: 1}}).pairs(nil); testutil.Line(err, "of one layer, which has no pairs") != nil {
		t.Errorf("no layer of one: %v", err)
	}
	if _, err := openViT(t, "vit_sd16.pt", GELU).LayerPairs(4); testutil.Line(err, "{neuron-layer} 4: want a layer before the last of 5, 0 to 3") != nil {
		t.Errorf("pairs of the last layer: %v", err)
	}
}

// TestPublishedLayerPairs compares the directions of the published form with the goldens, and
// holds of the goldens that scores times directions plus the common vector are the published
// effects.
func TestPublishedLayerPairs(t *testing.T) {
	const layer = 2
	for _, activation := range Activations() {
		for _, file := range vitCheckpoints {
			ck := openViT(t, file, activation)
			ov, err := ck.PublishedLayerPairs(layer)
			if err != nil {
				t.Fatal(err)
			}
			want, shape := goldenViT(t, activation+"/second_directions_published.npy")
			if err := testutil.Far(ov.AllDirections(par.NewTeam(1)), want, vitRounding); err != nil {
				t.Errorf("%s, %s: directions: %v", activation, file, err)
			}
			if H, N := shape[0]*shape[1], shape[2]; ov.Heads != H || ov.Neurons != N || ov.OutDim != shape[3] || slices.Max(ov.Bias) != 0 || slices.Min(ov.Bias) != 0 {
				t.Errorf("%s: a pool of %d heads, %d neurons and %d dimensions, want %d without bias", file, ov.Heads, ov.Neurons, ov.OutDim, shape)
			}
			scores, _ := goldenViT(t, activation+"/second_scores.npy")
			common, shape := goldenViT(t, activation+"/second_common.npy") // summed over heads
			published, _ := goldenViT(t, activation+"/second_published.npy")
			if err := testutil.Far(publishedOf(t, ck, layer, scores, common, shape[0]), published, vitRounding); err != nil {
				t.Errorf("%s, %s: scores times directions plus the common vector: %v", activation, file, err)
			}
			own, _ := goldenViT(t, activation+"/second_own.npy")
			if testutil.Far(own, published, 1e-2) == nil {
				t.Errorf("%s: both forms are the same", activation)
			}
		}
	}
	if _, err := openViT(t, "vit_sd16.pt", GELU).PublishedLayerPairs(4); testutil.Line(err, "{neuron-layer} 4: want a layer before the last of 5, 0 to 3") != nil {
		t.Errorf("pairs of the last layer: %v", err)
	}
}
