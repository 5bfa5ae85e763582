package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/pipeline/coding"
	"github.com/clipnh/clipnh/internal/pipeline/concepts"
	"github.com/clipnh/clipnh/internal/ui"
)

// This file is describe of images in place of units.

func (o *describeOptions) addImageFlags(fs *pflag.FlagSet) {
	s := &o.images
	fs.StringArrayVar(&s.Images, "image", nil, "describe `FILE`, or an image of --scores by its name, in place of units; may be repeated")
	fs.StringVarP(&s.ScoresPath, "scores", "s", "", "`PATH` of scores that collect wrote: the images that effects are compared with")
	modelFlag(fs, &s.Model)
	detailFlags(fs, &s.Details)
	imageDetailFlags(fs, &s.Details)
	fs.IntVar(&s.TopImages, "top-images", 0, "take units that have the image among their `N` strongest (default 2 % of the images of --scores)")
	fs.IntVar(&s.List, "list", 10, "print the `N` heaviest words of an image")
	fs.StringVar(&s.AttributesPath, "attributes", "", "`FILE` of what is true of images, .csv: measure how often words name it, without --image of all images")
}

// ofImages reports whether images are described.
func (o *describeOptions) ofImages() bool {
	return len(o.images.Images) > 0 || o.images.AttributesPath != ""
}

func (o *describeOptions) validateImages() error {
	s := &o.images
	switch {
	case len(o.units) > 0:
		return fmt.Errorf("units, %q, and images: want one of them", o.units[0])
	case s.List < 1:
		return fmt.Errorf("--list %d: want 1 or more", s.List)
	case s.TopImages < 0 || s.TopImages == 0 && o.given != nil && o.given("top-images"):
		return fmt.Errorf("--top-images %d: want 1 or more", s.TopImages)
	}
	for _, name := range s.Images {
		if name == "" {
			return errors.New("--image is empty: want a file, or the name of an image of --scores")
		}
	}
	if err := filesOnce("--image", s.Images); err != nil {
		return err
	}
	if err := checkDetails(s.Details); err != nil {
		return err
	}
	return require("--scores", s.ScoresPath, "--pcs-path", o.pcsPath)
}

func runDescribeImages(ctx context.Context, opts describeOptions, options coding.Options, g *globalOptions) error {
	o := opts.images
	o.Options, o.DecompositionPath = options, opts.decompositionPath
	result, err := concepts.Run(ctx, o, g.printer)
	if err != nil {
		return err
	}
	if len(o.Images) > 0 {
		words := 0
		for _, image := range result.Images {
			words = max(words, len(image.Words))
		}
		g.sayFewer(opts.set, listing{"list", o.List, words, ui.Words, "of positive weight"})
	}
	if g.json {
		return g.printer.JSON(result)
	}
	if len(o.Images) > 0 {
		if err := g.printer.Table(imageWords(result)); err != nil || result.Named == nil {
			return err
		}
		if err := g.printer.Text("\n"); err != nil {
			return err
		}
	}
	t := ui.NewTable(ui.Left("column"), ui.Right("images"), ui.Right("words name it %"), ui.Right("another image's do %"))
	for _, c := range result.Named {
		others := ""
		if c.Others != nil {
			others = fmt.Sprintf("%.1f", 100**c.Others)
		}
		t.Row(c.Column, fmt.Sprint(c.Images), percentOf(c.Named, c.Images), others)
	}
	return g.printer.Table(t)
}

// imageWords is the words of images.
func imageWords(r *concepts.Result) *ui.Table {
	t := ui.NewTable(ui.Left("image"), ui.Right(r.Unit+"s"), ui.Right("weight"), ui.Left("word"), ui.Left("of"))
	for _, image := range r.Images {
		name, units := image.Name, fmt.Sprint(image.Units)
		if len(image.Words) == 0 {
			t.Row(name, units, "", "", "")
		}
		for _, w := range image.Words {
			t.Row(name, units, fmt.Sprintf("%.4f", w.Weight), w.Word, partsText(w.Parts))
			name, units = "", ""
		}
	}
	return t
}

// partsText names the units that add most to the weight of a word.
func partsText(parts []coding.Part) string {
	var texts []string
	for _, p := range parts[:min(namedParts, len(parts))] {
		texts = append(texts, fmt.Sprintf("%s %+.2g", p.Unit, p.Part))
	}
	return strings.Join(texts, ", ")
}

// namedParts is how many units tables name beside a word.
const namedParts = 2
