package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/ui"
)

// printShort prints what the demo found on one screen: what agrees, what is strongest, one
// figure explained, and where the rest is.
func (r *demoResult) printShort(dir string, p *ui.Printer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%d commands took a small CLIP apart. What they found, beside what an\n", len(demoSteps))
	b.WriteString("independent PyTorch implementation found:\n\n")
	t := ui.NewTable(ui.Left("measured"), ui.Right("here"), ui.Right("expected"))
	percent := func(name string, here, expected float64) {
		t.Row(name, fmt.Sprintf("%.2f %%", 100*here), fmt.Sprintf("%.2f %%", 100*expected))
	}
	percent("zero-shot accuracy, features summed from pairs", r.ZeroShot.Top1, r.ExpectedZeroShot)
	for _, v := range r.Reconstruction[1:] { // pairs are the model
		percent("the same, "+v.Variant, v.Top1, v.Expected)
	}
	percent("zero-shot accuracy of the vision transformer", r.Transformer.ZeroShot.Top1, r.Transformer.Expected)
	for _, f := range r.Segmentation[:1] {
		percent("segmentation by "+f.Name+", mIoU", f.Value, f.Expected)
	}
	for _, f := range r.Shift {
		t.Row(fmt.Sprintf("%q over images, correlation with its label", f.Name), fmt.Sprintf("%.4f", f.Value), fmt.Sprintf("%.4f", f.Expected))
	}
	if err := errors.Join(p.Text(b.String()), p.Table(t)); err != nil {
		return err
	}
	if err := r.Transformer.print(p, false); err != nil {
		return err
	}
	if err := errors.Join(p.Text("\n"), r.Worth.print(p), r.Cue.print(p)); err != nil {
		return err
	}
	b.Reset()
	at := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	b.WriteString("\nLook first at the report, then at the images of a neuron and of its pairs:\n\n")
	for _, image := range demoImages {
		if image.short {
			fmt.Fprintf(&b, "  %-*s  %s\n", len(dir)+24, at(image.path), image.what)
		}
	}
	fmt.Fprintf(&b, "\nThe report with answers about texts and images of your own:\n  %s \\\n    %s\n",
		ui.ShellLine([]string{programName(os.Args[0]), "explore", at("report")}),
		ui.ShellLine([]string{"--vocab", at("bpe_demo_vocab.txt.gz"), "--templates", at("templates.txt")}))
	fmt.Fprintf(&b, "\nAll commands and what they printed: %s (or --verbose).\n", at(demo.Log))
	return p.Text(b.String())
}

// programName is how a person can run the program that was started as this: by its name if
// it is on PATH.
func programName(started string) string {
	const name = "clipnh"
	if _, err := exec.LookPath(name); err == nil || strings.TrimSuffix(filepath.Base(started), ".exe") != name {
		return name
	}
	return started
}
