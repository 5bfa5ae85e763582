package main

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/ui"
)

// runPanicking runs a program with a command that calls body, below args.
func runPanicking(body func(), args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	g := &globalOptions{printer: ui.NewPrinter(&out, &err, time.Now)}
	root := newRootCommand(g)
	root.AddCommand(&cobra.Command{Use: "panic", RunE: g.prepared(func(*cobra.Command, []string) error {
		body()
		return nil
	})})
	code = execute(context.Background(), g, root, append([]string{"panic"}, args...))
	return code, out.String(), err.String()
}

// panicsIn returns a loop over 4 workers of which one panics.
func panicsIn(worker int) func() {
	return func() {
		par.NewTeam(4).For(4, func(lo, _, _ int) {
			if lo == worker {
				outOfRange(nil, 5)
			}
		})
	}
}

//go:noinline
func outOfRange(x []float32, i int) float32 { return x[i] }

var faultLine = regexp.MustCompile(`^clipnh: internal error (.*) at (cmd/clipnh/panic_test\.go:\d+) \(report this: ([0-9a-f]{8})\)\n$`)

// TestPanic holds that a panic prints one line, whose number depends on the place but not
// on the worker or the number of processors.
func TestPanic(t *testing.T) {
	numbers := map[string]bool{}
	for _, procs := range []int{1, 4} { // goroutines and helpers
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		for worker := range 4 {
			code, stdout, stderr := runPanicking(panicsIn(worker))
			m := faultLine.FindStringSubmatch(stderr)
			if code != exitInternal || stdout != "" || m == nil || m[1] != "runtime error: index out of range [5] with length 0" {
				t.Fatalf("worker %d: code %d, %q, %q", worker, code, stdout, stderr)
			}
			numbers[m[3]] = true
		}
	}
	if len(numbers) != 1 {
		t.Errorf("%d numbers for one fault: %v", len(numbers), numbers)
	}
	_, _, stderr := runPanicking(panicsIn(1))
	code, _, other := runPanicking(func() { panic("kernel: short\n dst " + strings.Repeat("é", 200) + "\u009b") })
	a, b := faultLine.FindStringSubmatch(stderr), faultLine.FindStringSubmatch(other)
	if code != exitInternal || b == nil || !strings.HasPrefix(b[1], "kernel: short dst é") || !strings.HasSuffix(b[1], "é...") || len(b[1]) > 210 {
		t.Errorf("code %d, %q", code, other)
	} else if a[3] == b[3] {
		t.Errorf("two faults have the number %s", a[3])
	}
}

func TestPanicTrace(t *testing.T) {
	t.Setenv(debugVariable, "1")
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	code, _, stderr := runPanicking(panicsIn(2))
	lines := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
	if code != exitInternal || !faultLine.MatchString(lines[len(lines)-1]+"\n") {
		t.Errorf("code %d, %q", code, stderr)
	}
	// The worker's calls, then the caller's.
	for _, want := range []string{"clipnh.outOfRange\n", "par.(*helper).run\n", "clipnh.runPanicking.func1\n", "clipnh.execute\n"} {
		before, after, ok := strings.Cut(stderr, want)
		if !ok {
			t.Errorf("the trace lacks %q after %q", want, before)
		}
		stderr = after
	}
}

func TestPanicAsJSON(t *testing.T) {
	code, stdout, stderr := runPanicking(func() { panic("\x1b[31m\u009b\u202e") }, "--json")
	var doc struct{ Error failure }
	if err := json.Unmarshal([]byte(stderr), &doc); err != nil {
		t.Fatalf("%v: %q", err, stderr)
	}
	e := doc.Error
	if code != exitInternal || stdout != "" || e.Status != exitInternal || e.Kind != kindInternal ||
		!strings.HasPrefix(e.Message, "internal error \x1b[31m\u009b\u202e at cmd/clipnh/panic_test.go:") ||
		!regexp.MustCompile(`^report this: [0-9a-f]{8}$`).MatchString(e.Hint) {
		t.Errorf("code %d, %+v", code, e)
	}
	if strings.Count(stderr, "\n") != 1 || strings.ContainsAny(stderr, "\x1b\u009b\u202e") {
		t.Errorf("not one line of printing characters: %q", stderr)
	}
}
