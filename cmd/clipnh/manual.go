package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/manual"
)

// manualOf returns what the help and the manual say about cmd.
func manualOf(cmd *cobra.Command) manual.Command {
	m := manual.Command{
		Path: cmd.CommandPath(), Short: cmd.Short, Long: cmd.Long, Example: strings.Trim(cmd.Example, "\n"),
		Flags: manualFlags(ownFlags(cmd)), Global: manualFlags(cmd.Root().PersistentFlags()),
	}
	if cmd.HasAvailableSubCommands() {
		_, name, _ := strings.Cut(cmd.CommandPath()+" ", " ") // "data ", nothing for the root
		m.Usage = []string{cmd.CommandPath() + " COMMAND [flags]", cmd.Root().Name() + " help " + name + "COMMAND"}
		m.Groups = manualGroups(cmd)
	} else {
		m.Usage = []string{cmd.Parent().CommandPath() + " " + cmd.Use + " [flags]"}
	}
	codes := exitCodesOf(cmd)
	for _, e := range exitMeanings {
		if slices.Contains(codes, e.Status) {
			m.Exits = append(m.Exits, e)
		}
	}
	return m
}

// manualGroups returns the commands below cmd by heading.
func manualGroups(cmd *cobra.Command) []manual.Group {
	groups := cmd.Groups()
	if len(groups) == 0 {
		groups = []*cobra.Group{{Title: "COMMANDS"}}
	}
	var all []manual.Group
	for _, g := range groups {
		group := manual.Group{Title: g.Title}
		for _, c := range cmd.Commands() {
			if c.GroupID == g.ID && c.IsAvailableCommand() {
				group.Commands = append(group.Commands, manual.Entry{Path: c.CommandPath(), Short: c.Short})
			}
		}
		all = append(all, group)
	}
	return all
}

func manualFlags(fs *pflag.FlagSet) []manual.Flag {
	var all []manual.Flag
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		placeholder, usage := pflag.UnquoteUsage(f)
		m := manual.Flag{Name: f.Name, Shorthand: f.Shorthand, Placeholder: placeholder, Usage: strings.Join(strings.Fields(usage), " ")}
		if !slices.Contains([]string{"", "0", "false", "[]"}, f.DefValue) {
			m.Default = f.DefValue
		}
		all = append(all, m)
	})
	return all
}

// documented returns the commands that have a page: those that the help lists, the
// program itself first.
func documented(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			all = append(all, documented(c)...)
		}
	}
	return all
}

// pages renders a page for every documented command.
func pages(root *cobra.Command, render func(manual.Command) manual.File) []manual.File {
	root.InitDefaultHelpCmd()
	var all []manual.File
	for _, cmd := range documented(root) {
		all = append(all, render(manualOf(cmd)))
	}
	return all
}
