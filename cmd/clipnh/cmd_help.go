package main

import (
	"github.com/spf13/cobra"
)

const helpHelp = `
Prints to standard output what "clipnh COMMAND --help" prints or, without a
command, the list of commands. Reads nothing.`

func newHelpCommand(g *globalOptions) *cobra.Command {
	return &cobra.Command{
		Use:         "help [COMMAND]",
		Short:       "Print the help of a command",
		Long:        helpHelp,
		Example:     "clipnh help version",
		Args:        cobra.MaximumNArgs(1),
		Annotations: exitStatus(),
		RunE: func(cmd *cobra.Command, args []string) error {
			about, _, err := cmd.Root().Find(args)
			if err != nil {
				return cobraUsageError(cmd.Root(), err)
			}
			return g.printer.Text(helpText(about))
		},
	}
}
