package unit

import (
	"slices"
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
