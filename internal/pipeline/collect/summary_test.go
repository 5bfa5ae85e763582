package collect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/directions"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
)

// goldenSummary are the options for a summary of the golden images.
func goldenSummary(t *testing.T) Options {
	o := goldenStatistics(t)
	o.SavePath, o.NoFeatures = filepath.Join(t.TempDir(), "summary"), true
	return o
}

func openSummary(t *testing.T, path string) *artefact.Summary {
	t.Helper()
	s, err := artefact.Reader{}.Summary(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSummary holds that a summary says of scores what the scores do: directions, means and
// norms have the same bytes, moments are exact, and extremes have their images' names.
func TestSummary(t *testing.T) {
	scores, o := goldenImages(t, "scores"), goldenSummary(t)
	run(t, scores)
	result := run(t, o)
	if result.Images != 48 || result.Kind != artefact.KindSummary {
		t.Errorf("result %+v", result)
	}
	for _, topK := range []int{5, 20} {
		want := svdFiles(t, scores.SavePath, topK)
		for name, got := range svdFiles(t, o.SavePath, topK) {
			if !bytes.Equal(got, want[name]) {
				t.Errorf("top %d: %s differs from that of stored scores", topK, name)
			}
		}
	}
	s := openSummary(t, o.SavePath)
	rows, shape := pipelinetest.ReadNPY(t, filepath.Join(scores.SavePath, artefact.ScoresFile))
	names, err := os.ReadFile(filepath.Join(scores.SavePath, artefact.ImagesFile))
	if err != nil {
		t.Fatal(err)
	}
	images, pairs := shape[0], shape[1]*shape[2]
	for u := range pairs {
		var mean, squares float64
		for b := range images {
			mean += float64(rows[b*pairs+u]) / float64(images)
		}
		for b := range images {
			squares += (float64(rows[b*pairs+u]) - mean) * (float64(rows[b*pairs+u]) - mean)
		}
		got, got2, _ := s.Sketch.Moments(u)
		if math.Abs(got-mean) > 1e-12 || math.Abs(got2-squares) > 1e-9*squares+1e-12 {
			t.Fatalf("pair %d: mean %g and squares %g, want %g and %g", u, got, got2, mean, squares)
		}
	}
	for n, name := range s.Names {
		if want := strings.Split(string(names), "\n")[n]; name != want {
			t.Errorf("image %d is %s, want %s", n, name, want)
		}
	}
	if again := run(t, o); !again.Complete || again.Images != 48 {
		t.Errorf("again: %+v", again)
	}
}

// TestSummaryNamesExtremesOnly: images are named by their numbers among those that could be
// read, and no file has a row for each image.
func TestSummaryNamesExtremesOnly(t *testing.T) {
	items := []dataset.Item{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}, {Name: "e"}}
	names := extremeNames(items, []source.Skipped{{Name: "b"}}, []int{0, 2})
	if len(names) != 2 || names[0] != "a" || names[2] != "d" {
		t.Errorf("names %v, want those of images 0 and 2", names)
	}
	o := goldenSummary(t)
	run(t, o)
	for name := range treeBytes(t, o.SavePath) {
		if name == artefact.FeaturesFile || name == artefact.ImagesFile || name == artefact.ScoresFile {
			t.Errorf("it has %s", name)
		}
	}
}

// TestSummaryResume interrupts after some images and resumes; the bytes are those of an
// undisturbed run, with any number of threads.
func TestSummaryResume(t *testing.T) {
	whole := goldenSummary(t)
	whole.Data.Path = pipelinetest.Spoiled(t)
	wanted := run(t, whole)
	want := treeBytes(t, whole.SavePath)
	for name, spoil := range map[string]func(o Options) error{
		"as it was":  func(Options) error { return nil },
		"state gone": func(o Options) error { return os.Remove(o.SavePath + cache.StateEnd) },
	} {
		t.Run(name, func(t *testing.T) {
			o := goldenSummary(t)
			o.Data.Path, o.Threads, o.BatchSize = whole.Data.Path, 3, 5
			ctx, cancel := context.WithCancel(context.Background())
			_, err := Run(ctx, o, &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: 5, Cancel: cancel})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("error %v", err)
			}
			if err := spoil(o); err != nil {
				t.Fatal(err)
			}
			result := run(t, o)
			if result.Images != wanted.Images || len(result.Skipped) != len(wanted.Skipped) || len(wanted.Skipped) == 0 {
				t.Errorf("%d images and %d skipped, want %d and %d", result.Images, len(result.Skipped), wanted.Images, len(wanted.Skipped))
			}
			got := treeBytes(t, o.SavePath)
			for file := range want {
				if got[file] != want[file] {
					t.Errorf("%s differs", file)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%d files, want %d", len(got), len(want))
			}
			if _, err := os.Stat(o.SavePath + cache.StateEnd); err == nil {
				t.Error("the state is still there")
			}
			if again := run(t, o); !again.Complete || len(again.Skipped) != len(wanted.Skipped) {
				t.Errorf("again: %+v", again)
			}
		})
	}
}

// TestSummaryRepair damages each file of a summary, which is computed again.
func TestSummaryRepair(t *testing.T) {
	o := goldenSummary(t)
	run(t, o)
	want := treeBytes(t, o.SavePath)
	for name := range want {
		if name == "manifest.json" {
			continue
		}
		path := filepath.Join(o.SavePath, name)
		content := []byte(want[name])
		content[len(content)-1] ^= 1
		if err := os.WriteFile(path, content, 0o666); err != nil {
			t.Fatal(err)
		}
		a, err := cache.Inspect(o.SavePath)
		if err != nil {
			t.Fatal(err)
		}
		repair := RepairOptions{Model: o.Model, DataPath: o.Data.Path, BatchSize: 8, Threads: 2, Store: o.Store}
		if err := Repair(t.Context(), a, repair, pipelinetest.Silent()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := treeBytes(t, o.SavePath)[name]; got != want[name] {
			t.Errorf("%s was repaired to other bytes", name)
		}
	}
}

func TestSummaryRefuse(t *testing.T) {
	for want, spoil := range map[string]func(*Options){
		"want {stats-only} with it": func(o *Options) { o.StatsOnly = false },
		"not for heads":             func(o *Options) { o.Mode = ModeHeads },
		"{expand} is for scores":    func(o *Options) { o.Expand = true },
		"writes a folder":           func(o *Options) { o.SavePath += ".npy" },
	} {
		o := goldenSummary(t)
		spoil(&o)
		if _, err := Run(context.Background(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	o := goldenSummary(t)
	run(t, o)
	o.TopK++
	if _, err := Run(context.Background(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrStale) {
		t.Errorf("another --top-k: error %v, want a stale artefact", err)
	}
	_, err := directions.Polysemanticity(t.Context(), directions.PolysemanticityOptions{CollectPath: o.SavePath, Pairs: true, TopImages: 5, Threads: 1}, pipelinetest.Silent())
	var h interface{ Hint() string }
	if err == nil || !strings.Contains(err.Error(), "no row for each image") || !errors.As(err, &h) || !strings.Contains(h.Hint(), "{no-features}") {
		t.Errorf("polysemanticity: error %v, want that it needs features, with a hint", err)
	}
}

// TestSummaryOfHugeScores: what a sketch cannot take is refused with its pair's name.
func TestSummaryOfHugeScores(t *testing.T) {
	o := goldenSummary(t)
	c, err := openCollector(t.Context(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	values := make([]float32, c.mode.values())
	values[7] = -3000
	err = c.addToSummary(newSummarySums(len(values), 2, 1), collected{values: values, images: 1})
	if err == nil || !strings.Contains(err.Error(), "score of h0n7 is -3000, want less than 2048") {
		t.Errorf("error %v", err)
	}
}

// TestSummaryOfDamaged: what a summary's own files may say, checksums aside.
func TestSummaryOfDamaged(t *testing.T) {
	o := goldenSummary(t)
	o.TopK = 2
	run(t, o)
	a, err := cache.Open(o.SavePath)
	if err != nil {
		t.Fatal(err)
	}
	files := treeBytes(t, o.SavePath)
	for name, spoil := range map[string]func(string) string{
		artefact.SketchFile:        func(s string) string { return s[:len(s)-1] + "\x00" },
		artefact.ExtremeNamesFile:  func(s string) string { return "more\n" + s },
		artefact.SkippedFile:       func(string) string { return `[{"name":1}]` },
		artefact.ExtremesFile:      func(s string) string { return s[:len(s)-8] + "\x00\x00\x00\x00\x00\x00\x00\x00" },
		artefact.LargestImagesFile: func(s string) string { return s[:len(s)-4] + "\x7f\x00\x00\x00" },
	} {
		path := filepath.Join(o.SavePath, name)
		if err := os.WriteFile(path, []byte(spoil(files[name])), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := artefact.SummaryOf(a); err == nil || !strings.Contains(err.Error(), filepath.Base(o.SavePath)) {
			t.Errorf("%s: error %v, want one with the path", name, err)
		}
		if err := os.WriteFile(path, []byte(files[name]), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := artefact.SummaryOf(a); err != nil {
		t.Error(err)
	}
}

// TestSummaryThreads: the same bytes with any number of threads.
func TestSummaryThreads(t *testing.T) {
	var want map[string]string
	for _, threads := range []int{1, 2, 5} {
		o := goldenSummary(t)
		o.Threads = threads
		run(t, o)
		got := treeBytes(t, o.SavePath)
		if want == nil {
			want = got
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%d threads: other bytes", threads)
		}
	}
}
