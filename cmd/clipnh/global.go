package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/clipnh/clipnh/internal/archive"
	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/mapping"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/ui"
)

// globalOptions is what every command can be told, and the printer that it uses.
type globalOptions struct {
	quiet   bool   // no notes, no progress
	verbose bool   // more notes
	json    bool   // the result as JSON
	shown   string // how progress is shown: a key of showings
	threads int    // 0 is as many as cpu.Workers says
	force   bool   // artefacts made from something else are used anyway
	noLock  bool   // no lock files
	noPacks bool   // packed weights are neither read nor kept

	texts textReader

	isolated bool      // the project file and the environment give no values
	checking bool      // commands with shards stop once they have checked what they were given
	presets  []*preset // those for the command that runs
	project  string    // the path of the project file, empty without one

	files *cache.Store // how files are written; set by prepared

	line []string // as it was typed, without the program

	printer *ui.Printer
	running bool  // the RunE of a command was reached
	helpErr error // the error of printing the help for --help

	// newRoot is newRootCommand, for commands that run others.
	newRoot func(*globalOptions) *cobra.Command
}

// workers is the number of workers that share loops, at least one.
func (g *globalOptions) workers() int {
	if g.threads > 0 {
		return g.threads
	}
	return cpu.Workers()
}

func (g *globalOptions) validate() error {
	if g.threads < 0 || g.threads > maxThreads {
		return fmt.Errorf("--threads %d: want 1 to %d, or 0 for all cores, or the fast ones if they differ", g.threads, maxThreads)
	}
	if _, ok := showings[g.shown]; !ok {
		return fmt.Errorf("--progress %q: want one of %s", g.shown, strings.Join(slices.Sorted(maps.Keys(showings)), ", "))
	}
	return nil
}

// showings are the values of --progress.
var showings = map[string]ui.Showing{"auto": ui.AutoProgress, "json": ui.JSONProgress, "none": ui.NoProgress}

// adopt adds what all commands have to a command and to those below it.
func (g *globalOptions) adopt(cmd *cobra.Command) {
	cmd.RunE = g.prepared(cmd.RunE)
	cmd.Flags().SortFlags = false // help shows them in the order of the options
	if takesAssets(cmd) {
		maps.Copy(cmd.Annotations, exitStatus(append(exitCodesOf(cmd), exitMissing)...))
	}
	countValues(cmd.Flags())
	for _, below := range cmd.Commands() {
		g.adopt(below)
	}
}

// prepared returns run, preceded by taking values from the project file and the
// environment, by checking and applying the global options, and by replacing names of
// assets by their paths.
func (g *globalOptions) prepared(run runE) runE {
	return func(cmd *cobra.Command, args []string) error {
		g.running = true
		if err := g.usePresets(cmd); err != nil {
			return err
		}
		if err := errors.Join(g.validate(), givenOnce(cmd.Flags())); err != nil {
			return usageError{err}
		}
		if err := cpu.Err(); err != nil {
			return wrongVariable(cpu.Variable, err)
		}
		if err := takeCollected(cmd.Flags()); err != nil {
			return err
		}
		g.printer.SetQuiet(g.quiet)
		g.printer.SetProgress(showings[g.shown])
		g.sayMisspelt(cmd)
		g.sayPresets(cmd)
		g.files = &cache.Store{Now: time.Now, NoLock: g.noLock, Note: func(text string) { g.printer.Note("%s", text) }}
		if err := resolveAssets(cmd.Context(), cmd.Flags()); err != nil {
			return err
		}
		caches, err := g.caches()
		if err != nil {
			return err
		}
		ctx := model.WithPublished(model.WithCaches(cmd.Context(), caches), publishedActivation)
		ctx = model.WithOpening(ctx, g.waitForModel)
		ctx = dataset.WithWatcher(ctx, &slowListing{progress: g.printer.Progress(), waiting: g.printer.WaitFor, now: time.Now})
		cmd.SetContext(archive.WithListings(ctx, g.listings()))
		return adviseFetch(mapping.Catch(func() error { return run(cmd, args) }), cmd.Flags())
	}
}

// waitForModel has SIGUSR1 answered by the checkpoint that is being opened; "" is none.
func (g *globalOptions) waitForModel(path string) {
	if path != "" {
		path = "the model " + path + " to be opened"
	}
	g.printer.WaitFor(path)
}

// artefacts returns the reader of artefacts. Those that were made from something else are
// refused; with --force they are used. Each warning is given once.
func (g *globalOptions) artefacts() artefact.Reader {
	var told sync.Map
	warn := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if _, before := told.LoadOrStore(text, true); !before {
			g.printer.Warn("%s", text)
		}
	}
	r := artefact.Reader{Warn: warn}
	if g.force {
		r.OnMismatch = func(e *cache.MismatchError) error {
			warn("%v (used anyway: --force)", e)
			return nil
		}
	}
	return r
}

// writer returns the writer of artefacts. With restart it discards those that were made
// from something else, which it refuses to replace without.
func (g *globalOptions) writer(restart bool) artefact.Writer {
	return artefact.Writer{Store: g.files, Restart: restart, Note: g.printer.Note}
}

// sayComplete says of a collection that nothing was left to do, and how it was looked at.
func (g *globalOptions) sayComplete(path string, verified bool) {
	if verified {
		g.printer.Note("%s is already complete, and has the bytes that were written", path)
		return
	}
	g.printer.Note("%s is already complete; only its sizes were compared: run \"clipnh verify %s\" to compare its contents", path, path)
}

type runE = func(*cobra.Command, []string) error
