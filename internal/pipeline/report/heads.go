package report

import (
	"context"

	"github.com/clipnh/clipnh/internal/report"
)

// headWords is how many words of a head are listed.
const headWords = 32

// writeHeads writes the files of heads.
func (b *builder) writeHeads(ctx context.Context) error {
	for h := range b.scores.OV.Heads {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := report.HeadName(h)
		if b.folder.has(report.FileOf(name)) {
			continue
		}
		if err := b.folder.write(name, b.head(h)); err != nil {
			return err
		}
	}
	return nil
}

// head is the record of a head: the words that come first for its pairs, and its
// strongest pairs.
func (b *builder) head(h int) *report.Head {
	C, norms := b.scores.OV.Neurons, b.pairsOf.norm
	r := &report.Head{Head: h, Name: b.headName(h), Words: []report.HeadWord{}, Strongest: []report.Unit{}, Attention: []float32{}}
	if b.maps != nil {
		r.Maps, r.Attention, r.Sink = b.maps.ofHead(h)
	}
	at := map[int]int{}
	for n := range C {
		terms := b.words.Pair(h*C + n)
		if len(terms) == 0 {
			continue
		}
		word := int(b.wordOf[terms[0].Index])
		i, ok := at[word]
		if !ok {
			i = len(r.Words)
			at[word] = i
			r.Words = append(r.Words, report.HeadWord{Word: word})
		}
		r.Words[i].Norm += norms[h*C+n].Mean
		r.Words[i].Pairs++
	}
	all := r.Words
	r.Words = []report.HeadWord{}
	for _, i := range orderOf(len(all), func(i int) float64 { return all[i].Norm })[:min(headWords, len(all))] {
		r.Words = append(r.Words, all[i])
	}
	for _, n := range orderOf(C, func(n int) float64 { return norms[h*C+n].Mean })[:min(listed, C)] {
		r.Strongest = append(r.Strongest, b.unit(h*C+n, norms[h*C+n].Mean))
	}
	return r
}

// headName labels a head: h3, or l10h3 of a vision transformer.
func (b *builder) headName(h int) string {
	return b.units.Layers.Head(h)
}
