package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/clipnh/clipnh/internal/pipeline/segment"
	"github.com/clipnh/clipnh/internal/ui"
)

// printSegmentation prints the result of a segmentation. It returns errSkipped if some
// images were skipped. drawn is the folder of the drawings, empty if there are none.
func printSegmentation(r *segment.Result, drawn string, g *globalOptions) error {
	var err error
	switch {
	case g.json:
		err = g.printer.JSON(r)
	case len(r.Foreground) > 0:
		t := ui.NewTable(ui.Left("method"), ui.Right("pixel accuracy %"), ui.Right("mIoU %"), ui.Right("mAP %"), ui.Right("images"), ui.Right("skipped"))
		for _, f := range r.Foreground {
			t.Row(f.Method, fmt.Sprintf("%.2f", 100*f.PixelAccuracy), fmt.Sprintf("%.2f", 100*f.MIoU), fmt.Sprintf("%.2f", 100*f.MAP), fmt.Sprint(r.Images), fmt.Sprint(len(r.Skipped)))
		}
		err = errors.Join(g.printer.Table(t), printRounding(g.printer, r.Rounding))
	case len(r.Shares) > 0:
		err = errors.Join(printEachShares(r, g.printer), printRounding(g.printer, r.Rounding))
	default:
		err = errors.Join(printScores(r, g.printer), printRounding(g.printer, r.Rounding))
	}
	if drawn != "" && err == nil {
		g.printer.Note("drawings are in %s", drawn)
	}
	if n := len(r.Skipped); n > 0 && err == nil {
		return fmt.Errorf("%w %s of %d", errSkipped, ui.Images.Count(int64(n)), r.Scenes)
	}
	return err
}

// printEachShares prints a table for each path that was given.
func printEachShares(r *segment.Result, p *ui.Printer) error {
	if len(r.Paths) == 0 {
		title := "class"
		if r.Scenes > 1 {
			title = "class, of " + ui.Images.Count(int64(r.Images))
		}
		return printShares(title, r.Shares, p)
	}
	for i, of := range r.Paths {
		title := "class, of " + of.Path
		if of.Images > 1 {
			title += ", " + ui.Images.Count(int64(of.Images))
		}
		if i > 0 {
			if err := p.Text("\n"); err != nil {
				return err
			}
		}
		if err := printShares(title, of.Shares, p); err != nil {
			return err
		}
	}
	return nil
}

// printShares prints the share of each class, one column per method.
func printShares(title string, shares []segment.MethodShares, p *ui.Printer) error {
	columns := []ui.Column{ui.Left(title)}
	share := make([]map[string]float64, len(shares))
	var order []string
	seen := map[string]bool{}
	for i, s := range shares {
		columns = append(columns, ui.Right(s.Method+" %"))
		share[i] = map[string]float64{}
		for _, c := range s.Classes {
			share[i][c.Name] = c.Share
			if !seen[c.Name] {
				seen[c.Name] = true
				order = append(order, c.Name)
			}
		}
	}
	t := ui.NewTable(columns...)
	for _, name := range order {
		row := []string{name}
		for i := range shares {
			row = append(row, fmt.Sprintf("%.1f", 100*share[i][name]))
		}
		t.Row(row...)
	}
	return p.Table(t)
}

// printScores prints the IoU of each class and the means, one column per method.
func printScores(r *segment.Result, p *ui.Printer) error {
	columns := []ui.Column{ui.Left("class"), ui.Right("true pixels %")}
	total := int64(0)
	for _, c := range r.Methods[0].Classes {
		total += c.Pixels
	}
	for _, m := range r.Methods {
		columns = append(columns, ui.Right(m.Method+" IoU %"))
	}
	t := ui.NewTable(columns...)
	for i, c := range r.Methods[0].Classes {
		row := []string{c.Name, fmt.Sprintf("%.2f", 100*float64(c.Pixels)/float64(max(total, 1)))}
		for _, m := range r.Methods {
			row = append(row, percent(m.Classes[i].IoU))
		}
		t.Row(row...)
	}
	if err := p.Table(t); err != nil {
		return err
	}
	if err := p.Text("\n"); err != nil {
		return err
	}
	t = ui.NewTable(ui.Left("method"), ui.Right("mIoU %"), ui.Right("pixel accuracy %"), ui.Right("mean accuracy %"), ui.Right("images"), ui.Right("skipped"))
	for _, m := range r.Methods {
		t.Row(m.Method, percent(m.MIoU), percent(m.PixelAccuracy), percent(m.MeanAccuracy), fmt.Sprint(r.Images), fmt.Sprint(len(r.Skipped)))
	}
	return p.Table(t)
}

// percent formats a share, nil as a dash.
func percent(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f", 100**v)
}

// soFar describes the progress of an interrupted segmentation on one line.
func soFar(r *segment.Result) string {
	var means []string
	for _, m := range r.Methods {
		means = append(means, fmt.Sprintf("%s %s %%", m.Method, percent(m.MIoU)))
	}
	line := fmt.Sprintf("%d of %s done", r.Images, ui.Images.Count(int64(r.Scenes)))
	if r.Path != "" && len(r.Files) == 0 {
		line += ", kept"
	} else {
		line += ", not kept"
	}
	if means != nil {
		line += "; mIoU so far: " + strings.Join(means, ", ")
	}
	return line
}
