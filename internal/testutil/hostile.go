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

// Slack is added to every memory bound, in bytes. It covers fixed buffers and what
// the testing package's own goroutines allocate.
const Slack = 1 << 20

// Allocated runs f and returns the total heap bytes that it allocated, freed or
// not. So the result is never less than f's peak, and often more. Allocations of
// other goroutines count too: do not use it in parallel tests.
func Allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// Within returns an error if f allocates more than most bytes in total. It may run
// f twice. The exact count stops the world, which is too slow for a fuzz target, so
// it is taken only when a fast estimate is too high. The estimate counts small
// objects late, a span at a time.
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

// Multiple returns the memory bound for input of the given size: factor bytes for
// each byte, plus Slack.
func Multiple(size, factor int) int64 { return int64(size)*int64(factor) + Slack }

// Parsed runs parse and reports whether it succeeded. It fails t if parse allocates
// more than most bytes in total, or returns an error whose message is not one
// short line that contains all parts. parse may run twice.
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
		return fmt.Errorf("error %q is not one printable line", message)
	}
	for _, part := range parts {
		if !strings.Contains(message, part) {
			return fmt.Errorf("error %q, want %q in it", message, part)
		}
	}
	return nil
}

// Seed adds the golden files that match pattern to a fuzz target's seeds. It fails
// f if none matches.
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
