package ui

import "testing"

// TestShortened cuts a text that takes more columns than it may, by columns and not by bytes.
func TestShortened(t *testing.T) {
	for _, test := range []struct {
		text    string
		columns int
		want    string
	}{
		{"a dog on a beach", 16, "a dog on a beach"},
		{"a dog on a beach at noon", 16, "a dog on a..."},
		{"abcdefghijklmnopqrstuvwxyz", 10, "abcdefg..."},
		{"海辺の犬海辺の犬", 10, "海辺の..."},
		{"海辺の犬", 8, "海辺の犬"},
	} {
		if got := Shortened(test.text, test.columns); got != test.want {
			t.Errorf("%q in %d columns: %q, want %q", test.text, test.columns, got, test.want)
		}
	}
}
