package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/manual"
)

// helpWidth is the width of the help in columns. It does not depend on the terminal, so
// that the help reads the same everywhere.
const helpWidth = 80

// exitAnnotation holds the exit codes of a command.
const exitAnnotation = "exit"

// reportAnnotation marks a command that prints its result also when it does not end with
// exitDone, because problems are the result.
const reportAnnotation = "report"

// reporting adds the reportAnnotation.
func reporting(annotations map[string]string) map[string]string {
	annotations[reportAnnotation] = "true"
	return annotations
}

// exitStatus returns the annotation of a command that ends with 0, 1, 2 or one of codes.
func exitStatus(codes ...int) map[string]string {
	codes = append(codes, exitDone, exitFailed, exitUsage)
	slices.Sort(codes)
	codes = slices.Compact(codes)
	var words []string
	for _, c := range codes {
		words = append(words, strconv.Itoa(c))
	}
	return map[string]string{exitAnnotation: strings.Join(words, " ")}
}

// exitCodesOf returns the exit codes in the help of cmd, ascending.
func exitCodesOf(cmd *cobra.Command) []int {
	var codes []int
	for _, w := range strings.Fields(cmd.Annotations[exitAnnotation]) {
		code, err := strconv.Atoi(w)
		if err != nil {
			panic("exit annotation not made by exitStatus")
		}
		codes = append(codes, code)
	}
	return codes
}

// helpText returns the help of a command: what it does, reads and writes, usage, example,
// flags and exit status. The help of a command with others below it also lists these.
func helpText(cmd *cobra.Command) string {
	var b strings.Builder
	section := func(title, text string) {
		if text = strings.Trim(text, "\n"); text == "" {
			return
		}
		fmt.Fprintf(&b, "\n%s\n", title)
		for line := range strings.Lines(text) {
			b.WriteString(strings.TrimRight("  "+line, " \n") + "\n")
		}
	}
	m := manualOf(cmd)
	fmt.Fprintf(&b, "%s.\n\n%s\n", cmd.Short, strings.Trim(cmd.Long, "\n"))
	section("USAGE", wrapUsage(m.Usage))
	for _, group := range m.Groups {
		section(group.Title, commandList(cmd, group.Commands))
	}
	section("EXAMPLE", cmd.Example)
	section("FLAGS", flagList(ownFlags(cmd)))
	section("GLOBAL FLAGS", flagList(cmd.Root().PersistentFlags()))
	section("EXIT STATUS", exitList(m.Exits))
	return b.String()
}

// wrapUsage returns lines of usage, broken before a flag where they are too long.
func wrapUsage(lines []string) string {
	const indent = 2 // of a section
	var b strings.Builder
	for _, line := range lines {
		width := 0
		for i, part := range strings.SplitAfter(line, " -") {
			// The dash belongs to the part that follows.
			part = strings.TrimSuffix(part, "-")
			if i > 0 {
				part = "-" + part
			}
			if width > 0 && indent+width+len(strings.TrimRight(part, " ")) > helpWidth {
				b.WriteString("\n    ")
				width = 4
			}
			b.WriteString(part)
			width += len(part)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// commandList returns one line for each of some commands below cmd.
func commandList(cmd *cobra.Command, some []manual.Entry) string {
	width := 0
	for _, c := range cmd.Commands() {
		width = max(width, len(c.Name()))
	}
	var b strings.Builder
	for _, e := range some {
		fmt.Fprintf(&b, "%-*s  %s\n", width, e.Path[strings.LastIndexByte(e.Path, ' ')+1:], e.Short)
	}
	return b.String()
}

// ownFlags returns the flags of a command without the global ones, in the order in which
// they were added; the list of cobra is sorted.
func ownFlags(cmd *cobra.Command) *pflag.FlagSet {
	own := pflag.NewFlagSet(cmd.Name(), pflag.ContinueOnError)
	own.SortFlags = false
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if cmd.Root().PersistentFlags().Lookup(f.Name) == nil {
			own.AddFlag(f)
		}
	})
	return own
}

// flagList returns the list of pflag without its indentation.
func flagList(fs *pflag.FlagSet) string {
	var b strings.Builder
	for line := range strings.Lines(fs.FlagUsagesWrapped(helpWidth)) {
		b.WriteString(strings.TrimPrefix(line, "  "))
	}
	return b.String()
}

func exitList(exits []manual.Exit) string {
	var b strings.Builder
	for _, e := range exits {
		fmt.Fprintf(&b, "%3d  %s\n", e.Status, e.Meaning)
	}
	return b.String()
}
