package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpWidth is where the descriptions of flags are wrapped. It does not follow
// the terminal, so that help reads the same everywhere.
const helpWidth = 100

// exitAnnotation is where a command keeps its exit codes.
const exitAnnotation = "exit"

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
	fmt.Fprintf(&b, "%s.\n\n%s\n", cmd.Short, strings.Trim(cmd.Long, "\n"))
	if cmd.HasSubCommands() {
		below := strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()) // " data", nothing for the root
		section("USAGE", cmd.CommandPath()+" COMMAND [flags]\n"+cmd.Root().Name()+" help"+below+" COMMAND")
		for _, group := range cmd.Groups() {
			section(group.Title, commandList(cmd, group.ID))
		}
		section("COMMANDS", commandList(cmd, ""))
	} else {
		section("USAGE", usageLine(cmd))
	}
	section("EXAMPLE", cmd.Example)
	section("FLAGS", flagList(ownFlags(cmd)))
	section("GLOBAL FLAGS", flagList(cmd.Root().PersistentFlags()))
	section("EXIT STATUS", exitList(cmd))
	return b.String()
}

// usageLine shows how a command is called.
func usageLine(cmd *cobra.Command) string {
	return cmd.Parent().CommandPath() + " " + cmd.Use + " [flags]"
}

// commandList gives a line to each command of a group, in the order in which
// they were added.
func commandList(cmd *cobra.Command, group string) string {
	width := 0
	for _, c := range cmd.Commands() {
		width = max(width, len(c.Name()))
	}
	var b strings.Builder
	for _, c := range cmd.Commands() {
		if c.GroupID == group && c.IsAvailableCommand() {
			fmt.Fprintf(&b, "%-*s  %s\n", width, c.Name(), c.Short)
		}
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

func exitList(cmd *cobra.Command) string {
	var b strings.Builder
	codes := exitCodesOf(cmd)
	for _, e := range exitMeanings {
		if slices.Contains(codes, e.code) {
			fmt.Fprintf(&b, "%3d  %s\n", e.code, e.meaning)
		}
	}
	return b.String()
}
