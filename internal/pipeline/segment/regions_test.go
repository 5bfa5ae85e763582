package segment

import (
	"image"
	"slices"
	"testing"
)

// TestRegionNames: a name stands in the widest part of a region, and a class without pixels
// has none.
func TestRegionNames(t *testing.T) {
	const none = 9
	labels := []uint16{
		0, 0, 0, 0, 0, 0, 0,
		0, 1, 1, 1, 0, 0, 0,
		0, 1, 1, 1, 1, 1, 0,
		0, 1, 1, 1, 0, 0, 0,
		0, 0, 0, 0, 0, none, none,
	}
	got := regionNames(labels, 7, 3)
	want := []regionName{{0, image.Pt(0, 0), 1}, {1, image.Pt(2, 2), 2}}
	if !slices.Equal(got, want) {
		t.Errorf("names at %v, want %v", got, want)
	}
	whole := regionNames(make([]uint16, 35), 7, 1)
	if len(whole) != 1 || whole[0].at != image.Pt(2, 2) || whole[0].radius != 3 {
		t.Errorf("one region: %v, want the first of its middle pixels", whole)
	}
}
