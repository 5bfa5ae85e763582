package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
)

// TestAuditNamesImages: the command that audit prints has the path of the images where it is given,
// where shards say what they were made of, or where the project file has it; and what the
// collection says of the images.
func TestAuditNamesImages(t *testing.T) {
	dir := t.TempDir()
	scores := filepath.Join(dir, "both", "layer2")
	g := &globalOptions{presets: []*preset{{flag: "data-path", values: []string{"photos"}, dir: "up", unused: "scores are given"}}}
	var o auditOptions
	of := origin.Origin{Images: &origin.Images{Dataset: "imagenet_val", Stride: 3, LabelKey: "kind"}}
	line := func() string { return strings.Join(o.imageFlagsOf(of), " ") }
	has := func(path string) {
		t.Helper()
		if want := "--dataset imagenet_val --data-path " + path + " --label-key kind --sample-stride 3"; line() != want {
			t.Errorf("%q, want %q", line(), want)
		}
	}
	has("PATH")
	o.otherData = g.standingAside("data-path")
	has(filepath.Join("up", "photos"))
	o.from.ScoresPath = scores
	run := artefact.RunOfLayer(scores)
	keep := func(of int, words ...string) {
		c := shard.Command{Words: append([]string{"collect", "--model", "m.pt"}, words...), Folder: dir}
		if err := (shard.Shard{Number: 1, Of: of}).KeepCommand(&cache.Store{}, run, c); err != nil {
			t.Fatal(err)
		}
	}
	keep(2, "--data-path", "images", "--save-path", "both")
	has(filepath.Join(dir, "images"))
	keep(3, "-d", "images")
	has(filepath.Join(dir, "images"))
	keep(4, "--data-path=https://example.org/a.tar") // of another run
	has(filepath.Join("up", "photos"))
	o.from.Data.Path = "given"
	has("given")
	of.Images, o.from.Data.Kind = nil, "images"
	if got := o.imageFlagsOf(of); !slices.Equal(got, []string{"--dataset", "images", "--data-path", "given"}) {
		t.Error(got)
	}
}
