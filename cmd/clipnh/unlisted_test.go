package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestUnlisted: commands say with their status and in JSON what a listing left out.
func TestUnlisted(t *testing.T) {
	images, dir := pipelinetest.Palettes(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(images, "b\n.jpg"), nil, 0o600); err != nil {
		t.Skip(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	model := []string{"--model", testutil.Golden("model/tiny_jit.pt"), "--dataset", "images"}
	vocab := []string{"--vocab", testutil.Golden("text/toy_merges.txt")}
	for _, args := range [][]string{
		append([]string{"collect", "--save-path", in("scores")}, model...),
		append([]string{"registers", "--diff-save-path", in("sink.npy")}, model...),
		append([]string{"edit", "--remove", "n5", "--by", "zero", "--save-path", in("edited.pt")}, model...),
		append([]string{"ablate", "--mode", "zero_sink", "--features-save-path", in("ablated.npy")}, model...),
		append([]string{"reconstruct", "--pcs-paths", testutil.Golden("pc0_nh.npy"), "--means-path", testutil.Golden("means_nh.npy"), "--features-save-path", in("features.npy")}, model...),
		append([]string{"retrieve", "--neur-idxs", "3", "--save-dir", in("neuron")}, model...),
		append(slices.Concat([]string{"shift", "--concepts", "yellow", "--pcs-path", testutil.Golden("pc0_nh.npy")}, vocab), model...),
		append(slices.Concat([]string{"shift", "--shard", "1/2", "--save-path", in("shift.json"), "--concepts", "yellow", "--pcs-path", testutil.Golden("pc0_nh.npy")}, vocab), model...),
		append(slices.Concat([]string{"explain", "--classes", "dog,cat"}, vocab), model...),
		{"data", "list", "--save-path", in("images.listing")},
		{"data", "subset", "--number", "3", "--save-path", in("subset")},
	} {
		stdout, _ := must(t, exitSkipped, append(args, "--data-path", images, "--json")...)
		var result struct {
			Skipped []struct{ Name, Reason string }
		}
		if err := json.Unmarshal([]byte(stdout), &result); err != nil || len(result.Skipped) != 1 || result.Skipped[0].Name != `"b\n.jpg"` {
			t.Errorf("%q: %+v, %v", args, result, err)
		}
	}
	a, err := cache.Open(in("features.npy"))
	if err != nil || len(a.Manifest.Skipped) > 0 || a.Manifest.Origin.Images.Preprocess != origin.ConvertFirst {
		t.Errorf("features: %+v, %v, want nothing skipped and the order of preprocessing", a, err)
	}
}
