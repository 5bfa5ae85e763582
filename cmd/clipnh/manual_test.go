package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/manual"
)

// TestPagesAreComplete holds that every page names every flag of its command, and that
// links lead to pages that exist.
func TestPagesAreComplete(t *testing.T) {
	root := newRootCommand(new(globalOptions))
	web, man := pages(root, manual.Markdown), pages(root, manual.Roff)
	names := map[string]bool{}
	for _, p := range web {
		names[p.Name] = true
	}
	commands := documented(root)
	if len(web) != len(commands) || len(man) != len(commands) || len(names) != len(commands) {
		t.Fatalf("%d and %d pages of %d names for %d commands", len(web), len(man), len(names), len(commands))
	}
	for i, cmd := range commands {
		for _, f := range manualOf(cmd).Flags {
			if !strings.Contains(web[i].Text, "`"+f.AsTyped()+"`") {
				t.Errorf("%s lacks %s", web[i].Name, f.AsTyped())
			}
			if escaped := strings.ReplaceAll("--"+f.Name, "-", `\-`); !strings.Contains(man[i].Text, escaped) {
				t.Errorf("%s lacks --%s", man[i].Name, f.Name)
			}
		}
		for _, link := range strings.Split(web[i].Text, "](")[1:] {
			to, _, _ := strings.Cut(link, ")")
			if _, err := os.Stat(filepath.Join("../../docs/commands", to)); !names[to] && (!strings.HasPrefix(to, "../") || err != nil) {
				t.Errorf("%s links to %s, which is not a page", web[i].Name, to)
			}
		}
		for line := range strings.Lines(man[i].Text) {
			if macro, _, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(macro, ".") &&
				!strings.Contains(` .\" .TH .SH .PP .TP .RS .RE .nf .fi `, " "+macro+" ") {
				t.Errorf("%s: %q is not a macro of a man page", man[i].Name, line)
			}
		}
	}
}

func TestWrapUsage(t *testing.T) {
	flags := " --a-long-flag FILE --another-long-flag FILE"
	got := wrapUsage([]string{"clipnh help COMMAND", "clipnh segment" + flags + flags + " [flags]"})
	want := "clipnh help COMMAND\nclipnh segment" + flags + " --a-long-flag FILE \n    --another-long-flag FILE [flags]\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
