package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/clipnh/clipnh/internal/pipeline/headmap"
	"github.com/clipnh/clipnh/internal/ui"
)

// validateHeads is validate of heads, whose parts only a model and images say.
func (o *retrieveOptions) validateHeads() error {
	if err := o.given.refuse("with --head-idxs", strings.Fields(notOfHeads)...); err != nil {
		return err
	}
	if err := require("--model", o.from.Model, "--data-path", o.from.Data.Path); err != nil {
		return fmt.Errorf("--head-idxs: %w", err)
	}
	if err := cmp.Or(o.texts.check(), o.templates.check()); err != nil {
		return err
	}
	if o.texts.given() {
		if err := require("--vocab", o.stage.Vocab); err != nil {
			return fmt.Errorf("--text: %w", err)
		}
	}
	switch {
	case !o.useTemplates && o.templates.given():
		return errors.New("--templates and --use-templates=false: want one of them")
	case o.stage.Top < 1:
		return fmt.Errorf("--top %d: want 1 or more", o.stage.Top)
	}
	if err := o.validateValues(); err != nil {
		return err
	}
	if err := once("--head-idxs", splitUnits(o.heads)); err != nil {
		return err
	}
	err := o.given.refuseIn(rule{!o.texts.given(), "without --text", []string{"vocab", "templates", "use-templates"}})
	return cmp.Or(err, checkPrecision(o.precision))
}

func runRetrieveHeads(ctx context.Context, opts retrieveOptions, g *globalOptions) error {
	o := headmap.Options{
		Options: opts.images(g), Heads: splitUnits(opts.heads), Vocab: opts.stage.Vocab, Top: opts.stage.Top,
		SaveDir: opts.stage.SaveDir, Store: g.files, Threads: g.workers(),
	}
	o.ScoresPath = ""
	if opts.texts.given() {
		var err error
		if o.Texts, err = opts.texts.readOnce(&g.texts); err != nil {
			return err
		}
		prompts := embedOptions{templates: opts.templates, useTemplates: opts.useTemplates}
		if o.Templates, err = prompts.prompts(g); err != nil {
			return err
		}
	}
	result, err := headmap.Run(ctx, o, g.printer)
	if result == nil {
		return err
	}
	written := err
	g.sayFewer(opts.set, listing{"top", o.Top, result.Images, ui.Images, ""})
	if g.json {
		err = g.printer.JSON(result)
	} else {
		err = errors.Join(printHeadMaps(g.printer, result, len(o.Texts) > 0), printRounding(g.printer, result.Rounding))
	}
	var skipped error
	if n := len(result.Skipped); n > 0 {
		skipped = fmt.Errorf("%w %s", errSkipped, ui.Images.Count(int64(n)))
	}
	return outcome(written, err, skipped)
}

func printHeadMaps(p *ui.Printer, result *headmap.Result, texts bool) error {
	columns := []ui.Column{ui.Left("head")}
	number := "norm"
	if texts {
		columns, number = append(columns, ui.Left("text")), "adds along it"
	}
	columns = append(columns, ui.Right("rank"), ui.Right("image"), ui.Left("file"), ui.Right(number), ui.Right("of the class token"))
	t := ui.NewTable(columns...)
	for _, h := range result.Heads {
		head := h.Head
		for _, m := range h.Maps {
			text := m.Text
			for _, hit := range m.Top {
				row := []string{head}
				format := "%#.4g"
				if texts {
					row, format = append(row, text), "%+#.4g"
				}
				t.Row(append(row, fmt.Sprint(hit.Rank), fmt.Sprint(hit.Image), hit.Name, fmt.Sprintf(format, hit.Part), fmt.Sprintf(format, hit.ClassToken))...)
				head, text = "", ""
			}
		}
	}
	if err := p.Table(t); err != nil {
		return err
	}
	t = ui.NewTable(ui.Left("head"), ui.Left("sheet"))
	drawn := false
	for _, h := range result.Heads {
		if h.Sheet != "" { // else it was not asked for, or could not be written
			t.Row(h.Head, h.Sheet)
			drawn = true
		}
	}
	if !drawn {
		return nil
	}
	return errors.Join(p.Text("\n"), p.Table(t))
}
