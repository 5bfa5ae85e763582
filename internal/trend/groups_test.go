package trend

import (
	"slices"
	"testing"
)

func TestByGroup(t *testing.T) {
	got := ByGroup([]string{"10", "9", "", "10", "9.5"}, []float64{1, 2, 100, 4, 5}, []bool{true, false, true, false, true})
	want := []Group{{"9", 1, 2, 0}, {"9.5", 1, 5, 1}, {"10", 2, 2.5, 0.5}}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSortGroups(t *testing.T) {
	names, numbers := SortGroups([]string{"10", "9", "10"})
	if !slices.Equal(names, []string{"9", "10"}) || !slices.Equal(numbers, []float64{9, 10}) {
		t.Errorf("numbers: %q, %v", names, numbers)
	}
	names, numbers = SortGroups([]string{"b", "10", "a", "b", "inf"})
	if !slices.Equal(names, []string{"10", "a", "b", "inf"}) || numbers != nil {
		t.Errorf("names: %q, %v", names, numbers)
	}
}
