package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/build"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/manual"
	"github.com/clipnh/clipnh/internal/ui"
)

// faultsEnv, when set, asks for the long form of the fault tests, that of "make
// faults".
const faultsEnv = "CLIPNH_FAULTS"

// everyCommand returns the root and all commands below it, at any depth.
func everyCommand() []*cobra.Command {
	root := newRootCommand(new(globalOptions))
	root.InitDefaultHelpCmd()
	return withCommandsBelow(root)
}

func withCommandsBelow(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, below := range cmd.Commands() {
		all = append(all, withCommandsBelow(below)...)
	}
	return all
}

func TestEveryCommand(t *testing.T) {
	seen := map[string]bool{}
	for _, cmd := range everyCommand() {
		t.Run(cmd.CommandPath(), func(t *testing.T) {
			if seen[cmd.CommandPath()] {
				t.Error("a second command of this name")
			}
			seen[cmd.CommandPath()] = true
			if err := cmd.ParseFlags([]string{"--help"}); err != nil { // panics on clashes of shorthands
				t.Error(err)
			}
			if cmd.HasParent() && cmd.Args == nil {
				t.Error("takes any arguments: Args is not set")
			}
			if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
				t.Errorf("Short is %q, want a phrase without full stop", cmd.Short)
			}
			help := helpText(cmd)
			for _, want := range []string{"\nUSAGE\n", "\nEXAMPLE\n  clipnh ", "\nGLOBAL FLAGS\n", "\nEXIT STATUS\n    0  done\n"} {
				if !strings.Contains(help, want) {
					t.Errorf("the help lacks %q", want)
				}
			}
			for i, line := range strings.Split(help, "\n") {
				if len(line) > helpWidth || strings.HasSuffix(line, " ") {
					t.Errorf("line %d of the help is longer than %d bytes, or ends in a blank: %q", i+1, helpWidth, line)
				}
			}
			for _, code := range exitCodesOf(cmd) {
				if !slices.ContainsFunc(exitMeanings, func(e manual.Exit) bool { return e.Status == code }) {
					t.Errorf("exit code %d has no meaning", code)
				}
			}
		})
	}
}

func TestEveryFlag(t *testing.T) {
	for _, cmd := range everyCommand() {
		root := cmd.Root()
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			// Cobra lets a command's flag hide a global one and says nothing.
			if root.PersistentFlags().Lookup(f.Name) != nil {
				t.Errorf("%s: --%s hides the global flag", cmd.Name(), f.Name)
			}
		})
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Name != strings.ToLower(f.Name) || strings.Contains(f.Name, "_") {
				t.Errorf("%s: --%s: want lower case and dashes", cmd.Name(), f.Name)
			}
			if f.Usage == "" || strings.HasSuffix(f.Usage, ".") {
				t.Errorf("%s: --%s: usage %q, want a phrase without full stop", cmd.Name(), f.Name, f.Usage)
			}
			if f.Value.Type() != "bool" && !strings.Contains(f.Usage, "`") {
				t.Errorf("%s: --%s: usage %q, want a placeholder in backquotes", cmd.Name(), f.Name, f.Usage)
			}
		})
	}
}

// TestEveryExample parses the command lines that help shows, without running
// them.
func TestEveryExample(t *testing.T) {
	for _, cmd := range everyCommand() {
		lines := strings.ReplaceAll(cmd.Example, "\\\n", " ")
		for line := range strings.Lines(lines) {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			words, err := splitWords(line)
			if err != nil || words[0] != "clipnh" {
				t.Errorf("%s: %q: %v, want a command line of clipnh", cmd.Name(), line, err)
				continue
			}
			root := newRootCommand(new(globalOptions))
			root.InitDefaultHelpCmd()
			shown, rest, err := root.Find(words[1:])
			if err == nil {
				err = shown.ParseFlags(rest)
			}
			if err == nil {
				err = shown.ValidateArgs(shown.Flags().Args())
			}
			if err != nil {
				t.Errorf("%s: %q: %v", cmd.Name(), line, err)
			}
		}
	}
}

func TestUnderscores(t *testing.T) {
	root := newRootCommand(new(globalOptions))
	cmd := &cobra.Command{Use: "probe", RunE: func(*cobra.Command, []string) error { return nil }}
	k := cmd.Flags().Int("top-k-pca", 50, "")
	root.AddCommand(cmd)
	root.SetArgs([]string{"probe", "--top_k-pca", "7"})
	if err := root.Execute(); err != nil || *k != 7 {
		t.Errorf("--top_k-pca 7 gave %d, %v", *k, err)
	}
}

func TestReport(t *testing.T) {
	failed := errors.New("RN50.pt: not a checkpoint")
	tests := []struct {
		name string
		err  error
		code int
		want string
	}{
		{"failed", failed, exitFailed, "error: svd: RN50.pt: not a checkpoint\n"},
		{"usage", usageError{errors.New("--mode x: want nh or n")}, exitUsage,
			"error: svd: --mode x: want nh or n\nhint: run \"clipnh svd --help\"\n"},
		{"hint below a wrap", fmt.Errorf("open: %w", hinted{failed, "run \"clipnh collect\" first"}), exitFailed,
			"error: svd: open: RN50.pt: not a checkpoint\nhint: run \"clipnh collect\" first\n"},
		{"usage with hint", hinted{usageError{failed}, "did you mean \"nh\"?"}, exitUsage,
			"error: svd: RN50.pt: not a checkpoint\nhint: did you mean \"nh\"?\nhint: run \"clipnh svd --help\"\n"},
		{"missing", fmt.Errorf("scores: %w", cache.ErrMissing), exitMissing, "error: svd: scores: missing\n"},
		{"stale", fmt.Errorf("scores: %w", cache.ErrStale), exitStale, "error: svd: scores: stale\n"},
		{"version", fmt.Errorf("scores: version 9: %w", cache.ErrVersion), exitStale, "error: svd: scores: version 9: unsupported version\n"},
		{"skipped", fmt.Errorf("%w %d of %d images", errSkipped, 3, 300), exitSkipped, "warning: svd: skipped 3 of 300 images\n"},
		{"interrupted", context.Canceled, exitInterrupted, "error: svd: interrupted\nhint: run the same command again: it starts over\n"},
		{"interrupted below a wrap", hinted{fmt.Errorf("120 of 300 images: %w", context.Canceled), "fewer images take less time"}, exitInterrupted,
			"error: svd: 120 of 300 images: interrupted\nhint: fewer images take less time\nhint: run the same command again: it starts over\n"},
	}
	root := newRootCommand(new(globalOptions))
	cmd := &cobra.Command{Use: "svd"}
	root.AddCommand(cmd)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out, err bytes.Buffer
			code := newFailure(cmd, tt.err).print(ui.NewPrinter(&out, &err, time.Now), false)
			if code != tt.code || err.String() != tt.want {
				t.Errorf("code %d, %q; want %d, %q", code, err.String(), tt.code, tt.want)
			}
			if out.Len() > 0 {
				t.Errorf("standard output has %q", out.String())
			}
		})
	}
}

// fullDisk takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestResultNotPrinted(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"version", "--json"}, {"--version"}, {"version", "--help"}, {"help"}, nil} {
		var stderr bytes.Buffer
		code := run(context.Background(), args, strings.NewReader(""), fullDisk{}, &stderr)
		if code != exitFailed || !strings.Contains(stderr.String(), "no space left on device") {
			t.Errorf("%q: exit code %d, %q; want %d and why", args, code, stderr.String(), exitFailed)
		}
	}
}

func TestRunsDoNotShareState(t *testing.T) {
	var first bytes.Buffer
	if code := run(context.Background(), []string{"version", "--json"}, strings.NewReader(""), &first, io.Discard); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	var second bytes.Buffer
	if code := run(context.Background(), []string{"version"}, strings.NewReader(""), &second, io.Discard); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	if !strings.HasPrefix(first.String(), "{") || !strings.HasPrefix(second.String(), "clipnh ") {
		t.Errorf("first %q, then %q; want JSON, then a table", first.String(), second.String())
	}
}

func TestWorkers(t *testing.T) {
	for threads, want := range map[int]int{0: runtime.GOMAXPROCS(0), 1: 1, 64: 64} {
		if got := (&globalOptions{threads: threads}).workers(); got != want {
			t.Errorf("--threads %d: %d workers, want %d", threads, got, want)
		}
	}
}

func TestSimilarFlags(t *testing.T) {
	fs := pflag.NewFlagSet("svd", pflag.ContinueOnError)
	for _, name := range []string{"mode", "model", "top-k-pca", "mean-save-path", "out-save-path", "text-descs-embeddings-path"} {
		fs.String(name, "", "")
	}
	for name, want := range map[string][]string{
		"modle":                     {"--mode", "--model"},
		"mod":                       {"--mode", "--model"},
		"modes":                     {"--mode", "--model"},
		"top_k_pac":                 {"--top-k-pca"},
		"out":                       {"--out-save-path"},
		"text_desc_embeddings_path": {"--text-descs-embeddings-path"},
		"weights":                   nil,
	} {
		if got := similarFlags(fs, name); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestDescribeBuild(t *testing.T) {
	full := &debug.BuildInfo{
		GoVersion: "go1.26.0",
		Main:      debug.Module{Version: "v0.2.0"},
		Deps: []*debug.Module{
			{Path: "a.example/a", Version: "v1.0.0", Sum: "h1:a"},
			{Path: "a.example/b", Version: "v1.0.0", Replace: &debug.Module{Path: "../b"}},
		},
		Settings: []debug.BuildSetting{
			{Key: "-tags", Value: "noasm"}, {Key: "GOARCH", Value: "arm64"}, {Key: "GOOS", Value: "darwin"}, {Key: "GOARM64", Value: "v8.0"},
			{Key: "vcs.revision", Value: "7471af7d"}, {Key: "vcs.time", Value: "2025-11-23T13:54:04Z"}, {Key: "vcs.modified", Value: "true"},
		},
	}
	tests := []struct {
		name string
		info *debug.BuildInfo
		want string
	}{
		{"all", full, "" +
			"clipnh    v0.2.0\n" +
			"revision  7471af7d, modified\n" +
			"date      2025-11-23T13:54:04Z\n" +
			"go        go1.26.0\n" +
			"platform  darwin/arm64, GOARM64=v8.0\n" +
			"tags      noasm\n" +
			"modules   2 (--json lists them)\n"},
		{"nothing", new(debug.BuildInfo), "clipnh  (devel)\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := ui.NewPrinter(&out, io.Discard, time.Now).Table(buildTable(build.Describe(tt.info))); err != nil {
				t.Fatal(err)
			}
			if out.String() != tt.want {
				t.Errorf("got\n%s\nwant\n%s", out.String(), tt.want)
			}
		})
	}
}
