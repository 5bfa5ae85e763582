package main

import (
	"cmp"
	"strings"

	"github.com/clipnh/clipnh/internal/pipeline/device"
	"github.com/clipnh/clipnh/internal/ui"
)

// printDevices says what there is for collect --device. What is missing is a note, with how
// to get it: nothing that was asked for failed.
func printDevices(r *device.Report, g *globalOptions) error {
	if g.json {
		return g.printer.JSON(r)
	}
	t := ui.NewTable(ui.Left(""), ui.Left(""))
	t.Row("helper program", cmp.Or(r.Helper, "not found"))
	for _, place := range r.HelperLooked {
		t.Row("  looked for", place)
	}
	t.Row("ONNX Runtime", cmp.Or(r.Library, "not found"))
	for _, place := range r.LibraryLooked {
		t.Row("  looked in", place)
	}
	t.Row("version", cmp.Or(r.Runtime, "not known"))
	for _, d := range r.Devices {
		state := "not in this build of ONNX Runtime"
		switch {
		case d.Available:
			state = "can be asked for: " + d.Runs
			if d.Unseen != "" {
				state += "; " + d.Unseen
			}
		case r.Runtime == "":
			state = "not known: " + d.Runs
		case d.Built:
			state = "cannot be used: not found: " + strings.Join(d.Lacking, ", ")
		}
		t.Row("--device "+d.Name, state)
	}
	if err := g.printer.Table(t); err != nil {
		return err
	}
	if r.Error != "" {
		g.printer.Note("%s", r.Error)
	}
	if r.Hint != "" {
		g.printer.Hint(r.Hint)
	}
	return nil
}
