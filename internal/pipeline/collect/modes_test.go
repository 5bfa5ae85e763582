package collect

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/directions"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// finite returns x without infinities, for comparisons, and where they were.
func finite(x []float32) (rest []float32, infinite []int) {
	for i, v := range x {
		if math.IsInf(float64(v), 1) {
			infinite = append(infinite, i)
		} else {
			rest = append(rest, v)
		}
	}
	return rest, infinite
}

// TestCollectModes compares every mode's rows, or their mean, with the goldens,
// as a file and as a folder; goldens may be of the first images only.
func TestCollectModes(t *testing.T) {
	for _, test := range []struct {
		mode   string
		mean   bool
		golden string
		file   string // in a folder
		shape  []int
	}{
		{ModeHeads, false, "heads.npy", artefact.HeadsFile, []int{48, 4, 32}},
		{ModeAttention, false, "attention.npy", artefact.AttentionFile, []int{48, 4, 5, 5}},
		{ModeAttention, true, "attention_mean.npy", artefact.AttentionFile, []int{4, 5, 5}},
		{ModeActivations, true, "means_acts.npy", artefact.ActivationsFile, []int{256, 5}},
		{ModeLayer4, true, "layer4_norms.npy", artefact.Layer4File, []int{2, 2, 5}},
		{ModeLens, false, "s_block0.npy", artefact.ScoresFile, []int{48, 4, 256}},
	} {
		for _, save := range []string{"out.npy", "out.dat", "out"} {
			dense := artefact.IsDense(save)
			if test.mode == ModeLens && dense {
				continue // contributions: TestCollectLens
			}
			t.Run(test.golden+" "+save, func(t *testing.T) {
				o := goldenImages(t, save)
				o.Mode, o.Mean = test.mode, test.mean
				result := run(t, o)
				shape := test.shape // a folder's mean is the only row of a first axis
				if test.mean && !dense {
					shape = append([]int{1}, shape...)
				}
				if !slices.Equal(result.Shape, shape) || result.Images != 48 {
					t.Errorf("result %+v, want shape %v", result, shape)
				}
				path := o.SavePath
				if !dense {
					path = filepath.Join(path, test.file)
				}
				got := make([]float32, artefact.Product(test.shape))
				if filepath.Ext(path) == ".dat" {
					f, err := npy.OpenRaw(path, test.shape)
					if err != nil {
						t.Fatal(err)
					}
					defer f.Close()
					if err := f.ReadFloat32(got, 0); err != nil {
						t.Fatal(err)
					}
				} else {
					got, _ = pipelinetest.ReadNPY(t, path)
				}
				want, _ := pipelinetest.ReadGolden(t, test.golden)
				got, infinite := finite(got[:len(want)])
				want, wantInfinite := finite(want)
				if !slices.Equal(infinite, wantInfinite) {
					t.Errorf("infinite at %v, want %v", infinite, wantInfinite)
				}
				if err := testutil.Far(got, want, pipelinetest.Rounding); err != nil {
					t.Error(err)
				}
				if again := run(t, o); !again.Complete || !slices.Equal(again.Shape, shape) {
					t.Errorf("again: %+v, want it complete", again)
				}
			})
		}
	}
}

// TestCollectActivations holds that the mean of the rows is the golden mean, and
// that a row's first token is the mean of the others.
func TestCollectActivations(t *testing.T) {
	o := goldenImages(t, "acts")
	o.Mode = ModeActivations
	run(t, o)
	got, shape := pipelinetest.ReadNPY(t, filepath.Join(o.SavePath, artefact.ActivationsFile))
	want, wantShape := pipelinetest.ReadGolden(t, "means_acts.npy")
	if !slices.Equal(shape[1:], wantShape) {
		t.Fatalf("shape %v", shape)
	}
	mean := make([]float64, len(want))
	for i, x := range got {
		mean[i%len(mean)] += float64(x) / float64(shape[0])
	}
	if err := testutil.Far(toFloat32(mean), want, pipelinetest.Rounding); err != nil {
		t.Error(err)
	}
}

func toFloat32(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

// TestCollectLens holds that a folder of another block's scores is one that svd
// reads, and that dense contributions are those of its scores.
func TestCollectLens(t *testing.T) {
	folder, dense := goldenImages(t, "lens"), goldenImages(t, "lens.npy")
	folder.Mode, dense.Mode = ModeLens, ModeLens
	run(t, folder)
	run(t, dense)
	var outs [2][]float32
	for i, path := range []string{folder.SavePath, dense.SavePath} {
		means := filepath.Join(t.TempDir(), "means.npy")
		if _, err := directions.SVD(context.Background(), directions.SVDOptions{CollectPath: path, TopK: 12, MeanPath: means, Threads: 2}, pipelinetest.Silent()); err != nil {
			t.Fatal(err)
		}
		outs[i], _ = pipelinetest.ReadNPY(t, means)
	}
	if err := testutil.Far(outs[0], outs[1], pipelinetest.Rounding); err != nil {
		t.Error(err)
	}
	// Block 1 is the last: the scores are the model's own.
	folder.Lens, folder.SavePath = 1, filepath.Join(t.TempDir(), "last")
	run(t, folder)
	own := goldenImages(t, "own")
	run(t, own)
	got, err1 := os.ReadFile(filepath.Join(folder.SavePath, artefact.ScoresFile))
	want, err2 := os.ReadFile(filepath.Join(own.SavePath, artefact.ScoresFile))
	if err1 != nil || err2 != nil || string(got) != string(want) {
		t.Errorf("the last block's scores are not the model's (%v, %v)", err1, err2)
	}
}

func TestCollectModesRefuse(t *testing.T) {
	for want, spoil := range map[string]func(*Options){
		"{lens-idx} 2: want a block of the last stage, 0 to 1": func(o *Options) { o.Mode, o.Lens = ModeLens, 2 },
		"want {mean}": func(o *Options) { o.Mode = ModeLayer4 },
	} {
		o := goldenImages(t, "out")
		spoil(&o)
		if _, err := Run(context.Background(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestCollectModesSameBytes holds that an interrupt, threads and batches leave
// the bytes of every mode alone.
func TestCollectModesSameBytes(t *testing.T) {
	for _, mode := range Modes[2:] {
		if variants[mode][0].of != clip.AttentionPool {
			continue // of vision transformers
		}
		for _, mean := range []bool{false, true} {
			if meansOnly(mode) && !mean {
				continue
			}
			var want []byte
			for _, threads := range []int{1, 3} {
				o := goldenImages(t, "out.npy")
				o.Mode, o.Mean, o.Threads, o.BatchSize = mode, mean, threads, 5*threads
				if threads == 3 {
					ctx, cancel := context.WithCancel(context.Background())
					say := &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: 5, Cancel: cancel}
					if _, err := Run(ctx, o, say); err == nil {
						t.Fatal("not interrupted")
					}
				}
				run(t, o)
				got, err := os.ReadFile(o.SavePath)
				if err != nil {
					t.Fatal(err)
				}
				if want == nil {
					want = got
				}
				if string(got) != string(want) {
					t.Errorf("%s, mean %v: other bytes after an interrupt, with %d threads", mode, mean, threads)
				}
			}
		}
	}
}
