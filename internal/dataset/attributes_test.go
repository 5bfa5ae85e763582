package dataset

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// TestAttributeColumns reads values that occur in columns of several names, and in two of one.
func TestAttributeColumns(t *testing.T) {
	file := filepath.Join(t.TempDir(), "attributes.csv")
	const table = "image,fore,back,fore\nx,red,blue,sun|star\ny,blue,red,red\nz,,red,\n"
	if err := os.WriteFile(file, []byte(table), 0o666); err != nil {
		t.Fatal(err)
	}
	got, err := ReadAttributes(file, []string{"x", "y", "z"})
	if err != nil {
		t.Fatal(err)
	}
	want := []Attribute{
		{"fore", []string{"red"}, []int{0, 1}},
		{"back", []string{"blue"}, []int{0}},
		{"fore", []string{"sun", "star"}, []int{0}},
		{"fore", []string{"blue"}, []int{1}},
		{"back", []string{"red"}, []int{1, 2}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	merged := []Attribute{
		{"fore", []string{"red"}, []int{0, 1, 2}},
		{"back", []string{"blue"}, []int{0, 1}},
		{"fore", []string{"sun", "star"}, []int{0}},
	}
	if got := MergeColumns(got); !reflect.DeepEqual(got, merged) {
		t.Errorf("merged %v, want %v", got, merged)
	}
}
