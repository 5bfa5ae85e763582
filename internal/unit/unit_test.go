package unit

import (
	"slices"
	"strings"
	"testing"
)

func TestUnits(t *testing.T) {
	pairs, neurons := Shape{4, 256}, Shape{256}
	for _, test := range []struct {
		shape Shape
		names []string
		want  []int // nil: refused
	}{
		{pairs, []string{"h3n255", "h0n0", "h03n255"}, []int{1023, 0}},
		{pairs, []string{"h1n2", "n2"}, []int{258, 2, 514, 770}},
		{pairs, []string{"H3N255", "N2"}, []int{1023, 2, 258, 514, 770}},
		{neurons, []string{"n255", "n0"}, []int{255, 0}},
		{neurons, []string{"h0n0"}, nil},
		{neurons, []string{"n256"}, nil},
		{pairs, []string{"h4n0"}, nil},
		{pairs, []string{"h0n256"}, nil},
		{pairs, []string{"n0h0"}, nil},
		{pairs, []string{"624"}, nil},
		{pairs, []string{"h-1n0"}, nil},
		{pairs, []string{"h99999999999999999999n0"}, nil},
		{pairs, []string{"h0"}, nil},
	} {
		got, err := test.shape.Find(test.names)
		if !slices.Equal(got, test.want) || (err == nil) != (test.want != nil) {
			t.Errorf("%v in %v: %v, %v; want %v", test.names, test.shape, got, err, test.want)
		}
	}
	for _, s := range []Shape{pairs, neurons} {
		for _, u := range []int{0, s.Count() - 1} {
			if got, err := s.Find([]string{s.Name(u)}); err != nil || !slices.Equal(got, []int{u}) {
				t.Errorf("%s names %v, want %d", s.Name(u), got, u)
			}
		}
	}
}

// TestLayered labels and finds the units of a vision transformer: neurons of layer 9, heads
// of layers 10 and 11.
func TestLayered(t *testing.T) {
	layers := Layers{First: 10, Heads: 12}
	pairs, neurons := Layered{Shape{24, 3072}, layers}, Layered{Shape{3072}, layers}
	plain := Layered{Shape: Shape{4, 256}}
	for _, test := range []struct {
		units Layered
		unit  int
		want  string
	}{
		{pairs, 0, "l10h0n0"}, {pairs, 3*3072 + 624, "l10h3n624"}, {pairs, 12*3072 + 5, "l11h0n5"}, {pairs, 24*3072 - 1, "l11h11n3071"},
		{neurons, 624, "l9n624"}, {Layered{Shape{4, 8}, Layers{}}, 9, "h1n1"}, {Layered{Shape{8}, Layers{}}, 7, "n7"},
	} {
		if got := test.units.Name(test.unit); got != test.want {
			t.Errorf("unit %d is %s, want %s", test.unit, got, test.want)
		}
		if got, err := test.units.Find([]string{strings.ToUpper(test.want)}); err != nil || !slices.Equal(got, []int{test.unit}) {
			t.Errorf("%s in upper case is found as %d, %v", test.want, got, err)
		}
		if got, err := test.units.Find([]string{test.want}); err != nil || !slices.Equal(got, []int{test.unit}) {
			t.Errorf("%s is found as %d, %v", test.want, got, err)
		}
	}
	if got, err := pairs.Find([]string{"l9n7"}); err != nil || len(got) != 24 || got[13] != 13*3072+7 {
		t.Errorf("all pairs of a neuron: %d, %v", got, err)
	}
	for _, name := range []string{"h3n624", "n624", "l9h0n0", "l10h12n0", "l12h0n0", "l10n5", "l10h0n3072", "l99999999999999999999h0n0", ""} {
		if got, err := pairs.Find([]string{name}); err == nil || !strings.Contains(err.Error(), "l10h0n0 to l11h11n3071") {
			t.Errorf("%q is found as %d, %v", name, got, err)
		}
	}
	const ofResNet, ofTransformer = "a name in a ResNet, and these units are of a vision transformer: want", "a name in a vision transformer, and these units are of a ResNet: want"
	for _, test := range []struct {
		units Layered
		name  string
		other string
	}{
		{pairs, "H3n624", ofResNet}, {pairs, "n624", ofResNet}, {pairs, "h3", ofResNet}, {pairs, "l9h0n0", ""}, {pairs, "foo", ""}, {pairs, "", ""},
		{plain, "L9n17", ofTransformer}, {plain, "l9h3", ofTransformer}, {plain, "l9h3n5", ofTransformer}, {plain, "l9", ofTransformer}, {plain, "h4n0", ""}, {plain, "lh", ""},
	} {
		_, err := test.units.Find([]string{test.name})
		if err == nil || strings.Contains(err.Error(), "a name in") != (test.other != "") || !strings.Contains(err.Error(), test.other) {
			t.Errorf("%q: %v, want %q", test.name, err, test.other)
		}
	}
	if _, err := neurons.Find([]string{"l9n3072"}); err == nil || !strings.Contains(err.Error(), "a neuron, l9n0 to l9n3071") {
		t.Errorf("a neuron beyond the last: %v", err)
	}
}
