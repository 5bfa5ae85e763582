package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
)

var (
	inlineCode = regexp.MustCompile("`(clipnh [^`\n]*)`")
	joinedLine = regexp.MustCompile(`\\\n\s*`)
	blockLine  = regexp.MustCompile(`^(?:\$ )?(clipnh .*)$`)
)

// commandLinesOf returns the command lines of clipnh in a Markdown text, in code
// spans and in blocks.
func commandLinesOf(text string) []string {
	text = joinedLine.ReplaceAllString(text, "")
	var all []string
	for _, m := range inlineCode.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	fenced := false
	for line := range strings.Lines(text) {
		code, indented := strings.CutPrefix(strings.TrimRight(line, "\n"), blockIndent)
		if strings.HasPrefix(code, "```") {
			fenced = !fenced
		}
		if m := blockLine.FindStringSubmatch(code); m != nil && (indented || fenced) {
			command, _, _ := strings.Cut(m[1], "  #")
			all = append(all, command)
		}
	}
	return all
}

// TestDocsCommandLines parses every command line that README and docs show, without
// running it. One with words in capitals, such as clipnh COMMAND --help, is a
// pattern and not looked at.
func TestDocsCommandLines(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("no docs: %v", err)
	}
	count := 0
	for _, file := range append(files, "../../README.md", "../../ARCHITECTURE.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range commandLinesOf(string(text)) {
			words, err := splitWords(line)
			if err != nil {
				t.Errorf("%s: %q: %v", file, line, err)
				continue
			}
			if len(words) < 2 || words[1] == strings.ToUpper(words[1]) || strings.Contains(line, "...") {
				continue
			}
			count++
			root := newRootCommand(new(globalOptions))
			root.InitDefaultHelpCmd()
			cmd, rest, err := root.Find(words[1:])
			if err == nil && cmd == root && !strings.HasPrefix(words[1], "-") {
				t.Errorf("%s: %q: no such command", file, line)
				continue
			}
			if err == nil {
				err = cmd.ParseFlags(rest)
			}
			if err != nil {
				t.Errorf("%s: %q: %v", file, line, err)
			}
		}
	}
	if count < 50 {
		t.Errorf("only %d command lines found", count)
	}
}

// TestScriptNames holds that the reference's scripts lead to commands.
func TestScriptNames(t *testing.T) {
	for name, script := range scriptNames {
		cmd, _, err := newRootCommand(new(globalOptions)).Find([]string{script})
		if err != nil || cmd.Name() != name {
			t.Errorf("%s: got %s, %v, want %s", script, cmd.Name(), err, name)
		}
	}
}

// TestModuleReadsManifests holds that the NumPy module reads the manifests that are written.
func TestModuleReadsManifests(t *testing.T) {
	module, err := os.ReadFile("../../scripts/clipnh.py")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("\nNEWEST = %d ", cache.Version); !strings.Contains(string(module), want) {
		t.Errorf("scripts/clipnh.py: lacks %q, the version of manifests that is written", strings.TrimSpace(want))
	}
}
