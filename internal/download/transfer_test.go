package download

import (
	"testing"
	"time"
)

func TestContentRange(t *testing.T) {
	for header, want := range map[string][2]int64{
		"bytes 5-9/10": {5, 10}, "bytes 0-0/*": {0, -1}, "bytes */10": {0, 10},
	} {
		if first, of, err := contentRange(header); err != nil || first != want[0] || of != want[1] {
			t.Errorf("%q: %d of %d, %v, want %d", header, first, of, err, want)
		}
	}
	for _, header := range []string{"", "bytes", "bytes 5/10", "bytes -5-9/10", "items 5-9/10", "bytes 5-9/x", "bytes 99999999999999999999-/*"} {
		if first, of, err := contentRange(header); err == nil {
			t.Errorf("%q was read as %d of %d", header, first, of)
		}
	}
}

func FuzzContentRange(f *testing.F) {
	for _, seed := range []string{"bytes 5-9/10", "bytes */10", "bytes 0-/*", "bytes 9223372036854775807-/9223372036854775807"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if first, of, err := contentRange(header); err == nil && (first < 0 || of < -1) {
			t.Errorf("%q: %d of %d", header, first, of)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{"": 0, "7": 7 * time.Second, "-1": 0, "Wed, 21 Oct 2015 07:28:00 GMT": 0, "soon": 0} {
		if got := retryAfter(header); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

func TestRedacted(t *testing.T) {
	for address, want := range map[string]string{
		"https://files.example/a.pt":                     "https://files.example/a.pt",
		"https://me:secret@files.example/a.pt?key=x#top": "https://me:xxxxx@files.example/a.pt",
	} {
		if got := redacted(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}
