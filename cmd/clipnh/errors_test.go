package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestFailure holds what --json says about errors, beyond what TestReport holds of
// their text.
func TestFailure(t *testing.T) {
	root := newRootCommand(new(globalOptions))
	cmd := &cobra.Command{Use: "svd"}
	root.AddCommand(cmd)
	open := &fs.PathError{Op: "open", Path: "a.npy", Err: fs.ErrNotExist}
	for _, tt := range []struct {
		name string
		err  error
		want failure
	}{
		{"failed", errors.New("no scores"), failure{"svd: no scores", exitFailed, "failed", "", ""}},
		{"hint and usage", hinted{usageError{errors.New("--mode x")}, "did you mean \"n\"?"},
			failure{"svd: --mode x", exitUsage, "usage", "", "did you mean \"n\"?\nrun \"clipnh svd --help\""}},
		{"no file", fmt.Errorf("scores: %w", open), failure{"svd: scores: a.npy: file does not exist", exitFailed, "not_found", "a.npy", ""}},
		{"missing, of a file", fmt.Errorf("%w: %w", cache.ErrMissing, open),
			failure{"svd: missing: a.npy: file does not exist", exitMissing, "missing", "a.npy", ""}},
		{"rename", &os.LinkError{Op: "rename", Old: "a.tmp", New: "a", Err: errors.New("no space")}, failure{"svd: rename a.tmp a: no space", exitFailed, "failed", "a", ""}},
		{"stale", &cache.MismatchError{Path: "four", Differences: []cache.Difference{{Field: "origin.mode", Made: `"n"`, This: `"nh"`}}},
			failure{"svd: four: made with mode n; this run uses nh", exitStale, "stale", "four", ""}},
		{"version", cache.ErrVersion, failure{"svd: unsupported version", exitStale, "version", "", ""}},
		{"damaged", cache.ErrDamaged, failure{"svd: damaged", exitFailed, "damaged", "", ""}},
		{"locked", cache.ErrLocked, failure{"svd: locked by another writer", exitFailed, "locked", "", ""}},
		{"exists", cache.ErrExists, failure{"svd: already exists", exitFailed, "exists", "", ""}},
		{"interrupted", context.Canceled, failure{"svd: interrupted", exitInterrupted, "interrupted", "", "run the same command again: it starts over"}},
	} {
		if got := newFailure(cmd, tt.err); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// TestInterruptedAsJSON is the script test of the status that no script can have.
func TestInterruptedAsJSON(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var stdout, stderr bytes.Buffer
	code := run(ctx, []string{"collect", "--json", "--model", testutil.Golden("model/tiny_jit.pt"), "--dataset", "images",
		"--data-path", testutil.Golden("dataset"), "--save-path", t.TempDir() + "/out"}, strings.NewReader(""), &stdout, &stderr)
	lines := strings.Split(strings.TrimSuffix(stderr.String(), "\n"), "\n")
	var doc struct{ Error failure }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &doc); err != nil {
		t.Fatalf("%v: %q", err, stderr.String())
	}
	if e := doc.Error; code != exitInterrupted || stdout.Len() > 0 || e.Status != exitInterrupted || e.Kind != "interrupted" || !strings.HasSuffix(e.Message, "interrupted") {
		t.Errorf("code %d, %q, %+v", code, stdout.String(), e)
	}
}

func TestAsksForJSON(t *testing.T) {
	for line, want := range map[string]bool{
		"svd": false, "svd --json": true, "--json svd": true, "svd --json=true": true, "svd --json=false": false,
		"svd --json --json=0": false, "merge -- --json": false, "svd --json-lines": false, "svd --json=maybe": false,
	} {
		if got := asksForJSON(strings.Fields(line)); got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
}

// TestOnceEach holds that a message says nothing twice.
func TestOnceEach(t *testing.T) {
	for message, want := range map[string]string{
		"demo: context canceled\ncontext canceled": "demo: context canceled",
		"demo: svd: broken\nembed: broken":         "demo: svd: broken; embed: broken",
		"one":                                      "one",
	} {
		if got := onceEach(message); got != want {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
	}
}

// TestLongNames: a name that the system does not take is told with its length, and with the flag
// that has it.
func TestLongNames(t *testing.T) {
	t.Chdir(t.TempDir())
	long, near := strings.Repeat("a", 300), strings.Repeat("b", 247)
	model := []string{"--model", testutil.Golden("model/tiny_sd_fp32.pt"), "--dataset", "images", "--data-path", testutil.Golden("dataset")}
	for _, test := range []struct {
		args []string
		want string
	}{
		{append([]string{"collect", "--save-path", long}, model...), "collect: --save-path " + long[:60] + "...: a name of 300 bytes, want at most 255\n"},
		{append([]string{"collect", "--mean", "--save-path", near + ".npy"}, model...), "collect: --save-path " + near[:60] + "...: one of its files would have a name of "},
		{[]string{"svd", "--scores", long, "--out-save-path", "x.npy"}, "svd: --scores " + long[:60] + "...: a name of 300 bytes"},
		{[]string{"status", long}, "status: " + long[:60] + "...: a name of 308 bytes"},
		{[]string{"info", "--model", strings.Repeat("a/", 2500)}, "...: a path of 5000 bytes, which is longer than the system takes"},
	} {
		code, _, said := clipnh(test.args...)
		if code != exitFailed || !strings.Contains(said, test.want) || strings.Count(said, "error: ") != 1 {
			t.Errorf("%s: status %d:\n%s\nwant %q", test.args[0], code, said, test.want)
		}
	}
	if left := filesBelow(t, "."); len(left) > 0 {
		t.Errorf("%d files are left", len(left))
	}
}

// TestFullDiskHint: what to do about a full disk is said once, however the error was wrapped.
func TestFullDiskHint(t *testing.T) {
	full := &fs.PathError{Op: "write", Path: "out/a.png", Err: syscall.ENOSPC}
	f := newFailure(newRootCommand(new(globalOptions)), errors.Join(fmt.Errorf("sheet: %w", full), full))
	if f.Path != "out/a.png" || strings.Count(f.Hint, "make room") != 1 || !strings.HasPrefix(f.Message, "sheet: write out/a.png: no space left on device") {
		t.Errorf("%+v", f)
	}
}
