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

// commandGroups returns all commands by what they are for, as the help of the root shows
// them. A new command is added here and nowhere else.
func commandGroups(g *globalOptions) []commandGroup {
	return []commandGroup{
		{"START HERE", []*cobra.Command{
			newDemoCommand(g),
			newFetchCommand(g),
			newInfoCommand(g),
			newDataCommand(g),
		}},
		{"SCORES AND COMPONENTS", []*cobra.Command{
			newCollectCommand(g),
			newSVDCommand(g),
			newEmbedCommand(g),
		}},
		{"WHAT UNITS RESPOND TO", []*cobra.Command{
			newReportCommand(g),
			newExploreCommand(g),
			newShowCommand(g),
			newDescribeCommand(g),
			newRetrieveCommand(g),
			newSparseCommand(g),
			newScoreCommand(g),
			newPolysemanticityCommand(g),
			newTextSpanCommand(g),
			newRegistersCommand(g),
		}},
		{"IMAGES", []*cobra.Command{
			newExplainCommand(g),
			newSearchCommand(g),
			newClassifyCommand(g),
			newSegmentCommand(g),
		}},
		{"WHAT THE MODEL NEEDS", []*cobra.Command{
			newMaskCommand(g),
			newAblateCommand(g),
			newReconstructCommand(g),
			newAuditCommand(g),
			newMisleadCommand(g),
			newEditCommand(g),
			newExportCommand(g),
		}},
		{"WHAT DIFFERS", []*cobra.Command{
			newWatchCommand(g),
			newCompareCommand(g),
			newShiftCommand(g),
		}},
		{"MANY MACHINES", []*cobra.Command{
			newSubmitCommand(g),
			newStatusCommand(g),
			newMergeCommand(g),
		}},
		{"FILES ON DISK", []*cobra.Command{
			newVerifyCommand(g),
		}},
		{"ABOUT THIS PROGRAM", []*cobra.Command{
			newConfigCommand(g),
			newPaperCommand(g),
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
The image feature of a CLIP ResNet is a sum over neuron-head pairs: a neuron is
a channel of the last layer, and each head of the attention pool reads it
separately. A pair, such as h12n624 for head 12 and neuron 624, adds its score,
which depends on the image, times a fixed direction in the space that images and
texts share. Clipnh computes the scores, finds the principal component of each
pair, and compares both with texts. Vision transformers are supported too.

"clipnh demo" runs everything on a small example. With images of your own, start
with fetch, collect, svd and report; docs/your-images.md shows how.`

// newRootCommand returns the program without a command: it prints its help, or
// its version with --version.
func newRootCommand(g *globalOptions) *cobra.Command {
	g.newRoot = newRootCommand
	var version bool
	root := &cobra.Command{
		Use:     "clipnh",
		Short:   "Decompose CLIP image encoders into neurons and heads",
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
	global.BoolVarP(&g.verbose, "verbose", "v", false, "print more: the project file, the values that it gives, and in the demo each command")
	global.BoolVar(&g.json, "json", false, "print the result, or the error, as one JSON document")
	global.StringVar(&g.shown, "progress", "auto", "show progress in the form `HOW`: auto (a bar on a terminal, and a line at the end), json (lines on standard error) or none; SIGUSR1 prints a line in any case")
	choices(global, "progress", slices.Sorted(maps.Keys(showings))...)
	global.IntVarP(&g.threads, "threads", "t", 0, "use `N` threads; 0 is all cores, or the fast ones if they differ")
	global.BoolVar(&g.force, "force", false, "use artefacts made from something else (model, order, mode, parents), with a warning")
	global.BoolVar(&g.noLock, "no-lock", false, "take no lock files; make sure that no two runs write the same path")
	global.BoolVar(&g.noPacks, "no-packed-cache", false, "do not use or keep packed weights in the user's cache folder")
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
