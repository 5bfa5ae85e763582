//go:build browser

package site

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestChangedImages: the first page lists the images that changed since they were collected,
// the page of one says so, and wherever one is drawn it is marked, others are not.
func TestChangedImages(t *testing.T) {
	f := fixture{heads: 2, neurons: 8, images: 40, words: 50, neuronFiles: []int{0, 1}, changed: []int{3, 17},
		name:  func(i int) string { return fmt.Sprintf("photo-%d.jpg", i) },
		class: func(i int) string { return fmt.Sprintf("class %d", i) },
		word:  func(i int) string { return fmt.Sprintf("word %d", i) },
	}
	dir := t.TempDir()
	f.write(t, dir)
	b := newBrowser(t, "")
	b.open("file://"+filepath.Join(dir, IndexName), "")
	const said = "document.querySelector('main .note.changed')?.innerText ?? ''"
	if got := value[string](b, said); !strings.Contains(got, "2 images changed since their scores were collected") || !strings.Contains(got, "photo-3.jpg, photo-17.jpg.") {
		t.Errorf("first page: %q", got)
	}
	if bad := b.axe(); len(bad) > 0 {
		t.Errorf("first page: %s", strings.Join(bad, "\n"))
	}
	for route, want := range map[string]bool{"i/photo-3.jpg": true, "i/photo-4.jpg": false} {
		b.visit(route)
		if got := value[string](b, said); strings.Contains(got, "This image changed") != want {
			t.Errorf("%s: said %q", route, got)
		}
		if got := value[bool](b, "document.querySelector('.image-box .face .stale') !== null"); got != want {
			t.Errorf("%s: the image is marked: %v, want %v", route, got, want)
		}
	}
	b.visit("i")
	const names = "[...document.querySelectorAll('main a.thumb')].filter((a) => a.querySelector('.stale')).map((a) => decodeURIComponent(a.hash.slice(4)))"
	b.until("document.querySelectorAll('main a.thumb').length > 20")
	if got := value[[]string](b, names); strings.Join(got, " ") != "photo-3.jpg photo-17.jpg" {
		t.Errorf("all images: marked %q", got)
	}
	b.done()
}
