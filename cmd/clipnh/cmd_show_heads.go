package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/pipeline/show"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
)

// ofHead are the flags of show that are of heads only, and notOfHead those of pairs and neurons.
var (
	ofHead    = []string{"parts", "spans-path"}
	notOfHead = []string{"codes", "text-descs-list-path", "text-descs-embeddings-path", "pcs-path", "neuron-pcs-path", "num-components"}
)

// validateHead is validate of a head, which has parts and texts of its own.
func (o *showOptions) validateHead() error {
	if unit.NamesLayer(o.stage.Unit) {
		return fmt.Errorf("unit %q: a layer, want one head, such as %sh0", o.stage.Unit, strings.ToLower(o.stage.Unit))
	}
	if err := o.given.refuse("on a head, whose texts are those of --spans-path", notOfHead...); err != nil {
		return err
	}
	if ext := filepath.Ext(o.spans); o.spans != "" && ext != ".txt" && ext != ".json" {
		return fmt.Errorf("--spans-path %s: want a .txt or .json file", o.spans)
	}
	return nil
}

func runShowHead(ctx context.Context, opts showOptions, g *globalOptions) error {
	s := opts.stage
	result, err := show.RunHead(ctx, show.HeadOptions{
		Artefacts: g.artefacts(), HeadsPath: s.ScoresPath, Parts: opts.parts, SpansPath: opts.spans, Head: s.Unit, Top: s.Top, Beside: s.Beside, Threads: g.workers(),
	}, g.printer)
	if err != nil {
		return err
	}
	g.sayFewer(opts.set, listing{"top", s.Top, result.Images, ui.Images, ""}, listing{"list", s.Beside, result.Beside.Count, ui.Heads, "beside it"})
	if g.json {
		return g.printer.JSON(result)
	}
	return printShowHead(result, g.printer)
}

func printShowHead(r *show.HeadResult, p *ui.Printer) error {
	t := spreadTable(r.Unit, spread{"norm", r.Norms})
	share := "not known: it needs --parts, the MLPs of the same images"
	if r.Share != nil {
		share = fmt.Sprintf("%.2f %%", 100**r.Share)
	}
	texts := "none: they need --spans-path, what textspan wrote"
	switch {
	case len(r.Texts) > 0:
		texts = ""
	case r.Spanned:
		texts = "none: the file of texts has none for this head"
	}
	if err := errors.Join(p.Table(t), p.Text("Share of the feature: "+share+"\n")); err != nil {
		return err
	}
	if texts != "" {
		if err := p.Text("\nTexts: " + texts + "\n"); err != nil {
			return err
		}
	} else if err := errors.Join(p.Text("\n"), p.Table(textsTable(r.Texts))); err != nil {
		return err
	}
	if err := printHits(r.Images, false, r.Strongest, r.Median, r.Weakest, p); err != nil {
		return err
	}
	of := "heads"
	if r.Beside.Of != "" {
		of = "heads of " + r.Beside.Of
	}
	columns := []ui.Column{ui.Left(of), ui.Right(fmt.Sprintf("rank of %d", r.Beside.Count)), ui.Right("mean norm"), ui.Right("largest"), ui.Left("strongest image")}
	if r.Spanned {
		columns = append(columns, ui.Left("texts"))
	}
	t = ui.NewTable(columns...)
	for _, u := range r.Beside.Heads {
		row := []string{u.Unit, fmt.Sprint(u.Rank), number(u.Mean), number(u.Largest), u.Image}
		if r.Spanned {
			row = append(row, firstTexts(u.Texts))
		}
		t.Row(row...)
	}
	return errors.Join(p.Text("\n"), p.Table(t))
}

// textsTable lists texts with the variance that each explains together with those before it, where
// that is known.
func textsTable(texts []artefact.HeadText) *ui.Table {
	columns := []ui.Column{ui.Left("text")}
	known := texts[0].Explained != nil
	if known {
		columns = append(columns, ui.Right("explained %"))
	}
	t := ui.NewTable(columns...)
	for _, x := range texts {
		row := []string{x.Text}
		if known {
			row = append(row, "")
			if x.Explained != nil {
				row[1] = fmt.Sprintf("%.1f", 100**x.Explained)
			}
		}
		t.Row(row...)
	}
	return t
}

// firstTexts names the first texts of a head.
func firstTexts(texts []artefact.HeadText) string {
	var names []string
	for _, t := range texts[:min(len(texts), namedWords)] {
		names = append(names, t.Text)
	}
	return strings.Join(names, "; ")
}
