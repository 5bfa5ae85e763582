package retrieve

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/ui"
)

// TestWriteWhileOtherWrites: a file that another run is writing is taken if it has the same bytes,
// and waited for if not, unless the run is interrupted.
func TestWriteWhileOtherWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "7_photo.png")
	holding, release, done := make(chan bool), make(chan bool), make(chan error)
	hold := func(text string) {
		go func() {
			done <- new(cache.Store).WriteFile(path, func(w io.Writer) error {
				holding <- true
				<-release
				_, err := io.WriteString(w, text)
				return err
			})
		}()
		<-holding
	}
	letGo := func() {
		release <- true
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := write(ctx, new(cache.Store), path, []byte("ours")); err != nil {
		t.Fatal(err)
	}
	hold("theirs")
	if err := write(ctx, new(cache.Store), path, []byte("ours")); err != nil {
		t.Errorf("the same bytes: %v", err)
	}
	written := make(chan error)
	go func() { written <- write(ctx, new(cache.Store), path, []byte("new")) }()
	letGo()
	if err := <-written; err != nil {
		t.Errorf("other bytes: %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "new" {
		t.Errorf("file %q, error %v, want what was written last", got, err)
	}
	hold("theirs")
	cancel()
	if err := write(ctx, new(cache.Store), path, []byte("ours")); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	letGo()
}

// TestRunsShareFolder: runs for different units, which draw the same images, write into one folder
// at the same time, and leave what they leave one after the other.
func TestRunsShareFolder(t *testing.T) {
	from := goldenImages()
	from.Stride = 6 // eight images
	run := func(dir string, neuron int) error {
		_, err := Run(context.Background(), Options{Options: from, Neurons: []string{strconv.Itoa(neuron)}, Top: 8, Threads: 1, SaveDir: dir, SheetHeads: 1}, pipelinetest.Silent())
		return err
	}
	alone, shared := t.TempDir(), t.TempDir()
	const runs = 3
	for n := range runs {
		if err := run(alone, n); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for n := range runs {
		wg.Go(func() {
			if err := run(shared, n); err != nil {
				t.Errorf("neuron %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	got, want := retrievedFiles(t, shared), retrievedFiles(t, alone)
	if len(got) != len(want) {
		t.Errorf("%d files, want %d", len(got), len(want))
	}
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s differs", name)
		}
	}
}

// withoutStored removes the folder of images that runs share before the first of them is written.
type withoutStored struct {
	*pipelinetest.Interrupting
	t   *testing.T
	dir string
}

func (r withoutStored) Progress() ui.Progress { return r }

// Add comes after each image that is ranked, and after each group that is drawn.
func (r withoutStored) Add(int64) {
	if err := os.RemoveAll(filepath.Join(r.dir, storedFolder)); err != nil {
		r.t.Error(err)
	}
}

// TestSharedFolderGoes: a run goes on where another one that ends removes the folder that both
// write images into, as it is empty.
func TestSharedFolderGoes(t *testing.T) {
	dir := t.TempDir()
	o := Options{Options: goldenImages(), Neurons: []string{"37"}, Top: 2*drawGroup + 1, Threads: 1, SaveDir: dir, SheetHeads: 1}
	say := withoutStored{&pipelinetest.Interrupting{Reporter: pipelinetest.Silent(), After: math.MaxInt64}, t, dir}
	if _, err := Run(t.Context(), o, say); err != nil {
		t.Errorf("removed between groups: %v", err)
	}
	path := filepath.Join(dir, "gone", storedFolder, "7_photo.png")
	if err := write(t.Context(), new(cache.Store), path, []byte("ours")); err != nil {
		t.Errorf("no folder: %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "ours" {
		t.Errorf("file %q, error %v", got, err)
	}
}
