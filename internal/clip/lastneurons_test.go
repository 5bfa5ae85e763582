package clip

import (
	"math"
	"testing"

	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestLastNeurons removes a neuron of the last layer: what it adds by first order is along the
// neuron's one direction in the space of features, half as much at half the factor, and there is
// no second order.
func TestLastNeurons(t *testing.T) {
	ck, err := OpenWith(testutil.GoldenViT("vit_sd32.pt"), Details{Heads: 4, Activation: "gelu"})
	if err != nil {
		t.Fatal(err)
	}
	defer ck.Close()
	const neuron = 5
	v, N, O := ck.Config.ViT, ck.Config.Neurons(), ck.Config.OutDim
	column, err := ck.keep(v.layer(v.Layers-1) + "mlp.c_proj.weight")
	if err != nil {
		t.Fatal(err)
	}
	post, err := ck.affine("visual.ln_post")
	if err != nil {
		t.Fatal(err)
	}
	projection, err := ck.keep("visual.proj")
	if err != nil {
		t.Fatal(err)
	}
	mean := 0.0
	for c := range v.Width {
		mean += float64(column[c*N+neuron]) / float64(v.Width)
	}
	direction := make([]float64, O)
	for c := range v.Width {
		for o := range direction {
			direction[o] += float64(post.gamma[c]) * (float64(column[c*N+neuron]) - mean) * float64(projection[c*O+o])
		}
	}

	pixels, shape, err := npy.ReadFloat32(testutil.GoldenViT("images.npy"))
	if err != nil {
		t.Fatal(err)
	}
	weights, err := ck.LastNeurons()
	if err != nil {
		t.Fatal(err)
	}
	orders := func(factor float64) []float32 {
		factors := make([]float64, N)
		for n := range factors {
			factors[n] = 1
		}
		factors[neuron] = factor
		e, err := weights.Edit(factors, nil)
		if err != nil {
			t.Fatal(err)
		}
		edited, err := e.Edited(ImageOptions{Batch: 3, Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		seen, team := Seen{Images: shape[0], Pixels: pixels}, par.NewTeam(2)
		if err := edited.Features(make([]float32, shape[0]*O), seen, team); err != nil {
			t.Fatal(err)
		}
		first, second := make([]float32, shape[0]*O), make([]float32, shape[0]*O)
		second[0] = 1
		if !edited.Orders(first, second, seen, team) || norm(second) != 0 {
			t.Errorf("second order %v", second)
		}
		return first
	}
	removed, half := orders(0), orders(0.5)
	for b := range shape[0] {
		product := 0.0
		for o, x := range removed[b*O : (b+1)*O] {
			product += float64(x) * direction[o]
		}
		length := norm(removed[b*O : (b+1)*O])
		if cosine := math.Abs(product) / (length * norm(direction)); cosine < 0.9999 {
			t.Errorf("image %d: cosine %g with the neuron's direction", b, cosine)
		}
		if ratio := norm(half[b*O:(b+1)*O]) / length; math.Abs(ratio-0.5) > 1e-3 {
			t.Errorf("image %d: at half the factor %g as much", b, ratio)
		}
	}
}
