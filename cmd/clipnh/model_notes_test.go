package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// silentModels are the commands that take a model and are in no line of TestModelNotes, with
// the reason.
var silentModels = map[string]string{
	"paper":  "its steps say it",
	"verify": "of --repair, which repeats what collect said",
}

// twoGroups is a table of the golden images with labels and groups that say nothing.
func twoGroups(t *testing.T, path string) string {
	t.Helper()
	images, err := os.ReadDir(testutil.Golden("dataset"))
	if err != nil {
		t.Fatal(err)
	}
	rows := []string{"image,label,group"}
	for i, image := range images {
		rows = append(rows, fmt.Sprintf("%s,%s,group%d", image.Name(), []string{"dog", "cat"}[i%2], i/2%2))
	}
	return writeLines(t, path, rows...)
}

// TestModelNotes runs commands that open a model with a file of two: each says
// once which counts.
func TestModelNotes(t *testing.T) {
	model, dir := pipelinetest.TwoModels(t), t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	all := []string{"--dataset", "images", "--data-path", testutil.Golden("dataset")}
	images := append(all, "--sample-stride", "8")
	vocab := []string{"--vocab", testutil.Golden("text/toy_merges.txt")}
	two := []string{"--classes", "dog,cat", "--permutations", "19", "--level", "0.1", "--labels-csv", twoGroups(t, in("labels.csv"))}
	described := []string{"--text-descs-list-path", testutil.Golden("text/words.txt"), "--text-descs-embeddings-path", testutil.Golden("text/words.npy")}
	tests := [][][]string{
		{{"info"}},
		{{"export", "--save-path", in("tower.onnx")}},
		{{"collect", "--save-path", in("scores")}, images},
		{{"registers", "--diff-save-path", in("sink.npy")}, images},
		{{"embed", "--lines", testutil.Golden("text/words.txt"), "--embeddings-save-path", in("words.npy")}, vocab},
		{{"segment", "--method", "self-self", "--image", testutil.Golden("seg/slide.png"), "--classes", "dog,cat"}, vocab},
		{{"explain", "--classes", "dog,cat"}, images, vocab},
		{{"classify", "--classes", "dog,cat"}, images, vocab},
		{{"classify", "--classes", "dog,cat", "--scores", in("scores")}, vocab},
		{{"search", "--text", "dog", "--image", testutil.Golden("seg/slide.png")}, images, vocab},
		{{"search", "--text", "dog", "--image", testutil.Golden("seg/slide.png"), "--scores", in("scores")}, vocab},
		{{"shift", "--concepts", "yellow", "--scores", in("scores"), "--pcs-path", testutil.Golden("pc0_nh.npy")}, vocab},
		{{"retrieve", "--text", "yellow", "--scores", in("scores"), "--pcs-path", testutil.Golden("pc0_nh.npy"), "--save-dir", in("texts")}, all, vocab},
		{{"retrieve", "--neur-idxs", "3", "--scores", in("scores"), "--save-dir", in("neuron")}, all},
		{{"shift", "--concepts", "yellow", "--pcs-path", testutil.Golden("pc0_nh.npy")}, images, vocab},
		{{"edit", "--remove", "n5", "--by", "zero", "--save-path", in("edited.pt")}},
		{{"edit", "--remove", "n5", "--by", "zero", "--save-path", in("edited.pt")}, images},
		{{"ablate", "--mode", "zero_sink", "--features-save-path", in("ablated.npy")}, images},
		{{"reconstruct", "--pcs-paths", testutil.Golden("pc0_nh.npy"), "--means-path", testutil.Golden("means_nh.npy"), "--features-save-path", in("features.npy")}, images},
		{{"retrieve", "--text", "yellow", "--pcs-path", testutil.Golden("pc0_nh.npy"), "--save-dir", in("model")}, images, vocab},
		{{"collect", "--save-path", in("all")}, all},
		{{"audit", "--scores", in("all"), "--out", in("audit")}, two, vocab},
		{{"audit", "--out", in("audited")}, all, two, vocab},
		{{"report", "--scores", in("all"), "--out", in("report")}, all},
		{{"explore", in("report"), "--check"}, vocab},
		{{"describe", "--image", testutil.Golden("seg/slide.png"), "--scores", in("all"), "--pcs-path", testutil.Golden("pc0_nh.npy")}, described},
		{{"mislead", "--from", "dog", "--to", "cat", "--pcs-path", testutil.Golden("pc0_nh.npy")}, described, vocab},
		{{"watch", "--reference", in("all"), "--scores", in("all"), "--concepts", "yellow", "--fdr", "1", "--bootstrap", "0", "--pcs-path", testutil.Golden("pc0_nh.npy")}, vocab},
	}
	for _, cmd := range everyCommand() {
		noted := slices.ContainsFunc(tests, func(test [][]string) bool { return test[0][0] == cmd.Name() })
		if cmd.Flags().Lookup("model") != nil && !noted && silentModels[cmd.Name()] == "" {
			t.Errorf("%s takes a model, and is in no line here", cmd.CommandPath())
		}
	}
	for _, test := range tests {
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
