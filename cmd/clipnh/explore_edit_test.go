package main

import (
	"testing"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/audit"
	"github.com/clipnh/clipnh/internal/pipeline/live"
)

// TestEditLine spells the commands of the explorer: of pairs, and of neurons of a vision
// transformer, whose means are collected first.
func TestEditLine(t *testing.T) {
	of := origin.Origin{
		Transformer: &origin.Transformer{Activation: "gelu", Heads: 4, Layers: 5, NeuronLayer: 2},
		Images:      &origin.Images{Dataset: dataset.Images, Stride: 3, EXIF: true},
	}
	neurons := live.EditCommand{Model: "m.pt", Units: []string{"l2n3", "l2n9"}, By: live.ByZero, Neurons: true, Of: of, Data: dataset.Options{Kind: dataset.Images, Path: "my photos"}}
	means := neurons
	means.By = live.ByMean
	labelled := means
	labelled.Of.Images = &origin.Images{Dataset: dataset.ImageNetVal, LabelKey: "species"}
	labelled.Data = dataset.Options{Path: "a.tar"}
	inFolder := labelled
	inFolder.Data = dataset.Options{Kind: dataset.ImageNetVal, Path: "."}
	ofHeads := of
	ofHeads.Transformer = &origin.Transformer{Activation: "gelu", Heads: 4, Layers: 5, NeuronLayer: -1}
	heads := live.EditCommand{Model: "m.pt", Heads: [][]string{{"l3h1"}}, Layered: true, By: live.ByMean, Of: ofHeads, Data: dataset.Options{Kind: dataset.Images, Path: "photos"}}
	both := heads
	both.Heads, both.By = [][]string{{"l3h1"}, {"l2h0", "l2h1"}}, live.ByZero
	pool := live.EditCommand{Model: "m.pt", Heads: [][]string{{"h1", "h3"}}, By: live.ByMean, Of: origin.Origin{Images: &origin.Images{Stride: 1}}, Data: dataset.Options{Kind: dataset.Images, Path: "photos"}}
	const (
		model     = "--model m.pt --vit-heads 4 --activation gelu --neuron-layer 2 "
		headModel = "--model m.pt --vit-heads 4 --activation gelu "
	)
	for want, e := range map[string]live.EditCommand{
		"clipnh edit --model FILE --remove h1n2,h3n4 --scores 'a b' --save-path edited.pt": {Scores: "a b", Units: []string{"h1n2", "h3n4"}, By: live.ByMean},
		"clipnh edit " + model + "--remove l2n3,l2n9 --by zero --save-path edited.pt":      neurons,
		"clipnh collect --mean --mode neuron_acts " + model + "--dataset images --data-path 'my photos' --sample-stride 3 --exif --save-path activations.npy\n" +
			"clipnh edit " + model + "--remove l2n3,l2n9 --means-path activations.npy --save-path edited.pt": means,
		"clipnh collect --mean --mode neuron_acts " + model + "--dataset imagenet_val --data-path a.tar --label-key species --save-path activations.npy\n" +
			"clipnh edit " + model + "--remove l2n3,l2n9 --means-path activations.npy --save-path edited.pt": labelled,
		"clipnh collect --mean --mode neuron_acts " + model + "--dataset imagenet_val --data-path . --save-path activations.npy\n" +
			"clipnh edit " + model + "--remove l2n3,l2n9 --means-path activations.npy --save-path edited.pt": inFolder,
		"clipnh collect --mean " + headModel + "--mode heads --dataset images --data-path photos --sample-stride 3 --exif --save-path means.npy\n" +
			"clipnh edit " + headModel + "--remove l3h1 --means-path means.npy --save-path edited.pt": heads,
		"clipnh edit " + headModel + "--remove l3h1 --by zero --save-path edited-1.pt\n" +
			"clipnh edit --model edited-1.pt --vit-heads 4 --activation gelu --remove l2h0,l2h1 --by zero --save-path edited.pt": both,
		"clipnh collect --mean --model m.pt --dataset images --data-path photos --save-path means\n" +
			"clipnh edit --model m.pt --remove h1,h3 --scores means --save-path edited.pt": pool,
	} {
		if got := editLine(e); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

// TestAuditEditLine spells the commands that audit prints, whose means are of the same images.
func TestAuditEditLine(t *testing.T) {
	for want, data := range map[string]dataset.Options{
		"--dataset images --data-path PATH":                                  {Kind: dataset.Images},
		"--dataset imagenet_val --data-path a.tar --label-key 'the species'": {Kind: dataset.ImageNetVal, Path: "a.tar", LabelKey: "the species"},
	} {
		o := &auditOptions{}
		o.stage.Dir, o.from.Data = "out", data
		got := o.editLines(audit.Removed{List: "out/removed.txt", Neurons: true})
		if len(got) != 2 || got[0] != "clipnh collect --mean --mode neuron_acts --model FILE "+want+" --save-path out/activations.npy" {
			t.Errorf("%q\nwant %s", got, want)
		}
	}
}
