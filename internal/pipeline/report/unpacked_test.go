package report

import (
	"testing"

	"github.com/clipnh/clipnh/internal/report"
)

// unpacked are the records of a file of images, as a page has them.
func unpacked(t *testing.T, s *report.ImageShard) []report.ImageRecord {
	t.Helper()
	totals := values(t, s.Totals)
	records := make([]report.ImageRecord, len(totals)/5)
	each := func(items report.Column, put func(r *report.ImageRecord, item, at int)) {
		all := indices(t, items)
		k := len(all) / len(records)
		for at, item := range all {
			if item >= 0 {
				put(&records[at/k], int(item), at)
			}
		}
	}
	logits, probabilities := values(t, s.Logits), values(t, s.Probabilities)
	each(s.Classes, func(r *report.ImageRecord, item, at int) {
		r.Classes = append(r.Classes, report.ClassLogit{Class: item, Logit: logits[at], Probability: probabilities[at]})
	})
	up, upScores := values(t, s.For.Parts), values(t, s.For.Scores)
	each(s.For.Pairs, func(r *report.ImageRecord, item, at int) {
		r.For = append(r.For, report.PairPart{Pair: item, Part: up[at], Score: upScores[at]})
	})
	down, downScores := values(t, s.Against.Parts), values(t, s.Against.Scores)
	each(s.Against.Pairs, func(r *report.ImageRecord, item, at int) {
		r.Against = append(r.Against, report.PairPart{Pair: item, Part: down[at], Score: downScores[at]})
	})
	cosines := values(t, s.Cosines)
	each(s.Nearest, func(r *report.ImageRecord, item, at int) {
		r.Nearest = append(r.Nearest, report.NearImage{Image: item, Cosine: cosines[at]})
	})
	scores, away := values(t, s.Scores), values(t, s.Away)
	each(s.Strongest, func(r *report.ImageRecord, item, at int) {
		r.Strongest = append(r.Strongest, report.UnitScore{Pair: item, Score: scores[at], Deviations: away[at]})
	})
	for i := range records {
		r, x := &records[i], totals[5*i:]
		r.Logit, r.Constant, r.Rest, r.Sum, r.Norm = x[0], x[1], x[2], x[3], x[4]
	}
	for _, m := range s.Maps {
		r := &records[m.Image-s.First]
		r.Places, r.Attention = m.Places, m.Attention
	}
	return records
}
