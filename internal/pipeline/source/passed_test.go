package source

import "testing"

// TestPassed names an image once, whatever its reason says.
func TestPassed(t *testing.T) {
	for _, test := range []struct {
		name, reason, want string
	}{
		{"empty.jpg", "read image: empty.jpg: no bytes", "read image: empty.jpg: no bytes"},
		{"cats/empty.jpg", "read image: empty.jpg: no bytes", "read image: cats/empty.jpg: no bytes"},
		{"cats/empty.jpg", "empty.jpg: permission denied", "cats/empty.jpg: permission denied"},
		{"cats/a", "read image: data: short", "cats/a: read image: data: short"},
		{"gone.jpg", Missing, "gone.jpg: missing"},
	} {
		if got := Passed(Skipped{Name: test.name, Reason: test.reason}); got != test.want {
			t.Errorf("%s, %s: %q, want %q", test.name, test.reason, got, test.want)
		}
	}
}
