package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/clipnh/clipnh/internal/pipeline/classify"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// labelPrinter prints images as they are labelled: JSON and comma-separated values at once,
// tables when they are full.
type labelPrinter struct {
	p         *ui.Printer
	json, csv bool

	setup    *classify.Setup
	document *ui.Document // of JSON
	table    *ui.Table
	inTable  int // images
	tables   int // that were printed
}

// imagesInTable is how many images share a table: its columns are as wide as what is in
// them, so a table is in memory before it is printed.
const imagesInTable = 1000

func (l *labelPrinter) begin(s *classify.Setup) error {
	l.setup, l.document = s, l.p.Document(s, "images")
	return nil
}

func (l *labelPrinter) image(x *classify.Image) error {
	switch {
	case l.json:
		return l.document.Item(x)
	case l.csv:
		return l.values(x)
	}
	if l.table == nil {
		columns := []ui.Column{ui.Left("image"), ui.Left("label"), ui.Right("probability %"), ui.Right("logit")}
		if l.setup.Labelled {
			columns = append(columns, ui.Left("true label"))
		}
		l.table = ui.NewTable(columns...)
	}
	name, truth := x.Name, x.Truth
	for _, label := range x.Labels {
		row := []string{name, label.Label, fmt.Sprintf("%.2f", 100*label.Probability), fmt.Sprintf("%.3f", label.Logit)}
		if l.setup.Labelled {
			row = append(row, truth)
		}
		l.table.Row(row...)
		name, truth = "", ""
	}
	if l.inTable++; l.inTable == imagesInTable {
		return l.printTable()
	}
	return nil
}

func (l *labelPrinter) printTable() error {
	if l.inTable == 0 {
		return nil
	}
	var gap error
	if l.tables > 0 {
		gap = l.p.Text("\n")
	}
	err := errors.Join(gap, l.p.Table(l.table))
	l.table, l.inTable = nil, 0
	l.tables++
	return err
}

// values prints an image as comma-separated values; before the first one, the names of the
// columns.
func (l *labelPrinter) values(x *classify.Image) error {
	var rows [][]string
	if l.inTable++; l.inTable == 1 {
		rows = append(rows, []string{"image", "rank", "label", "probability", "logit", "true_label"})
	}
	for i, label := range x.Labels {
		rows = append(rows, []string{x.Name, strconv.Itoa(i + 1), label.Label, strconv.FormatFloat(label.Probability, 'g', -1, 64), strconv.FormatFloat(label.Logit, 'g', -1, 64), x.Truth})
	}
	return l.p.CSV(rows)
}

// end prints the last table and what is known when all images are labelled. It prints no
// accuracy of a run that failed, and no JSON if the run failed before its first image.
func (l *labelPrinter) end(r *classify.Result, failed error) error {
	if l.json {
		if failed != nil && !l.document.Begun() {
			return nil
		}
		return l.document.Close(r)
	}
	if l.csv {
		if a := r.Accuracy; a != nil && failed == nil {
			l.p.Note("%d of %s %s the true label first, %.2f %%; --json has it class by class", a.Correct, ui.Images.Count(int64(a.Images)), quantity.Has(a.Correct, a.Images), 100*a.Share)
		}
		return nil
	}
	err := l.printTable()
	if failed != nil {
		return err
	}
	if r.Accuracy != nil {
		err = errors.Join(err, l.p.Text("\n"), l.p.Table(accuracyTable(r.Accuracy)))
	}
	if r.Rounding != nil {
		err = errors.Join(err, l.p.Text("\n"), printRounding(l.p, r.Rounding))
	}
	return err
}

func accuracyTable(a *classify.Accuracy) *ui.Table {
	t := ui.NewTable(ui.Left("class"), ui.Right("images"), ui.Right("correct"), ui.Right("accuracy %"), ui.Right("predicted"))
	for _, c := range a.Classes {
		share := ""
		if c.Share != nil {
			share = fmt.Sprintf("%.2f", 100**c.Share)
		}
		t.Row(c.Class, fmt.Sprint(c.Images), fmt.Sprint(c.Correct), share, fmt.Sprint(c.Predicted))
	}
	t.Row("all", fmt.Sprint(a.Images), fmt.Sprint(a.Correct), fmt.Sprintf("%.2f", 100*a.Share), fmt.Sprint(a.Images))
	return t
}
