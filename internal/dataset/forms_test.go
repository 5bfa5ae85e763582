package dataset

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

func TestExpandBraces(t *testing.T) {
	for pattern, want := range map[string]string{
		"a.tar":                    "a.tar",
		"s/{08..11}.tar":           "s/08.tar s/09.tar s/10.tar s/11.tar",
		"s/{8..10}.tar":            "s/8.tar s/9.tar s/10.tar",
		"{a,b}/{0..1}.tar":         "a/0.tar a/1.tar b/0.tar b/1.tar",
		"{a,}.tar":                 "a.tar .tar",
		"{0..1":                    "{0..1: a brace that is not closed",
		"{a}.tar":                  "{a}.tar: {a}: want two numbers as {000..012}, or texts as {a,b}",
		"{3..1}.tar":               "{3..1}.tar: {3..1}: from 3 to 1, want at most 1000000 numbers, the smallest first",
		"{0..x}.tar":               `{0..x}.tar: {0..x}: "x", want a number`,
		"{0..999999}{0..1}":        "{0..999999}{0..1}: more than 1000000 paths",
		"{0..4000000000}":          "{0..4000000000}: {0..4000000000}: from 0 to 4000000000, want at most 1000000 numbers, the smallest first",
		strings.Repeat("{a,b}", 9): strings.Repeat("{a,b}", 9) + ": more than 8 pairs of braces",
	} {
		paths, err := expandBraces(pattern)
		got := strings.Join(paths, " ")
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", pattern, got, want)
		}
	}
}

// TestShards lists shards of a pattern, with labels of every form.
func TestShards(t *testing.T) {
	sample := func(files map[string]string, n int, texts map[string]string) {
		files[fmt.Sprintf("%04d.jpg", n)] = "picture"
		for ext, text := range texts {
			files[fmt.Sprintf("%04d.%s", n, ext)] = text
		}
	}
	for _, test := range []struct {
		name, table string
		texts       []map[string]string // of each image
		strays      map[string]string   // in the first shard
		labels      []int
		classes     []string
		err         string
	}{
		{name: "cls", texts: []map[string]string{{"cls": "2\n", "json": "no JSON"}, {"cls": "0"}, {"cls": "2"}}, labels: []int{2, 0, 2}, classes: []string{"0", "1", "2"}},
		{name: "cls and classes.txt", table: "n01\tone\nn02\ttwo\n", texts: []map[string]string{{"cls": "1"}, {"cls": "0"}, {"cls": "1"}}, labels: []int{1, 0, 1}, classes: []string{"one", "two"}},
		{name: "json", texts: []map[string]string{{"json": `{"label": 1, "x": [1]}`}, {"json": `{"label": 0}`}, {"json": `{"cls": 1}`}}, labels: []int{1, 0, 1}, classes: []string{"0", "1"}},
		{name: "json of names", texts: []map[string]string{{"json": `{"class": "dog"}`}, {"json": `{"class": "cat"}`}, {"json": `{"class": "dog"}`}}, labels: []int{1, 0, 1}, classes: []string{"cat", "dog"}},
		{name: "txt", texts: []map[string]string{{"txt": "dog"}, {"txt": "cat"}, {"txt": "dog"}}, labels: []int{1, 0, 1}, classes: []string{"cat", "dog"}},
		{name: "txt beside another cls", strays: images("stray.cls", "info.json"), texts: []map[string]string{{"txt": "dog"}, {"txt": "cat"}, {"txt": "dog"}}, labels: []int{1, 0, 1}, classes: []string{"cat", "dog"}},
		{name: "one without", texts: []map[string]string{{"cls": "1"}, {}, {"cls": "0"}}, labels: []int{1, 0}, classes: []string{"0", "1"}},
		{name: "none", texts: []map[string]string{{}, {}, {}}, err: "3 images, but none in a folder of its class"},
		{name: "too many", table: "n01\tone\n", texts: []map[string]string{{"cls": "1"}, {}, {}}, err: "0000.jpg: class 1, but "},
		{name: "absurd", texts: []map[string]string{{"cls": "4000000000"}, {}, {}}, err: "0000.jpg: class 4000000000, want at most 999999"},
		{name: "large numbers among names", texts: []map[string]string{{"cls": "4000000000"}, {"cls": "dog"}, {"cls": "2"}}, labels: []int{1, 2, 0}, classes: []string{"2", "4000000000", "dog"}},
		{name: "damaged", texts: []map[string]string{{"json": "{"}, {}, {}}, err: "0000.json: not JSON with names and values"},
		{name: "no label", texts: []map[string]string{{"json": "{}"}, {}, {}}, err: "0000.json: no label, want one under label, cls, class"},
		{name: "json null", texts: []map[string]string{{"json": `{"label": null}`}, {}, {}}, err: "0000.json: label: " + strconv.Quote(`null`) + ", want the name of a class, or its number without a decimal point"},
		{name: "json object", texts: []map[string]string{{"json": `{"label": {"id": 1}}`}, {}, {}}, err: "0000.json: label: " + strconv.Quote(`{"id": 1}`) + ", want the name of a class, or its number without a decimal point"},
		{name: "json decimals", texts: []map[string]string{{"json": `{"label": 3.0}`}, {}, {}}, err: "0000.json: label: " + strconv.Quote(`3.0`) + ", want the name of a class, or its number without a decimal point"},
		{name: "json yes", texts: []map[string]string{{"json": `{"label": true}`}, {}, {}}, err: "0000.json: label: " + strconv.Quote(`true`) + ", want the name of a class, or its number without a decimal point"},
		{name: "json blank", texts: []map[string]string{{"json": `{"label": " "}`}, {}, {}}, err: "0000.json: label: " + strconv.Quote(`" "`) + ", want the name of a class, or its number without a decimal point"},
		{name: "empty", texts: []map[string]string{{"cls": " "}, {}, {}}, err: "0000.cls: empty, want the name or number of a class"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if test.table != "" {
				dir = tree(t, map[string]string{classesFile: test.table})
			}
			first, second := map[string]string{}, map[string]string{}
			maps.Copy(first, test.strays)
			sample(first, 0, test.texts[0])
			sample(first, 1, test.texts[1])
			sample(second, 0, test.texts[2]) // a name of the first shard, too
			testutil.Pack(t, tree(t, first), filepath.Join(dir, "00.tar"), "")
			testutil.Pack(t, tree(t, second), filepath.Join(dir, "01.tar"), "")
			path := filepath.Join(dir, "{00..01}.tar")
			d, err := Open(t.Context(), Options{Kind: ImageNetVal, Path: path})
			if test.err != "" {
				if bad := testutil.Line(err, test.err); bad != nil {
					t.Error(bad)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, name := range []string{"00.tar!0000.jpg", "00.tar!0001.jpg", "01.tar!0000.jpg"} {
				if len(test.labels) < 3 && strings.HasPrefix(name, "00.tar!0001") {
					continue
				}
				want = append(want, fmt.Sprintf("%s=%d", name, test.labels[len(want)]))
			}
			if got := listed(d); !slices.Equal(got, want) || !slices.Equal(d.Classes, test.classes) {
				t.Errorf("%q of %q, want %q of %q", got, d.Classes, want, test.classes)
			}
			if len(d.Skipped) != 3-len(want) {
				t.Errorf("skipped %v", d.Skipped)
			}
		})
	}
	path := filepath.Join(t.TempDir(), "{0..3}.tar")
	if _, err := Open(t.Context(), Options{Kind: Images, Path: path}); err == nil || !strings.Contains(err.Error(), "4 of 4 files are not there") {
		t.Error(err)
	}
}

// TestShardsSpelt holds that the names of images in shards do not depend on how the
// pattern is spelt, and that no shard is listed twice.
func TestShardsSpelt(t *testing.T) {
	dir := t.TempDir()
	shards := filepath.Join(dir, "s")
	if err := os.Mkdir(shards, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"0.tar", "1.tar", "000.tar"} {
		testutil.Pack(t, tree(t, images("a.jpg")), filepath.Join(shards, name), "")
	}
	t.Chdir(dir)
	two := []string{"0.tar!a.jpg=-1", "1.tar!a.jpg=-1"}
	for _, test := range []struct {
		path string
		want []string
		err  string
		gone bool
		hint string
	}{
		{path: "s/{0..1}.tar", want: two},
		{path: "./s/{0..1}.tar", want: two},
		{path: "s//{0..1}.tar", want: two},
		{path: "s/../s/{0..1}.tar", want: two},
		{path: filepath.Join(dir, "s/{0..1}.tar"), want: two},
		{path: "{./s,s/.}/{0..1}.tar", err: "{./s,s/.}/{0..1}.tar: s/0.tar is named twice, want each once"},
		{path: "s/{000..000}.tar", want: []string{"000.tar!a.jpg=-1"}},
		{path: "s/{0,0}.tar", err: "s/{0,0}.tar: s/0.tar is named twice, want each once"},
		{path: "s/{2..2}.tar", err: "s/{2..2}.tar: 1 of 1 file is not there, s/2.tar the first", gone: true},
		{path: "gs://bucket/{2..2}.tar", err: "gs://bucket/{2..2}.tar: no such files", gone: true, hint: otherAddresses},
	} {
		d, err := Open(t.Context(), Options{Kind: Images, Path: filepath.FromSlash(test.path)})
		if test.err != "" {
			if err == nil || filepath.ToSlash(err.Error()) != test.err || errors.Is(err, fs.ErrNotExist) != test.gone {
				t.Errorf("%s: %v, want %s", test.path, err, test.err)
			}
			if h, ok := err.(interface{ Hint() string }); test.hint != "" && (!ok || h.Hint() != test.hint) {
				t.Errorf("%s: %v, want the hint %s", test.path, err, test.hint)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.path, err)
		} else if got := listed(d); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.path, got, test.want)
		}
	}
}

// TestLists opens lists of images.
func TestLists(t *testing.T) {
	files := images("in/b.jpg", "in/a.jpg", "out/c.jpg")
	for _, test := range []struct {
		name, file, list, kind string
		want                   []string // name=label
		classes                []string
		err                    string
	}{
		{name: "text", file: "in/list.txt", list: "b.jpg\n./a.jpg\n", kind: Images, want: []string{"b.jpg=-1", "a.jpg=-1"}},
		{name: "out of the folder", file: "in/list.txt", list: "b.jpg\n../out/c.jpg\n", kind: Images, want: []string{"in/b.jpg=-1", "out/c.jpg=-1"}},
		{name: "absolute", file: "list.txt", list: "ROOT/in/b.jpg\nROOT/in/a.jpg\n", kind: Images, want: []string{"b.jpg=-1", "a.jpg=-1"}},
		{name: "table", file: "list.csv", list: "x,path\n1,in/b.jpg\n2,in/a.jpg\n", kind: Images, want: []string{"in/b.jpg=-1", "in/a.jpg=-1"}},
		{name: "labels", file: "list.csv", list: "label,file\ndog,in/b.jpg\ncat,in/a.jpg\n", kind: ImageNetVal, want: []string{"in/b.jpg=1", "in/a.jpg=0"}, classes: []string{"cat", "dog"}},
		{name: "numbers", file: "list.csv", list: "label,file\n2,in/b.jpg\n0,in/a.jpg\n", kind: ImageNetVal, want: []string{"in/b.jpg=2", "in/a.jpg=0"}, classes: []string{"0", "1", "2"}},
		{name: "no labels", file: "list.txt", list: "in/b.jpg\n", kind: ImageNetVal, err: "a list without labels"},
		{name: "some labels", file: "list.csv", list: "label,file\ndog,in/b.jpg\n,in/a.jpg\n", kind: ImageNetVal, err: `image "in/a.jpg" has no label, and others have`},
		{name: "addresses", file: "list.csv", list: "url,caption\nhttp://x/1.jpg,x\n", kind: Images, err: "line 2: an address and no path"},
		{name: "no column", file: "list.csv", list: "x,y\n1,2\n", kind: Images, err: `line 1: no column of paths, there are "x", "y"; want one of path, `},
		{name: "twice", file: "list.txt", list: "in/b.jpg\nin/../in/b.jpg\n", kind: Images, err: "image in/b.jpg is listed twice, as number 1 and 2"},
		{name: "words", file: "list.txt", list: "circle\ndisc\n", kind: Images, err: "none of the 2 images that it lists is there; the first would be "},
		{name: "a folder", file: "list.txt", list: "in\n", kind: Images, err: "in is a folder, want a list of images"},
		{name: "archives", file: "list.txt", list: "in/b.jpg\nshards/000.tar\n", kind: Images, err: "image 2: shards/000.tar: an archive, want the path of an image"},
		{name: "Parquet files", file: "list.csv", list: "file\n0.parquet\n", kind: Images, err: "image 1: 0.parquet: an archive, want the path of an image"},
		{name: "a negative number", file: "list.csv", list: "label,file\n2,in/b.jpg\n-1,in/a.jpg\n", kind: ImageNetVal, err: `in/a.jpg: class "-1", want a whole number from 0, or names`},
		{name: "decimal points", file: "list.csv", list: "label,file\n2.0,in/b.jpg\n10.0,in/a.jpg\n", kind: ImageNetVal, err: `in/b.jpg: class "2.0", want a whole number from 0, or names`},
		{name: "digits and letters", file: "list.csv", list: "label,file\nA,in/b.jpg\n1,in/a.jpg\n", kind: ImageNetVal, want: []string{"in/b.jpg=1", "in/a.jpg=0"}, classes: []string{"1", "A"}},
		{name: "words like numbers", file: "list.csv", list: "label,file\nnan,in/b.jpg\n1,in/a.jpg\n", kind: ImageNetVal, want: []string{"in/b.jpg=1", "in/a.jpg=0"}, classes: []string{"1", "nan"}},
		{name: "cars", file: "list.txt", list: "in/b.jpg\n", kind: Cars, err: "a list of images, want the folder of the data set"},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := tree(t, files)
			list := strings.ReplaceAll(test.list, "ROOT", filepath.ToSlash(root))
			path := filepath.Join(root, filepath.FromSlash(test.file))
			if err := os.WriteFile(path, []byte(list), 0o600); err != nil {
				t.Fatal(err)
			}
			d, err := Open(t.Context(), Options{Kind: test.kind, Path: path})
			if test.err != "" {
				if bad := testutil.Line(err, path, test.err); bad != nil {
					t.Error(bad)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := listed(d); !slices.Equal(got, test.want) || !slices.Equal(d.Classes, test.classes) {
				t.Errorf("%q of %q, want %q of %q", got, d.Classes, test.want, test.classes)
			}
			for i := range d.Items {
				if f, err := d.Items[i].Load(); err != nil || string(f.Bytes) != "picture" {
					t.Error(err)
				}
			}
		})
	}
}
