package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/asset"
	"github.com/clipnh/clipnh/internal/testutil"
)

var update = flag.Bool("update", false, "rewrite what the scripts in testdata/script expect")

// A script is a file of testdata/script. It begins with a comment, and goes on
// in sections, each a line "-- HEADING --" and the text up to the next heading
// without the blank lines at its end:
//
//	file PATH     write a file
//	run           run a command line, which may go on after a \ at a line's end
//	exit N        ... which ends with N (left out if it is 0)
//	stdout        ... and prints this (left out if it is nothing)
//	stderr        ... and says this (left out if it is nothing)
//	want PATH     the file holds this text
//	exists PATH   the file or folder is there
//	absent PATH   it is not
//
// Commands run in process, in a folder that all of a script shares, which holds
// links to the demo's files (demo), the golden ones (golden) and files that no one
// should trust (hostile). In expected output <*> stands for any part of a line, a
// line <...> for any number of lines, and $WORK, as in command lines, for the
// folder; $SERVER for the URL of a server of the folder's files. Fetched files
// are kept in home.
type script struct {
	comment string
	steps   []step
}

type step struct {
	kind string // file, run, want, exists, absent
	path string // but for run
	text string // contents, or command line

	exit           int // of run, as are these
	stdout, stderr string
}

var heading = regexp.MustCompile(`^-- (\w+)(?: (\S+))? --$`)

func parseScript(text string) (script, error) {
	var s script
	into, none := &s.comment, ""
	for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		m := heading.FindStringSubmatch(line)
		if m == nil {
			*into += line + "\n"
			if strings.TrimSpace(none) != "" {
				return s, fmt.Errorf("line %d: text below a heading that takes none", i+1)
			}
			continue
		}
		kind, arg := m[1], m[2]
		if withArg := kind != "run" && kind != "stdout" && kind != "stderr"; withArg != (arg != "") {
			return s, fmt.Errorf("line %d: heading %q has too much or too little", i+1, line)
		}
		var last *step
		if n := len(s.steps); n > 0 && s.steps[n-1].kind == "run" {
			last = &s.steps[n-1]
		}
		switch kind {
		case "file", "run", "want":
			s.steps = append(s.steps, step{kind: kind, path: arg})
			into = &s.steps[len(s.steps)-1].text
		case "exists", "absent":
			s.steps = append(s.steps, step{kind: kind, path: arg})
			into = &none
		case "exit", "stdout", "stderr":
			if last == nil {
				return s, fmt.Errorf("line %d: heading %q without a run before it", i+1, line)
			}
			switch kind {
			case "stdout":
				into = &last.stdout
			case "stderr":
				into = &last.stderr
			case "exit":
				code, err := strconv.Atoi(arg)
				if err != nil {
					return s, fmt.Errorf("line %d: %w", i+1, err)
				}
				last.exit, into = code, &none
			}
		default:
			return s, fmt.Errorf("line %d: unknown heading %q", i+1, line)
		}
	}
	s.comment = withoutBlankEnd(s.comment)
	for i := range s.steps {
		p := &s.steps[i]
		p.text, p.stdout, p.stderr = withoutBlankEnd(p.text), withoutBlankEnd(p.stdout), withoutBlankEnd(p.stderr)
	}
	return s, nil
}

func withoutBlankEnd(text string) string {
	if text = strings.TrimRight(text, "\n"); text == "" {
		return ""
	}
	return text + "\n"
}

// format writes s as parseScript reads it.
func (s script) format() string {
	var b strings.Builder
	b.WriteString(s.comment)
	for _, p := range s.steps {
		fmt.Fprintf(&b, "\n-- %s --\n%s", strings.TrimSpace(p.kind+" "+p.path), p.text)
		if p.exit != 0 {
			fmt.Fprintf(&b, "-- exit %d --\n", p.exit)
		}
		if p.stdout != "" {
			fmt.Fprintf(&b, "-- stdout --\n%s", p.stdout)
		}
		if p.stderr != "" {
			fmt.Fprintf(&b, "-- stderr --\n%s", p.stderr)
		}
	}
	return b.String()
}

// splitWords cuts a command line at blanks as a shell does: '...' and "..."
// hold words together, and a \ at a line's end joins the next line.
func splitWords(line string) ([]string, error) {
	line = strings.ReplaceAll(line, "\\\n", " ")
	var words []string
	var word strings.Builder
	quote, inWord := rune(0), false
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case r == ' ' || r == '\t' || r == '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		default:
			inWord = true
			word.WriteRune(r)
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("%q: a quote is not closed", line)
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	hostile := hostileFolder(t)
	for _, file := range files {
		file, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { runScript(t, file, hostile) })
	}
}

func runScript(t *testing.T, file, hostile string) {
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := parseScript(string(raw))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	links := map[string]string{"demo": filepath.Join("..", "..", "internal", "demo", "assets"), "golden": testutil.Golden(""), "hostile": hostile}
	for name, path := range links {
		if links[name], err = filepath.Abs(path); err != nil {
			t.Fatal(err)
		}
	}
	work := t.TempDir()
	t.Chdir(work)
	for name, path := range links {
		if err := os.Symlink(path, name); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(asset.HomeVariable, filepath.Join(work, "home"))
	t.Setenv(asset.MirrorVariable, "")
	names := map[string]string{"$WORK": work}
	if strings.Contains(string(raw), "$SERVER") {
		server := httptest.NewServer(http.FileServer(http.Dir(work)))
		defer server.Close()
		names["$SERVER"] = server.URL
	}
	for i := range s.steps {
		p := &s.steps[i]
		switch p.kind {
		case "file":
			if err := os.MkdirAll(filepath.Dir(p.path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p.path, []byte(p.text), 0o666); err != nil {
				t.Fatal(err)
			}
		case "run":
			p.run(t, names)
		case "want":
			got, err := os.ReadFile(p.path)
			if err != nil {
				t.Fatal(err)
			}
			expect(t, p.path, &p.text, string(got), names)
		case "exists", "absent":
			_, err := os.Lstat(p.path)
			if there := err == nil; there != (p.kind == "exists") {
				t.Errorf("%s %s: %v", p.kind, p.path, err)
			}
		}
	}
	if out := s.format(); *update && out != string(raw) {
		if err := os.WriteFile(file, []byte(out), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs the command line of p and checks what it did. With -update it
// changes p to what it did.
func (p *step) run(t *testing.T, names map[string]string) {
	t.Helper()
	line := strings.TrimSuffix(p.text, "\n")
	words, err := splitWords(replaceNames(line, names))
	if err != nil {
		t.Fatal(err)
	}
	if len(words) == 0 || words[0] != "clipnh" {
		t.Fatalf("%q: want a command line of clipnh", line)
	}
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), words[1:], strings.NewReader(""), &stdout, &stderr)
	if code != p.exit {
		if *update {
			p.exit = code
		} else {
			t.Errorf("%s\nexit code %d, want %d", line, code, p.exit)
		}
	}
	expect(t, line+"\nstdout", &p.stdout, stdout.String(), names)
	expect(t, line+"\nstderr", &p.stderr, stderr.String(), names)
	root := newRootCommand(new(globalOptions))
	cmd, _, err := root.Find(words[1:])
	if err != nil {
		cmd = root
	}
	report := code != exitUsage && cmd.Annotations[reportAnnotation] != ""
	if code != exitDone && code != exitSkipped && !report && stdout.Len() > 0 {
		t.Errorf("%s\nfailed, yet standard output has %q", line, stdout.String())
	}
	if !slices.Contains(exitCodesOf(cmd), code) {
		t.Errorf("%s\nexit code %d is not in the help of %s", line, code, cmd.Name())
	}
}

// expect compares got with what a script wants.
func expect(t *testing.T, what string, want *string, got string, names map[string]string) {
	t.Helper()
	if matches(*want, got, names) {
		return
	}
	if *update {
		for name, value := range names {
			got = strings.ReplaceAll(got, value, name)
		}
		*want = got
		return
	}
	t.Errorf("%s: got\n%s\nwant\n%s", what, got, *want)
}

// replaceNames puts values in the places of names such as $WORK.
func replaceNames(text string, names map[string]string) string {
	for name, value := range names {
		text = strings.ReplaceAll(text, name, value)
	}
	return text
}

// matches reports whether got is what want describes.
func matches(want, got string, names map[string]string) bool {
	var pattern strings.Builder
	for line := range strings.Lines(want) {
		if line == "<...>\n" {
			pattern.WriteString(`(?:[^\n]*\n)*`)
			continue
		}
		for i, part := range strings.Split(line, "<*>") {
			if i > 0 {
				pattern.WriteString(`[^\n]*`)
			}
			pattern.WriteString(regexp.QuoteMeta(replaceNames(part, names)))
		}
	}
	return regexp.MustCompile(`\A` + pattern.String() + `\z`).MatchString(got)
}

func TestMatches(t *testing.T) {
	tests := []struct {
		want, got string
		match     bool
	}{
		{"", "", true},
		{"", "a\n", false},
		{"a.c\n", "abc\n", false},
		{"in <*> s\n", "in 4.2 s\n", true},
		{"in <*> s\n", "in 4.2 s\nin 3 s\n", false},
		{"a\n<...>\nb\n", "a\nb\n", true},
		{"a\n<...>\nb\n", "a\nx\ny\nb\n", true},
		{"a\n<...>\nb\n", "a\nx\nb\nc\n", false},
		{"$WORK/a\n", "/tmp/1/a\n", true},
	}
	for _, tt := range tests {
		if got := matches(tt.want, tt.got, map[string]string{"$WORK": "/tmp/1"}); got != tt.match {
			t.Errorf("matches(%q, %q) = %v, want %v", tt.want, tt.got, got, tt.match)
		}
	}
}

func TestScriptFilesAreCanonical(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := parseScript(string(raw))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		} else if s.format() != string(raw) {
			t.Errorf("%s is not laid out as the harness would; go test -update does it", file)
		}
	}
}

func TestParseScriptRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"unknown heading":        "-- stdin --\n",
		"stdout without run":     "-- stdout --\nx\n",
		"run with argument":      "-- run x --\n",
		"file without path":      "-- file --\nx\n",
		"exit code not a number": "-- run --\nclipnh\n-- exit x --\n",
		"text below exit":        "-- run --\nclipnh\n-- exit 1 --\nx\n",
	} {
		if _, err := parseScript(text); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestSplitWords(t *testing.T) {
	for line, want := range map[string][]string{
		`clipnh svd  --mode nh`:             {"clipnh", "svd", "--mode", "nh"},
		"clipnh \\\n  svd":                  {"clipnh", "svd"},
		`clipnh --text "yellow car" 'a "b'`: {"clipnh", "--text", "yellow car", `a "b`},
		`clipnh --shape='(1, 2)' ""`:        {"clipnh", "--shape=(1, 2)", ""},
		"":                                  nil,
	} {
		got, err := splitWords(line)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %v, want %q", line, got, err, want)
		}
	}
	if _, err := splitWords(`clipnh "a`); err == nil {
		t.Error("an open quote was taken")
	}
}
