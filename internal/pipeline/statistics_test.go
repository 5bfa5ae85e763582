package pipeline

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
	"github.com/clipnh/clipnh/internal/testutil"
	"github.com/clipnh/clipnh/internal/ui"
)

// goldenStatistics are collect's options for statistics of the golden pictures.
func goldenStatistics(t testing.TB) CollectOptions {
	o := goldenImages(t, "statistics")
	o.StatsOnly, o.TopK = true, 20
	return o
}

// svdFiles returns what svd writes of an artefact.
func svdFiles(t *testing.T, path string, topK int) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	files := map[string][]byte{"pcs.npy": nil, "means.npy": nil, "norms.npy": nil}
	in := func(name string) string { return filepath.Join(dir, name) }
	_, err := SVD(context.Background(), SVDOptions{
		CollectPath: path, TopK: topK, OutPath: in("pcs.npy"), MeanPath: in("means.npy"), NormPath: in("norms.npy"), Threads: 2,
	}, silent())
	if err != nil {
		t.Fatal(err)
	}
	for name := range files {
		if files[name], err = os.ReadFile(in(name)); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestStatistics holds that directions, means and norms of statistics have the
// bytes of those of stored scores, and that the features are the golden ones.
func TestStatistics(t *testing.T) {
	scores, o := goldenImages(t, "scores"), goldenStatistics(t)
	collect(t, scores)
	result := collect(t, o)
	if result.Images != 48 || result.Kind != artefact.KindStatistics {
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
	got, _ := readNPY(t, filepath.Join(o.SavePath, artefact.FeaturesFile))
	want, _ := readGolden(t, "features.npy")
	if err := testutil.Far(got, want, rounding); err != nil {
		t.Error(err)
	}
	if again := collect(t, o); !again.Complete || again.Images != 48 {
		t.Errorf("again: %+v", again)
	}
	for want, spoil := range map[string]func(*SVDOptions){
		"need scores":          func(o *SVDOptions) { o.Neurons = true },
		"collect with {top-k}": func(o *SVDOptions) { o.TopK = 21 },
	} {
		o := SVDOptions{CollectPath: o.SavePath, TopK: 20, MeanPath: filepath.Join(t.TempDir(), "m.npy"), Threads: 1}
		spoil(&o)
		if _, err := SVD(context.Background(), o, silent()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if _, err := (artefact.Reader{}).Scores(o.SavePath, nil); err == nil {
		t.Error("statistics open as scores")
	}
}

// TestStatisticsOfFewPictures holds that, when no picture is left out, the
// statistics answer for any number of top pictures.
func TestStatisticsOfFewPictures(t *testing.T) {
	o := goldenStatistics(t)
	o.TopK = 100
	collect(t, o)
	scores := goldenImages(t, "scores")
	collect(t, scores)
	want := svdFiles(t, scores.SavePath, 60)
	for name, got := range svdFiles(t, o.SavePath, 60) {
		if !bytes.Equal(got, want[name]) {
			t.Errorf("%s differs from that of stored scores", name)
		}
	}
}

// treeBytes returns the contents of the files below dir, but for locks.
func treeBytes(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(e.Name(), ".lock") {
			files[e.Name()] = string(data)
		}
	}
	return files
}

// TestStatisticsResume interrupts after the first chunk and goes on with
// features and state as they are, with the state of an earlier moment, or with
// features damaged since; the bytes are those of an undisturbed run.
func TestStatisticsResume(t *testing.T) {
	whole := goldenStatistics(t)
	whole.Data.Path = spoiled(t) // a picture of each chunk cannot be read
	collect(t, whole)
	want := treeBytes(t, whole.SavePath)
	for name, spoil := range map[string]func(o CollectOptions) error{
		"as it was":  func(CollectOptions) error { return nil },
		"state gone": func(o CollectOptions) error { return os.Remove(o.SavePath + ".sum") },
		"features empty": func(o CollectOptions) error {
			return os.Truncate(filepath.Join(o.SavePath, artefact.FeaturesFile+".partial"), 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := goldenStatistics(t)
			o.Data.Path, o.Threads = whole.Data.Path, 3
			ctx, cancel := context.WithCancel(context.Background())
			_, err := Collect(ctx, o, &interrupting{ui.Reporter: silent(), after: 5, cancel: cancel})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("error %v", err)
			}
			if err := spoil(o); err != nil {
				t.Fatal(err)
			}
			collect(t, o)
			got := treeBytes(t, o.SavePath)
			for file := range want {
				if got[file] != want[file] {
					t.Errorf("%s differs", file)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%d files, want %d", len(got), len(want))
			}
			if _, err := os.Stat(o.SavePath + ".sum"); err == nil {
				t.Error("the state is still there")
			}
		})
	}
}

func TestStatisticsRefuse(t *testing.T) {
	for want, spoil := range map[string]func(*CollectOptions){
		"not for heads":    func(o *CollectOptions) { o.Mode = ModeHeads },
		"want it or":       func(o *CollectOptions) { o.Mean = true },
		"writes a folder":  func(o *CollectOptions) { o.SavePath += ".npy" },
		"{dtype} float16":  func(o *CollectOptions) { o.Half = true },
		"want 1 or more":   func(o *CollectOptions) { o.TopK = 0 },
		"want a block of ": func(o *CollectOptions) { o.Mode, o.Lens = ModeLens, 7 },
	} {
		o := goldenStatistics(t)
		spoil(&o)
		if _, err := Collect(context.Background(), o, silent()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	o := goldenStatistics(t)
	collect(t, o)
	o.TopK++
	if _, err := Collect(context.Background(), o, silent()); !errors.Is(err, cache.ErrStale) {
		t.Errorf("another --top-k: error %v, want a stale artefact", err)
	}
}

// stateFactor is what reading a state may allocate in all for each byte of the
// file.
const stateFactor = 64

func FuzzReadState(f *testing.F) {
	whole := []byte("{\"origin\":{},\"inputs\":2,\"done\":1,\"images\":1,\"skipped\":[]}\n01234567012345670123012301230123")
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add([]byte("{}\n"))
	f.Add([]byte("no line"))
	f.Fuzz(func(t *testing.T, data []byte) {
		fresh := &sumState{Inputs: 2}
		var found *sumState
		if testutil.Parsed(t, testutil.Multiple(len(data), stateFactor), func() (err error) {
			found, err = readState(bytes.NewReader(data), fresh, make(valueSums, 4))
			return err
		}) && (found.Done > 2 || found.Images > found.Done) {
			t.Errorf("accepted %+v", found)
		}
	})
}

func TestReadStateMemory(t *testing.T) {
	const n = 50_000
	data := []byte(`{"inputs":2,"skipped":[` + strings.Repeat("{},", n) + "{}]}\n")
	testutil.Parsed(t, testutil.Multiple(len(data), stateFactor), func() error {
		_, err := readState(bytes.NewReader(data), &sumState{Inputs: 2}, make(valueSums, 4))
		return err
	})
}
