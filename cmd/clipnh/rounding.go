package main

import (
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
)

// printRounding prints the error of reduced precision, if there is one.
func printRounding(p *ui.Printer, r *source.Rounding) error {
	if r == nil {
		return nil
	}
	return p.Text(r.String() + "\n")
}
