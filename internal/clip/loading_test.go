package clip

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/mapping"
	"github.com/clipnh/clipnh/internal/packed"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/testutil"
)

// outputs are what the towers of a checkpoint make of some inputs.
func outputs(t *testing.T, ck *Checkpoint, o ImageOptions) []float32 {
	t.Helper()
	tw, err := NewImageTower(ck, o)
	if err != nil {
		t.Fatal(err)
	}
	images := make([]float32, o.Batch*tw.ImageLen())
	for i := range images {
		images[i] = float32(i*i%97)/48 - 1
	}
	out := Output{Features: make([]float32, o.Batch*ck.Config.OutDim), Scores: make([]float32, o.Batch*tw.ScoresLen())}
	if o.SelfSelf {
		out.SelfSelf = make([]float32, o.Batch*ck.Config.Tokens()*ck.Config.Neurons())
	}
	if err := tw.Run(images, out); err != nil {
		t.Fatal(err)
	}
	all := slices.Concat(out.Features, out.Scores, out.SelfSelf)
	if !ck.Config.HasText() {
		return all
	}
	texts, err := NewTextTower(ck, o.Threads)
	if err != nil {
		t.Fatal(err)
	}
	text := make([]float32, ck.Config.OutDim)
	if err := texts.Encode(context.Background(), text, [][]int32{{1, 5, 3, 2}}, nil); err != nil {
		t.Fatal(err)
	}
	return append(all, text...)
}

// opened is a checkpoint with what it does not say of itself.
func opened(t *testing.T, path string) *Checkpoint {
	t.Helper()
	var d Details
	if strings.Contains(filepath.Base(path), "vit") {
		d.Heads = 4
	}
	ck, err := OpenWith(path, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ck.Close() })
	return ck
}

// keeping is a checkpoint whose packed weights are kept in dir.
func keeping(t *testing.T, path, dir string, room int64) *Checkpoint {
	t.Helper()
	ck := opened(t, path)
	hash, err := ck.TensorsSHA256(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	ck.KeepPacked(&packed.Store{Dir: dir, Limit: room, Note: func(format string, args ...any) { t.Errorf("note: "+format, args...) }}, hash)
	return ck
}

// TestKeptWeights holds that a tower gives the same bytes without packed weights that are
// kept, when they are written, and when they are used, at every level.
func TestKeptWeights(t *testing.T) {
	if !mapping.Supported {
		t.Skip("this system has no mappings: nothing is kept")
	}
	dir := t.TempDir()
	sets, runs := map[string]bool{}, 0
	for _, level := range cpu.Supported() {
		restore := cpu.Force(level)
		defer restore()
		for _, m := range []struct {
			path string
			o    ImageOptions
		}{
			{testutil.Golden("model/tiny_sd_fp32.pt"), ImageOptions{Batch: 1, Threads: 1}},
			{testutil.Golden("model/tiny_sd_fp16.pt"), ImageOptions{Batch: 2, Threads: 2, SelfSelf: true}},
			{testutil.Golden("model/tiny_sd_fp32.pt"), ImageOptions{Batch: 2, Threads: 3, Precision: kernel.BFloat16}},
			{testutil.GoldenViT("vit_sd16.pt"), ImageOptions{Batch: 2, Threads: 2, Pairs: true}},
		} {
			if m.o.Precision == kernel.BFloat16 && !kernel.HasBFloat16() {
				continue
			}
			want := outputs(t, opened(t, m.path), m.o)
			written := keeping(t, m.path, dir, 1<<30)
			if got := outputs(t, written, m.o); !slices.Equal(got, want) {
				t.Errorf("%s: %s, %+v: other bytes when packed weights are written", level, m.path, m.o)
			}
			used := keeping(t, m.path, dir, 1<<30)
			used.Close() // nothing is read from it
			if got := outputs(t, used, m.o); !slices.Equal(got, want) {
				t.Errorf("%s: %s, %+v: other bytes with packed weights that were kept", level, m.path, m.o)
			}
			runs++
			for _, set := range list(t, dir) {
				sets[set] = true
			}
		}
		restore()
	}
	if len(sets) < runs { // those of the text tower are shared
		t.Errorf("%d towers have %d sets of packed weights, want one each or more", runs, len(sets))
	}
	for set := range sets {
		if strings.Contains(set, "partial") {
			t.Errorf("%s was left", set)
		}
	}
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.weights*"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// TestKeptWeightsShrink holds that a tower whose packed weights become shorter panics with
// a fault that names the file.
func TestKeptWeightsShrink(t *testing.T) {
	if !mapping.Supported {
		t.Skip("this system has no mappings: nothing is kept")
	}
	dir := t.TempDir()
	path := testutil.Golden("model/tiny_sd_fp32.pt")
	written := keeping(t, path, dir, 1<<30)
	tower(t, written, ImageOptions{Batch: 1, Threads: 2})
	tw := tower(t, keeping(t, path, dir, 1<<30), ImageOptions{Batch: 1, Threads: 2})
	if err := os.Truncate(list(t, dir)[0], 100); err != nil {
		t.Fatal(err)
	}
	p := par.Catch(func() {
		tw.Run(make([]float32, tw.ImageLen()), Output{Features: make([]float32, tw.Config().OutDim)})
	})
	if p == nil {
		t.Fatal("no panic")
	}
	if err := mapping.Fault(p.Value); !errors.Is(err, mapping.ErrGone) || !strings.Contains(err.Error(), dir) {
		t.Errorf("%v gave %v", p.Value, err)
	}
}

// TestWeightsNotKept holds that a damaged checkpoint leaves no packed weights.
func TestWeightsNotKept(t *testing.T) {
	ck := keeping(t, testutil.Golden("model/tiny_sd_fp32.pt"), t.TempDir(), 1<<30)
	ck.file.Close()
	if _, err := NewResNetTower(ck, ImageOptions{Batch: 1, Threads: 2}); err == nil || !strings.Contains(err.Error(), "visual.bn1.weight") {
		t.Errorf("error %v, want one about the first tensor", err)
	}
	if left := list(t, ck.packs.Dir); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// TestChangedCheckpoint holds that nothing is made of a file that was hashed and is another
// by then: it would be taken for the one's.
func TestChangedCheckpoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.safetensors")
	data, err := os.ReadFile(writeSafetensors(t, goldenTensors(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range []int64{0, 1 << 30} {
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		ck := keeping(t, path, dir, room)
		if err := os.Chtimes(path, time.Time{}, time.Unix(1e9, 0)); err != nil {
			t.Fatal(err)
		}
		if _, err := NewImageTower(ck, ImageOptions{Batch: 1, Threads: 1}); testutil.Line(err, path, "changed since it was opened") != nil {
			t.Errorf("room %d: %v, want the change", room, err)
		}
		left, err := filepath.Glob(filepath.Join(dir, "*weights*"))
		if err != nil || len(left) > 0 {
			t.Errorf("room %d: %q are kept, %v", room, left, err)
		}
	}
}
