package dataset

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/matfile"
	"github.com/clipnh/clipnh/internal/testutil"
)

func tableOf(t *testing.T, text string, labels ...string) (*Labels, error) {
	t.Helper()
	return readLabels(strings.NewReader(text), TableOptions{Path: "t.csv", Image: "image", Group: "year", Labels: labels, LabelOptional: map[string]bool{"maybe": true}})
}

func TestReadTable(t *testing.T) {
	for name, text := range map[string]string{
		"plain":             "image,year,yellow\na.jpg,1991,1\nb.jpg,2012,0\n",
		"byte order mark":   "\ufeffimage,year,yellow\na.jpg,1991,1\nb.jpg,2012,0\n",
		"crlf":              "image,year,yellow\r\na.jpg,1991,1\r\nb.jpg,2012,0\r\n",
		"quoted":            "\"image\",\"year\",\"a, \"\"b\"\"\nc\",yellow\n\"a.jpg\",1991,\"x,\ny\",\"yes\"\nb.jpg,2012,,no\n",
		"order and columns": "other,yellow,image,year\n7,true,a.jpg,1991\n8,FALSE,b.jpg,2012\n",
		"blanks":            "image, year, yellow\na.jpg, 1991, 1.0\n\nb.jpg, 2012, 0.0\n",
		"no last newline":   "image,year,yellow\na.jpg,1991,Y\nb.jpg,2012,n",
	} {
		l, err := tableOf(t, text, "yellow", "maybe")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(l.Known) != 2 || !slices.Equal(l.Names, []string{"yellow"}) || l.Grouping != "year" {
			t.Errorf("%s: %+v", name, l)
			continue
		}
		for i, want := range []Labelled{{"a.jpg", "1991", []Answer{Yes}, ""}, {"b.jpg", "2012", []Answer{No}, ""}} {
			if k := l.Known[i]; k.Image != want.Image || k.Group != want.Group || !slices.Equal(k.Answers, want.Answers) {
				t.Errorf("%s: row %d is %+v, want %+v", name, i, k, want)
			}
		}
	}
}

func TestReadTableUnknown(t *testing.T) {
	l, err := tableOf(t, "image,year,red,maybe\na,1,,nan\nb,,0,NaN\n", "maybe", "red")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(l.Names, []string{"red"}) || l.Known[0].Answers[0] != Unknown || l.Known[1].Answers[0] != No || l.Known[1].Group != "" {
		t.Errorf("%+v", l)
	}
}

// TestTableOfOldMacintosh reads lines that end in CR.
func TestTableOfOldMacintosh(t *testing.T) {
	l, err := tableOf(t, "image,year,yellow\ra,1991,1\rb,1992,0\r", "yellow")
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Known) != 2 || l.Known[1].Image != "b" || l.Known[0].Answers[0] != Yes {
		t.Errorf("%+v", l)
	}
}

// TestJoinQuotes names images of any length in a message of a few words.
func TestJoinQuotes(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	l := &Labels{Path: "t.csv", Known: []Labelled{{Image: "a/" + long}, {Image: "b/" + long}}}
	if _, err := l.Join([]string{long}); testutil.Line(err, "several rows are for a file") != nil || len(err.Error()) > 500 {
		t.Errorf("error of %d bytes", len(err.Error()))
	}
	l.Known = l.Known[:1]
	if _, err := l.Join([]string{"b/a/" + long, "c/a/" + long}); testutil.Line(err, "is that of two images") != nil || len(err.Error()) > 600 {
		t.Errorf("error of %d bytes", len(err.Error()))
	}
}

func TestReadTableRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":      {"", "no lines"},
		"no rows":      {"image,year,yellow\n", "no rows"},
		"no column":    {"file,year,yellow\na,1,1\n", `line 1: no column "image", there are "file", "year", "yellow"`},
		"column twice": {"image,year,yellow,year\na,1,1,1\n", `line 1: column "year" is there twice`},
		"semicolons":   {"image;year;yellow\na;1;1\n", `no column "image", there are "image;year;yellow"`},
		"few fields":   {"image,year,yellow\na,1,1\nb,1\n", "line 3: 2 fields, want 3 as in the first line"},
		"answer":       {"image,year,yellow\na,1,1\nb,1,perhaps\n", `line 3: column "yellow": "perhaps", want 1 or 0`},
		"image twice":  {"image,year,yellow\na,1,1\nb,1,1\na,2,0\n", `line 4: image "a" has a row already, in line 2`},
		"no image":     {"image,year,yellow\n,1,1\n", "line 2: no name of an image"},
		"bare quote":   {"image,year,yellow\na\"b,1,1\n", "line 2: a double quote within a field"},
		"open quote":   {"image,year,yellow\n\"a,1,1\nb,2,2\n", "line 2: a field in double quotes does not end"},
		"not UTF-8":    {"image,year,yellow\na\xff,1,1\n", `line 2: column "image" is not UTF-8 text`},
		"UTF-16":       {"\xff\xfei\x00", "text is UTF-16, want UTF-8"},
		"zero byte":    {"image,year,yellow\na\x00,1,1\n", "byte 19 is zero, want a table"},
		"one line":     {"image,year,yellow\n" + strings.Repeat("x", maxLine+1), "a line of more than 4 MiB"},
		"Git LFS":      {"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer, not the file itself, want a table of comma-separated values"},
		"HTML":         {"<!doctype html>\n", "an HTML page"},
		"long answer":  {"image,year,yellow\na,1," + strings.Repeat("x", 1<<20) + "\n", `line 2: column "yellow": "` + strings.Repeat("x", 60) + `"... (1048516 more bytes), want 1 or 0`},
		"long image":   {"image,year,yellow\n" + strings.Repeat(strings.Repeat("x", 1<<20)+",1,1\n", 2), "(1048516 more bytes) has a row already"},
		"long columns": {strings.Repeat("x", 1<<20) + ",year\n", "(1048516 more bytes), \"year\""},
		"many columns": {strings.Repeat("a,", 2000) + "\n", "2001 columns, want at most 1024"},
	} {
		if _, err := tableOf(t, tt.text, "yellow"); testutil.Line(err, tt.want) != nil || len(err.Error()) > 500 {
			t.Errorf("%s: error %v, want %q", name, err, tt.want)
		}
	}
}

// goldenCars lays the golden devkit out as a data set.
func goldenCars(t *testing.T, below string) string {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, below)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"devkit": "shift/devkit", "cars_train": "dataset"} {
		if err := os.Symlink(testutil.Golden(to), filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestReadCars(t *testing.T) {
	refined := testutil.Golden("shift/refined_train.csv")
	for _, below := range []string{"", "stanford_cars"} {
		l, err := ReadCars(t.Context(), CarOptions{Root: goldenCars(t, below), CSV: refined, Labels: []string{"Yellow", "convertible", "bicycle", "model convertible", "red"}})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(l.Names, []string{"Yellow", "convertible", "model convertible"}) || len(l.Known) != 43 || l.Grouping != "year" {
			t.Fatalf("%d cars, labels %q", len(l.Known), l.Names)
		}
		// Its line is "00290.png,5_3"; class 5 is "Make4 Model Convertible ...".
		if k := l.Known[0]; k.Image != "00290.png" || k.Group != carYear(t, 5) {
			t.Errorf("first car is %+v", k)
		}
	}
	l, err := ReadCars(t.Context(), CarOptions{Root: goldenCars(t, ""), CSV: refined, Labels: []string{"blue"}, Colours: []string{"black", "white", "grey", "blue"}})
	if err != nil {
		t.Fatal(err)
	}
	if k := l.Known[0]; !slices.Equal(k.Answers, []Answer{Yes}) { // 5_3
		t.Errorf("named colours: %+v", k)
	}
	l, err = ReadCars(t.Context(), CarOptions{Root: goldenCars(t, ""), Labels: []string{"yellow", "convertible"}})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(l.Names, []string{"convertible"}) || len(l.Known) != 48 {
		t.Errorf("without colours: %d cars, labels %q", len(l.Known), l.Names)
	}
}

func carYear(t *testing.T, class int) string {
	t.Helper()
	names, err := readClassesOfCars(testutil.Golden("shift/devkit/cars_meta.mat"))
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(names[class-1])
	return words[len(words)-1]
}

func TestReadCarsRefuses(t *testing.T) {
	root := goldenCars(t, "")
	for want, text := range map[string]string{
		`line 2: column Class: "5", want the numbers of class and colour`: "image,Class\na,5\n",
		`line 2: column Class: "x_1", want the numbers`:                   "image,Class\na,x_1\n",
		`line 3: column Class: "15_1": class 15, want 1 to 14`:            "image,Class\na,14_1\nb,15_1\n",
		`line 3: image "a" has a row already, in line 2`:                  "image,Class\na,14_1\na,14_2\n",
		`no column "Class"`: "image,class\na,14_1\n",
	} {
		path := filepath.Join(t.TempDir(), "refined.csv")
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadCars(t.Context(), CarOptions{Root: root, CSV: path}); err == nil || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if _, err := ReadCars(t.Context(), CarOptions{Root: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "cars_meta.mat") {
		t.Errorf("no devkit: error %v", err)
	}
	if _, err := readClassesOfCars(testutil.Golden("shift/devkit/cars_train_annos.mat")); err == nil || !strings.Contains(err.Error(), `no variable "class_names", it has "annotations"`) {
		t.Errorf("another file: error %v", err)
	}
	if _, err := readAnnotationsOfCars(testutil.Golden("shift/devkit/cars_train_annos.mat"), 3); err == nil || !strings.Contains(err.Error(), "want 1 to 3") {
		t.Errorf("few classes: error %v", err)
	}
}

func readClassesOfCars(path string) ([]string, error) {
	f, err := matfile.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return carClasses(f, path)
}

func readAnnotationsOfCars(path string, classes int) ([]CarAnnotation, error) {
	f, err := matfile.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return carAnnotations(f, path, classes)
}

func TestOpenCars(t *testing.T) {
	d, err := Open(t.Context(), Options{Kind: Cars, Path: goldenCars(t, "stanford_cars")})
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Items) != 48 || len(d.Classes) != 14 || d.Items[0].Name != "00003.png" || d.Items[0].Label != 11 {
		t.Errorf("%d cars of %d classes, the first %+v", len(d.Items), len(d.Classes), d.Items[0])
	}
	list, err := readAnnotationsOfCars(testutil.Golden("shift/devkit/cars_test_annos.mat"), 14)
	if err != nil || len(list) != 48 || list[0] != (CarAnnotation{File: "00003.png", Class: Unlabelled}) {
		t.Errorf("test annotations: %d, %v", len(list), err)
	}
}

// A table may have a class and a group for every image.
func TestReadTableOfClasses(t *testing.T) {
	o := TableOptions{Image: "image", Group: "group", Label: "label"}
	l, err := readLabels(strings.NewReader("group,image,label\nwater,1.jpg,dog\nland,a/2.jpg, cat \n"), o)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []Labelled{{Image: "1.jpg", Group: "water", Label: "dog"}, {Image: "a/2.jpg", Group: "land", Label: "cat"}} {
		if got := l.Known[i]; got.Image != want.Image || got.Group != want.Group || got.Label != want.Label {
			t.Errorf("row %d is %+v, want %+v", i, got, want)
		}
	}
	for _, test := range []struct{ table, want string }{
		{"image,label\n1.jpg,dog\n", `line 1: no column "group", there are "image", "label"`},
		{"image,group,label\n1.jpg,,dog\n", `line 2: column "group": empty, want a text`},
		{"image,group,label\n1.jpg,water,\n", `line 2: column "label": empty, want a text`},
	} {
		if _, err := readLabels(strings.NewReader(test.table), o); err == nil || err.Error() != test.want {
			t.Errorf("%q: %v, want %s", test.table, err, test.want)
		}
	}
}
