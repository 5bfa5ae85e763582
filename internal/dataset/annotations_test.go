package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/testutil"
)

// detail is a small file in the form of trainval_merged.json: the members that
// are read, and others of every kind between them. Rows of the masks of a.jpg:
// 2 2 0, 9 2 9 (where 2 was painted before), b.jpg has none that is kept.
const detail = `{
 "info": {"year": 2010, "deep": [[1, {"x": [2]}], "text \" ]}"]},
 "images": [
  {"image_id": 2008000002, "file_name": "b.jpg", "height": 2, "width": 3, "phase": "val", "date_captured": "31-Oct-2007"},
  {"image_id": 2008000001, "file_name": "a.jpg", "height": 2, "width": 3, "phase": "val"},
  {"image_id": 2008000003, "file_name": "c.jpg", "height": 1, "width": 1, "phase": "train"}
 ],
 "annos_boundary": [{"image_id": 2008000001, "boundary_mask": {"counts": "06"}}, 3, null],
 "annos_segmentation": [
  {"id": 1, "image_id": 2008000001, "category_id": 2, "bbox": [0, 0, 2, 2], "segmentation": {"size": [2, 3], "counts": "042"}, "parts": []},
  {"segmentation": {"counts": [1, 1, 3, 1], "size": [2, 3]}, "image_id": 2008000001, "category_id": 9, "id": 2},
  {"id": 3, "image_id": 2008000002, "category_id": 99, "segmentation": {"size": [2, 3], "counts": "06"}}
 ],
 "categories": [], "note": "end", "flag": true
}`

func annotationFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "detail.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var detailIDs = []int{0, 2, 9}

func TestAnnotations(t *testing.T) {
	a, err := readAnnotations(t.Context(), annotationFile(t, detail), detailIDs)
	if err != nil {
		t.Fatal(err)
	}
	for phase, want := range map[string][]string{"val": {"a", "b"}, "train": {"c"}, "": {"a", "b", "c"}} {
		if got, err := a.names(phase, ".jpg"); err != nil || !slices.Equal(got, want) {
			t.Errorf("phase %q: %q, %v, want %q", phase, got, err, want)
		}
	}
	if _, err := a.names("test", ".jpg"); err == nil || !strings.HasSuffix(err.Error(), `none of 3 images is of phase "test"; there are "val", "train"`) {
		t.Errorf("error %v of a phase that is not there", err)
	}
	if _, err := a.names("val", ".png"); err == nil || !strings.HasSuffix(err.Error(), `image "a.jpg", want names ending in .png`) {
		t.Errorf("error %v of another suffix", err)
	}
	if !a.has("c.jpg") || a.has("d.jpg") {
		t.Error("c.jpg is not listed, or d.jpg is")
	}
	for name, want := range map[string][]uint16{
		"a.jpg": {2, 2, 0, 9, 2, 9},
		"b.jpg": {0, 0, 0, 0, 0, 0},
		"c.jpg": {0},
	} {
		labels, err := a.labels(name, imageprep.Options{})
		if err != nil || !slices.Equal(labels.Pix, want) {
			t.Errorf("%s: %+v, %v, want %v", name, labels, err, want)
		}
	}
	if _, err := a.labels("a.jpg", imageprep.Options{MaxPixels: 5}); err == nil || !strings.HasSuffix(err.Error(), "a.jpg: 3x2 pixels, want at most 5 in all") {
		t.Errorf("error %v of an image of too many pixels", err)
	}
	if err := os.Chtimes(a.listed.Path, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.labels("a.jpg", imageprep.Options{}); err == nil || !strings.HasSuffix(err.Error(), "a.jpg: the file was changed after it was listed") {
		t.Errorf("error %v of a file that changed", err)
	}
}

func TestAnnotationsRefuse(t *testing.T) {
	swap := func(old, new string) string { return strings.Replace(detail, old, new, 1) }
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "byte 0: unexpected EOF"},
		{"cut", detail[:700], `"annos_segmentation": unexpected EOF`},
		{"a list", "[1]", "byte 1: [, want {"},
		{"a text", "\"a\\nb\"", `"a\nb", want {`},
		{"text behind", detail + "{}", "more text behind the end"},
		{"no images", swap(`"images"`, `"photos"`), `no lists "images" and "annos_segmentation", want both`},
		{"no lists", `{"a": 1}`, `no lists "images" and "annos_segmentation", want both`},
		{"no annotations", swap(`"annos_segmentation"`, `"annotations"`), `no lists "images" and "annos_segmentation", want both`},
		{"a list twice", swap(`"annos_boundary"`, `"images"`), `a second list "images"`},
		{"images as object", swap(`"images": [`, `"images": {`), `"images": {, want [`},
		{"no name", swap(`"file_name": "b.jpg", `, ""), "an image without image_id, file_name, width or height"},
		{"no width", swap(`"width": 3, `, ""), "an image without image_id, file_name, width or height"},
		{"a name that leads out", swap("b.jpg", "../b.jpg"), `"../b.jpg", want the name of an image`},
		{"a name twice", swap("b.jpg", "a.jpg"), `image 2008000001, "a.jpg", is listed twice`},
		{"an image twice", swap("2008000002", "2008000001"), `image 2008000001, "a.jpg", is listed twice`},
		{"no category", swap(`"category_id": 2, `, ""), "an annotation without image_id, category_id or segmentation"},
		{"no mask", swap(`"segmentation": {"size": [2, 3], "counts": "042"}, `, ""), "an annotation without image_id, category_id or segmentation"},
		{"an image not listed", swap(`"image_id": 2008000001, "category_id": 2`, `"image_id": 5, "category_id": 2`), "annotations of image 5, which is not listed"},
		{"an id as text", swap(`"image_id": 2008000001, "category_id": 2`, `"image_id": "1", "category_id": 2`), "cannot unmarshal string"},
		{"a long value", `{"info": "` + strings.Repeat("x", 2*maxValue) + `"}`, "a value of more than 16 MiB"},
		{"deep", `{"info": ` + strings.Repeat("[", 20000), "exceeded max depth"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := annotationFile(t, tt.text)
			_, err := readAnnotations(t.Context(), path, detailIDs)
			if err == nil || !strings.HasPrefix(err.Error(), path+": byte ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one of %s with %s", err, path, tt.want)
			}
		})
	}
	if _, err := readAnnotations(t.Context(), filepath.Join(t.TempDir(), "none.json"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v of no file", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := readAnnotations(ctx, annotationFile(t, detail), detailIDs); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v of a cancelled context", err)
	}
}

func TestAnnotationsMaskOfAnotherSize(t *testing.T) {
	a, err := readAnnotations(t.Context(), annotationFile(t, strings.Replace(detail, `"size": [2, 3], "counts": "042"`, `"size": [3, 2], "counts": "042"`, 1)), detailIDs)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.labels("a.jpg", imageprep.Options{}); err == nil || !strings.HasSuffix(err.Error(), "mask of size [3 2], want [2 3]") {
		t.Errorf("error %v", err)
	}
}

// What is read over takes no memory, whatever there is of it.
func TestAnnotationsMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "detail.json")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	filler := strings.Repeat("1,", 50000) + "1"
	fmt.Fprint(file, `{"images": [{"image_id": 1, "file_name": "a.jpg", "height": 1, "width": 1, "phase": "val"}], "annos_occlusion": [0`)
	for range 100 {
		fmt.Fprintf(file, `,{"edges": [%s]}`, filler)
	}
	fmt.Fprint(file, `], "annos_segmentation": []}`)
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := readAnnotations(t.Context(), path, detailIDs); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if got, most := int64(after.TotalAlloc-before.TotalAlloc), info.Size()/8; got > most {
		t.Errorf("%d bytes allocated for a file of %d, want at most %d", got, info.Size(), most)
	}
}

// indexFactor is what indexing annotations, or making a label map of them, may
// allocate in all for each byte of the file.
const indexFactor = 64

// Files of any content are read or refused, and what is read stays so.
func FuzzAnnotations(f *testing.F) {
	f.Add([]byte(detail))
	f.Add([]byte(`{"images":[{"image_id":1,"file_name":"a","height":1,"width":1}],"annos_segmentation":[{"image_id":1,"category_id":2,"segmentation":{"size":[1,1],"counts":"01"}}]}`))
	f.Add([]byte(`{"images":[],"x":{"a":[1,{"b":null}]},"annos_segmentation":[]}`))
	f.Add([]byte(`{"a":[[[[`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if !testutil.Parsed(t, testutil.Multiple(len(data), indexFactor), func() error {
			_, err := newIndexer(t.Context(), bytes.NewReader(data), detailIDs).index()
			return err
		}) {
			return
		}
		path := annotationFile(t, string(data))
		a, err := readAnnotations(t.Context(), path, detailIDs)
		if err != nil {
			t.Fatal(err)
		}
		for name := range a.images {
			var labels *imageprep.Labels
			if !testutil.Parsed(t, testutil.Multiple(len(data)+2*1<<16, indexFactor), func() (err error) {
				labels, err = a.labels(name, imageprep.Options{MaxPixels: 1 << 16})
				return err
			}, "read label map: "+path+": ") {
				continue
			}
			for _, v := range labels.Pix {
				if !slices.Contains(detailIDs, int(v)) {
					t.Fatalf("%s: id %d, want one of %d", name, v, detailIDs)
				}
			}
		}
	})
}
