package dataset

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

func labelsOf(rows ...string) *Labels {
	l := &Labels{Path: "t.csv"}
	for _, name := range rows {
		l.Known = append(l.Known, Labelled{Image: name})
	}
	return l
}

func TestJoin(t *testing.T) {
	tests := []struct {
		name         string
		rows, images []string
		want         []int
	}{
		{"file names", []string{"a.jpg", "b.jpg"}, []string{"x/b.jpg", "c.jpg", "a.jpg"}, []int{1, -1, 0}},
		{"other folders", []string{"train/boats/1.jpg", "boats/2.jpg"}, []string{"cars/1.jpg", "cars/2.jpg"}, []int{-1, -1}},
		{"row below a folder", []string{"n01/x.JPEG", "n02/x.JPEG"}, []string{"val/n02/x.JPEG", "val/n01/x.JPEG"}, []int{1, 0}},
		{"image below a folder", []string{"/home/me/photos/cars/1.jpg", "/home/me/photos/boats/1.jpg"}, []string{"boats/1.jpg", "cars/1.jpg"}, []int{1, 0}},
		{"no boundary", []string{"rs/1.jpg", "s/2.jpg", "tcars/3.jpg"}, []string{"cars/1.jpg", "cars/2.jpg", "cars/3.jpg"}, []int{-1, -1, -1}},
		{"exact row", []string{"a/1.jpg"}, []string{"b/1.jpg", "a/1.jpg"}, []int{-1, 0}},
		{"exact row before an end", []string{"1.jpg"}, []string{"a/1.jpg", "1.jpg"}, []int{-1, 0}},
		{"exact row of a longer name", []string{"a/1.jpg"}, []string{"1.jpg", "a/1.jpg"}, []int{-1, 0}},
		{"most folders", []string{"1.jpg", "b/1.jpg", "x/1.jpg"}, []string{"a/b/1.jpg"}, []int{1}},
		{"longer row before a shorter one", []string{"1.jpg", "r/a/1.jpg"}, []string{"a/1.jpg"}, []int{1}},
		{"dots", []string{"./cars/1.jpg", "cars//2.jpg", "../cars/3.jpg"}, []string{"cars/1.jpg", "cars/2.jpg", "/photos/cars/3.jpg"}, []int{0, 1, 2}},
		{"image in an archive", []string{"cats/1.jpg", "/me/photos/cats/2.jpg", "3.jpg", "dogs/4.jpg"},
			[]string{"photos.tar!cats/1.jpg", "photos.tar!cats/2.jpg", "photos.tar!cats/3.jpg", "photos.tar!cats/4.jpg"}, []int{0, 1, 2, -1}},
		{"row in an archive", []string{"photos.tar!cats/1.jpg", "photos.tar!dogs/2.jpg"}, []string{"cats/1.jpg", "photos/cats/2.jpg"}, []int{0, -1}},
		{"archives", []string{"/data/007.tar!1.jpg", "/data/008.tar!1.jpg", "009.tar!1.jpg"}, []string{"008.tar!1.jpg", "007.tar!1.jpg", "010.tar!1.jpg"}, []int{1, 0, -1}},
		{"archive and folder", []string{"1.jpg"}, []string{"a.tar!1.jpg", "1.jpg"}, []int{-1, 0}},
	}
	for _, tt := range tests {
		for range 2 { // whatever the order of the images
			if got, err := labelsOf(tt.rows...).Join(tt.images); err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%s: rows %q, images %q: %v, %v, want %v", tt.name, tt.rows, tt.images, got, err, tt.want)
			}
			slices.Reverse(tt.images)
			slices.Reverse(tt.want)
		}
	}
}

func TestJoinRefuses(t *testing.T) {
	for _, tt := range []struct {
		rows, images []string
		want         string
	}{
		{[]string{"y/c.jpg", "z/c.jpg"}, []string{"c.jpg"}, "no row for image c.jpg; several rows are for a file of that name in other folders, such as y/c.jpg and z/c.jpg"},
		{[]string{"y/c.jpg", "z/c.jpg"}, []string{"y/c.jpg", "c.jpg"}, "no row for image c.jpg; several"},
		{[]string{"./c.jpg", "c.jpg"}, []string{"x/c.jpg"}, "no row for image x/c.jpg; several"},
		{[]string{"a.jpg"}, []string{"p/a.jpg", "q/a.jpg"}, "row of a.jpg is that of two images, p/a.jpg and q/a.jpg"},
		{[]string{"n/a.jpg"}, []string{"p/n/a.jpg", "q/n/a.jpg"}, "row of n/a.jpg is that of two images"},
		{[]string{"p/n/a.jpg"}, []string{"n/a.jpg", "a.jpg"}, "row of p/n/a.jpg is that of two images"},
		{[]string{"a.jpg"}, []string{"p.tar!a.jpg", "q.tar!a.jpg"}, "row of a.jpg is that of two images"},
		{[]string{"a.jpg"}, []string{"a.jpg", "a.jpg"}, "row of a.jpg is that of two images"},
	} {
		if got, err := labelsOf(tt.rows...).Join(tt.images); testutil.Line(err, "t.csv", tt.want) != nil {
			t.Errorf("rows %q, images %q: %v, %v, want %q", tt.rows, tt.images, got, err, tt.want)
		}
	}
}

// TestJoinOfMany compares with a search through all rows: ends found by order are those
// found one by one.
func TestJoinOfMany(t *testing.T) {
	var rows, images []string
	for i := range 300 {
		rows = append(rows, fmt.Sprintf("/data/set%d/n%02d/%d.jpg", i%3, i%7, i))
		images = append(images, fmt.Sprintf("set%d/n%02d/%d.jpg", i%3, i*i%7, i)) // another folder in some
	}
	got, err := labelsOf(rows...).Join(images)
	if err != nil {
		t.Fatal(err)
	}
	for i, image := range images {
		if want := slices.IndexFunc(rows, func(row string) bool { return strings.HasSuffix(row, "/"+image) }); got[i] != want {
			t.Errorf("image %s: row %d, want %d", image, got[i], want)
		}
	}
}

// A name with letters as one character, and as two.
const (
	oneMark  = "Fot\u00f6.jpg"
	twoMarks = "Foto\u0308.jpg"
)

// TestJoinForms: names of two Unicode forms are of one image, unless there are others that look
// like them.
func TestJoinForms(t *testing.T) {
	for _, tt := range []struct {
		rows, images []string
		want         []int
	}{
		{[]string{twoMarks, "b.jpg"}, []string{"b.jpg", oneMark}, []int{1, 0}},
		{[]string{oneMark}, []string{"photos/" + twoMarks}, []int{0}},
		{[]string{"photos/" + oneMark}, []string{"p.tar!photos/" + twoMarks}, []int{0}},
		{[]string{oneMark}, []string{twoMarks, oneMark}, []int{-1, 0}}, // the row is of the other
		{[]string{"x/" + oneMark}, []string{twoMarks, "x/" + oneMark}, []int{-1, 0}},
		{[]string{oneMark, twoMarks}, []string{twoMarks, oneMark}, []int{1, 0}}, // each its own
		{[]string{oneMark, twoMarks}, []string{twoMarks}, []int{1}},
		{[]string{"\u1ed9.jpg"}, []string{"\u1ecd\u0302.jpg", "o\u0323\u0302.jpg"}, []int{-1, -1}}, // of either
		{[]string{"\u1ecd\u0302.jpg", "o\u0323\u0302.jpg"}, []string{"\u1ed9.jpg"}, []int{-1}},
	} {
		if got, err := labelsOf(tt.rows...).Join(tt.images); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("rows %+q, images %+q: %v, %v, want %v", tt.rows, tt.images, got, err, tt.want)
		}
	}
}

func TestNoneOf(t *testing.T) {
	for _, tt := range []struct {
		rows, images []string
		want, hint   string
	}{
		{[]string{"train/boats/9.jpg", "train/boats/1.jpg"}, []string{"cars/2.jpg", "cars/1.jpg"},
			"t.csv: none of its 2 rows is of one of the 2 images: it has train/boats/1.jpg, they are such as cars/1.jpg",
			"train/boats/1.jpg is not cars/1.jpg"},
		{[]string{"x.jpg"}, []string{"cars/2.jpg"}, "t.csv: none of its 1 row is of one of the 1 image: it has x.jpg, they are such as cars/2.jpg", ""},
		{[]string{twoMarks}, []string{oneMark, "b/" + oneMark, "o\u0301.jpg", "\u00f3.jpg"},
			"t.csv: none of its 1 row is of one of the 4 images: it has " + twoMarks + ", they are such as " + oneMark, "differ only in their Unicode form"},
	} {
		err := labelsOf(tt.rows...).NoneOf(tt.images)
		var hinted interface{ Hint() string }
		if err.Error() != tt.want || errors.As(err, &hinted) != (tt.hint != "") || hinted != nil && !strings.Contains(hinted.Hint(), tt.hint) {
			t.Errorf("error %v, hint %v, want %q and %q", err, hinted, tt.want, tt.hint)
		}
	}
}
