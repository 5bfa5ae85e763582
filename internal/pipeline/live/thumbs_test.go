package live

import (
	"bytes"
	"context"
	"errors"
	"image/jpeg"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/report"
)

// named are options with the names of the world's images, as a report has them.
func (w world) named(t *testing.T) Options {
	t.Helper()
	o := w.options()
	a, err := artefact.Reader{}.Collection(w.scores, nil, artefact.KindScores)
	if err != nil {
		t.Fatal(err)
	}
	if o.Names, err = artefact.ImageNames(a); err != nil {
		t.Fatal(err)
	}
	return o
}

// TestThumb draws what the model sees of an image, once.
func TestThumb(t *testing.T) {
	l := opened(t, theWorld(t).named(t))
	if s := l.Status().Thumbs; !s.On {
		t.Errorf("%+v", s)
	}
	const image = 7
	item := *l.items[l.o.Names[image]]
	file, err := item.Load()
	if err != nil {
		t.Fatal(err)
	}
	whole, err := file.Decode(imageprep.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{report.ThumbSize, 40} {
		thumb, err := l.Thumb(t.Context(), image, size, false)
		if err != nil {
			t.Fatal(err)
		}
		got, err := jpeg.Decode(bytes.NewReader(thumb))
		if err != nil {
			t.Fatal(err)
		}
		if b := got.Bounds(); b.Dx() != size || b.Dy() != size {
			t.Fatalf("%v, want %d pixels", b, size)
		}
		want, far := imageprep.Square(whole, size, imageprep.Shortest), 0
		for i := range size * size {
			r, g, b, _ := got.At(i%size, i/size).RGBA()
			for c, v := range []uint32{r, g, b} {
				far += max(int(v>>8)-int(want.Pix[3*i+c]), int(want.Pix[3*i+c])-int(v>>8))
			}
		}
		if mean := float64(far) / float64(3*size*size); mean > 8 { // of 255, by JPEG
			t.Errorf("size %d: pixels differ by %g from the image's, on average", size, mean)
		}
	}
	l.items[l.o.Names[image]] = &dataset.Item{Path: filepath.Join(t.TempDir(), "gone.jpg")}
	if _, err := l.Thumb(t.Context(), image, report.ThumbSize, false); err != nil {
		t.Errorf("it was not kept: %v", err)
	}
	for _, test := range []struct {
		image, size int
		want        string
		kind        error
	}{
		{image, 0, "size 0: want 1 to 512", nil},
		{image, 513, "size 513", nil},
		{-1, 96, "image -1: want 0 to 99", ErrUnknown},
		{100, 96, "image 100: want 0 to 99", ErrUnknown},
		{image, 41, "stat gone.jpg: no such file", ErrInternal},
	} {
		if _, err := l.Thumb(t.Context(), test.image, test.size, false); err == nil || !strings.Contains(err.Error(), test.want) || test.kind != nil && !errors.Is(err, test.kind) {
			t.Errorf("image %d of size %d: %v, want %q", test.image, test.size, err, test.want)
		}
	}
}

// TestThumbOfOther: an image that has changed is not drawn unless it is wanted so; one that is no
// image says what is wrong with it, and not where it is.
func TestThumbOfOther(t *testing.T) {
	l := opened(t, theWorld(t).named(t))
	const image = 7
	item := l.items[l.o.Names[image]]
	data, err := os.ReadFile(item.Path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	replaced := func(data []byte) {
		t.Helper()
		path := filepath.Join(dir, "other.jpg")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		l.items[l.o.Names[image]] = &dataset.Item{Path: path, Name: item.Name}
	}
	data[len(data)-3] ^= 1 // within the scan
	replaced(data)
	if _, err := l.Thumb(t.Context(), image, 96, false); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "its bytes have changed since") {
		t.Errorf("changed: %v", err)
	}
	if _, err := l.Thumb(t.Context(), image, 96, true); err != nil {
		t.Errorf("as it is now: %v", err)
	}
	if _, err := l.Thumb(t.Context(), image, 96, false); !errors.Is(err, ErrChanged) {
		t.Errorf("once it was drawn: %v", err)
	}
	replaced([]byte("no image\n"))
	if _, err := l.Thumb(t.Context(), image, 90, true); !errors.Is(err, ErrInternal) || strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), "\n") {
		t.Errorf("no image: %v", err)
	}
}

// TestThumbsWithoutScores: the images are enough, if they are those of the report.
func TestThumbsWithoutScores(t *testing.T) {
	w := theWorld(t)
	data, err := dataset.Open(t.Context(), w.data)
	if err != nil {
		t.Fatal(err)
	}
	now, err := data.Fingerprint()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		listing      string
		given, force bool
		on           bool
	}{{"", false, false, true}, {now, true, false, true}, {"another", false, false, false}, {"another", true, false, false}, {"another", true, true, true}} {
		o := Options{Threads: 1, Data: w.data, Names: w.named(t).Names, Listing: test.listing, Force: test.force, Given: map[Input]bool{Images: test.given}}
		l, err := Open(t.Context(), o, pipelinetest.Silent())
		if test.given && !test.on {
			if !errors.Is(err, cache.ErrStale) {
				t.Errorf("%+v: %v", test, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		_, err = l.Thumb(t.Context(), 3, 96, false)
		if on := l.Status().Thumbs.On; on != test.on || on != (err == nil) || !on && !errors.Is(err, ErrOff) {
			t.Errorf("%+v: on %v, %v", test, on, err)
		}
		if err := l.Load(t.Context()); err != nil {
			t.Error(err)
		}
		l.Close()
	}
}

// TestThumbsWait: so many are drawn at a time, some wait, and others are turned away.
func TestThumbsWait(t *testing.T) {
	l := opened(t, theWorld(t).named(t))
	var leave []func()
	for range cap(l.drawing.slot) {
		done, err := l.drawing.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, done)
	}
	if n := len(leave); n != 2 {
		t.Errorf("%d at a time, want 2 of 2 threads", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Thumb(ctx, 0, 96, false); !errors.Is(err, context.Canceled) {
		t.Errorf("one that waits: %v", err)
	}
	l.drawing.waiting.Add(waitThumbs)
	if _, err := l.Thumb(t.Context(), 0, 96, false); !errors.Is(err, ErrBusy) {
		t.Errorf("too many: %v", err)
	}
	l.drawing.waiting.Add(-waitThumbs)
	for _, done := range leave {
		done()
	}
	if _, err := l.Thumb(t.Context(), 0, 96, false); err != nil {
		t.Error(err)
	}
}

// TestRecentBytes bounds what is kept by what it takes.
func TestRecentBytes(t *testing.T) {
	r := recent[int, string]{most: 10, size: func(s string) int { return len(s) }}
	kept := func() (keys []int) {
		for key := range 5 {
			if _, ok := r.get(key); ok {
				keys = append(keys, key)
			}
		}
		return keys
	}
	for _, test := range []struct {
		key   int
		value string
		want  []int
	}{
		{0, "aaaa", []int{0}}, {1, "bbbb", []int{0, 1}}, {2, "cc", []int{0, 1, 2}}, {0, "aaaaa", []int{0, 2}},
		{3, "ddddddddddd", nil}, {4, "e", []int{4}},
	} {
		if r.put(test.key, test.value); !slices.Equal(kept(), test.want) {
			t.Errorf("after %d: %v, want %v", test.key, kept(), test.want)
		}
	}
}
