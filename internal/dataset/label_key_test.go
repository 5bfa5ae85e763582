package dataset

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestLabelKey takes labels by a name that is given.
func TestLabelKey(t *testing.T) {
	type photo struct {
		Bytes []byte `parquet:"bytes"`
	}
	type animal struct {
		Image   photo   `parquet:"image"`
		Label   int64   `parquet:"label"`
		Species string  `parquet:"species"`
		Weight  float64 `parquet:"weight"`
	}
	samples := map[string]string{
		"0.jpg": "picture", "0.json": `{"species": "dog", "label": 3, "weight": 2.5}`, "0.cls": "7",
		"1.jpg": "picture", "1.json": `{"species": "cat", "label": 4, "weight": 1}`,
	}
	folders := map[string]string{"n1/0.jpg": "picture", "n2/1.jpg": "picture"}
	for _, test := range []struct {
		name, key, kind string
		files           map[string]string // of an archive
		table           []animal
		list, listed    string
		folder          bool
		want            string
		err, hint       string
	}{
		{name: "json", key: "species", files: samples, want: "cat,dog 1,0"},
		{name: "json of another", key: "label", files: samples, want: "0,1,2,3,4 3,4"},
		{name: "json without", key: "kind", files: samples, err: `a.tar!0.json: no label under "kind", there are "label", "species", "weight"`},
		{name: "json with decimals", key: "weight", files: samples, err: `a.tar!0.json: weight: "2.5", want the name of a class`},
		{name: "json of no usual name", files: map[string]string{"0.jpg": "picture", "0.json": `{"species": "dog"}`}, err: "a.tar!0.json: no label, want one under label, cls, class", hint: `{label-key} gives another name: there are "species"`},
		{name: "json without any names", files: map[string]string{"0.jpg": "picture", "0.json": `{}`}, err: "a.tar!0.json: no label, want one under label, cls, class"},
		{name: "json without names", key: "species", files: map[string]string{"0.jpg": "picture", "0.json": `{}`}, err: `a.tar!0.json: no label under "species", it has no names`},
		{name: "no json", key: "species", files: map[string]string{"0.jpg": "picture", "0.cls": "3"}, err: `a.tar: no labels of the name "species": no image has a .json beside it`, hint: "for the .json beside each image"},
		{name: "class folders in an archive", key: "species", files: folders, err: `a.tar: no labels of the name "species": no image has a .json beside it`, hint: "for the .json beside each image"},
		{name: "class folders", key: "species", files: folders, folder: true, err: `no labels of the name "species": the classes of a folder are its folders`, hint: "for the .json"},
		{name: "rows", key: "species", table: []animal{{photo{[]byte("picture")}, 1, "dog", 2}, {photo{[]byte("picture")}, 0, "cat", 1}}, want: "cat,dog 1,0"},
		{name: "rows without", key: "kind", table: []animal{{photo{[]byte("picture")}, 1, "dog", 2}}, err: `a.parquet: no column "kind" of labels, there are "label", "species", "weight"`},
		{name: "rows with decimals", key: "weight", table: []animal{{photo{[]byte("picture")}, 1, "dog", 2}}, err: `a.parquet: column "weight": no whole numbers or texts, want labels`},
		{name: "a column", key: "species", list: "path,species,label\n0.jpg,dog,1\n1.jpg,cat,2\n", want: "cat,dog 1,0"},
		{name: "no column", key: "kind", list: "path,species,label\n0.jpg,dog,1\n", err: `a.csv: line 1: no column "kind" of labels, there are "path", "species", "label"`},
		{name: "without labels", key: "species", kind: Images, files: samples, err: "{label-key} species: {dataset} images has no labels by such a name, want {dataset} imagenet_val"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := tree(t, map[string]string{"0.jpg": "picture", "1.jpg": "picture"})
			path := filepath.Join(dir, "a.tar")
			data := []byte(test.list)
			switch {
			case test.folder:
				path = tree(t, test.files)
			case test.files != nil:
				testutil.Pack(t, tree(t, test.files), path, "")
			case test.table != nil:
				path, data = filepath.Join(dir, "a.parquet"), parquetOf(t, nil, test.table...)
			default:
				path = filepath.Join(dir, "a.csv")
			}
			if test.files == nil {
				if err := os.WriteFile(path, data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			o := Options{Kind: ImageNetVal, LabelKey: test.key, Path: path}
			if test.kind != "" {
				o.Kind = test.kind
			}
			d, err := Open(t.Context(), o)
			if test.err != "" {
				if bad := testutil.Line(err, test.err); bad != nil {
					t.Error(bad)
				}
				var h interface{ Hint() string }
				if errors.As(err, &h) != (test.hint != "") || test.hint != "" && !strings.Contains(h.Hint(), test.hint) {
					t.Errorf("%v, want the hint %q", err, test.hint)
				}
				if _, err := ClassesOf(t.Context(), o); err == nil {
					t.Error("classes all the same")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := func(d *Dataset) string {
				var labels []string
				for _, item := range d.Items {
					labels = append(labels, fmt.Sprint(item.Label))
				}
				return strings.Join(d.Classes, ",") + " " + strings.Join(labels, ",")
			}
			if got(d) != test.want || d.LabelKey != test.key {
				t.Errorf("%q of %q, want %q", got(d), d.LabelKey, test.want)
			}
			classes, err := ClassesOf(t.Context(), o)
			if err != nil || !slices.Equal(classes.Names, d.Classes) {
				t.Errorf("%v, %v", classes, err)
			}

			// A kept list has the labels and their name.
			kept := filepath.Join(dir, "a"+ListingEnd)
			f, err := os.Create(kept)
			if err == nil {
				_, err = WriteListing(t.Context(), o, f)
			}
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
			for _, key := range []string{"", test.key} {
				of, err := Open(t.Context(), Options{Kind: ImageNetVal, LabelKey: key, Path: kept})
				if err != nil || got(of) != test.want || of.LabelKey != test.key {
					t.Errorf("a kept list: %v", err)
				}
			}
			if _, err := Open(t.Context(), Options{Kind: ImageNetVal, LabelKey: "other", Path: kept}); testutil.Line(err, kept, `its labels are not of the name "other"`) != nil {
				t.Error(err)
			}
		})
	}
}

// TestCaptions: texts of which most are of one image are told from classes, if there are many.
func TestCaptions(t *testing.T) {
	for _, test := range []struct {
		images, classes int
		form            string
		want            bool
	}{{99, 99, "txt", false}, {100, 51, "txt", true}, {100, 50, "txt", false}, {150, 150, "txt", true}, {150, 150, "cls", false}} {
		files := map[string]string{}
		for i := range test.images {
			files[fmt.Sprintf("%03d.jpg", i)] = "picture"
			files[fmt.Sprintf("%03d.%s", i, test.form)] = fmt.Sprintf("a photo %d", i%test.classes)
		}
		path := filepath.Join(t.TempDir(), "a.tar")
		testutil.Pack(t, tree(t, files), path, "")
		d, err := Open(t.Context(), Options{Kind: ImageNetVal, Path: path})
		if err != nil || d.Captions != test.want {
			t.Errorf("%v: %v, %v", test, d.Captions, err)
		}
	}
}

// TestWithKeyOf: the name of labels of an artefact's images holds for what has labels by a name.
func TestWithKeyOf(t *testing.T) {
	dir := tree(t, map[string]string{"a.csv": "path", "a" + ListingEnd: "list", "b/0.jpg": "picture"})
	for _, test := range []struct{ kind, path, given, want string }{
		{ImageNetVal, "a.csv", "", "species"},
		{ImageNetVal, "not there.tar", "", "species"},
		{ImageNetVal, "a.csv", "kind", "kind"},
		{ImageNetVal, "a" + ListingEnd, "", ""},
		{ImageNetVal, "a" + ListingEnd, "kind", "kind"},
		{ImageNetVal, "b", "", ""},
		{Images, "a.csv", "", ""},
	} {
		o := Options{Kind: test.kind, LabelKey: test.given, Path: filepath.Join(dir, test.path)}
		if got := o.WithKeyOf(ImageNetVal, "species"); got.LabelKey != test.want || got.Kind != o.Kind || got.Path != o.Path {
			t.Errorf("%v: %+v", test, got)
		}
	}
}
