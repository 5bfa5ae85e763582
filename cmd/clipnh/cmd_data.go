package main

import (
	"github.com/spf13/cobra"
)

const dataHelp = `
Data sets are not downloaded by clipnh: most require registration, or are no
longer where they were published. These commands check whether a folder has the
layout that the other commands expect, keep a list of its images, and prepare a
subset. They never move, change or remove images.`

func newDataCommand(g *globalOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:         "data",
		Short:       "Check, list or make a subset of a data set",
		Long:        dataHelp,
		Example:     "clipnh data check imagenet_test datasets/imagenet",
		Annotations: exitStatus(),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return unknownCommand(cmd, args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.printer.Text(helpText(cmd))
		},
		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(newDataCheckCommand(g), newDataListCommand(g), newDataSubsetCommand(g))
	return cmd
}
