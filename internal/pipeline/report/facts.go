package report

import (
	"context"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/report"
)

// fillOverview fills in what the first page says of every report.
func (b *base) fillOverview(of report.ModelFacts) {
	o := &b.overview
	o.Format, o.Title, o.Model = report.Format, b.title(), of
	if b.model != nil {
		o.Model.InputSize = b.model.Config.ImageSize
	}
	o.Data = report.DataFacts{Name: b.dataName(), Images: b.images, Classes: []string{}, Labels: orNone(b.labelNames), Groups: orNone(b.groupNames)}
	if changed := b.recorded.Changed(); len(changed) > 0 { // thumbnails and maps are drawn by now
		o.Data.Changed, o.Data.ChangedImages = len(changed), b.numbersOf(changed)
	}
	o.Inputs = b.files
}

// orNone are names, none as an empty list.
func orNone(names []string) []string { return append([]string{}, names...) }

// finishOverview writes it, with what the report has and lacks.
func (b *base) finishOverview(parts []report.Part) error {
	o := &b.overview
	o.Lists = append([]report.List{}, o.Lists...)
	o.Ablation = append([]report.Ablation{}, o.Ablation...) // package gob makes nil of an empty slice
	o.Parts = parts
	for i, p := range o.Parts {
		if !p.Present {
			b.say.Note("left out: %s (needs %s)", p.Name, p.Need)
		}
		if b.Spell != nil {
			o.Parts[i].Need = b.Spell(p.Need)
		}
	}
	return b.folder.write(report.OverviewName, o)
}

// writeImages writes what is known of the images.
func (b *base) writeImages(context.Context) error {
	if b.folder.has(report.FileOf(report.ImagesName)) {
		return nil
	}
	images := report.Images{Names: b.names}
	indices := func(of []int, count int) report.Column {
		all := make([]int32, len(of))
		for i, x := range of {
			all[i] = int32(max(x, report.None))
		}
		return report.Indices(all, count)
	}
	if b.labels != nil {
		images.Labels = indices(b.labels, len(b.labelNames))
	}
	if b.groups != nil {
		images.Groups = indices(b.groups, len(b.groupNames))
	}
	return b.folder.write(report.ImagesName, images)
}

// numbersOf are the numbers of images with some names, ascending.
func (b *base) numbersOf(names []string) []int {
	var numbers []int
	for i, name := range b.names {
		if _, is := slices.BinarySearch(names, name); is {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

func (b *base) dataName() string {
	if from := artefact.OriginOf(b.artefact).Images; from != nil {
		return from.Dataset
	}
	return ""
}

func need(present bool, what string) string {
	if present {
		return ""
	}
	return what
}
