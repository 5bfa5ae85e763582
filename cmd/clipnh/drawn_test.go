package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestDrawnAsCollected collects images with --exif, and draws them, and the same images upside
// down with a note that says so. What commands draw is the same, as they prepare images as the
// collection did; and they say that images are not those of the collection, by their sizes.
func TestDrawnAsCollected(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	data := [2]string{at("upright"), at("turned")}
	labels := []string{"image,label,group"}
	for i := range 12 {
		label := i % 2
		name := filepath.Join(fmt.Sprint("class", label), fmt.Sprintf("%02d.png", i))
		upright, turned := pngTurned(t, i)
		for k, content := range [][]byte{upright, turned} {
			path := filepath.Join(data[k], "val", name)
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, content, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		labels = append(labels, fmt.Sprintf("%s,%s,group%d", filepath.ToSlash(name), []string{"dog", "cat"}[label], i/2%2))
	}
	writeLines(t, at("labels.csv"), labels...)
	model, vocab := testutil.Golden("model/tiny_jit.pt"), testutil.Golden("text/toy_merges.txt.gz")
	must(t, exitDone, "embed", "--model", model, "--vocab", vocab, "--lines", writeLines(t, at("names.txt"), "dog", "cat"), "--embeddings-save-path", at("classes.npy"), "--quiet")
	// drawAll runs every command that shows a collection's images beside its numbers.
	drawAll := func(k int, out, want string) {
		for name, line := range map[string]string{
			"search":   "--units h0n1 --top 2 --save-dir",
			"retrieve": "--neur-idxs 1 --top 2 --save-dir",
			"report":   "--out",
			"audit": "--classes dog,cat --imagenet-zeroshot-path " + at("classes.npy") + " --labels-csv " + at("labels.csv") +
				" --permutations 19 --level 0.9 --out",
		} {
			_, said := must(t, exitDone, slices.Concat([]string{name}, strings.Fields(line), []string{filepath.Join(out, name),
				"--scores", at("scores"), "--data-path", data[k], "--dataset", "imagenet_val", "--quiet"})...)
			if strings.Contains(said, "not quite the images") != (want != "") || !strings.Contains(said, want) {
				t.Errorf("%s said %q, want %q", name, said, want)
			}
		}
	}
	must(t, exitDone, "collect", "--exif", "--model", model, "--save-path", at("scores"), "--data-path", data[0], "--dataset", "imagenet_val", "--quiet")
	var drawn [2]map[string]string
	for k, path := range data {
		want := ""
		if k == 1 {
			want = path + ": not quite the images that " + at("scores") + " was made of"
		}
		drawAll(k, filepath.Join(path, "drawn"), want)
		drawn[k] = filesBelow(t, filepath.Join(path, "drawn"))
		maps.DeleteFunc(drawn[k], func(name, _ string) bool { return !slices.Contains([]string{".png", ".jpg"}, filepath.Ext(name)) })
	}
	of := map[string]int{}
	for name, content := range drawn[0] {
		of[strings.Split(name, string(filepath.Separator))[0]]++
		if drawn[1][name] != content {
			t.Errorf("%s is not the same of images that are turned", name)
		}
	}
	if len(of) != 4 || len(drawn[0]) != len(drawn[1]) {
		t.Errorf("drawn, by command: %v; %d of images that are turned", of, len(drawn[1]))
	}
}

// pngTurned is an image, and the same upside down with a note that says so.
func pngTurned(t *testing.T, n int) (upright, turned []byte) {
	t.Helper()
	src := image.NewRGBA(image.Rect(0, 0, 48, 48))
	for i := range src.Pix {
		src.Pix[i] = byte((i/4%48)*(5+n) + i/192*3*n)
		if i%4 == 3 {
			src.Pix[i] = 255
		}
	}
	encode := func() []byte {
		var b bytes.Buffer
		if err := png.Encode(&b, src); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	upright = encode()
	for i, j := 0, len(src.Pix)-4; i < j; i, j = i+4, j-4 {
		for k := range 4 {
			src.Pix[i+k], src.Pix[j+k] = src.Pix[j+k], src.Pix[i+k]
		}
	}
	body := "iTXtXML:com.adobe.xmp\x00\x00\x00\x00\x00<tiff:Orientation>3</tiff:Orientation>"
	note := binary.BigEndian.AppendUint32(nil, uint32(len(body)-4))
	note = binary.BigEndian.AppendUint32(append(note, body...), crc32.ChecksumIEEE([]byte(body)))
	const header = 8 + 25 // the signature and the first chunk
	content := encode()
	return upright, slices.Concat(content[:header], note, content[header:])
}
