package clip

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// hintOf is the advice that comes with an error.
func hintOf(err error) string {
	var h interface{ Hint() string }
	if !errors.As(err, &h) {
		return ""
	}
	return h.Hint()
}

// TestShardAlone says of one of several files what to give instead: the index beside it,
// by the name that a model of its name has.
func TestShardAlone(t *testing.T) {
	for shard, index := range map[string]string{
		"model-00001-of-00002.safetensors":   "model.safetensors.index.json",
		"pytorch_model-00002-of-00002.bin":   "pytorch_model.bin.index.json",
		"my.weights-1-of-3.safetensors":      "my.weights.safetensors.index.json",
		"open_clip_model-2-of-2.safetensors": "open_clip_model.safetensors.index.json",
	} {
		tensors := goldenTensors(t)
		delete(tensors, "visual.attnpool.c_proj.weight")
		path := writeSafetensors(t, tensors)
		dir := filepath.Dir(path)
		if err := os.Rename(path, filepath.Join(dir, shard)); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenWith(filepath.Join(dir, shard), Details{}); !strings.Contains(hintOf(err), "download all shards and their index, "+index) {
			t.Errorf("%s: %v, hint %q, want one that names %s", shard, err, hintOf(err), index)
		}
		if err := os.WriteFile(filepath.Join(dir, index), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenWith(filepath.Join(dir, shard), Details{}); !strings.Contains(hintOf(err), "pass its index, "+filepath.Join(dir, index)) {
			t.Errorf("%s beside %s: %v, hint %q", shard, index, err, hintOf(err))
		}
	}
}

// TestFolder says of a folder as Hugging Face's are which file of it holds the weights.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenWith(dir, Details{}); testutil.Line(err, "a folder, want a file") != nil || hintOf(err) != "" {
		t.Errorf("an empty folder: %v, hint %q", err, hintOf(err))
	}
	for _, name := range []string{"pytorch_model.bin", "model.safetensors", "model.safetensors.index.json"} { // each before those above
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenWith(dir, Details{}); testutil.Line(err, "a folder, want a file") != nil || !strings.HasSuffix(hintOf(err), filepath.Join(dir, name)) {
			t.Errorf("a folder with %s: %v, hint %q", name, err, hintOf(err))
		}
	}
}

// TestTrunk opens an open_clip model whose image tower is timm's, with its text tower, and
// refuses one in which something follows that tower.
func TestTrunk(t *testing.T) {
	tensors := map[string]stored{}
	for name, s := range goldenTensors(t) {
		if strings.HasPrefix(name, "visual.") {
			name = "visual.trunk." + fromOpenAI(name)
		}
		tensors[name] = s
	}
	ck := open(t, writeSafetensors(t, tensors))
	if err := ck.RequireText(); err != nil {
		t.Error(err)
	}
	tensors["visual.head.proj.weight"] = stored{[]int{1}, []float32{0}}
	if _, err := OpenWith(writeSafetensors(t, tensors), Details{}); testutil.Line(err, "visual.head.proj.weight") != nil {
		t.Errorf("with a projection of the pool's output: %v", err)
	}
}

// TestProjectionMissing says of Hugging Face's image tower alone which model has the projection.
func TestProjectionMissing(t *testing.T) {
	tensors := toHuggingFace(vitTensors(t))
	delete(tensors, "visual_projection.weight")
	_, err := OpenWith(writeSafetensors(t, tensors), Details{})
	if testutil.Line(err, ": tensor visual_projection.weight (visual.proj by OpenAI's names) is missing") != nil || !strings.HasPrefix(hintOf(err), "CLIPModel and CLIPVisionModelWithProjection have") {
		t.Errorf("%v, hint %q", err, hintOf(err))
	}
}

// TestPublishedHeads names the published model that has the patches too, where one has.
func TestPublishedHeads(t *testing.T) {
	for want, v := range map[string]ViT{
		"ViT-B-32": {Patch: 32, Width: 768, Layers: 12, MLP: 3072}, "ViT-B-16": {Patch: 16, Width: 768, Layers: 12, MLP: 3072}, "ViT-L-14": {Patch: 14, Width: 1024, Layers: 24, MLP: 4096},
	} {
		if m := publishedHeads(v); m == nil || m.Name != want {
			t.Errorf("%+v: %v, want %s", v, m, want)
		}
	}
	if m := publishedHeads(ViT{Patch: 8, Width: 768, Layers: 12, MLP: 3072}); m == nil || m.Heads != 12 {
		t.Errorf("other patches: %v", m)
	}
}
