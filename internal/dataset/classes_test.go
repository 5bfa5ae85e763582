package dataset

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// TestNumberedClasses holds that folders named by numbers have them as labels, in
// which 10 follows 9, and that images stay in the order of their names.
func TestNumberedClasses(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for i := range 12 {
		folder := filepath.Join(dir, "val", strconv.Itoa(i))
		if err := os.MkdirAll(folder, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "a.png"), nil, 0o666); err != nil {
			t.Fatal(err)
		}
		want = append(want, strconv.Itoa(i))
	}
	o := Options{Kind: ImageNetVal, Path: dir}
	d, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(d.Classes, want) {
		t.Errorf("classes %q, want %q", d.Classes, want)
	}
	for _, item := range d.Items {
		if n := filepath.Base(filepath.Dir(item.Path)); strconv.Itoa(item.Label) != n {
			t.Errorf("folder %s has label %d", n, item.Label)
		}
	}
	if !slices.IsSortedFunc(d.Items, func(a, b Item) int { return slices.Compare([]byte(a.Name), []byte(b.Name)) }) {
		t.Errorf("images are not in the order of their names")
	}
	c, err := ClassesOf(context.Background(), o)
	if err != nil || !slices.Equal(c.Names, want) || c.Table {
		t.Errorf("classes %+v, %v, want %q by folders", c, err, want)
	}
	if got := sortClasses([]string{"10", "9", "x"}); !slices.Equal(got, []string{"10", "9", "x"}) {
		t.Errorf("with a folder that is no number: %q, want the order of names", got)
	}
}

// TestClassesOf holds that classes are those that Open has.
func TestClassesOf(t *testing.T) {
	dir := t.TempDir()
	for _, folder := range []string{"n2", "n1"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, folder, "a.png"), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "classes.txt"), []byte("n2\tdog\nn1\tcat\nn3\telk\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for kind, table := range map[string]bool{ImageNetVal: true, Images: false} {
		o := Options{Kind: kind, Path: dir}
		d, err := Open(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		c, err := ClassesOf(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		if !table {
			if c != nil {
				t.Errorf("%s: classes %+v, want none", kind, c)
			}
			continue
		}
		if !slices.Equal(c.Names, d.Classes) || !slices.Equal(c.Names, []string{"dog", "cat", "elk"}) || !c.Table || c.Path != filepath.Join(dir, "classes.txt") {
			t.Errorf("%s: %+v, want the classes of classes.txt, %q", kind, c, d.Classes)
		}
	}
}
