package main

import (
	"bytes"
	"context"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/clipnh/clipnh/internal/asset"
	"github.com/clipnh/clipnh/internal/pipeline/device"
	"github.com/clipnh/clipnh/internal/testutil"
)

var update = flag.Bool("update", false, "rewrite the expected output of the scripts in testdata/script")

const scriptFolder = "testdata/script"

// TestScripts runs testdata/script/*.txtar, scripts for the package testscript.
// In addition to its commands, a script has these:
//
//	clipnh ARGS...            run the program, which must exit with status 0
//	status N clipnh ARGS...   run the program, which must exit with status N
//	pack FOLDER ARCHIVE       make a .tar, .tar.gz or .zip of the files in a folder
//	elide FILE WANT           print FILE, with what is elided in WANT elided
//
// The program runs in this process, in the script's folder, with links to the
// demo's files (demo), the golden ones (golden, golden_vit) and malicious ones (hostile).
// $SERVER is the URL of a server of the folder's files; fetched files are kept
// in home. In the program's output the folder is written $WORK, the server
// $SERVER, and the time that a stage took <*>.
//
// For output that is not the same everywhere, "elide stdout WANT" comes before
// "cmp stdout WANT": in WANT, <*> stands for any part of a line and a line <...>
// for any number of lines.
//
// With -update, what "cmp" compares is written into the scripts.
func TestScripts(t *testing.T) {
	links := map[string]string{"demo": "../../internal/demo/assets", "golden": testutil.Golden(""), "golden_vit": testutil.GoldenViT(""), "hostile": hostileFolder(t)}
	for name, path := range links {
		var err error
		if links[name], err = filepath.Abs(path); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := filepath.Abs(scriptFolder)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range scriptVariables {
		t.Setenv(name, "") // puts the old value back in the end
	}
	path := os.Getenv("PATH") // which a script may change, for itself alone
	t.Setenv("PATH", path)
	t.Chdir(t.TempDir()) // and the old folder
	testscript.RunT(inOrder{t}, testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			server := httptest.NewServer(http.FileServer(http.Dir(env.WorkDir)))
			env.Defer(server.Close)
			env.Setenv("SERVER", server.URL)
			env.Setenv("PATH", path)
			env.Setenv(asset.HomeVariable, filepath.Join(env.WorkDir, "home"))
			for name, path := range links {
				if err := os.Symlink(path, filepath.Join(env.WorkDir, name)); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"clipnh": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg {
					ts.Fatalf("! clipnh: want status N clipnh")
				}
				runInScript(ts, exitDone, args)
			},
			"status": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) < 2 || args[1] != "clipnh" {
					ts.Fatalf("want status N clipnh ARGS...")
				}
				code, err := strconv.Atoi(args[0])
				ts.Check(err)
				runInScript(ts, code, args[2:])
			},
			"pack": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) != 2 {
					ts.Fatalf("want pack FOLDER ARCHIVE")
				}
				folder, err := filepath.EvalSymlinks(ts.MkAbs(args[0]))
				ts.Check(err)
				testutil.Pack(t, folder, ts.MkAbs(args[1]), "")
			},
			"elide": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) != 2 {
					ts.Fatalf("want elide FILE WANT")
				}
				out := ts.Stdout()
				stdout, stderr := ts.ReadFile("stdout"), ts.ReadFile("stderr")
				elided := elide(ts.ReadFile(args[0]), ts.ReadFile(args[1]))
				if args[0] == "stderr" {
					out.Write([]byte(stdout))
					ts.Stderr().Write([]byte(elided))
				} else {
					out.Write([]byte(elided))
					ts.Stderr().Write([]byte(stderr))
				}
			},
		},
		UpdateScripts:      *update,
		RequireUniqueNames: true,
		ContinueOnError:    true,
	})
}

// scriptVariables are the variables of the environment that a script can set
// for the program, as it can PATH.
var scriptVariables = []string{asset.HomeVariable, device.Variable, asset.MirrorVariable, "CLIPNH_SCORES", "CLIPNH_THREADS", "CLIPNH_MODLE"}

// inOrder runs the scripts one after the other, as a process has one current
// folder.
type inOrder struct{ *testing.T }

func (inOrder) Parallel()     {}
func (inOrder) Verbose() bool { return testing.Verbose() }

func (t inOrder) Run(name string, f func(testscript.T)) {
	t.T.Run(name, func(t *testing.T) { f(inOrder{t}) })
}

// stageTime is the end of the line that a stage leaves on standard error.
var stageTime = regexp.MustCompile(`(?m)^([^:\n]+: [^:\n]+ in )\d+(\.\d)? (ms|s|min|h)\b.*$`)

// writtenAt is when an artefact was written.
var writtenAt = regexp.MustCompile(`( was written )\d{4}-\d\d-\d\d \d\d:\d\d`)

// runInScript runs the program with args, and checks its exit status and that
// of every failure.
func runInScript(ts *testscript.TestScript, want int, args []string) {
	ts.Check(os.Chdir(ts.MkAbs(".")))
	for _, name := range append([]string{"PATH"}, scriptVariables...) {
		ts.Check(os.Setenv(name, ts.Getenv(name)))
	}
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), args, strings.NewReader(""), &stdout, &stderr)
	names := strings.NewReplacer(ts.Getenv("WORK"), "$WORK", ts.Getenv("SERVER"), "$SERVER")
	names.WriteString(ts.Stdout(), stdout.String())
	names.WriteString(ts.Stderr(), writtenAt.ReplaceAllString(stageTime.ReplaceAllString(stderr.String(), "$1<*>"), "$1<*>"))
	if code != want {
		ts.Fatalf("exit status %d, want %d", code, want)
	}
	root := newRootCommand(new(globalOptions))
	cmd, _, err := root.Find(args)
	if err != nil {
		cmd = root
	}
	report := code != exitUsage && cmd.Annotations[reportAnnotation] != ""
	// What was measured is printed, though a figure or file could not be written.
	report = report || code == exitFailed && slices.Contains([]string{"retrieve"}, cmd.Name())
	if code != exitDone && code != exitSkipped && !report && stdout.Len() > 0 {
		ts.Fatalf("the command failed, and yet wrote to standard output")
	}
	for _, line := range adviceOfOthers(cmd, stderr.String()) {
		ts.Fatalf("%s does not have a flag that it advises: %s", cmd.CommandPath(), line)
	}
	if !slices.Contains(exitCodesOf(cmd), code) {
		ts.Fatalf("exit status %d is not in the help of %s", code, cmd.Name())
	}
}

// elide returns want if got matches it, and otherwise got, with the lines of
// want in the place of those that they match.
func elide(got, want string) string {
	var whole strings.Builder
	lines := map[string]*regexp.Regexp{}
	for line := range strings.Lines(want) {
		if line == "<...>\n" {
			whole.WriteString(`(?:[^\n]*\n)*`)
			continue
		}
		pattern := strings.ReplaceAll(regexp.QuoteMeta(line), `<\*>`, `[^\n]*`)
		whole.WriteString(pattern)
		lines[line] = regexp.MustCompile(`\A` + pattern + `\z`)
	}
	if regexp.MustCompile(`\A` + whole.String() + `\z`).MatchString(got) {
		return want
	}
	var b strings.Builder
	for line := range strings.Lines(got) {
		for pattern, re := range lines {
			if re.MatchString(line) {
				line = pattern
				break
			}
		}
		b.WriteString(line)
	}
	return b.String()
}

func TestElide(t *testing.T) {
	tests := []struct {
		got, want string
		elided    string // of got
	}{
		{"", "", ""},
		{"a\n", "", "a\n"},
		{"abc\n", "a.c\n", "abc\n"},
		{"in 4.2 s\n", "in <*> s\n", "in <*> s\n"},
		{"in 4.2 s\nin 3 m\n", "in <*> s\n", "in <*> s\nin 3 m\n"},
		{"a\nb\n", "a\n<...>\nb\n", "a\n<...>\nb\n"},
		{"a\nx\ny\nb\n", "a\n<...>\nb\n", "a\n<...>\nb\n"},
		{"a\nx\nb\nc\n", "a\n<...>\nb\n", "a\nx\nb\nc\n"},
	}
	for _, tt := range tests {
		if got := elide(tt.got, tt.want); got != tt.elided {
			t.Errorf("elide(%q, %q) = %q, want %q", tt.got, tt.want, got, tt.elided)
		}
	}
}

// TestScriptsCheckOutput fails for a run whose output a script does not look at:
// "! stdout ." is the line for a run that prints nothing.
func TestScriptsCheckOutput(t *testing.T) {
	files, err := filepath.Glob(scriptFolder + "/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range unchecked(string(text)) {
			t.Errorf("%s: standard output or standard error is not checked: %s", file, line)
		}
	}
}

var (
	scriptRun   = regexp.MustCompile(`^(status \d+ )?clipnh( |$)`)
	scriptCheck = regexp.MustCompile(`^(! )?(cmp )?(stdout|stderr) `)
)

// unchecked returns the lines of a script that run the program, and are not
// followed by checks of both streams.
func unchecked(script string) []string {
	var found []string
	run, streams := "", map[string]bool{}
	next := func(line string) {
		if run != "" && len(streams) < 2 {
			found = append(found, run)
		}
		run = line
		clear(streams)
	}
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "-- ") {
			break
		}
		if scriptRun.MatchString(line) {
			next(line)
		} else if m := scriptCheck.FindStringSubmatch(line); m != nil {
			streams[m[3]] = true
		}
	}
	next("")
	return found
}

func TestUnchecked(t *testing.T) {
	script := "clipnh a\ncmp stdout a.out\n! stderr .\n\nstatus 2 clipnh b\n! stdout .\n\nclipnh c\nelide stdout c.out\ncmp stderr c.err\n-- a.out --\nclipnh d\n"
	if got, want := unchecked(script), []string{"status 2 clipnh b", "clipnh c"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
