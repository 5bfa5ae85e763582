package verify

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestFeaturesWithinScores holds that the features within a folder of scores are looked at,
// compared with the images, and repaired, whichever path leads to the folder.
func TestFeaturesWithinScores(t *testing.T) {
	layer := 2
	c := collecttest.GoldenViT(t, collect.ModePairs, "scores")
	c.NeuronLayer = &layer
	collecttest.Collect(t, c)
	folder := filepath.Join(c.SavePath, artefact.FeaturesFolder)
	file := filepath.Join(folder, artefact.FeaturesFile)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	spoilt := bytes.Clone(whole)
	spoilt[len(spoilt)/2] ^= 1
	if err := os.WriteFile(file, spoilt, 0o600); err != nil {
		t.Fatal(err)
	}
	o := Options{
		DataPath: c.Data.Path, Remake: func(string, cache.Manifest) string { return "" },
		Model: testutil.GoldenViT("vit_sd32.pt"), BatchSize: 2, Threads: 2, Store: new(cache.Store),
	}
	look := func(path, state string) {
		t.Helper()
		o.Paths = []string{path}
		r, err := Run(t.Context(), o, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Artefacts) != 2 || r.Artefacts[0].State != StateSound || r.Artefacts[1].Path != folder || r.Artefacts[1].State != state || r.Artefacts[1].Images != sameOrigin {
			t.Errorf("%s: %+v, want sound scores and %s features, of the same images", path, r.Artefacts, state)
		}
	}
	for _, path := range []string{c.SavePath, filepath.Dir(c.SavePath), filepath.Join(c.SavePath, folderManifest)} {
		look(path, StateDamaged)
	}
	o.Repair = true
	look(c.SavePath, StateRepaired)
	look(c.SavePath, StateSound)
	if repaired, err := os.ReadFile(file); err != nil || !bytes.Equal(repaired, whole) {
		t.Errorf("repaired to other bytes, %v", err)
	}
}

// TestFeaturesGone holds that scores whose features are gone, or are those of other images,
// are not called sound.
func TestFeaturesGone(t *testing.T) {
	layer := 2
	c := collecttest.GoldenViT(t, collect.ModePairs, "scores")
	c.NeuronLayer = &layer
	collecttest.Collect(t, c)
	some := c
	some.Stride, some.SavePath = 2, filepath.Join(t.TempDir(), "some")
	collecttest.Collect(t, some)
	folder := filepath.Join(c.SavePath, artefact.FeaturesFolder)
	want := func(state string) {
		t.Helper()
		r, err := Run(t.Context(), Options{Paths: []string{c.SavePath}, Remake: func(string, cache.Manifest) string { return "" }, Store: new(cache.Store)}, pipelinetest.Silent())
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Artefacts) == 0 || r.Artefacts[0].State != state || (state != StateSound) != (len(r.Artefacts[0].Problems) == 1) {
			t.Errorf("%+v, want %s scores", r.Artefacts, state)
		}
	}
	want(StateSound)
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	want(StateMissing)
	if err := os.Rename(filepath.Join(some.SavePath, artefact.FeaturesFolder), folder); err != nil {
		t.Fatal(err)
	}
	want(StateStale)
}
