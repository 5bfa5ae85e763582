package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestModelNotes runs commands that open a model with a file of two: each says
// once which counts.
func TestModelNotes(t *testing.T) {
	model, dir := pipelinetest.TwoModels(t), t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	all := []string{"--dataset", "images", "--data-path", testutil.Golden("dataset")}
	images := append(all, "--sample-stride", "8")
	vocab := []string{"--vocab", testutil.Golden("text/toy_merges.txt")}
	for _, test := range [][][]string{
		{{"info"}},
		{{"collect", "--save-path", in("scores")}, images},
		{{"registers", "--diff-save-path", in("sink.npy")}, images},
		{{"embed", "--lines", testutil.Golden("text/words.txt"), "--embeddings-save-path", in("words.npy")}, vocab},
		{{"segment", "--method", "self-self", "--image", testutil.Golden("seg/slide.png"), "--classes", "dog,cat"}, vocab},
		{{"explain", "--classes", "dog,cat"}, images, vocab},
		{{"shift", "--concepts", "yellow", "--scores", in("scores"), "--pcs-path", testutil.Golden("pc0_nh.npy")}, vocab},
		{{"retrieve", "--text", "yellow", "--scores", in("scores"), "--pcs-path", testutil.Golden("pc0_nh.npy"), "--save-dir", in("texts")}, all, vocab},
		{{"retrieve", "--neur-idxs", "3", "--scores", in("scores"), "--save-dir", in("neuron")}, all},
		{{"shift", "--concepts", "yellow", "--pcs-path", testutil.Golden("pc0_nh.npy")}, images, vocab},
		{{"edit", "--remove", "n5", "--by", "zero", "--save-path", in("edited.pt")}},
		{{"edit", "--remove", "n5", "--by", "zero", "--save-path", in("edited.pt")}, images},
		{{"ablate", "--mode", "zero_sink", "--features-save-path", in("ablated.npy")}, images},
		{{"reconstruct", "--pcs-paths", testutil.Golden("pc0_nh.npy"), "--means-path", testutil.Golden("means_nh.npy"), "--features-save-path", in("features.npy")}, images},
		{{"retrieve", "--text", "yellow", "--pcs-path", testutil.Golden("pc0_nh.npy"), "--save-dir", in("model")}, images, vocab},
	} {
		var args []string
		for _, part := range test {
			args = append(args, part...)
		}
		stdout, stderr := must(t, exitDone, append(args, "--model", model)...)
		if strings.Count(stderr, pipelinetest.TwoModelsNote) != 1 {
			t.Errorf("%q:\n%s%s, want the note once", args, stdout, stderr)
		}
	}
}
