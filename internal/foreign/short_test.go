package foreign

import (
	"errors"
	"strings"
	"testing"
)

// TestShort cuts errors that repeat what a file has, between characters.
func TestShort(t *testing.T) {
	brief := errors.New("json: brief")
	if got := Short(brief); got != brief {
		t.Errorf("%v, want it as it is", got)
	}
	long := errors.New("a" + strings.Repeat("é", 1000))
	got := Short(long)
	if text := got.Error(); text != "a"+strings.Repeat("é", 149)+"... (1702 more bytes)" || !errors.Is(got, long) {
		t.Errorf("%s", text)
	}
}
