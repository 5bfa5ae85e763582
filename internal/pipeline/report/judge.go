package report

import (
	"context"

	"github.com/clipnh/clipnh/internal/report"
)

// judge classifies the images, where there are class embeddings, and counts how often
// their class of largest logit is their label, where they have labels too.
func (b *builder) judge(ctx context.Context) error {
	if b.classes == nil {
		return nil
	}
	b.ranked = b.rank(listedClasses)
	if b.labels == nil {
		return ctx.Err()
	}
	a := &report.Accuracy{
		ByClass: make([]float64, len(b.labelNames)), Classes: make([]int, len(b.labelNames)),
		ByGroup: make([]float64, len(b.groupNames)), Groups: make([]int, len(b.groupNames)),
	}
	for i, label := range b.labels {
		if label < 0 {
			continue
		}
		right := 0.0
		if b.ranked.winner(i) == label {
			right = 1
		}
		a.All, a.Images = a.All+right, a.Images+1
		a.ByClass[label], a.Classes[label] = a.ByClass[label]+right, a.Classes[label]+1
		if b.groups != nil && b.groups[i] >= 0 {
			g := b.groups[i]
			a.ByGroup[g], a.Groups[g] = a.ByGroup[g]+right, a.Groups[g]+1
		}
	}
	if a.Images == 0 {
		return ctx.Err()
	}
	a.All /= float64(a.Images)
	for k, n := range a.Classes {
		a.ByClass[k] /= float64(max(n, 1))
	}
	for g, n := range a.Groups {
		a.ByGroup[g] /= float64(max(n, 1))
	}
	b.overview.Accuracy = a
	return ctx.Err()
}

// code computes those words of units that are not read.
func (b *builder) code(ctx context.Context) error {
	pairs, neurons := make([]int, b.pairs()), make([]int, b.scores.OV.Neurons)
	for u := range pairs {
		pairs[u] = u
	}
	for n := range neurons {
		neurons[n] = n
	}
	if err := b.words.Code(ctx, pairs, neurons); err != nil {
		return err
	}
	b.vocabulary(len(pairs), len(neurons))
	return nil
}

// vocabulary numbers the words that units have: first those that most units have; of
// equal ones the first of the list comes first.
func (b *builder) vocabulary(pairs, neurons int) {
	used := make([]int, len(b.Words))
	for u := range pairs {
		for _, t := range b.words.Pair(u) {
			used[t.Index]++
		}
	}
	for n := range neurons {
		for _, t := range b.words.Neuron(n) {
			used[t.Index]++
		}
	}
	b.wordOf = make([]int32, len(b.Words))
	b.wordList, b.wordAt = []string{}, nil
	for _, i := range orderOf(len(used), func(i int) float64 { return float64(used[i]) }) {
		if used[i] > 0 {
			b.wordOf[i] = int32(len(b.wordList))
			b.wordList, b.wordAt = append(b.wordList, b.Words[i]), append(b.wordAt, i)
		}
	}
}
