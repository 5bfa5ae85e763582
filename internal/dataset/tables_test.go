package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestTables opens Parquet files with labels of every form.
func TestTables(t *testing.T) {
	type image struct {
		Bytes []byte `parquet:"bytes,optional"`
		Path  string `parquet:"path"`
	}
	type numbered struct {
		Image image  `parquet:"image"`
		Label *int64 `parquet:"label,optional"`
	}
	type named struct {
		Image image  `parquet:"image"`
		Label string `parquet:"label"`
	}
	type unlabelled struct {
		Image image `parquet:"image"`
	}
	at := func(path string, label int64) numbered { return numbered{image{[]byte("picture"), path}, &label} }
	classes := func(names string) parquet.WriterOption {
		return parquet.KeyValueMetadata("huggingface", `{"info": {"features": {"label": {"_type": "ClassLabel", "names": `+names+`}}}}`)
	}
	catDog := classes(`["cat", "dog", "emu"]`)
	for _, test := range []struct {
		name    string
		files   [][]byte
		table   string // classes.txt
		kind    string // "" is ImageNetVal
		want    string
		classes string
		skipped string
		err     string
	}{
		{name: "numbers", files: [][]byte{parquetOf(t, nil, at("b.jpg", 2), at("a.jpg", 0))}, want: "0.parquet!b.jpg=2 0.parquet!a.jpg=0", classes: "0 1 2"},
		{name: "names", files: [][]byte{parquetOf(t, nil, named{image{[]byte("picture"), "x/b.jpg"}, "dog"}, named{image{[]byte("picture"), "a.jpg"}, "cat"})}, want: "0.parquet!x/b.jpg=1 0.parquet!a.jpg=0", classes: "cat dog"},
		{name: "numbers with names", files: [][]byte{parquetOf(t, catDog, at("b.jpg", 1)), parquetOf(t, catDog, at("b.jpg", 0))}, want: "0.parquet!b.jpg=1 1.parquet!b.jpg=0", classes: "cat dog emu"},
		{name: "classes.txt", table: "n1\tone\nn2\ttwo\nn3\tthree\n", files: [][]byte{parquetOf(t, catDog, at("b.jpg", 1))}, want: "0.parquet!b.jpg=1", classes: "one two three"},
		{name: "other classes.txt", table: "n1\tone\nn2\ttwo\n", files: [][]byte{parquetOf(t, catDog, at("b.jpg", 1))}, err: "classes.txt has 2 classes, but "},
		{name: "other names", files: [][]byte{parquetOf(t, catDog, at("b.jpg", 1)), parquetOf(t, classes(`["dog", "cat"]`), at("b.jpg", 0))}, err: "1.parquet: it names its classes otherwise than "},
		{name: "too large", files: [][]byte{parquetOf(t, catDog, at("b.jpg", 3))}, err: "0.parquet!b.jpg: class 3, but there are names of 3 classes, from 0"},
		{name: "rows without", files: [][]byte{parquetOf(t, nil, at("b.jpg", -1), numbered{Image: image{[]byte("picture"), "c.jpg"}}, numbered{Image: image{Path: "d.jpg"}, Label: of(int64(1))}, at("a.jpg", 0))},
			want: "0.parquet!a.jpg=0", classes: "0", skipped: "0.parquet!b.jpg: no label in its row 0.parquet!c.jpg: no label in its row 0.parquet!d.jpg: no bytes of an image in its row"},
		{name: "no column", files: [][]byte{parquetOf(t, nil, unlabelled{image{[]byte("picture"), "a.jpg"}})}, err: "0.parquet: images without labels, want a column label, labels, class or cls of whole numbers or texts"},
		{name: "unlabelled", kind: Images, files: [][]byte{parquetOf(t, nil, unlabelled{image{[]byte("picture"), "a.jpg"}})}, want: "0.parquet!a.jpg=-1"},
		{name: "no paths", kind: Images, files: [][]byte{parquetOf(t, nil, at("", 0), at("a.jpg", 0))}, want: "0.parquet!0=-1 0.parquet!1=-1"},
		{name: "one path twice", kind: Images, files: [][]byte{parquetOf(t, nil, at("a.jpg", 0), at("./a.jpg", 0))}, want: "0.parquet!0=-1 0.parquet!1=-1"},
		{name: "paths that lead out", kind: ImageNetTest, files: [][]byte{parquetOf(t, nil, at("../a.jpg", 0)), parquetOf(t, nil, at("/home/a.jpg", 0))}, want: "0.parquet!0=-1 1.parquet!0=-1"},
		{name: "no rows", kind: Images, files: [][]byte{parquetOf[numbered](t, nil)}, err: "no rows, want one for each image"},
		{name: "cars", kind: Cars, files: [][]byte{parquetOf[numbered](t, nil)}, err: "a Parquet file, want the folder of the data set"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for i, data := range test.files {
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.parquet", i)), data, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			if test.table != "" {
				if err := os.WriteFile(filepath.Join(dir, classesFile), []byte(test.table), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			o := Options{Kind: test.kind, Path: filepath.Join(dir, fmt.Sprintf("{0..%d}.parquet", len(test.files)-1))}
			if o.Kind == "" {
				o.Kind = ImageNetVal
			}
			d, err := Open(t.Context(), o)
			if test.err != "" {
				if bad := testutil.Line(err, dir, test.err); bad != nil {
					t.Error(bad)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(listed(d), " "); got != test.want || strings.Join(d.Classes, " ") != test.classes {
				t.Errorf("%s of %q, want %s of %s", got, d.Classes, test.want, test.classes)
			}
			var skipped []string
			for _, s := range d.Skipped {
				skipped = append(skipped, s.Name+": "+s.Reason)
			}
			if got := strings.Join(skipped, " "); got != test.skipped {
				t.Errorf("skipped %s, want %s", got, test.skipped)
			}
			for i, size := range sure(d.Sizes()) {
				f, err := d.Items[i].Load()
				if err != nil || string(f.Bytes) != "picture" || size != int64(len("picture")) {
					t.Errorf("%s: %d bytes, %v", d.Items[i].Name, size, err)
				}
			}
			if err := os.Truncate(filepath.Join(dir, "0.parquet"), 100); err != nil {
				t.Fatal(err)
			}
			if sizes, err := d.Sizes(); err == nil || !strings.Contains(err.Error(), "changed after it was listed") {
				t.Errorf("sizes %v of a file that was cut, %v", sizes, err)
			}
			if _, err := d.Items[0].Load(); err == nil || !strings.Contains(err.Error(), "changed after it was listed") {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestTablesLikeFolder lists the same images with the same labels as from their folders.
func TestTablesLikeFolder(t *testing.T) {
	root := tree(t, images("cat/b.jpg", "cat/a.jpg", "dog/c.jpg"))
	path := filepath.Join(t.TempDir(), "val.parquet")
	testutil.Pack(t, root, path, "")
	d, err := Open(t.Context(), Options{Kind: ImageNetVal, Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := listed(d), []string{"val.parquet!cat/a.jpg=0", "val.parquet!cat/b.jpg=0", "val.parquet!dog/c.jpg=1"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	files, err := Files(t.Context(), []string{path})
	if err != nil || len(files.Items) != 3 || files.Items[0].Name != filepath.ToSlash(path)+"!cat/a.jpg" {
		t.Errorf("%+v, %v", files, err)
	}
	labels := &Labels{Known: []Labelled{{Image: "cat/b.jpg"}}}
	if joined, err := labels.Join(d.Names()); err != nil || !slices.Equal(joined, []int{-1, 0, -1}) {
		t.Errorf("%v, %v", joined, err)
	}
}

// of is a pointer to v.
func of[T any](v T) *T { return &v }

// parquetOf is a Parquet file of rows.
func parquetOf[T any](t *testing.T, option parquet.WriterOption, rows ...T) []byte {
	t.Helper()
	var b bytes.Buffer
	var options []parquet.WriterOption
	if option != nil {
		options = append(options, option)
	}
	w := parquet.NewGenericWriter[T](&b, options...)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A list of addresses of images is refused with what to do.
func TestListOfAddresses(t *testing.T) {
	for name, text := range map[string]string{"a.txt": "x.jpg\nhttps://h/a.jpg?signed\n", "a.csv": "path\nx.jpg\nhttps://h/a.jpg?signed\n"} {
		list := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), Options{Kind: Images, Path: list})
		var h interface{ Hint() string }
		if err == nil || !strings.Contains(err.Error(), "image 2: https://h/a.jpg: an address") || !errors.As(err, &h) || !strings.Contains(h.Hint(), "img2dataset") {
			t.Errorf("%s: %v, want an error about image 2 that names img2dataset", name, err)
		}
	}
}

// TestAddressesRefused: what is no archive at an address is refused with what to do.
func TestAddressesRefused(t *testing.T) {
	dir := t.TempDir()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	list := filepath.Join(dir, "a.txt")
	if err := os.WriteFile(list, []byte("s3://b/cls/000000.tar\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"val", "cls"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ path, err, hint string }{
		{server.URL + "/cls/*.tar", "/cls/*.tar: nothing is there", "* and ? are not replaced here: name archives with braces, as in \"" + server.URL + "/cls/{000..012}.tar\""},
		{server.URL + "/cls/0.tar", "/cls/0.tar: nothing is there", ""},
		{"https://h/a.LISTING?x", "https://h/a.LISTING: a kept list at an address", "what it lists may be at addresses"},
		{"https://h/{a,b}.csv?x", "https://h/{a,b}.csv: 2 lists, want one", ""},
		{server.URL + "/list.txt?x", server.URL + "/list.txt: nothing is there", ""},
		{"https://h/a.rar", "https://h/a.rar: want the address of a .tar", "img2dataset"},
		{list, "image 1: s3://b/cls/000000.tar: an archive, want the path of an image", "a pattern with braces"},
		{filepath.Join(dir, "{val,cls}"), filepath.Join(dir, "val") + " is a folder, want archives or Parquet files", ""},
	} {
		_, err := Open(t.Context(), Options{Kind: Images, Path: tt.path})
		var h interface{ Hint() string }
		if err == nil || !strings.Contains(err.Error(), tt.err) || errors.As(err, &h) != (tt.hint != "") || tt.hint != "" && !strings.Contains(h.Hint(), tt.hint) {
			t.Errorf("%s: %v, want %s with the hint %q", tt.path, err, tt.err, tt.hint)
		}
	}
}
