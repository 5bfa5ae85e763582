package hint

import "testing"

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"model", "modle", 1}, {"ca", "abc", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}}
	for _, tt := range tests {
		if got := Distance(tt.a, tt.b); got != tt.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	for _, tt := range []struct {
		name  string
		among []string
		want  string
	}{
		{"starr", []string{"fish", "star"}, `did you mean "star"?`},
		{"STAR", []string{"fish", "star"}, `did you mean "star"?`},
		{"star", []string{"yellow star", "green star", "fish"}, `did you mean "yellow star" or "green star"?`},
		{"fisch", []string{"fish", "fist", "x"}, `did you mean "fish"?`},
		{"x", []string{"a", "b"}, ""}, // one letter is no likeness
		{"a", []string{"ax", "ay", "az", "aa"}, ""},
		{"", []string{"a"}, ""},
		{"boat", nil, ""},
	} {
		if got := DidYouMean(tt.name, tt.among); got != tt.want {
			t.Errorf("%q among %q: %q, want %q", tt.name, tt.among, got, tt.want)
		}
	}
}
