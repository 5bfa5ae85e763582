package export

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/onnxtower"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

func options(dir string) Options {
	return Options{
		Model: testutil.Golden("model/tiny_sd_fp32.pt"), SavePath: filepath.Join(dir, "tower.onnx"), Outputs: []string{onnxtower.Features},
		Precision: Float32, Weights: Inside, Writer: artefact.Writer{Store: new(cache.Store)},
	}
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	o := options(dir)
	o.Weights, o.Outputs = Beside, []string{onnxtower.Scores, onnxtower.Features}
	r, err := Run(context.Background(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"tower.onnx", "tower.onnx.data", "tower.onnx.data.json", "tower.onnx.json"}; !slices.Equal(names(t, dir), want) {
		t.Errorf("wrote %q, want %q", names(t, dir), want)
	}
	file, err := os.ReadFile(r.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"tower.onnx.data", r.FromSHA256, r.FromTensors, "0.48145467", "clipnh"} {
		if !strings.Contains(string(file), text) {
			t.Errorf("the model does not have %q", text)
		}
	}
	if strings.Contains(string(file), dir) {
		t.Error("the model names a folder of this machine")
	}
	if r.Outputs[0].Name != onnxtower.Features || r.Outputs[1].Name != onnxtower.Scores || r.BatchNorms != "folded" {
		t.Errorf("outputs %v, batch norms %s", r.Outputs, r.BatchNorms)
	}
	for path, kind := range map[string]string{r.Path: artefact.KindONNX, r.WeightsPath: artefact.KindONNXWeights} {
		a, err := cache.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if a.Manifest.Kind != kind || a.Manifest.Origin.Export.Outputs != "scores,features" || a.Manifest.Origin.Weights != r.FromSHA256 {
			t.Errorf("%s: %+v", path, a.Manifest)
		}
		if err := artefact.VerifyChecksums(a); err != nil {
			t.Error(err)
		}
	}
}

// contents has the bytes of the files of a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range names(t, dir) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(b)
	}
	return all
}

// TestInterrupted holds that an interrupt leaves nothing, or what was there.
func TestInterrupted(t *testing.T) {
	for _, weights := range []string{Inside, Beside} {
		dir := t.TempDir()
		o := options(dir)
		o.Weights = weights
		ctx, cancel := context.WithCancel(context.Background())
		if _, err := Run(ctx, o, &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: 4000, Cancel: cancel}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", weights, err)
		}
		if left := slices.DeleteFunc(names(t, dir), func(name string) bool { return strings.HasSuffix(name, ".lock") }); len(left) > 0 {
			t.Errorf("%s: left %q", weights, left)
		}
		if _, err := Run(context.Background(), o, pipelinetest.Silent()); err != nil {
			t.Fatal(err)
		}
		before := contents(t, dir)
		ctx, cancel = context.WithCancel(context.Background())
		if _, err := Run(ctx, o, &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: 4000, Cancel: cancel}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s again: %v", weights, err)
		}
		if !maps.Equal(contents(t, dir), before) {
			t.Errorf("%s: an interrupted run changed what was there", weights)
		}
	}
}

// TestOtherWeights holds that a model is never left with weights of another one.
func TestOtherWeights(t *testing.T) {
	dir := t.TempDir()
	o := options(dir)
	o.Weights = Beside
	if _, err := Run(context.Background(), o, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
	o.Precision = Float16
	if _, err := Run(context.Background(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrStale) {
		t.Errorf("another export: %v, want a refusal", err)
	}
	o.Writer.Restart = true
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := Run(ctx, o, &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: 4000, Cancel: cancel}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if slices.Contains(names(t, dir), "tower.onnx") {
		t.Error("the older model is there, and its weights may be replaced")
	}
	if _, err := Run(context.Background(), o, pipelinetest.Silent()); err != nil {
		t.Fatal(err)
	}
}
