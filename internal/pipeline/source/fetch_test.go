package source

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/testutil"
)

// farImages are images at addresses of their own, all with the same bytes, whose server counts who
// asks for them.
type farImages struct {
	items []dataset.Item
	size  int64         // of each
	asked chan struct{} // one for each image that is asked for
	open  chan struct{} // closed when the server may answer

	begun, done atomic.Int64 // images that were asked for, and that the test is done with
	over        atomic.Bool  // more than the bound were asked for and not done
}

// atOnce is how many images of a farImages are within mostFetchedBytes.
const atOnce = 3

// newFarImages lists far images, and sets mostFetchedBytes.
func newFarImages(t *testing.T) *farImages {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(testutil.Golden("dataset"), "00003.png"))
	if err != nil {
		t.Fatal(err)
	}
	const images = 4 * atOnce
	f := &farImages{size: int64(len(data)), asked: make(chan struct{}, images), open: make(chan struct{})}
	was := mostFetchedBytes
	mostFetchedBytes = atOnce*f.size + f.size/2
	t.Cleanup(func() { mostFetchedBytes = was })
	var listed atomic.Bool
	var list strings.Builder
	for i := range images {
		fmt.Fprintf(&list, "%02d.png\n", i)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if listed.Load() {
			if (f.begun.Add(1)-f.done.Load())*f.size > mostFetchedBytes {
				f.over.Store(true)
			}
			f.asked <- struct{}{}
			<-f.open
		}
		content := data
		if r.URL.Path == "/list.txt" {
			content = []byte(list.String())
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}))
	t.Cleanup(server.Close)
	d, err := dataset.Open(t.Context(), dataset.Options{Kind: dataset.Images, Path: server.URL + "/list.txt"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Sizes(); err != nil { // so that they are known, as in a run
		t.Fatal(err)
	}
	listed.Store(true)
	f.items = d.Items
	return f
}

// wait waits until the server is asked for n more images.
func (f *farImages) wait(t *testing.T, ctx context.Context, n int) {
	t.Helper()
	for i := range n {
		select {
		case <-f.asked:
		case <-ctx.Done():
			t.Errorf("%d more images are asked for, want %d", i, n)
			return
		}
	}
}

// patient is a context that ends a test which would wait for ever.
func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// TestFetchAhead: far images are asked for before they are wanted, as many as the bound has room
// for and no more, and others as soon as they are done with.
func TestFetchAhead(t *testing.T) {
	f, ctx := newFarImages(t), patient(t)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group par.Group
	far := fetchAhead(ctx, &group, f.items)
	f.wait(t, ctx, atOnce)
	close(f.open)
	for i := range f.items {
		one := far.next(&f.items[i])
		if one == nil {
			t.Fatalf("image %d is not read", i)
		}
		if file, err := one.load(&f.items[i]); err != nil || int64(len(file.Bytes)) != f.size {
			t.Fatalf("image %d: %v", i, err)
		}
		f.done.Add(1)
		far.done(one)
		if i+atOnce < len(f.items) {
			f.wait(t, ctx, 1)
		}
	}
	group.Wait()
	if f.over.Load() {
		t.Errorf("more than %d bytes are asked for at once", mostFetchedBytes)
	}
	if far.bytes != 0 {
		t.Errorf("%d bytes are not given back", far.bytes)
	}
}

// TestFetchLargeAlone: an image that is larger than the bound is read all the same, alone.
func TestFetchLargeAlone(t *testing.T) {
	f, ctx := newFarImages(t), patient(t)
	mostFetchedBytes = f.size - 1
	close(f.open)
	var group par.Group
	far := fetchAhead(ctx, &group, f.items)
	for i := range f.items {
		f.wait(t, ctx, 1)
		one := far.next(&f.items[i])
		if one == nil {
			t.Fatalf("image %d is not read", i)
		}
		if _, err := one.load(&f.items[i]); err != nil {
			t.Fatal(err)
		}
		if begun := f.begun.Load(); begun != int64(i+1) {
			t.Errorf("%d images are asked for while one takes all memory, want %d", begun, i+1)
		}
		far.done(one)
	}
	group.Wait()
}

// TestFetchInterrupted: an interrupt ends the wait for memory; what was asked for before is handed over.
func TestFetchInterrupted(t *testing.T) {
	f, patience := newFarImages(t), patient(t)
	ctx, cancel := context.WithCancel(patience)
	var group par.Group
	far := fetchAhead(ctx, &group, f.items)
	f.wait(t, ctx, atOnce)
	for len(far.order) < atOnce && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond) // until it waits for memory
	cancel()
	close(f.open)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		group.Wait()
	}()
	select {
	case <-ended:
	case <-patience.Done():
		t.Fatal("it waits for memory still")
	}
	for i := range f.items {
		if one := far.next(&f.items[i]); (one != nil) != (i < atOnce) {
			t.Errorf("image %d: %v", i, one)
		}
	}
	if begun := f.begun.Load(); begun != atOnce {
		t.Errorf("%d images were asked for, want %d", begun, atOnce)
	}
}

// TestDecoderFetchesAhead: a decoder with one worker has several far images on their way, and gives
// memory back for others.
func TestDecoderFetchesAhead(t *testing.T) {
	f, ctx := newFarImages(t), patient(t)
	d := NewDecoder(ctx, f.items, imageprep.Input{Side: 8}, 1, 1, imageprep.Options{MaxPixels: imageprep.DefaultMaxPixels})
	f.wait(t, ctx, atOnce)
	close(f.open)
	got := 0
	for p, ok := d.Next(); ok; p, ok = d.Next() {
		if p.Err != nil || p.Item.Name != f.items[got].Name {
			t.Errorf("image %d is %s: %v", got, p.Item.Name, p.Err)
		}
		got++
		d.Release(p)
	}
	d.Close()
	if got != len(f.items) {
		t.Errorf("%d images, want %d", got, len(f.items))
	}
}
