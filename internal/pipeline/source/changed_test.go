package source

import (
	"testing"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/origin"
)

// TestFirstChange names the image by which a list differs from a recorded one, in which a
// digit is the checksum of an image.
func TestFirstChange(t *testing.T) {
	const other = "2 is not the file that it was, or takes the place of another"
	for _, test := range []struct{ was, now, want string }{
		{"123", "123", ""},
		{"", "123", ""},
		{"12", "123", ""}, // the others were not recorded
		{"123", "", ""},
		{"123", "193", other},
		{"123", "153", other},
		{"123", "13", "an image that came before 3 is missing"},
		{"123", "12", "an image that followed 2 is missing"},
		{"123", "1", "2 images that followed 1 are missing"},
		{"123", "1923", "9 was not among its images"},
		{"123", "9123", "9 was not among its images"},
	} {
		var was, now []uint32
		var items []dataset.Item
		for _, c := range test.was {
			was = append(was, uint32(c))
		}
		for _, c := range test.now {
			now = append(now, uint32(c))
			items = append(items, dataset.Item{Path: string(c)})
		}
		want := test.want
		if want == other { // of what is in its place
			want = string(test.now[1]) + other[1:]
		}
		if got := FirstChange(items, now, was, false, ""); got != want {
			t.Errorf("%s after %s: %q, want %q", test.now, test.was, got, want)
		}
	}
	// Where the name of the first image that went is known.
	for _, test := range []struct{ was, now, gone, want string }{
		{"123", "13", "2", "2, which came before 3, is missing"},
		{"123", "12", "3", "3, which followed 2, is missing"},
		{"123", "1", "2", "2 images that followed 1 are missing, the first of them 2"},
		{"1234", "14", "2", "4 is not the file that it was, or takes the place of 2, which is missing"},
		{"123", "1923", "", "9 was not among its images"},
	} {
		var was, now []uint32
		var items []dataset.Item
		for _, c := range test.was {
			was = append(was, uint32(c))
		}
		for _, c := range test.now {
			now = append(now, uint32(c))
			items = append(items, dataset.Item{Path: string(c)})
		}
		if got := FirstChange(items, now, was, false, test.gone); got != test.want {
			t.Errorf("%s after %s: %q, want %q", test.now, test.was, got, test.want)
		}
	}
	// An image that another was copied over, under the same names.
	items := []dataset.Item{{Path: "a"}, {Path: "b"}, {Path: "c"}}
	if got, want := FirstChange(items, []uint32{2, 2, 3}, []uint32{1, 2, 3}, true, ""), "a is not the file that it was"; got != want {
		t.Errorf("a copy: %q, want %q", got, want)
	}
}

// TestAnotherSet: images of which none was there before are another data set, with both sides.
func TestAnotherSet(t *testing.T) {
	items := []dataset.Item{{Path: "b/1.png"}, {Path: "b/2.png"}}
	made := &origin.Images{Names: "of a"}
	for _, c := range []struct {
		now, was []uint32
		names    string
		want     string
	}{
		{[]uint32{1, 2}, []uint32{3, 4, 5}, "of b", "3 images of another data set; this run has 2 images, the first of them b/1.png"},
		{[]uint32{1, 2}, []uint32{3, 4, 1}, "of b", ""}, // one that is there
		{[]uint32{1, 2}, []uint32{3, 4, 5}, "of a", ""}, // the same names
		{[]uint32{1, 2}, nil, "of b", ""},
	} {
		if got := AnotherSet(items, c.now, c.was, 3, made, c.names); got != c.want {
			t.Errorf("%v after %v: %q, want %q", c.now, c.was, got, c.want)
		}
	}
	if got := AnotherSet(items, []uint32{1, 2}, []uint32{3}, 1, &origin.Images{}, "of b"); got != "" {
		t.Errorf("without known names: %q", got)
	}
}
