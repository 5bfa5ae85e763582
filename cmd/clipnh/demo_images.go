package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/pipeline/segment"
	"github.com/clipnh/clipnh/internal/pipeline/shift"
	"github.com/clipnh/clipnh/internal/ui"
)

// A demoFigure is a measured value and the expected one.
type demoFigure struct {
	Name     string  `json:"name"`
	Value    float64 `json:"value"`
	Expected float64 `json:"expected"`
}

// demoPrinters print the results of the steps that are compared with expected ones.
var demoPrinters = map[string]func([]byte, *ui.Printer) error{
	demoSegment: printDemoSegmentation,
	demoShift: func(raw []byte, p *ui.Printer) error {
		var r shift.Result
		if err := json.Unmarshal(raw, &r); err != nil {
			return err
		}
		for i := range r.Concepts {
			r.Concepts[i].Groups = nil // the figure shows them
		}
		return printShift(p, &r)
	},
	demoHarderAblate:  printDemoAblation,
	demoHarderSegment: printDemoSegmentation,
	demoExplain:       printDemoExplained,
	demoAudit:         printDemoAudit(demoListed),
	demoAgain:         printDemoAudit(0),
}

// addPrinted fills in the results of segment and shift, from what they printed with
// --json, and the expected ones.
func (r *demoResult) addPrinted(printed map[string][]byte) error {
	expected, err := demo.Expected()
	if err != nil {
		return err
	}
	var segmented segment.Result
	var shifted shift.Result
	if err := errors.Join(json.Unmarshal(printed[demoSegment], &segmented), json.Unmarshal(printed[demoShift], &shifted)); err != nil {
		return err
	}
	for _, m := range segmented.Methods {
		want, ok := expected.SegmentedBy(m.Method)
		if !ok || m.MIoU == nil {
			return fmt.Errorf("segment: no mIoU of %s, or none expected", m.Method)
		}
		r.Segmentation = append(r.Segmentation, demoFigure{m.Method, *m.MIoU, want.MIoU})
	}
	for _, c := range shifted.Concepts {
		want, ok := expected.ShiftOf(c.Concept, shifted.K)
		if !ok || c.Measured == nil || c.Measured.R == nil {
			return fmt.Errorf("shift: no correlation of %s, or none expected", c.Concept)
		}
		r.Shift = append(r.Shift, demoFigure{c.Concept, *c.Measured.R, want.R})
	}
	return errors.Join(r.addWorth(printed), r.addCue(printed))
}

// printImages prints the results of segment and shift, with the expected ones.
func (r *demoResult) printImages(p *ui.Printer) error {
	if err := p.Text("Segmentation of scenes, and concepts over the years:\n\n"); err != nil {
		return err
	}
	t := ui.NewTable(ui.Left("method"), ui.Right("mIoU %"), ui.Right("expected %"))
	for _, f := range r.Segmentation {
		t.Row(f.Name, fmt.Sprintf("%.2f", 100*f.Value), fmt.Sprintf("%.2f", 100*f.Expected))
	}
	if err := p.Table(t); err != nil {
		return err
	}
	if err := p.Text("\n"); err != nil {
		return err
	}
	t = ui.NewTable(ui.Left("concept"), ui.Right("r with its label"), ui.Right("expected"))
	for _, f := range r.Shift {
		t.Row(f.Name, fmt.Sprintf("%.4f", f.Value), fmt.Sprintf("%.4f", f.Expected))
	}
	if err := p.Table(t); err != nil {
		return err
	}
	return errors.Join(r.Transformer.print(p, true), p.Text("\n"), r.Worth.print(p), r.Cue.print(p), p.Text("\n"))
}
