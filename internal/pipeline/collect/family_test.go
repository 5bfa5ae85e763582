package collect

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// begun collects the first chunk with plain Go's kernels, and stops.
func begun(t *testing.T, o Options) {
	t.Helper()
	defer cpu.Force(cpu.Generic)()
	ctx, cancel := context.WithCancel(context.Background())
	say := &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: 5, Cancel: cancel}
	if _, err := Run(ctx, o, say); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want it interrupted", err)
	}
}

func needsTwoFamilies(t *testing.T) {
	if cpu.Active() == cpu.Generic {
		t.Skip("this processor or build has one family of kernels")
	}
}

// TestResumeWithOtherKernels holds that a run which another family of kernels began is
// refused if strict and else told of, that each chunk has the name of its family, and
// that damaged chunks are computed again with it.
func TestResumeWithOtherKernels(t *testing.T) {
	needsTwoFamilies(t)
	now := cpu.Active().String()
	for _, change := range map[string]func(*Options){
		"rows":       func(*Options) {},
		"statistics": func(o *Options) { o.StatsOnly, o.TopK = true, 20 },
	} {
		o := goldenImages(t, "mixed")
		change(&o)
		begun(t, o)

		o.Strict = true
		_, err := Run(context.Background(), o, pipelinetest.Silent())
		if !errors.Is(err, cache.ErrStale) || !strings.Contains(err.Error(), "computed with generic kernels, the rest with "+now) {
			t.Fatalf("strict: error %v", err)
		}
		o.Strict = false
		say, said := pipelinetest.Heard()
		if _, err := Run(context.Background(), o, say); err != nil || !strings.Contains(said.String(), "partly computed with generic kernels, the rest with "+now) {
			t.Fatalf("%v, said %q", err, said)
		}
		a, err := cache.Open(o.SavePath)
		if err != nil {
			t.Fatal(err)
		}
		chunks := a.Manifest.Payloads[0].Chunks
		if len(chunks) != 2 || chunks[0].Kernel != "generic" || chunks[1].Kernel != now {
			t.Fatalf("chunks of %q and %q", chunks[0].Kernel, chunks[1].Kernel)
		}

		path := filepath.Join(o.SavePath, a.Manifest.Payloads[0].File)
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		spoilt := bytes.Clone(want)
		spoilt[a.Manifest.Payloads[0].Header+100] ^= 1
		spoilt[len(spoilt)-1] ^= 1
		if err := os.WriteFile(path, spoilt, 0o666); err != nil {
			t.Fatal(err)
		}
		repair := RepairOptions{Model: o.Model, DataKind: dataset.Images, DataPath: testutil.Golden("dataset"), BatchSize: 8, Threads: 2}
		if err := Repair(context.Background(), a, repair, pipelinetest.Silent()); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("repaired to other bytes (%v)", err)
		}
		if cpu.Active().String() != now {
			t.Errorf("kernels are %s after the repair, want %s", cpu.Active(), now)
		}
	}
}

// TestRepairOfMixedMean holds that a mean to which two families of kernels added is not
// computed again to no effect.
func TestRepairOfMixedMean(t *testing.T) {
	needsTwoFamilies(t)
	o := goldenImages(t, "mean.npy")
	o.Mean = true
	begun(t, o)
	run(t, o)
	a, err := cache.Open(o.SavePath)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := a.Manifest.Families(), cache.AddFamilies("generic", cpu.Active().String()); got != want {
		t.Errorf("families %q, want %q", got, want)
	}
	data, err := os.ReadFile(o.SavePath)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(o.SavePath, data, 0o666); err != nil {
		t.Fatal(err)
	}
	repair := RepairOptions{Model: o.Model, DataKind: dataset.Images, DataPath: testutil.Golden("dataset"), BatchSize: 8, Threads: 2}
	if err := Repair(context.Background(), a, repair, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), "cannot be made again") {
		t.Errorf("error %v, want that the bytes cannot be made again", err)
	}
}

// TestRepairOfOtherProcessor holds that a chunk whose kernels this processor does not
// have is refused before the work, and that names beside it are written again.
func TestRepairOfOtherProcessor(t *testing.T) {
	o := goldenImages(t, "scores")
	run(t, o)
	a, err := cache.Open(o.SavePath)
	if err != nil {
		t.Fatal(err)
	}
	names := filepath.Join(o.SavePath, artefact.ImagesFile)
	if err := os.Remove(names); err != nil {
		t.Fatal(err)
	}
	for i := range a.Manifest.Payloads {
		a.Manifest.Payloads[i].Kernel = "neon"
	}
	c := &collector{options: o}
	r := &repair{c, &cache.Repair{Artefact: a}}
	if err := r.computed("neon", "chunk 3", func() error { t.Error("worked"); return nil }); err == nil || !strings.Contains(err.Error(), "chunk 3: computed with neon kernels, which this processor or build does not have") {
		t.Errorf("error %v", err)
	}
	repair := RepairOptions{Model: o.Model, DataKind: dataset.Images, DataPath: testutil.Golden("dataset"), BatchSize: 8, Threads: 2}
	if err := Repair(context.Background(), a, repair, pipelinetest.Silent()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(names); err != nil {
		t.Error(err)
	}
}
