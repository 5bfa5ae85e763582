package main

import (
	"fmt"
	"maps"
	"runtime"
	"sync"

	"github.com/spf13/cobra"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/kernel/blas"
	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/ui"
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
			newSVDCommand(g),
			newSparseCommand(g),
			newDescribeCommand(g),
			newRetrieveCommand(g),
			newPolysemanticityCommand(g),
			newRegistersCommand(g),
			newReconstructCommand(g),
			newMaskCommand(g),
			newAblateCommand(g),
			newSegmentCommand(g),
			newShiftCommand(g),
		}},
		{"FILES ON DISK", []*cobra.Command{
			newVerifyCommand(g),
		}},
		{"ABOUT THIS PROGRAM", []*cobra.Command{
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

// globalOptions is what every command can be told, and the printer that it uses.
type globalOptions struct {
	quiet   bool // no notes, no progress
	json    bool // the result as JSON
	threads int  // 0 is all cores
	force   bool // artefacts made from something else are used anyway

	printer *ui.Printer
	running bool  // the RunE of a command was reached
	helpErr error // the error of printing the help for --help
}

// workers is the number of workers that share loops, at least one.
func (g *globalOptions) workers() int {
	if g.threads > 0 {
		return g.threads
	}
	return runtime.GOMAXPROCS(0)
}

func (g *globalOptions) validate() error {
	if g.threads < 0 {
		return fmt.Errorf("--threads %d: want 1 or more, or 0 for all cores", g.threads)
	}
	return nil
}

// newRootCommand returns the program without a command: it prints its help, or
// its version with --version.
func newRootCommand(g *globalOptions) *cobra.Command {
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
	global.BoolVar(&g.quiet, "quiet", false, "print only warnings and errors, no notes and no progress")
	global.BoolVar(&g.json, "json", false, "print the result, or the error, as one JSON document")
	global.IntVar(&g.threads, "threads", 0, "use `N` threads; 0 is all cores")
	global.BoolVar(&g.force, "force", false, "use artefacts made from something else (model, order, mode, parents), with a warning")
	global.BoolP("help", "h", false, "print the help of the command")

	completeFlags(global, root)

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

// adopt adds what all commands have to a command and to those below it.
func (g *globalOptions) adopt(cmd *cobra.Command) {
	cmd.RunE = g.prepared(cmd.RunE)
	cmd.Flags().SortFlags = false // help shows them in the order of the options
	if takesAssets(cmd) {
		maps.Copy(cmd.Annotations, exitStatus(append(exitCodesOf(cmd), exitMissing)...))
	}
	completeFlags(cmd.Flags(), cmd)
	for _, below := range cmd.Commands() {
		g.adopt(below)
	}
}

// prepared returns run, preceded by checking and applying the global options, and by
// replacing names of assets by their paths.
func (g *globalOptions) prepared(run runE) runE {
	return func(cmd *cobra.Command, args []string) error {
		g.running = true
		if err := g.validate(); err != nil {
			return usageError{err}
		}
		if err := cpu.Err(); err != nil {
			return usageError{err}
		}
		g.printer.SetQuiet(g.quiet)
		blas.Use(par.NewTeam(g.workers()))
		if err := resolveAssets(cmd.Context(), cmd.Flags()); err != nil {
			return err
		}
		return adviseFetch(run(cmd, args), cmd.Flags())
	}
}

// artefacts returns the reader of artefacts. Those that were made from something else are
// refused; with --force they are used, each after one warning.
func (g *globalOptions) artefacts() artefact.Reader {
	if !g.force {
		return artefact.Reader{}
	}
	var told sync.Map
	return artefact.Reader{OnMismatch: func(e *cache.MismatchError) error {
		if _, before := told.LoadOrStore(e.Error(), true); !before {
			g.printer.Warn("%v (used anyway: --force)", e)
		}
		return nil
	}}
}

type runE = func(*cobra.Command, []string) error
