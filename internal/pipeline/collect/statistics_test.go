package collect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/pipeline/directions"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
)

// svdFiles returns what svd writes of an artefact.
func svdFiles(t *testing.T, path string, topK int) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	files := map[string][]byte{"pcs.npy": nil, "means.npy": nil, "norms.npy": nil}
	in := func(name string) string { return filepath.Join(dir, name) }
	_, err := directions.SVD(context.Background(), directions.SVDOptions{
		CollectPath: path, TopK: topK, OutPath: in("pcs.npy"), MeanPath: in("means.npy"), NormPath: in("norms.npy"), Threads: 2,
	}, pipelinetest.Silent())
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
	run(t, scores)
	result := run(t, o)
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
	got, _ := pipelinetest.ReadNPY(t, filepath.Join(o.SavePath, artefact.FeaturesFile))
	want, _ := pipelinetest.ReadGolden(t, "features.npy")
	if err := testutil.Far(got, want, pipelinetest.Rounding); err != nil {
		t.Error(err)
	}
	if again := run(t, o); !again.Complete || again.Images != 48 {
		t.Errorf("again: %+v", again)
	}
	for want, spoil := range map[string]func(*directions.SVDOptions){
		"need scores":          func(o *directions.SVDOptions) { o.Neurons = true },
		"collect with {top-k}": func(o *directions.SVDOptions) { o.TopK = 21 },
	} {
		o := directions.SVDOptions{CollectPath: o.SavePath, TopK: 20, MeanPath: filepath.Join(t.TempDir(), "m.npy"), Threads: 1}
		spoil(&o)
		if _, err := directions.SVD(context.Background(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if _, err := (artefact.Reader{}).Scores(o.SavePath, nil); err == nil {
		t.Error("statistics open as scores")
	}
}

// TestStatisticsOfFewImages holds that, when no image is left out, the
// statistics answer for any number of top images.
func TestStatisticsOfFewImages(t *testing.T) {
	o := goldenStatistics(t)
	o.TopK, o.FitTopK = 100, true
	run(t, o)
	scores := goldenImages(t, "scores")
	run(t, scores)
	want := svdFiles(t, scores.SavePath, 48)
	for name, got := range svdFiles(t, o.SavePath, 48) {
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
	whole.Data.Path = pipelinetest.Spoiled(t) // an image of each chunk cannot be read
	run(t, whole)
	want := treeBytes(t, whole.SavePath)
	for name, spoil := range map[string]func(o Options) error{
		"as it was":  func(Options) error { return nil },
		"state gone": func(o Options) error { return os.Remove(o.SavePath + ".sum") },
		"features empty": func(o Options) error {
			return os.Truncate(filepath.Join(o.SavePath, artefact.FeaturesFile+".partial"), 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := goldenStatistics(t)
			o.Data.Path, o.Threads = whole.Data.Path, 3
			ctx, cancel := context.WithCancel(context.Background())
			_, err := Run(ctx, o, &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: 5, Cancel: cancel})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("error %v", err)
			}
			if err := spoil(o); err != nil {
				t.Fatal(err)
			}
			run(t, o)
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

// TestStatisticsSaveByTime: sums are on disk after the first chunk, not only after many images, which
// take minutes of a large model.
func TestStatisticsSaveByTime(t *testing.T) {
	o := goldenStatistics(t)
	looked := errors.New("no second chunk")
	look := func() {
		u, err := cache.InspectState(o.SavePath)
		if looked = err; err == nil && u.Done != ChunkImages {
			looked = fmt.Errorf("%d images done", u.Done)
		}
	}
	if _, err := Run(context.Background(), o, &pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: ChunkImages + 1, Cancel: look}); err != nil || looked != nil {
		t.Errorf("error %v; the state in the second chunk: %v", err, looked)
	}
}

func TestStatisticsRefuse(t *testing.T) {
	for want, spoil := range map[string]func(*Options){
		"not for heads":    func(o *Options) { o.Mode = ModeHeads },
		"want it or":       func(o *Options) { o.Mean = true },
		"writes a folder":  func(o *Options) { o.SavePath += ".npy" },
		"{dtype} float16":  func(o *Options) { o.DType = npy.Float16 },
		"want 1 or more":   func(o *Options) { o.TopK = 0 },
		"want a block of ": func(o *Options) { o.Mode, o.Lens = ModeLens, 7 },
	} {
		o := goldenStatistics(t)
		spoil(&o)
		if _, err := Run(context.Background(), o, pipelinetest.Silent()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	o := goldenStatistics(t)
	run(t, o)
	o.TopK++
	if _, err := Run(context.Background(), o, pipelinetest.Silent()); !errors.Is(err, cache.ErrStale) {
		t.Errorf("another --top-k: error %v, want a stale artefact", err)
	}
}

// stateFactor is what reading a state may allocate in all for each byte of the
// file.
const stateFactor = 64

// FuzzSums reads sums from states of any bytes.
func FuzzSums(f *testing.F) {
	at := cache.State{Artefact: "sums", Kind: artefact.KindMeans, Inputs: 2}
	read := func(data []byte, s valueSums) (*sumState, error) {
		state := new(sumState)
		return state, at.Read(bytes.NewReader(data), state, func(r io.Reader) error { return readSums(r, state, at.Inputs, s) })
	}
	var whole bytes.Buffer
	err := at.Write(&whole, &sumState{Done: 1, Images: 1, Skipped: []source.Skipped{}}, func(w io.Writer) error {
		_, err := w.Write(make([]byte, 32))
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	if state, err := read(whole.Bytes(), make(valueSums, 4)); err != nil || state.Images != 1 {
		f.Fatalf("%+v, %v", state, err)
	}
	f.Add(whole.Bytes())
	f.Add(whole.Bytes()[:whole.Len()-1])
	f.Add([]byte("{}\n"))
	f.Add([]byte("no line"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var found *sumState
		if testutil.Parsed(t, testutil.Multiple(len(data), stateFactor), func() (err error) {
			found, err = read(data, make(valueSums, 4))
			return err
		}) && (found.Done > 2 || found.Images > found.Done) {
			t.Errorf("accepted %+v", found)
		}
	})
}
