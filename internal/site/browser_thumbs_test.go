//go:build browser

package site

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestThumbnails: without the images, pages say how to get those that have no thumbnail; with them,
// the explorer draws each. One that has changed is marked, one that cannot be read says why.
func TestThumbnails(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.CopyFS(in("imagenet"), os.DirFS(filepath.Join(environment(t, "CLIPNH_DEMO"), "imagenet"))); err != nil {
		t.Fatal(err)
	}
	images := []string{"--dataset", "imagenet_val", "--data-path", in("imagenet")}
	for _, args := range [][]string{
		append([]string{"collect", "--mode", "heads", "--model", "tiny-vit.pt", "--sample-stride", "4", "--save-path", in("heads")}, images...),
		{"report", "--scores", in("heads"), "--out", in("bare")},
	} {
		cmd := exec.CommandContext(t.Context(), environment(t, "CLIPNH_BIN"), append(args, "--quiet")...)
		cmd.Dir = environment(t, "CLIPNH_DEMO")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args[0], err, out)
		}
	}
	const (
		note    = "getComputedStyle(document.querySelector('.how-to-draw')).display === 'none' ? '' : document.querySelector('.how-to-draw').innerText"
		lacking = "document.querySelectorAll('main .face.lacking').length"
		drawn   = "[...document.querySelectorAll('main .face img')].filter((i) => i.complete && i.naturalWidth === 96).length"
	)
	// From the disk, and served without the images.
	b := newBrowser(t, "")
	b.open("file://"+filepath.ToSlash(filepath.Join(in("bare"), IndexName)), "h/l3h1")
	if got := value[string](b, note); !strings.Contains(got, "The report has no thumbnail of its images. The explorer draws them: clipnh explore DIR --data-path PATH.") || value[int](b, lacking) == 0 {
		t.Errorf("from the disk: %q", got)
	}
	b.done()
	address := explorerOf(t, in("bare"), "--scores", in("heads"))
	b = newBrowser(t, address)
	b.open(address, "h/l3h1")
	b.until(lacking + " > 8")
	if got := value[string](b, note); !strings.Contains(got, "none is drawn: give --data-path with its --dataset") {
		t.Errorf("without the images: %q", got)
	}
	b.looks("thumbnails-none")
	b.done()

	// With them.
	address = explorerOf(t, in("bare"), images...)
	b = newBrowser(t, address)
	b.open(address, "i")
	b.until(drawn + " > 20")
	if n, said := value[int](b, lacking), value[string](b, note); n != 0 || said != "" || !strings.Contains(b.text(".result-count"), "100 of 100 images") {
		t.Errorf("%d of %q without a thumbnail, %q", n, b.text(".result-count"), said)
	}
	for _, v := range b.axe() {
		t.Errorf("all images: %s", v)
	}
	b.looks("thumbnails-drawn")
	b.done()

	// Images of which the report has no thumbnail, changed since: one is an image still.
	names := value[[]string](b, "[...document.querySelectorAll('main a.thumb')].slice(0, 2).map((a) => decodeURIComponent(a.hash.slice(4)))")
	for i, name := range names {
		path := filepath.Join(in("imagenet"), "val", filepath.FromSlash(name))
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if data[len(data)-3] ^= 1; i == 1 {
			data = bytes.Repeat([]byte{'x'}, len(data))
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address = explorerOf(t, in("bare"), images...)
	b = newBrowser(t, address)
	b.open(address, "i/"+names[0])
	b.until("document.querySelector('.face.large img')?.naturalWidth === 336 && document.querySelector('.face.large .stale') && document.querySelector('.note.changed')")
	b.visit("i/" + names[1])
	b.until("document.querySelector('.face.lacking .why')")
	if got := b.text(".face.lacking .why"); !strings.Contains(got, filepath.Base(names[1])) || strings.Contains(got, dir) || value[bool](b, "Boolean(document.querySelector('.face.large img'))") {
		t.Errorf("no image: %q", got)
	}
	b.looks("thumbnails-unreadable")
	for _, v := range b.axe() {
		t.Errorf("an image that cannot be read: %s", v)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		if !strings.Contains(f, "the server responded with a status of") || !strings.Contains(f, "api/thumb/") {
			t.Error(f)
		}
	}
}
