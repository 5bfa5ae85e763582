package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBlocks(t *testing.T) {
	got := blocks("\nOne\nparagraph:\n  code\n    more\nAnother.\n\nThird.\n\n  code again\n")
	want := []block{
		{false, []string{"One", "paragraph:"}}, {true, []string{"code", "  more"}}, {false, []string{"Another."}},
		{false, []string{"Third."}}, {true, []string{"code again"}},
	}
	if len(got) != len(want) {
		t.Fatalf("%d blocks, want %d: %+v", len(got), len(want), got)
	}
	for i := range want {
		if got[i].plain != want[i].plain || strings.Join(got[i].lines, "\n") != strings.Join(want[i].lines, "\n") {
			t.Errorf("block %d: %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestProse(t *testing.T) {
	for text, want := range map[string][2]string{
		"with --mode=n, --json and\n--top-k": {"with `--mode=n`, `--json` and\n`--top-k`", "with \\fB\\-\\-mode=n\\fR, \\fB\\-\\-json\\fR and\n\\fB\\-\\-top\\-k\\fR"},
		`run "clipnh fetch a*b" <now>`:       {"run `clipnh fetch a*b` \\<now>", `run \fBclipnh fetch a*b\fR <now>`},
		`a\b *c* it's`:                       {`a\\b \*c\* it's`, `a\eb *c* it\(aqs`},
		".npy\n.dat":                         {".npy\n.dat", "\\&.npy\n\\&.dat"},
	} {
		if got := markdownProse(text); got != want[0] {
			t.Errorf("%q in Markdown: %q, want %q", text, got, want[0])
		}
		if got := roffProse(text); got != want[1] {
			t.Errorf("%q in roff: %q, want %q", text, got, want[1])
		}
	}
}

// Every page names all that its command can be told, and links to pages that are
// there.
func TestPagesAreWhole(t *testing.T) {
	root := newRootCommand(new(globalOptions))
	web, man := pages(root, markdownName, markdown), pages(root, roffName, roff)
	names := map[string]bool{}
	for _, p := range web {
		names[p.name] = true
	}
	commands := documented(root)
	if len(web) != len(commands) || len(man) != len(commands) || len(names) != len(commands) {
		t.Fatalf("%d and %d pages of %d names for %d commands", len(web), len(man), len(names), len(commands))
	}
	for i, cmd := range commands {
		for _, f := range newManual(cmd).flags {
			if !strings.Contains(web[i].text, "`"+f.asTyped()+"`") {
				t.Errorf("%s lacks %s", web[i].name, f.asTyped())
			}
			if !strings.Contains(man[i].text, roffText("--"+f.name)) {
				t.Errorf("%s lacks --%s", man[i].name, f.name)
			}
		}
		for _, link := range strings.Split(web[i].text, "](")[1:] {
			if to, _, _ := strings.Cut(link, ")"); !names[to] {
				t.Errorf("%s links to %s, which is no page", web[i].name, to)
			}
		}
		for line := range strings.Lines(man[i].text) {
			if macro, _, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(macro, ".") &&
				!strings.Contains(` .\" .TH .SH .PP .TP .RS .RE .nf .fi `, " "+macro+" ") {
				t.Errorf("%s: %q is no macro of a man page", man[i].name, line)
			}
		}
	}
}

func TestCheckPages(t *testing.T) {
	dir, all := t.TempDir(), []page{{"a.md", "a"}, {"b.md", "b"}}
	if err := checkPages(filepath.Join(dir, "none"), all); err == nil || !strings.Contains(err.Error(), "a.md is missing, b.md is missing") {
		t.Errorf("no folder: %v", err)
	}
	if err := writePages(dir, all); err != nil {
		t.Fatal(err)
	}
	if err := checkPages(dir, all); err != nil {
		t.Errorf("as written: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "c.md"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	all[1].text = "changed"
	if err := checkPages(dir, all); err == nil || !strings.Contains(err.Error(), "b.md is not what the program says now, c.md belongs to no command") {
		t.Errorf("changed: %v", err)
	}
}
