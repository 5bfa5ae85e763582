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

// helpWidth is where the descriptions of flags are wrapped. It does not follow
// the terminal, so that help reads the same everywhere.
const helpWidth = 100

// exitAnnotation is where a command keeps its exit codes.
const exitAnnotation = "exit"

// reportAnnotation marks a command whose result is printed though it does not end
// with exitDone, as that is part of the result.
const reportAnnotation = "report"

// reporting marks a command so.
func reporting(annotations map[string]string) map[string]string {
	annotations[reportAnnotation] = "true"
	return annotations
}

// exitStatus is the annotation of a command that ends with 0, 1, 2, or one of
// codes.
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

// exitCodesOf returns the exit codes that cmd's help lists, ascending.
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

// helpText is the help of a command: what it does, what it reads and writes,
// usage, example, flags and exit status. The help of the root lists the
// commands by group instead.
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
	section("USAGE", strings.Join(m.Usage, "\n"))
	for _, group := range m.Groups {
		section(group.Title, commandList(cmd, group.Commands))
	}
	section("EXAMPLE", cmd.Example)
	section("FLAGS", flagList(ownFlags(cmd)))
	section("GLOBAL FLAGS", flagList(cmd.Root().PersistentFlags()))
	section("EXIT STATUS", exitList(m.Exits))
	return b.String()
}

// commandList gives a line to each of some commands below cmd.
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

// ownFlags are the flags of a command but for the global ones, in the order in
// which they were added; cobra's own list is sorted.
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

// flagList is pflag's list without its indentation.
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
