package main

import (
	"testing"

	"github.com/clipnh/clipnh/internal/asset"
)

// TestAdviseName says what names of models mean as their publishers spell them, and which are not
// fetched.
func TestAdviseName(t *testing.T) {
	store, err := asset.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const unknown = "clipnh does not know the hash of this model, and does not fetch it: give the path of its file"
	for name, want := range map[string]string{
		"ViT-B/32": didYouMean([]string{"ViT-B-32"}), "vit-l/14@336px": didYouMean([]string{"ViT-L-14-336"}), "ViT-L-14@336px": didYouMean([]string{"ViT-L-14-336"}),
		"ViT-H-14": unknown, "ViT-H/14": unknown, "ViT-bigG-14-laion2b_s39b_b160k": unknown, "ViT-B-32-laion2B-s34B-b79K": unknown, "something": "",
	} {
		if got := adviseName(store, "", name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]bool{"ViT-B/32": true, "ViT-L/14@336px": true, "photos/ViT": false, "ViT-B-32/model.pt": false, "./ViT-B-32": false} {
		if theirName.MatchString(name) != want {
			t.Errorf("%s: taken for a model's name: %v", name, !want)
		}
	}
}

// TestAsNamed has examples as units are named.
func TestAsNamed(t *testing.T) {
	const pairs = "units, such as h21n624,h3n7 or n624"
	for name, want := range map[string]string{"h2": pairs, "l2h0": "units, such as l10h3n624,l11h3n7 or l9n624", "L2": "units, such as l10h3n624,l11h3n7 or l9n624"} {
		if got := asNamed(name, pairs); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if _, err := parseNeurons("l1n5"); err == nil || err.Error() != `--neur-idxs l1n5: "l1n5", want the number alone, 5; the layer is that of --neuron-layer` {
		t.Error(err)
	}
}
