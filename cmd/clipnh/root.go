package main

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"
)

// A commandGroup is a heading in the help of the root, and the commands below it.
type commandGroup struct {
	title    string
	commands []*cobra.Command
}

// commandGroups returns all commands, in the order of the pipeline, as the help of the
// root shows them. A new command is added here and nowhere else.
func commandGroups(g *globalOptions) []commandGroup {
	return []commandGroup{
		{"START HERE", []*cobra.Command{
			newDemoCommand(g),
			newPaperCommand(g),
			newFetchCommand(g),
			newDataCommand(g),
			newInfoCommand(g),
		}},
		{"THE PIPELINE", []*cobra.Command{
			newEmbedCommand(g),
			newCollectCommand(g),
			newMergeCommand(g),
			newSubmitCommand(g),
			newStatusCommand(g),
			newSVDCommand(g),
			newSparseCommand(g),
			newDescribeCommand(g),
			newShowCommand(g),
			newSearchCommand(g),
			newScoreCommand(g),
			newRetrieveCommand(g),
			newTextSpanCommand(g),
			newPolysemanticityCommand(g),
			newRegistersCommand(g),
			newReconstructCommand(g),
			newMaskCommand(g),
			newAblateCommand(g),
			newEditCommand(g),
			newExportCommand(g),
			newSegmentCommand(g),
			newClassifyCommand(g),
			newExplainCommand(g),
			newAuditCommand(g),
			newShiftCommand(g),
			newWatchCommand(g),
			newReportCommand(g),
			newExploreCommand(g),
			newCompareCommand(g),
		}},
		{"FILES ON DISK", []*cobra.Command{
			newVerifyCommand(g),
		}},
		{"ABOUT THIS PROGRAM", []*cobra.Command{
			newConfigCommand(g),
			newVersionCommand(g),
			newCompletionCommand(g),
			newDocsCommand(g),
		}},
	}
}

// Cobra keeps the order of commands in a variable of its own; help follows the
// order of commandGroups.
func init() { cobra.EnableCommandSorting = false }

const rootHelp = `
The image feature of a CLIP-ResNet is a sum over neuron-head pairs: a neuron is
a channel of the last layer, a head one of the attention pool's. Each pair adds
its score times a fixed direction in the space that images and texts share.
Clipnh computes the scores, finds the principal component of each pair, and
compares both with texts.`

// newRootCommand returns the program without a command: it prints its help, or
// its version with --version.
func newRootCommand(g *globalOptions) *cobra.Command {
	g.newRoot = newRootCommand
	var version bool
	root := &cobra.Command{
		Use:     "clipnh",
		Short:   "Decompose CLIP-ResNet image encoders into neurons and heads",
		Long:    rootHelp,
		Example: "clipnh demo",

		Annotations: exitStatus(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if version {
				return runVersion(g)
			}
			return g.printer.Text(helpText(cmd))
		},
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
		DisableSuggestions:         true, // unknownCommand asks for them
		CompletionOptions:          cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.Flags().BoolVar(&version, "version", false, "print the version, like the version command")
	global := root.PersistentFlags()
	global.SortFlags = false
	global.BoolVarP(&g.quiet, "quiet", "q", false, "print only warnings and errors, no notes and no progress")
	global.BoolVarP(&g.verbose, "verbose", "v", false, "say more: the project file, values that it gives, and in the demo each command")
	global.BoolVar(&g.json, "json", false, "print the result, or the error, as one JSON document")
	global.StringVar(&g.shown, "progress", "auto", "show progress in the form `HOW`: auto (a bar on a terminal, and a line at the end), json (lines on standard error) or none; SIGUSR1 prints a line in any case")
	choices(global, "progress", slices.Sorted(maps.Keys(showings))...)
	global.IntVarP(&g.threads, "threads", "t", 0, "use `N` threads; 0 is all cores")
	global.BoolVar(&g.force, "force", false, "use artefacts made from something else (model, order, mode, parents), with a warning")
	global.BoolVar(&g.noLock, "no-lock", false, "take no lock files; make sure yourself that no two runs write the same path")
	global.BoolVar(&g.noPacks, "no-packed-cache", false, "neither use nor keep packed weights in the user's cache folder")
	global.BoolP("help", "h", false, "print the help of the command")

	help := newHelpCommand(g)
	g.adopt(help)
	root.SetHelpCommand(help)
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { g.helpErr = g.printer.Text(helpText(cmd)) })
	root.SetFlagErrorFunc(flagError)
	root.RunE = g.prepared(root.RunE)
	for _, group := range commandGroups(g) {
		root.AddGroup(&cobra.Group{ID: group.title, Title: group.title})
		for _, cmd := range group.commands {
			cmd.GroupID = group.title
			g.adopt(cmd)
			if script, ok := scriptNames[cmd.Name()]; ok {
				cmd.Aliases = append(cmd.Aliases, script)
			}
			root.AddCommand(cmd)
		}
	}
	root.SetGlobalNormalizationFunc(dashes)
	return root
}
