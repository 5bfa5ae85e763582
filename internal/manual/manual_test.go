package manual

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestBlocks(t *testing.T) {
	got := blocks("\nOne\nparagraph:\n  code\n    more\nAnother.\n\nThird.\n\n  code again\n")
	want := []block{
		{false, []string{"One", "paragraph:"}}, {true, []string{"code", "  more"}}, {false, []string{"Another."}},
		{false, []string{"Third."}}, {true, []string{"code again"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestProse(t *testing.T) {
	for text, want := range map[string][2]string{
		"with --mode=n, --json and\n--top-k": {"with `--mode=n`, `--json` and\n`--top-k`", "with \\fB\\-\\-mode=n\\fR, \\fB\\-\\-json\\fR and\n\\fB\\-\\-top\\-k\\fR"},
		`run "clipnh fetch a*b" <now>`:       {"run `clipnh fetch a*b` \\<now>", `run \fBclipnh fetch a*b\fR <now>`},
		`a\b *c* it's`:                       {`a\\b \*c\* it's`, `a\eb *c* it\(aqs`},
		"docs/a-b.md shows how":              {"[docs/a-b.md](../a-b.md) shows how", `docs/a\-b.md shows how`},
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

// TestRender holds both forms of a command that has all that a command can have.
func TestRender(t *testing.T) {
	c := Command{
		Path: "clipnh data", Short: "Look at data sets", Long: "\nReads --path.\n  DIR/a\n",
		Usage:   []string{"clipnh data COMMAND [flags]"},
		Groups:  []Group{{"SOME COMMANDS", []Entry{{"clipnh data check", "Check a folder"}}}},
		Example: "clipnh data check DIR",
		Flags:   []Flag{{Name: "path", Placeholder: "DIR", Usage: "a|b", Default: "x-y"}},
		Global:  []Flag{{Name: "help", Shorthand: "h", Usage: "print help"}},
		Exits:   []Exit{{0, "done"}},
	}
	for _, want := range []File{
		{"data.md", `<!-- Made by "make docs" from the program; a change belongs there. -->

# clipnh data

Look at data sets.

'''
clipnh data COMMAND [flags]
'''

Reads '--path'.

'''
DIR/a
'''

## Some commands

- ['clipnh data check'](data-check.md): Check a folder

## Example

'''
clipnh data check DIR
'''

## Flags

| flag | default | meaning |
|---|---|---|
| '--path DIR' | 'x-y' | a\|b |

## Global flags

| flag | default | meaning |
|---|---|---|
| '-h, --help' |  | print help |

## Exit status

- 0: done

[All commands](README.md)
`},
		{"clipnh-data.1", `.\" Made by "make docs" from the program; a change belongs there.
.TH CLIPNH\-DATA 1 "" clipnh "User commands"
.SH NAME
clipnh\-data \- Look at data sets
.SH SYNOPSIS
.PP
.RS 2
.nf
clipnh data COMMAND [flags]
.fi
.RE
.SH DESCRIPTION
.PP
Reads \fB\-\-path\fR\&.
.PP
.RS 2
.nf
DIR/a
.fi
.RE
.SH SOME COMMANDS
.TP
\fBclipnh\-data\-check\fR(1)
Check a folder
.SH OPTIONS
.TP
\fB\-\-path\fR \fIDIR\fR
a|b (default x\-y)
.SH GLOBAL OPTIONS
.TP
\fB\-h, \-\-help\fR
print help
.SH EXAMPLE
.PP
.RS 2
.nf
clipnh data check DIR
.fi
.RE
.SH EXIT STATUS
.TP
\fB0\fR
done
.SH SEE ALSO
\fBclipnh\fR(1)
`},
	} {
		got := Markdown(c)
		if strings.HasSuffix(want.Name, ".1") {
			got = Roff(c)
		} else {
			want.Text = strings.ReplaceAll(want.Text, "'", "`")
		}
		if got != want {
			t.Errorf("got %s\n%s\nwant %s\n%s", got.Name, got.Text, want.Name, want.Text)
		}
	}
	if got := Markdown(Command{Path: "clipnh"}); got.Name != "README.md" || strings.Contains(got.Text, "All commands") {
		t.Errorf("the program's page: %s\n%s", got.Name, got.Text)
	}
}

func TestCheck(t *testing.T) {
	dir, pages := t.TempDir(), []File{{"a.md", "a"}, {"b.md", "b"}}
	if err := Check(filepath.Join(dir, "none"), pages); !errors.Is(err, ErrOutdated) || !strings.Contains(err.Error(), "a.md is missing, b.md is missing") {
		t.Errorf("no folder: %v", err)
	}
	if err := Write(nil, dir, pages); err != nil {
		t.Fatal(err)
	}
	if err := Check(dir, pages); err != nil {
		t.Errorf("as written: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "c.md"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	pages[1].Text = "changed"
	if err := Check(dir, pages); !errors.Is(err, ErrOutdated) || !strings.Contains(err.Error(), "b.md differs, c.md belongs to no command") {
		t.Errorf("changed: %v", err)
	}
}
