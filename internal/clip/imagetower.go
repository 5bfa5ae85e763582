package clip

import (
	"errors"
	"fmt"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/par"
)

// ImageTower turns images into features and into what they are made of. It is a
// *ResNetTower or a *ViTTower. It is not safe for concurrent use: it spreads each call
// over its threads itself.
type ImageTower interface {
	// Config returns the sizes of the model.
	Config() Config
	// ImageLen is the number of floats of one normalised image.
	ImageLen() int
	// ScoresLen is the number of scores of one image; 0 where its options ask for none.
	ScoresLen() int
	// Run sends images [B,3,S,S] through the tower and fills out. Any B is allowed. The
	// results for an image depend neither on the other images of the call nor on the
	// number of threads.
	Run(images []float32, out Output) error
	// Graph lists the values of the tower's graph in the order in which they are
	// computed.
	Graph() []GraphNode
	// Plan lists the layers that take time, in forward order.
	Plan() []PlannedLayer
}

// PlannedLayer says how a layer of the image tower is computed.
type PlannedLayer struct {
	Name      string  `json:"name"`
	Kernel    string  `json:"kernel"` // such as "3x3 stride 2"
	In        int     `json:"in"`     // channels, those of the shortcut included
	Out       int     `json:"out"`
	Side      int     `json:"side"` // height and width of the output
	Algorithm string  `json:"algorithm"`
	GFLOP     float64 `json:"gflop"`        // of a direct computation for one image; a multiply-add counts as two
	Bytes     int64   `json:"weight_bytes"` // as packed
}

// ImageOptions says how an ImageTower will be used.
type ImageOptions struct {
	// Batch is the number of images in most calls of Run. It bounds the memory.
	// Algorithms are chosen for a batch of 1 or for larger ones, so features of
	// one image and of a batch may differ in rounding.
	Batch int
	// Threads share the work; at least one.
	Threads int
	// Precision is that of the products: kernel.Float32, or kernel.BFloat16 where
	// kernel.HasBFloat16 says so, which is faster; features are then off by some percent
	// of the largest.
	Precision kernel.Precision
	// KeepBlocks keeps the map of every block of the last stage, or of every layer of a
	// vision transformer, for Output.Blocks.
	KeepBlocks bool
	// Unfed is a tower that no images are prepared for: how they are need not be known.
	Unfed bool

	// Of a ResNet:

	// Lenses are blocks of the last stage, by index, whose maps the attention
	// pool is run on as well, for Output.Lenses.
	Lenses []int
	// AllAttention computes the attention rows of all tokens, for
	// Output.AllAttention.
	AllAttention bool
	// TokenValues and SelfSelf compute the fields of Output of the same names.
	TokenValues, SelfSelf bool

	// Of a vision transformer:

	// Pairs scores the neurons of layer NeuronLayer through the heads of the layers
	// after it, for Output.Scores.
	Pairs       bool
	NeuronLayer int
	// MoreLayers are other layers whose neurons are scored in the same pass, ascending and all
	// after NeuronLayer: their scores follow its own in Output.Scores. It excludes PairTokens.
	MoreLayers []int
	// PairTokens computes Output.Weights, Neurons and Statistics, which those scores are made
	// of.
	PairTokens bool
	// Common computes Output.Common, of the neurons whose pairs are scored.
	Common bool
	// ClassAttention computes Output.Attention.
	ClassAttention bool
	// FirstOrder computes Output.Heads and Output.MLPs; TokenParts, ClassParts, Reads and
	// HeadReads the fields of Output of the same names, the last two with Statistics.
	FirstOrder, TokenParts, ClassParts, Reads, HeadReads bool
}

// Output receives the results of a run. What is nil is left out.
type Output struct {
	Features []float32 // [B,O], not normalised
	// Scores of a ResNet are [B,H,C], s[h,n] = Σ_t a[h,t]·x[t,n]. Those of a vision
	// transformer are [B,P·H,C] of the P layers after ImageOptions.NeuronLayer,
	//
	//	s[l,h,n] = (Σ_t a[l,h,0,t]·p[t,n]/sd1[l,t]) / sd_post
	//
	// with p the neurons' activations, sd1 the deviations that layer l's first norm
	// divides by, and sd_post that of the class token in the last norm. Those of
	// ImageOptions.MoreLayers come behind them in each image's row.
	Scores []float32
	// Attention is the class token's, rows summing to 1: [B,H,T], or [B,L,H,T] of a
	// vision transformer, with ImageOptions.ClassAttention.
	Attention []float32
	// Tokens are what enters the attention pool or the first layer: [B,T,C] with position
	// embedding, or [B,T,W] after the first norm of a vision transformer.
	Tokens []float32
	// Blocks has one [B,T-1,C] per block of the last stage, location-major, or one [B,T,W]
	// per layer of a vision transformer; it needs KeepBlocks. Those that are nil are left
	// out.
	Blocks [][]float32

	// Of a ResNet:

	// Lenses has the Features, Scores, Attention and Tokens of the pool on each
	// map of ImageOptions.Lenses, in their order.
	Lenses []Output
	// AllAttention is the attention of every token, [B,H,T,T]; row 0 is
	// Attention up to rounding. It needs ImageOptions.AllAttention.
	AllAttention []float32
	// TokenValues has the value of every token, W_V x[t] + B_V with channels
	// h*D+d, [B,T,C]; it needs ImageOptions.TokenValues.
	TokenValues []float32
	// SelfSelf has the heads' outputs of every token, [B,T,C], were queries to
	// attend to queries and keys to keys,
	//
	//	y[t,h] = Σ_u (softmax_u(q[t]·q[u]/√D) + softmax_u(k[t]·k[u]/√D)) · value[u,h]
	//
	// so that attention sums to two; it needs ImageOptions.SelfSelf.
	SelfSelf []float32

	// Of a vision transformer:

	// Heads [B,L,H,O] and MLPs [B,L+1,O] are what each head and each MLP adds to the
	// feature; the first of the MLPs is the class token that enters the first layer.
	// Together they sum to the feature. They need ImageOptions.FirstOrder.
	Heads, MLPs []float32
	// TokenParts are what each head adds by each token that it reads, [B,L,T,H,O].
	TokenParts []float32
	// ClassParts are what the heads of each layer add together by the class token that they
	// read, [B,L,O]: the sum over heads of TokenParts' first token.
	ClassParts []float32
	// Weights [B,P·H,T] and Neurons [B,T,N] are what the scores of pairs are made of,
	//
	//	s[l,h,n] = Σ_t weight[l,h,t]·p[t,n]     weight[l,h,t] = a[l,h,0,t]/(sd1[l,t]·sd_post)
	//
	// as attention and tokens are in an attention pool. They need ImageOptions.PairTokens.
	Weights, Neurons []float32
	// Reads are what each head reads of each token, a[l,h,0,t]·(W_V^h y[t] + B_V^h) with
	// channels h*D+d, [B,L,T,W]; see decomp.Tokens. They need ImageOptions.Reads.
	Reads []float32
	// Common are the vectors, one for each head that Scores have, that the published form adds
	// to what every neuron adds through it, [B,P·H,O]; see PublishedLayerPairs. They need
	// ImageOptions.Common.
	Common []float32
	// HeadReads are the sums of Reads over tokens, [B,L,W]. They need ImageOptions.HeadReads.
	HeadReads []float32
	// Statistics are the mean of the class token in the last norm and 1/sd_post, [B,2]. They
	// need ImageOptions.PairTokens, Reads or HeadReads.
	Statistics []float32
}

// neuronLayers are the layers whose neurons are scored.
func (o ImageOptions) neuronLayers() []int {
	if !o.Pairs {
		return nil
	}
	return append([]int{o.NeuronLayer}, o.MoreLayers...)
}

// ScoresLen is how many scores of an image a tower of these sizes computes.
func (o ImageOptions) ScoresLen(c Config) int {
	layers, heads := c.Layered()
	if layers == 0 {
		return c.Heads() * c.Neurons()
	}
	n := 0
	for _, layer := range o.neuronLayers() {
		n += (layers - 1 - layer) * heads * c.Neurons()
	}
	return n
}

// check returns an error of options that no tower on this machine can have.
func (o ImageOptions) check() error {
	if o.Batch < 1 || o.Threads < 1 {
		return errors.New("image tower: batch and threads must be at least 1")
	}
	if o.Precision == kernel.BFloat16 && !kernel.HasBFloat16() {
		return fmt.Errorf("image tower: this processor has no bfloat16 products (AVX512-BF16, or BF16 on arm64), or %s holds it back", cpu.Variable)
	}
	return nil
}

// lanesOf makes the lanes that share a tower's batches, each with memory for its part.
func lanesOf[L any](o ImageOptions, newLane func(capacity int) (L, error)) ([]L, error) {
	threads := min(o.Threads, o.Batch)
	var lanes []L
	for range threads {
		l, err := newLane((o.Batch + threads - 1) / threads)
		if err != nil {
			return nil, err
		}
		lanes = append(lanes, l)
	}
	return lanes, nil
}

// share cuts n images into a range for each lane and runs work on all of them;
// a lane that works alone has all threads.
func share[L any](lanes []L, all par.Team, n int, work func(l L, lo, hi int, team par.Team) error) error {
	if n < len(lanes) || len(lanes) == 1 {
		return work(lanes[0], 0, n, all)
	}
	errs := make([]error, len(lanes))
	var running par.Group
	for w, l := range lanes {
		running.Go(func() {
			errs[w] = work(l, n*w/len(lanes), n*(w+1)/len(lanes), par.NewTeam(1))
		})
	}
	running.Wait()
	return errors.Join(errs...)
}
