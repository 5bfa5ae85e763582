package testutil

import (
	"fmt"
	"runtime/metrics"
	"strings"
	"unicode"
)

// Slack is what Allocated may be off by, in bytes: the runtime counts small
// objects by spans, and the testing package's own goroutines allocate a little.
const Slack = 1 << 20

// Allocated runs f and returns how many bytes of heap it took in all, whether
// freed again or not, to within Slack. So it is never much less than the most
// that f held at once, and often far more. Other goroutines count too: not for
// parallel tests.
func Allocated(f func()) int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	f()
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64() - before)
}

// Bounded runs f on input of the given size and returns an error when f
// allocates more than factor bytes for each byte of it, and Slack.
func Bounded(size, factor int, f func()) error {
	most := int64(size)*int64(factor) + Slack
	if got := Allocated(f); got > most {
		return fmt.Errorf("%d bytes allocated for an input of %d, want at most %d (%d a byte and %d)", got, size, most, factor, Slack)
	}
	return nil
}

// Line returns an error unless the message of err is one short printable line
// that contains each of the parts.
func Line(err error, parts ...string) error {
	const longest = 1000
	if err == nil {
		return fmt.Errorf("no error")
	}
	message := err.Error()
	if message == "" || len(message) > longest {
		return fmt.Errorf("error of %d bytes, want 1 to %d: %.100q", len(message), longest, message)
	}
	if strings.ContainsFunc(message, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("error %q is no printable line", message)
	}
	for _, part := range parts {
		if !strings.Contains(message, part) {
			return fmt.Errorf("error %q, want %q in it", message, part)
		}
	}
	return nil
}
