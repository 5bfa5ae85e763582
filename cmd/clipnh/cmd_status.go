package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/pipeline/status"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

const statusHelp = `
Shows the progress of the shards of a result, whichever machines compute them:
images that are finished, the rate, the time left, shards that have stopped, and
what to do next.

Reads the journals of the shards next to PATH, which is --save-path as it was
given with --shard: for caches/val these are caches/val.1-of-16 and so on. Takes
no locks, and writes nothing. The rate of a shard is that of its last eight
chunks. A shard is "running" if it has finished a chunk recently, "stopped" if
that was longer ago than --late and than three chunks take, or if certainly no
process has its lock any more, and "begun" if it has not finished one. Shards of
segment and shift are "done", "begun" or "missing".

Of several layers of neurons (collect --neuron-layer 9,10), which have shards in
PATH, a shard is as far as that of the layer that is least far; a line says how
far each layer is.

Shards that were merged into parts (merge --shards) are done, also where they
have been removed since.

To complete stopped, begun and missing shards, run the same command as before
with their --shard: they resume. It is printed, as it was typed for the shard
that was started last (in SAVE-PATH.of-OF.command), and the error of a shard
that failed (in its path with .error). Of a run without shards that is not
finished, status says the same: what is done and left, and how to resume.`

func newStatusCommand(g *globalOptions) *cobra.Command {
	var opts statusOptions
	cmd := &cobra.Command{
		Use:         "status PATH",
		Short:       "Show the progress of a run, or of shards on many machines",
		Long:        statusHelp,
		Example:     "clipnh status caches/val",
		Annotations: exitStatus(exitMissing, exitInterrupted),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("%s, want the one that was given with --shard", quantity.Of(len(args), "path"))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if opts.late <= 0 {
				return usageError{fmt.Errorf("--late %v: want more than 0", opts.late)}
			}
			return runStatus(cmd.Context(), args[0], opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// statusOptions is everything the status command can be told.
type statusOptions struct {
	late time.Duration
	all  bool
}

func (o *statusOptions) addFlags(fs *pflag.FlagSet) {
	fs.DurationVar(&o.late, "late", 10*time.Minute, "a shard that finished nothing for this `TIME` has stopped")
	fs.BoolVar(&o.all, "all", false, "list finished shards too")
}

func runStatus(ctx context.Context, path string, opts statusOptions, g *globalOptions) error {
	result, err := status.Run(ctx, status.Options{Path: path, Late: opts.late, Now: time.Now})
	if err != nil {
		return err
	}
	result.Next = cmp.Or(nextLine(result), g.printer.Spelled(result.Next))
	if g.json {
		return g.printer.JSON(result)
	}
	if err := printStatus(result, opts.all, g.printer); err != nil {
		return err
	}
	if result.Hidden && len(result.Again) > 0 {
		g.printer.Note("the password or the signature of an address was not kept: add it to the command")
	}
	return nil
}

func printStatus(r *status.Result, all bool, p *ui.Printer) error {
	t := ui.NewTable(ui.Right("shard"), ui.Left("state"), ui.Right("images"), ui.Right("skipped"), ui.Right("rate"), ui.Right("last chunk"))
	for _, s := range r.Shards {
		if s.State == status.Done && !all {
			continue
		}
		rate, ago := "", ""
		if s.Rate != nil {
			rate = ratePerSecond(*s.Rate)
		}
		if s.Ago != nil {
			ago = ui.FormatDuration(seconds(*s.Ago)) + " ago"
		}
		t.Row(fmt.Sprint(s.Number), s.State, outOf(s.Finished, s.Images), fmt.Sprint(s.Skipped), rate, ago)
	}
	if slices.ContainsFunc(r.Shards, func(s status.Shard) bool { return all || s.State != status.Done }) {
		if err := p.Table(t); err != nil {
			return err
		}
		if err := p.Text("\n"); err != nil {
			return err
		}
	}
	for _, s := range r.Shards {
		if s.Error != "" {
			p.Warn("shard %d: %s", s.Number, s.Error)
		}
		if s.Failed != "" {
			p.Warn("shard %d: failed last with: %s", s.Number, s.Failed)
		}
	}
	for _, part := range r.Parts {
		if part.Error != "" {
			p.Warn("shards %d-%d: %s", part.First, part.Last, part.Error)
		}
	}
	for _, l := range r.Layers {
		if l.Error != "" {
			p.Warn("%s", l.Error)
		}
		if err := p.Text(layerLine(l) + "\n"); err != nil {
			return err
		}
	}
	if err := p.Text(statusLine(r) + "\n"); err != nil {
		return err
	}
	if r.Next != "" {
		return p.Text("next: " + r.Next + "\n")
	}
	return nil
}

// statusLine says how far all is.
func statusLine(r *status.Result) string {
	line := r.Path + ": "
	if n := len(r.Layers); n > 0 {
		whole := 0
		for _, l := range r.Layers {
			if l.Whole {
				whole++
			}
		}
		line += fmt.Sprintf("%d of %s complete", whole, quantity.Of(n, "layer"))
		if r.State != "" || len(r.Shards) > 0 {
			line += "; "
		}
	}
	switch {
	case r.State != "":
		line += notFinished(r.State, r.Finished, r.Images)
	case len(r.Layers) > 0:
	case len(r.Shards) == 0:
		line += "complete, and no shards beside it"
	case r.Whole:
		line += "complete; "
	}
	if len(r.Shards) > 0 {
		line += shardsDone(r.Counts[status.Done], len(r.Shards), r.Finished, r.Images)
	}
	if len(r.Parts) > 0 {
		merged := 0
		for _, part := range r.Parts {
			if part.State == status.Done {
				merged++
			}
		}
		line += fmt.Sprintf(", %d of %d parts merged", merged, len(r.Parts))
	}
	if r.Skipped > 0 {
		line += fmt.Sprintf(", %d skipped", r.Skipped)
	}
	if r.Rate != nil {
		line += ", " + ratePerSecond(*r.Rate)
	}
	if r.Left != nil {
		line += ", about " + ui.FormatDuration(seconds(*r.Left)) + " left"
		if len(r.Shards) > 0 {
			line += " of those running"
		}
	}
	return line
}

// layerLine says how far one of several layers is.
func layerLine(l status.Layer) string {
	line := l.Path + ": "
	switch {
	case l.State == status.Missing, l.State == status.Damaged:
		return line + l.State
	case l.State != "":
		line += notFinished(l.State, l.Finished, l.Images)
	case l.Whole && l.Shards == 0:
		return line + "complete, and no shards beside it"
	case l.Whole:
		line += "complete; "
	}
	if l.Shards > 0 {
		line += shardsDone(l.Done, l.Shards, l.Finished, l.Images)
	}
	if l.Skipped > 0 {
		line += fmt.Sprintf(", %d skipped", l.Skipped)
	}
	return line
}

func notFinished(state string, finished int, images *int) string {
	line := fmt.Sprintf("not finished, %s: %s images done", state, outOf(finished, images))
	if images != nil {
		line += fmt.Sprintf(", %d left", *images-finished)
	}
	return line
}

func shardsDone(done, shards, finished int, images *int) string {
	return fmt.Sprintf("%d of %s done, %s images", done, quantity.Of(shards, "shard"), outOf(finished, images))
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// ratePerSecond writes a rate of images.
func ratePerSecond(rate float64) string {
	return ui.Images.Rate(int64(rate*1e6), seconds(1e6))
}

func outOf(n int, all *int) string {
	if all == nil {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d of %d", n, *all)
}
