package report

import (
	"context"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/report"
)

// writeRecords writes the files of heads.
func (b *headBuilder) writeRecords(ctx context.Context) error {
	for h := range b.heads() {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := report.HeadName(h)
		if b.folder.has(report.FileOf(name)) {
			continue
		}
		if err := b.folder.write(name, b.record(h)); err != nil {
			return err
		}
	}
	return nil
}

func (b *headBuilder) record(h int) *report.HeadRecord {
	r := &report.HeadRecord{Head: h, Name: b.name(h), Norm: b.norms.ranking(h), Share: b.share(h), Explained: b.explained(h), Texts: []report.HeadPhrase{}}
	for k, t := range b.listedTexts(h) {
		phrase := report.HeadPhrase{Text: t.Text, Explained: t.Explained, Images: []report.ImageValue{}}
		if at := b.textsOf[h]; at >= 0 {
			phrase.Images = imageValues(b.byText.of(at + k))
		}
		r.Texts = append(r.Texts, phrase)
	}
	if at := b.alongOf[h]; at >= 0 {
		along := b.along.ranking(at)
		r.Along = &along
	}
	if b.maps != nil {
		r.Maps = b.maps.ofHead(h)
	}
	return r
}

// ranking is what a file has of a unit.
func (c *columns) ranking(u int) report.Ranking {
	r := report.Ranking{
		Summary: c.norm[u], Strongest: imageValues(c.strongest.of(u)), Weakest: imageValues(c.weakest.of(u)), Quantiles: [][]report.ImageValue{},
		Histogram: report.Histogram{Low: float64(c.low[u]), High: float64(c.high[u])},
	}
	for _, count := range c.counts[u*report.Bins : (u+1)*report.Bins] {
		r.Histogram.Counts = append(r.Histogram.Counts, int(count))
	}
	images, values := c.quantiles.of(u)
	each := len(images) / len(report.Quantiles)
	for q := range report.Quantiles {
		r.Quantiles = append(r.Quantiles, imageValues(images[q*each:(q+1)*each], values[q*each:(q+1)*each]))
	}
	return r
}

func imageValues(images []int32, values []float32) []report.ImageValue {
	of := make([]report.ImageValue, len(images))
	for i, image := range images {
		of[i] = report.ImageValue{Image: int(image), Value: float64(values[i])}
	}
	return of
}

func (b *headBuilder) share(h int) *float64 {
	if b.shares == nil {
		return nil
	}
	return &b.shares[h]
}

// listedTexts are the texts of a head that are listed.
func (b *headBuilder) listedTexts(h int) []artefact.HeadText {
	if b.texts == nil {
		return nil
	}
	return b.texts[h][:min(report.HeadTexts, len(b.texts[h]))]
}

// explained is the share of a head's variance that all of its texts explain.
func (b *headBuilder) explained(h int) *float64 {
	if b.texts == nil || len(b.texts[h]) == 0 {
		return nil
	}
	return b.texts[h][len(b.texts[h])-1].Explained
}

// writeList writes what lists of heads read.
func (b *headBuilder) writeList(context.Context) error {
	if b.folder.has(report.FileOf(report.HeadsName)) {
		return nil
	}
	list := report.HeadList{Heads: []report.HeadSummary{}}
	for h := range b.heads() {
		s := report.HeadSummary{Name: b.name(h), Norm: b.norms.norm[h].Mean, Share: b.share(h), Explained: b.explained(h), Texts: []string{}, Images: []int{}}
		for _, t := range b.listedTexts(h) {
			s.Texts = append(s.Texts, t.Text)
		}
		images, _ := b.norms.strongest.of(h)
		if at := b.alongOf[h]; at >= 0 {
			s.Along = true
			images, _ = b.along.strongest.of(at)
		}
		for _, image := range images {
			s.Images = append(s.Images, int(image))
		}
		list.Heads = append(list.Heads, s)
	}
	return b.folder.write(report.HeadsName, list)
}

// writeMoved compares the heads with those of another collection.
func (b *headBuilder) writeMoved(ctx context.Context) error {
	if b.With == "" || b.folder.has(report.FileOf(report.MovedName)) {
		return nil
	}
	moved, err := CompareHeads(ctx, CompareOptions{Artefacts: b.Artefacts, Here: b.ScoresPath, There: b.With, List: Listed, Seed: b.Seed, Threads: b.Threads}, b.say)
	if err != nil {
		return err
	}
	return b.folder.write(report.MovedName, moved)
}

// writeOverview writes what the first page reads; all else is there by then.
func (b *headBuilder) writeOverview(context.Context) error {
	f, from, o := b.parts, b.from, &b.overview
	b.fillOverview(report.ModelFacts{
		Name: from.Model, Weights: from.Weights, Tensors: from.Tensors, Heads: b.heads(), OutDim: f.OutDim, Block: from.Block, Precision: from.Precision,
		LayerHeads: f.HeadLayers().Heads,
		Wording:    report.Wording{Form: report.FormHeads, Token: "class token", Example: b.name(b.heads() - 1)},
	})
	o.Histograms = map[string]report.Histogram{"norm": histogramOf(b.norms.meanNorms())}
	spanned, along, shares := b.texts != nil, b.embeddings != nil, b.shares != nil
	return b.finishOverview([]report.Part{
		{Name: "texts", Present: spanned, Need: need(spanned, "{spans-path}, what textspan wrote")},
		{Name: "images along texts", Present: along, Need: need(along, "{text-descs-list-path} with {text-descs-embeddings-path}, of the texts that textspan read")},
		{Name: "shares of the feature", Present: shares, Need: need(shares, "{parts}, the MLPs of the same images")},
		{Name: "labels", Present: b.labels != nil, Need: need(b.labels != nil, "{data-path} with a labelled {dataset}")},
		{Name: "groups", Present: b.groups != nil, Need: need(b.groups != nil, "{groups-csv} with {group-column}")},
		{Name: "maps", Present: b.maps != nil, Need: need(b.maps != nil, "{model} with {data-path}, of a vision transformer")},
		{Name: "comparison", Present: b.With != "", Need: need(b.With != "", "{with}")},
		{Name: "thumbnails", Present: o.Thumbs != nil, Need: need(o.Thumbs != nil, "{data-path}")},
	})
}
