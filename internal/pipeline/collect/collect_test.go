package collect

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestCollect compares the scores of image files with the goldens, in every
// checkpoint format.
func TestCollect(t *testing.T) {
	want, shape := pipelinetest.ReadGolden(t, "s.npy")
	for _, model := range []string{"tiny_sd_fp32", "tiny_sd_fp16", "tiny_sd_mixed", "tiny_legacy", "tiny_openclip", "tiny_jit"} {
		t.Run(model, func(t *testing.T) {
			o := goldenImages(t, "scores")
			o.Model = testutil.Golden("model/" + model + ".pt")
			result := run(t, o)
			if !slices.Equal(result.Shape, shape) || result.Images != shape[0] || len(result.Skipped) != 0 || result.Complete {
				t.Errorf("result %+v, want shape %v", result, shape)
			}
			got, _ := pipelinetest.ReadNPY(t, filepath.Join(o.SavePath, artefact.ScoresFile))
			if err := testutil.Far(got, want, pipelinetest.Rounding); err != nil {
				t.Error(err)
			}
			s, err := (artefact.Reader{}).Scores(o.SavePath, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			features := make([]float32, s.Images*s.OV.OutDim)
			s.OV.Features(features, make([]float32, s.Images*s.OV.Neurons), got, s.Images, par.NewTeam(1))
			wantFeatures, _ := pipelinetest.ReadGolden(t, "features.npy")
			if err := testutil.Far(features, wantFeatures, pipelinetest.Rounding); err != nil {
				t.Errorf("features: %v", err)
			}
			names, err := artefact.ImageNames(s.Artefact)
			if err != nil || len(names) != shape[0] || names[0] != "00003.png" {
				t.Errorf("names %v, %v", names, err)
			}
			if again := run(t, o); !again.Complete || again.Images != shape[0] {
				t.Errorf("again: %+v, want it complete", again)
			}
		})
	}
}

func TestCollectHalfAndExpanded(t *testing.T) {
	o := goldenImages(t, "scores")
	o.DType, o.Expand = npy.Float16, true
	run(t, o)
	want, _ := pipelinetest.ReadGolden(t, "s.npy")
	got, _ := pipelinetest.ReadNPY(t, filepath.Join(o.SavePath, artefact.ScoresFile))
	if err := testutil.Far(got, want, 5e-4); err != nil { // half an ulp of float16
		t.Error(err)
	}
	want, shape := pipelinetest.ReadGolden(t, "v.npy")
	got, gotShape := pipelinetest.ReadNPY(t, filepath.Join(o.SavePath, artefact.DirectionsFile))
	if err := testutil.Far(got, want, 1e-5); err != nil || !slices.Equal(shape, gotShape) {
		t.Errorf("directions %v: %v", gotShape, err)
	}
}

// TestCollectDense compares dense tensors with the reference's.
func TestCollectDense(t *testing.T) {
	contributions, err := npy.OpenRaw(testutil.Golden("interop/contributions.dat"), []int{4, 4, 256, 32})
	if err != nil {
		t.Fatal(err)
	}
	defer contributions.Close()
	pairs := make([]float32, 4*4*256*32)
	if err := contributions.ReadFloat32(pairs, 0); err != nil {
		t.Fatal(err)
	}
	neurons, _ := pipelinetest.ReadGolden(t, "neurons4.npy")
	for _, test := range []struct {
		file, mode string
		want       []float32
		shape      []int
	}{
		{"reprs.dat", ModePairs, pairs, []int{48, 4, 256, 32}},
		{"reprs.npy", ModePairs, pairs, []int{48, 4, 256, 32}},
		{"neurons.dat", ModeNeurons, neurons, []int{48, 256, 32}},
		{"neurons.npy", ModeNeurons, neurons, []int{48, 256, 32}},
	} {
		t.Run(test.file, func(t *testing.T) {
			o := goldenImages(t, test.file)
			o.Mode = test.mode
			say, said := pipelinetest.Heard()
			result, err := Run(context.Background(), o, say)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(result.Shape, test.shape) {
				t.Errorf("shape %v, want %v", result.Shape, test.shape)
			}
			if !strings.Contains(said.String(), "the dense tensor of 48 images takes") {
				t.Errorf("said %q, want the size", said)
			}
			open := func() (*npy.File, error) { return npy.Open(o.SavePath) }
			if strings.HasSuffix(test.file, ".dat") {
				open = func() (*npy.File, error) { return npy.OpenRaw(o.SavePath, test.shape) }
			}
			f, err := open()
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got := make([]float32, len(test.want))
			if err := f.ReadFloat32(got, 0); err != nil {
				t.Fatal(err)
			}
			if err := testutil.Far(got, test.want, pipelinetest.Rounding); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestCollectMean holds that means equal those of the goldens, whichever way
// they are kept.
func TestCollectMean(t *testing.T) {
	for _, test := range []struct{ file, mode, golden string }{
		{"mean", ModePairs, ""},
		{"mean.npy", ModePairs, "means_nh.npy"},
		{"mean.npy", ModeNeurons, "means_n.npy"},
	} {
		o := goldenImages(t, test.file)
		o.Mode, o.Mean = test.mode, true
		result := run(t, o)
		if result.Images != 48 {
			t.Errorf("%s %s: %+v", test.file, test.mode, result)
		}
		if again := run(t, o); !again.Complete || again.Images != 48 {
			t.Errorf("%s %s again: %+v", test.file, test.mode, again)
		}
		if _, err := os.Stat(o.SavePath + ".sum"); err == nil {
			t.Errorf("%s %s: the state is still there", test.file, test.mode)
		}
		path, want := o.SavePath, []float32(nil)
		if test.golden == "" {
			path = filepath.Join(path, artefact.ScoresFile)
			s, shape := pipelinetest.ReadGolden(t, "s.npy")
			want = make([]float32, shape[1]*shape[2])
			for i := range want {
				sum := 0.0
				for b := range shape[0] {
					sum += float64(s[b*len(want)+i])
				}
				want[i] = float32(sum / float64(shape[0]))
			}
		} else {
			want, _ = pipelinetest.ReadGolden(t, test.golden)
		}
		got, _ := pipelinetest.ReadNPY(t, path)
		if err := testutil.Far(got, want, pipelinetest.Rounding); err != nil {
			t.Errorf("%s %s: %v", test.file, test.mode, err)
		}
	}
}

// TestCollectSkips holds that what cannot be read is named and left out, and
// that the rows of the others stay what they were.
func TestCollectSkips(t *testing.T) {
	for _, mean := range []bool{false, true} {
		o := goldenImages(t, "scores")
		o.Data.Path, o.Mean = pipelinetest.Spoiled(t), mean
		say, said := pipelinetest.Heard()
		result, err := Run(context.Background(), o, say)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range result.Skipped {
			names = append(names, s.Name)
			if strings.Contains(s.Reason, o.Data.Path) {
				t.Errorf("reason %q has the folder in it", s.Reason)
			}
			if !strings.Contains(said.String(), s.Name) {
				t.Errorf("%s was not named: %q", s.Name, said)
			}
		}
		if !slices.Equal(names, []string{"00024.png", "00283.png"}) || result.Images != 46 {
			t.Errorf("skipped %v, kept %d", names, result.Images)
		}
		if again := run(t, o); !again.Complete || again.Images != 46 || len(again.Skipped) != 2 {
			t.Errorf("again: %+v", again)
		}
		if !mean {
			whole := goldenImages(t, "scores")
			run(t, whole)
			want, shape := pipelinetest.ReadNPY(t, filepath.Join(whole.SavePath, artefact.ScoresFile))
			got, _ := pipelinetest.ReadNPY(t, filepath.Join(o.SavePath, artefact.ScoresFile))
			row := shape[1] * shape[2]
			left := slices.Concat(want[:3*row], want[4*row:40*row], want[41*row:])
			if !slices.Equal(got, left) {
				t.Error("the rows of readable images are not those of the whole set")
			}
		}
		o.SavePath, o.Strict = filepath.Join(t.TempDir(), "strict"), true
		if _, err := Run(context.Background(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), "00024.png") {
			t.Errorf("strict: error %v", err)
		}
	}
}

// TestCollectSameBytes holds that threads and batches leave the bytes alone.
func TestCollectSameBytes(t *testing.T) {
	var want map[string]string
	for _, threads := range []int{1, 3, 64} {
		for _, batch := range []int{2, 8, 100} {
			o := goldenImages(t, "scores")
			o.Threads, o.BatchSize = threads, batch
			run(t, o)
			got := map[string]string{}
			for _, name := range []string{artefact.ScoresFile, artefact.ValueFile, artefact.OutFile, artefact.BiasFile, artefact.ImagesFile, "manifest.json"} {
				data, err := os.ReadFile(filepath.Join(o.SavePath, name))
				if err != nil {
					t.Fatal(err)
				}
				got[name] = string(data)
			}
			if want == nil {
				want = got
			}
			for name := range got {
				if got[name] != want[name] {
					t.Errorf("%s: other bytes with %d threads, batch %d", name, threads, batch)
				}
			}
		}
	}
}

// TestCollectRefusesOthers holds that an artefact is not taken for that of
// another model or other parameters, and that starting over is possible.
func TestCollectRefusesOthers(t *testing.T) {
	for _, mean := range []bool{false, true} {
		for _, file := range []string{"scores", "mean.npy"} {
			o := goldenImages(t, file)
			o.Mean = mean
			run(t, o)
			for name, spoil := range map[string]func(*Options){
				"model":  func(o *Options) { o.Model = testutil.Golden("model/tiny_sd_bf16.pt") },
				"stride": func(o *Options) { o.Stride = 2 },
				"mode":   func(o *Options) { o.Mode = ModeNeurons },
				"batch":  func(o *Options) { o.BatchSize = 1 },
			} {
				other := o
				spoil(&other)
				if _, err := Run(context.Background(), other, pipelinetest.Silent()); !errors.Is(err, cache.ErrStale) {
					t.Errorf("%s, mean %v, other %s: error %v, want a stale artefact", file, mean, name, err)
				}
				if name == "stride" {
					other.Restart = true
					if result := run(t, other); result.Images != 24 || result.Complete {
						t.Errorf("%s, mean %v: started over: %+v", file, mean, result)
					}
					o.Restart = true
					run(t, o)
					o.Restart = false
				}
			}
		}
	}
}

// TestCollectInterrupted interrupts after the first chunk, which stays; or, where its
// bytes change, is collected again with a word.
func TestCollectInterrupted(t *testing.T) {
	o := goldenImages(t, "scores")
	ctx, cancel := context.WithCancel(context.Background())
	say := &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: 5, Cancel: cancel}
	_, err := Run(ctx, o, say)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	var hint interface{ Hint() string }
	if !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "same command") {
		t.Errorf("no hint how to go on: %v", err)
	}
	if _, err := cache.Open(o.SavePath); !errors.Is(err, cache.ErrMissing) || !strings.Contains(err.Error(), "1 of 2 chunks") {
		t.Errorf("unfinished artefact opens with %v", err)
	}
	pipelinetest.SpoilPartial(t, o.SavePath)
	heard, said := pipelinetest.Heard()
	if _, err := Run(context.Background(), o, heard); err != nil || !strings.Contains(said.String(), "; to be made again: 1 chunk\n") {
		t.Errorf("after damage: %v, said %q", err, said)
	}
	whole := goldenImages(t, "scores")
	heard, said = pipelinetest.Heard()
	if _, err := Run(context.Background(), whole, heard); err != nil || strings.Contains(said.String(), "made again") {
		t.Errorf("undisturbed: %v, said %q", err, said)
	}
	for _, name := range []string{artefact.ScoresFile, "manifest.json"} {
		got, err1 := os.ReadFile(filepath.Join(o.SavePath, name))
		want, err2 := os.ReadFile(filepath.Join(whole.SavePath, name))
		if err1 != nil || err2 != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs from an undisturbed run's", name)
		}
	}
}
