package main

import (
	"github.com/spf13/cobra"
)

const helpHelp = `
Prints what "clipnh COMMAND --help" prints or, without a command, the list of
commands.`

func newHelpCommand(g *globalOptions) *cobra.Command {
	return &cobra.Command{
		Use:         "help [COMMAND...]",
		Short:       "Print the help of a command",
		Long:        helpHelp,
		Example:     "clipnh help version",
		Args:        cobra.ArbitraryArgs,
		Annotations: exitStatus(),
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil {
				return cobraUsageError(cmd.Root(), err)
			}
			if len(rest) > 0 {
				return unknownCommand(about, rest[0])
			}
			return g.printer.Text(helpText(about))
		},
	}
}
