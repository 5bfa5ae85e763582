package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// walkthroughs are pages that use the example. In their indented blocks a line
// "$ COMMAND" is typed by the reader, and the lines up to the next one are what
// comes of it: standard output, or standard error where a command fails. A line
// "..." stands for any lines. Of commands, clipnh and ls are run here, in an empty
// folder; others, such as cd, are not.
var walkthroughs = []string{"tutorial.md", "descriptions.md", "watch.md", "audit.md"}

// shown is a command line of the tutorial with the output that it shows.
type shown struct {
	line    string // without "$ ", lines joined
	output  []string
	at, end int // lines of the output in the file
}

const blockIndent = "    "

// parseTutorial finds the commands of a tutorial's blocks.
func parseTutorial(lines []string) []shown {
	var all []shown
	inside, blank := false, 0 // in a block that has a command; behind blank lines
	for i := 0; i < len(lines); i++ {
		text, block := strings.CutPrefix(lines[i], blockIndent)
		command, isCommand := strings.CutPrefix(text, "$ ")
		switch {
		case block && isCommand:
			for strings.HasSuffix(command, `\`) && i+1 < len(lines) {
				i++
				command = strings.TrimSuffix(command, `\`) + strings.TrimPrefix(strings.TrimSpace(lines[i]), "> ")
			}
			all = append(all, shown{line: command, at: i + 1, end: i + 1})
			inside, blank = true, 0
		case block && inside:
			last := &all[len(all)-1]
			last.output = append(last.output, make([]string, blank)...)
			last.output = append(last.output, text)
			last.end, blank = i+1, 0
		case lines[i] == "" && inside:
			blank++
		default:
			inside = false
		}
	}
	return all
}

// TestTutorial does what the pages say and compares what comes out with what they
// show.
func TestTutorial(t *testing.T) {
	for _, name := range walkthroughs {
		t.Run(name, func(t *testing.T) { checkWalkthrough(t, filepath.Join("../../docs", name)) })
	}
}

func checkWalkthrough(t *testing.T, page string) {
	file, err := filepath.Abs(page)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(raw), "\n")
	steps := parseTutorial(lines)
	if len(steps) == 0 {
		t.Fatal("no commands")
	}
	t.Chdir(t.TempDir())
	changed := false
	for _, s := range slices.Backward(runTutorial(t, steps)) {
		if err := sameOutput(s.got, s.output); err != nil {
			if !*update || slices.Contains(s.output, "...") {
				t.Errorf("%s:%d: $ %s\n%v\ngot\n%s", page, s.at, s.line, err, strings.Join(s.got, "\n"))
				continue
			}
			for i := range s.got {
				s.got[i] = strings.TrimRight(blockIndent+s.got[i], " ")
			}
			lines, changed = slices.Replace(lines, s.at, s.end, s.got...), true
		}
	}
	if changed {
		if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// did is a step of a tutorial and what came out.
type did struct {
	shown
	got []string
}

// anyTime is what pages have for when an artefact was written.
const anyTime = "2026-11-23 10:00"

// runTutorial runs the steps in the current folder.
func runTutorial(t *testing.T, steps []shown) []did {
	t.Helper()
	var all []did
	for _, s := range steps {
		words, err := splitWords(s.line)
		if err != nil {
			t.Fatal(err)
		}
		var out string
		switch words[0] {
		case "clipnh":
			var stdout, stderr bytes.Buffer
			code := run(context.Background(), words[1:], strings.NewReader(""), &stdout, &stderr)
			if out = stdout.String(); code != exitDone && code != exitSkipped {
				out = writtenAt.ReplaceAllString(stderr.String(), "${1}"+anyTime)
			}
		case "ls":
			if out, err = listFolder(words[len(words)-1]); err != nil {
				t.Fatal(err)
			}
		default:
			continue
		}
		var lines []string
		if out != "" {
			lines = strings.Split(strings.TrimRight(out, "\n"), "\n")
		}
		all = append(all, did{s, lines})
	}
	return all
}

// listFolder is ls -1.
func listFolder(dir string) (string, error) {
	entries, err := fs.ReadDir(os.DirFS(dir), ".")
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintln(&b, e.Name())
	}
	return b.String(), err
}

// sameOutput compares lines. Numbers with decimals may differ by a few units of the
// last digit that is printed, or by half a percent, as processors round differently.
func sameOutput(got, want []string) error {
	for i, line := range want {
		if line == "..." {
			rest := want[i+1:]
			for skip := range len(got) - i + 1 {
				if sameOutput(got[i+skip:], rest) == nil {
					return nil
				}
			}
			return fmt.Errorf("nothing like the lines after ...: %q", rest)
		}
		if i >= len(got) || !sameLine(got[i], line) {
			return fmt.Errorf("want %q", line)
		}
	}
	if len(got) > len(want) {
		return fmt.Errorf("want no line %q", got[len(want)])
	}
	return nil
}

func sameLine(got, want string) bool {
	g, w := strings.Fields(got), strings.Fields(want)
	sameWidth := slices.EqualFunc(g, w, func(g, w string) bool { return len(g) == len(w) })
	if sameWidth && !slices.Equal(gaps(got), gaps(want)) {
		return false // columns that do not stand as they are printed
	}
	return slices.EqualFunc(g, w, func(g, w string) bool {
		if g == w {
			return true
		}
		const units, share = 3, 0.005 // of the last digit; of the number
		x, err := strconv.ParseFloat(g, 64)
		y, errWant := strconv.ParseFloat(w, 64)
		_, decimals, point := strings.Cut(w, ".")
		return err == nil && errWant == nil && point && math.Abs(x-y) <= max((units+0.5)*math.Pow10(-len(decimals)), share*math.Abs(y))
	})
}

// gaps are the lengths of the runs of blanks in a line, but for those at its end.
func gaps(line string) []int {
	var lengths []int
	for n, r := 0, []rune(strings.TrimRight(line, " ")); n < len(r); n++ {
		if r[n] != ' ' {
			continue
		}
		if n == 0 || r[n-1] != ' ' {
			lengths = append(lengths, 0)
		}
		lengths[len(lengths)-1]++
	}
	return lengths
}

func TestSameOutput(t *testing.T) {
	for _, tt := range []struct {
		got, want string
		same      bool
	}{
		{"a  1.25", "a  1.26", true},
		{"a  1.25", "a 1.25", false},
		{"a 1.25", "a 1.35", false},
		{"a 40", "a 41", false},
		{"a\nb\nc", "a\n...", true},
		{"a\nb\nc", "...\nc", true},
		{"a\nb\nc", "a\n...\nd", false},
		{"a\nb", "a", false},
		{"a", "a\nb", false},
	} {
		if err := sameOutput(strings.Split(tt.got, "\n"), strings.Split(tt.want, "\n")); (err == nil) != tt.same {
			t.Errorf("%q and %q: %v", tt.got, tt.want, err)
		}
	}
}

func TestParseTutorial(t *testing.T) {
	got := parseTutorial(strings.Split("text\n\n    $ clipnh a \\\n        --b\n    out\n\n    more\n\nno output\n\n    $ ls x\n    $ ls y\n", "\n"))
	if len(got) != 3 || got[0].line != "clipnh a --b" || !slices.Equal(got[0].output, []string{"out", "", "more"}) || got[1].output != nil || got[2].line != "ls y" {
		t.Errorf("got %+v", got)
	}
}
