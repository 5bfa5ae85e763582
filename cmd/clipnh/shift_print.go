package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/pipeline/shift"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// printShift prints one line per concept, and one per group of a concept.
func printShift(p *ui.Printer, r *shift.Result) error {
	labelled := false
	for _, c := range r.Concepts {
		labelled = labelled || c.Measured != nil
	}
	columns := []ui.Column{ui.Left("concept"), ui.Right("images"), ui.Right("mean ratio")}
	if labelled {
		columns = append(columns, ui.Right("with label"), ui.Right("r"), ui.Right("p"))
		if r.Grouping != "" {
			columns = append(columns, ui.Right("r by "+r.Grouping))
		}
	}
	t := ui.NewTable(append(columns, ui.Left(unitsNoun(len(r.Concepts) > 0 && r.Concepts[0].Neurons != nil)))...)
	for _, c := range r.Concepts {
		cells := []string{c.Concept, fmt.Sprint(c.Images), ratioText(c.MeanRatio)}
		if labelled {
			m, with := c.Measured, "no label"
			if m != nil {
				with = fmt.Sprint(m.Positive)
			} else {
				m = &shift.Correlation{}
			}
			cells = append(cells, with, correlationText(m.R), pText(m.P, m.Log10P))
			if r.Grouping != "" {
				cells = append(cells, correlationText(m.Groups))
			}
		}
		t.Row(append(cells, unitNames(c.Pairs, c.Neurons))...)
	}
	grouped := slices.ContainsFunc(r.Concepts, func(c shift.ConceptResult) bool { return len(c.Groups) > 0 })
	if err := p.Table(t); err != nil || !grouped {
		return err
	}
	t = ui.NewTable(ui.Left("concept"), ui.Left(r.Grouping), ui.Right("images"), ui.Right("mean ratio"), ui.Right("true share %"))
	for _, c := range r.Concepts {
		for _, g := range c.Groups {
			share := "-"
			if g.Fraction != nil {
				share = fmt.Sprintf("%.1f", 100**g.Fraction)
			}
			t.Row(c.Concept, g.Group, fmt.Sprint(g.Images), ratioText(g.MeanRatio), share)
		}
	}
	if err := p.Text("\n"); err != nil {
		return err
	}
	return p.Table(t)
}

func ratioText(x float64) string { return fmt.Sprintf("%.4f", x) }

func correlationText(r *float64) string {
	if r == nil {
		return "-"
	}
	return fmt.Sprintf("%.4f", *r)
}

// pText formats a p-value, however small.
func pText(p, log10 *float64) string {
	switch {
	case p == nil:
		return "-"
	case *p > 1e-300:
		return fmt.Sprintf("%.3g", *p)
	case log10 == nil:
		return "0"
	}
	exponent := math.Floor(*log10)
	return fmt.Sprintf("%.2fe%.0f", math.Pow(10, *log10-exponent), exponent)
}

// unitsNoun is what the units that stand for concepts are called.
func unitsNoun(neurons bool) string {
	if neurons {
		return "neurons"
	}
	return "pairs"
}

// unitNames returns the names of the first few pairs of a concept, or of the neurons that stand
// for it.
func unitNames(pairs []artefact.Pair, neurons []artefact.Neuron) string {
	const most = 5
	var names []string
	if neurons == nil {
		for _, p := range pairs {
			names = append(names, p.Name())
		}
	}
	for _, n := range neurons {
		names = append(names, n.Unit)
	}
	if more := len(names) - most; more > 0 {
		names = append(names[:most], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, " ")
}

func runWatch(ctx context.Context, opts shiftOptions, g *globalOptions) error {
	concepts, err := opts.conceptOptions(g)
	if err != nil {
		return err
	}
	o := opts.watch
	o.ConceptOptions, o.Scores, o.SavePath, o.Threads = concepts, opts.from.ScoresPath, opts.stage.SavePath, g.workers()
	o.Store, o.PlotPath, o.Dependent = g.files, opts.stage.PlotPath, opts.control == shift.ControlDependent
	result, err := shift.Watch(ctx, o, g.printer)
	if result == nil {
		return err
	}
	written := err
	if opts.set("list") && o.List > max(result.WatchedConcepts, result.ChangedPairs) {
		g.printer.Note("--list %d: all found are listed, %s, and %s that changed", o.List, quantity.Of(result.WatchedConcepts, "concept"), ui.Pairs.Count(int64(result.ChangedPairs)))
	}
	if g.json {
		err = g.printer.JSON(result)
	} else {
		err = printWatch(g.printer, result)
	}
	if err := outcome(written, err, nil); err != nil {
		return err
	}
	if c := result.Worst(); c != nil {
		return shiftError{fmt.Sprintf("%s %q changed by %s standard deviations, more than --fail-above %g", result.Judges(), c.Name, movedText(*c), o.FailAbove)}
	}
	return nil
}

// printWatch prints the concepts that moved most and then the pairs that changed.
func printWatch(p *ui.Printer, r *shift.WatchResult) error {
	for i, moved := range [][]shift.Change{r.Concepts, r.Pairs} {
		if i == 0 && r.WatchedConcepts == 0 {
			continue
		}
		title, digits := fmt.Sprintf("concept (%d of %d changed)", r.ChangedConcepts, r.WatchedConcepts), "ratio"
		if i == 1 {
			title, digits = fmt.Sprintf("pair (%d of %d changed)", r.ChangedPairs, r.WatchedPairs), "score"
			if r.WatchedConcepts > 0 {
				if err := p.Text("\n"); err != nil {
					return err
				}
			}
			if len(moved) == 0 {
				return p.Text(fmt.Sprintf("no pair of %d changed\n", r.WatchedPairs))
			}
		}
		columns := []ui.Column{ui.Left(title), ui.Right("change (pooled sd)"), ui.Left("95 %"), ui.Right("q"), ui.Right("mean " + digits), ui.Right("in reference")}
		if i == 0 {
			columns = append(columns, ui.Left(unitsNoun(len(moved) > 0 && moved[0].Neurons != nil)))
		} else if moved[0].Quantiles != nil {
			columns = append(columns, ui.Right("median"), ui.Right("in reference"), ui.Right("99 %"), ui.Right("in reference"))
		}
		t := ui.NewTable(columns...)
		for _, m := range moved {
			cells := []string{m.Name, movedText(m), intervalText(m, r.Intervals), fmt.Sprintf("%.2g", m.Q), figureText(m.Mean), figureText(m.ReferenceMean)}
			if i == 0 {
				cells = append(cells, unitNames(m.Pairs, m.Neurons))
			}
			for _, q := range m.Quantiles {
				if q.Share == 0.5 || q.Share == 0.99 {
					cells = append(cells, fmt.Sprintf("%.3g", q.Value), fmt.Sprintf("%.3g", q.Reference))
				}
			}
			t.Row(cells...)
		}
		if err := p.Table(t); err != nil {
			return err
		}
	}
	return nil
}

func figureText(x float64) string { return strconv.FormatFloat(x, 'g', 4, 64) }

// movedText formats a difference with its sign.
func movedText(m shift.Change) string {
	if m.Difference == nil {
		return fmt.Sprintf("%+.2f", math.Copysign(math.Inf(1), m.Mean-m.ReferenceMean))
	}
	return fmt.Sprintf("%+.2f", *m.Difference)
}

func intervalText(m shift.Change, intervals string) string {
	switch {
	case intervals == shift.NoIntervals:
		return "-"
	case m.Low == nil || m.High == nil:
		return "unbounded"
	}
	return fmt.Sprintf("%+.2f to %+.2f", *m.Low, *m.High)
}
