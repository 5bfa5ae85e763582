package hint

import (
	"slices"
	"testing"
)

func TestEdits(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"model", "modle", 1}, {"ca", "abc", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}}
	for _, tt := range tests {
		if got := Edits(tt.a, tt.b); got != tt.want {
			t.Errorf("Edits(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestMeant(t *testing.T) {
	names := []string{"star", "Start", "yellow car", "yellow cat", "ox", "É"}
	for name, want := range map[string][]string{
		"starr": {"star", "Start"}, "STAR": {"star"}, "strt": {"Start"}, "yelow car": {"yellow car"}, "yellow cab": {"yellow car", "yellow cat"},
		"ok": {"ox"}, "ab": nil, "blue boat": nil, "": nil,
	} {
		if got := Meant(name, names); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
