package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/testutil"
)

// kept writes a list of a data set and returns its path.
func kept(t *testing.T, o Options) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := WriteListing(t.Context(), o, &b); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kept.listing")
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// listedForms are data sets of every form, by name.
func listedForms(t *testing.T) map[string]Options {
	root := tree(t, images("cat/b.jpg", "cat/a.jpg", "dog/c.jpg", "dog/d.jpg", "dog/e.jpg"))
	dir := t.TempDir()
	for _, name := range []string{"00.tar", "01.tar", "02.tar", "0.parquet", "1.parquet", "one.zip"} {
		testutil.Pack(t, root, filepath.Join(dir, name), "")
	}
	list := filepath.Join(root, "list.csv")
	if err := os.WriteFile(list, []byte("path,label\ndog/d.jpg,dog\n../"+filepath.Base(root)+"/cat/a.jpg,cat\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	cars, err := filepath.Abs("../demo/assets/stanford_cars")
	if err != nil {
		t.Fatal(err)
	}
	return map[string]Options{
		"cars":             {Kind: Cars, Path: cars},
		"a folder":         {Kind: Images, Path: root},
		"classes":          {Kind: ImageNetVal, Path: root},
		"a list":           {Kind: Images, Path: list},
		"a labelled list":  {Kind: ImageNetVal, Path: list},
		"shards":           {Kind: Images, Path: filepath.Join(dir, "{00..02}.tar")},
		"labelled shards":  {Kind: ImageNetVal, Path: filepath.Join(dir, "{00..02}.tar")},
		"a zip":            {Kind: ImageNetTest, Path: filepath.Join(dir, "one.zip")},
		"tables":           {Kind: Images, Path: filepath.Join(dir, "{0..1}.parquet")},
		"labelled tables":  {Kind: ImageNetVal, Path: filepath.Join(dir, "{0..1}.parquet")},
		"hostile brackets": {Kind: Images, Path: tree(t, images("a!b.jpg", "00.tar!x.jpg", " .jpg", "a/b/c.jpg"))},
	}
}

// TestListingOfAll: a list opens as what it lists, in any place, and says the same of all images
// and of those of a part.
func TestListingOfAll(t *testing.T) {
	for name, o := range listedForms(t) {
		t.Run(name, func(t *testing.T) {
			t.Chdir(filepath.Dir(o.Path))
			o.Path = filepath.Base(o.Path)
			want, err := Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			path := kept(t, o)
			t.Chdir(t.TempDir())
			of := Options{Kind: o.Kind, Path: path}
			got, err := Open(t.Context(), of)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(listed(got), listed(want)) || !reflect.DeepEqual(got.Classes, want.Classes) || got.Kind != want.Kind {
				t.Fatalf("%q of %q, want %q of %q", listed(got), got.Classes, listed(want), want.Classes)
			}
			for i := range got.Items {
				f, err := got.Items[i].Load()
				if err != nil || string(f.Bytes) != "picture" && o.Kind != Cars || !filepath.IsAbs(got.Items[i].Path) {
					t.Errorf("%s: %v", got.Items[i].Path, err)
				}
			}
			l, err := OpenListing(of)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			for stride := 1; stride <= 3; stride++ {
				strided := got.Stride(stride)
				images, names, err := l.Identity(t.Context(), stride)
				if err != nil || images != sure(strided.Fingerprint()) || names != cache.ListHash(strided.Names()) || l.Images(stride) != len(strided.Items) {
					t.Errorf("stride %d: %d images, %s, %s, %v", stride, l.Images(stride), images, names, err)
				}
				if all, err := l.Names(t.Context(), stride); err != nil || !reflect.DeepEqual(all, strided.Names()) {
					t.Errorf("stride %d: names %q, %v", stride, all, err)
				}
				for lo := range strided.Items {
					items, sizes, err := l.Part(t.Context(), lo, len(strided.Items), stride)
					if err != nil || l.CheckSizes(t.Context(), items, sizes) != nil {
						t.Fatal(err)
					}
					if part := (&Dataset{Items: items}); !reflect.DeepEqual(listed(part), listed(&Dataset{Items: strided.Items[lo:]})) {
						t.Errorf("stride %d from %d: %q", stride, lo, listed(part))
					}
				}
			}
			theirs, err := ClassesOf(t.Context(), of)
			ours, e := ClassesOf(t.Context(), Options{Kind: o.Kind, Path: l.file.DataPath})
			if err != nil || e != nil || (theirs == nil) != (ours == nil) || ours != nil && (!reflect.DeepEqual(theirs.Names, ours.Names) || theirs.Table != ours.Table) {
				t.Errorf("classes %+v, %v, want %+v, %v", theirs, err, ours, e)
			}
		})
	}
}

// TestListingPart: a part needs the archives that its images are in, and no others.
func TestListingPart(t *testing.T) {
	for _, form := range []string{"tar", "parquet"} {
		dir := t.TempDir()
		for i := range 4 {
			testutil.Pack(t, tree(t, images("a.jpg", "b.jpg", "c.jpg")), filepath.Join(dir, fmt.Sprintf("%d.%s", i, form)), "")
		}
		l, err := OpenListing(Options{Kind: Images, Path: kept(t, Options{Kind: Images, Path: filepath.Join(dir, "{0..3}."+form)})})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for _, gone := range []string{"0.", "3."} {
			if err := os.Remove(filepath.Join(dir, gone+form)); err != nil {
				t.Fatal(err)
			}
		}
		items, sizes, err := l.Part(t.Context(), 4, 8, 1)
		if err != nil || len(items) != 4 || l.CheckSizes(t.Context(), items, sizes) != nil {
			t.Fatalf("%s: %d images, %v", form, len(items), err)
		}
		if _, _, err := l.Part(t.Context(), 4, 10, 1); !errors.Is(err, cache.ErrStale) || !strings.Contains(err.Error(), "3."+form+": ") {
			t.Errorf("%s: with an image of an archive that is gone: %v", form, err)
		}
		testutil.Pack(t, tree(t, images("a.jpg", "c.jpg")), filepath.Join(dir, "1."+form), "")
		if _, _, err := l.Part(t.Context(), 3, 6, 1); !errors.Is(err, cache.ErrStale) || !strings.Contains(err.Error(), "1."+form+"!b.jpg: ") {
			t.Errorf("%s: without an image that is listed: %v", form, err)
		}
	}
}

// TestListingChanged: an image of another size, or that is gone, is named.
func TestListingChanged(t *testing.T) {
	root := tree(t, images("a.jpg", "b.jpg", "c.jpg"))
	l, err := OpenListing(Options{Kind: Images, Path: kept(t, Options{Kind: Images, Path: root})})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	check := func(want string) {
		t.Helper()
		items, sizes, err := l.Part(t.Context(), 1, 3, 1)
		if err == nil {
			err = l.CheckSizes(t.Context(), items, sizes)
		}
		if want == "" && err != nil || want != "" && (!errors.Is(err, cache.ErrStale) || !strings.Contains(err.Error(), want)) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "a.jpg"), nil, 0o666); err != nil { // of another part
		t.Fatal(err)
	}
	check("")
	if err := os.WriteFile(filepath.Join(root, "c.jpg"), []byte("pictures"), 0o666); err != nil {
		t.Fatal(err)
	}
	check("c.jpg: stale: 8 bytes, 7 bytes when it was listed")
	if err := os.Remove(filepath.Join(root, "b.jpg")); err != nil {
		t.Fatal(err)
	}
	check("b.jpg: stale: cannot be opened, 7 bytes when it was listed")
}

func TestListingRefused(t *testing.T) {
	root := tree(t, images("a.jpg"))
	path := kept(t, Options{Kind: Images, Path: root})
	empty := filepath.Join(t.TempDir(), "x.listing")
	if err := os.WriteFile(empty, []byte("a.jpg\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{Kind: ImageNetVal, Path: path}, `it lists a data set of the kind "images", not imagenet_val`},
		{Options{Kind: Images, Path: empty}, "not a list of images that clipnh wrote"},
	} {
		if _, err := Open(t.Context(), tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want %q", err, tt.want)
		}
	}
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{Kind: Images, Path: path}, "a list of this form already"},
		{Options{Kind: Images, Path: t.TempDir()}, "the folder is empty, want images"},
		{Options{Kind: Images, Path: "https://example.org/a.tar?sig=secret"}, "its address has a key in it"},
	} {
		var b bytes.Buffer
		_, err := WriteListing(t.Context(), tt.o, &b)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want %q", tt.o.Path, err, tt.want)
		}
	}
}
