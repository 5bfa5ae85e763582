package testutil

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"unicode"
)

// Slack is what every bound on memory grants beside its multiple, in bytes:
// fixed buffers, and what the testing package's own goroutines allocate.
const Slack = 1 << 20

// Allocated runs f and returns how many bytes of heap it took in all, whether
// freed again or not. So it is never less than the most that f held at once,
// and often more. Other goroutines count too: not for parallel tests.
func Allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// Within returns an error when f allocates more than most bytes in all. It may
// run f twice: what tells the bytes exactly stops the world, too slow for a fuzz
// target, so that it is asked only where a quick look says too many. That one
// counts small objects late, by spans of them.
func Within(most int64, f func()) error {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	f()
	metrics.Read(sample)
	if int64(sample[0].Value.Uint64()-before) <= most-Slack/2 {
		return nil
	}
	if got := Allocated(f); got > most {
		return fmt.Errorf("%d bytes allocated, want at most %d", got, most)
	}
	return nil
}

// Multiple is how much may be allocated for input of the given size: factor
// bytes for each byte, and Slack.
func Multiple(size, factor int) int64 { return int64(size)*int64(factor) + Slack }

// Parsed runs parse, which may allocate so many bytes in all, and returns
// whether there was no error. An error must be a line that contains the parts.
// It fails t when any of this does not hold. Parse may run twice.
func Parsed(t testing.TB, most int64, parse func() error, parts ...string) bool {
	t.Helper()
	var err error
	if wasteful := Within(most, func() { err = parse() }); wasteful != nil {
		t.Error(wasteful)
	}
	if err != nil {
		if bad := Line(err, parts...); bad != nil {
			t.Error(bad)
		}
	}
	return err == nil
}

// Line returns an error unless the message of err is one short printable line
// that contains each of the parts.
func Line(err error, parts ...string) error {
	const longest = 2000
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

// Seed gives a fuzz target the golden files that match a pattern, at least one.
func Seed(f *testing.F, pattern string) {
	f.Helper()
	paths, err := filepath.Glob(Golden(pattern))
	if err != nil || len(paths) == 0 {
		f.Fatalf("no golden files %s (%v)", pattern, err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
}
