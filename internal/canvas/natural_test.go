package canvas

import (
	"slices"
	"testing"
)

// TestNamedPalette holds that stuff has its natural colour and that no two classes look
// alike.
func TestNamedPalette(t *testing.T) {
	names := []string{"car", "convertible", "boat", "house", "tree", "flower", "fish", "star", "Sky", "road", "grass", "sand", "water", "sea"}
	colours := NamedPalette(names)
	if colours[8] != natural["sky"] || colours[10] != natural["grass"] || colours[12] != natural["water"] {
		t.Errorf("colours %v", colours)
	}
	if colours[13] == natural["sea"] {
		t.Error("sea has the colour of water")
	}
	for i := range colours {
		for j := range i {
			a, b := seenBy(colours[i]), seenBy(colours[j])
			if d := a.distance(&b); d < apart-0.02 {
				t.Errorf("%s and %s: %v and %v are %.3f apart", names[i], names[j], colours[i], colours[j], d)
			}
		}
	}
	if got := NamedPalette([]string{"a", "b"}); !slices.Equal(got, around(nil, 2)) {
		t.Errorf("without natural colours %v, want the first of the grid", got)
	}
}
