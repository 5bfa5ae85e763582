package evaluate

import (
	"context"
	"fmt"
	"sync"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
)

// A HeadLedger is a Ledger of what heads add to features: the accuracy without some heads is
// that of the features
//
//	f' = f - Σ_h (r[h] - m[h])
//
// whose parts r are read again for each question. It is safe for concurrent use.
type HeadLedger struct {
	Judged           // Features are nil where the parts do not sum to them
	Means  []float64 // of what heads add, [L·H,O]
	Spread []float64 // means of |r[h] - m[h]|², [L·H]

	of *artefact.FirstOrder
	mu sync.Mutex // held while parts are read
}

// OpenHeadLedger reads all parts once.
func OpenHeadLedger(ctx context.Context, o LedgerOptions, say ui.Reporter) (*HeadLedger, error) {
	src, err := source.Open(ctx, source.Options{Artefacts: o.Artefacts, ScoresPath: o.ScoresPath, Parts: o.Parts, FirstOrder: true, Data: o.Data, Stride: 1}, o.Threads, say)
	if err != nil {
		return nil, err
	}
	l := &HeadLedger{Judged: Judged{src: src, team: par.NewTeam(o.Threads)}, of: src.FirstOrder}
	if err := l.open(ctx, o, say); err != nil {
		src.Close()
		return nil, err
	}
	return l, nil
}

func (l *HeadLedger) open(ctx context.Context, o LedgerOptions, say ui.Reporter) error {
	if err := l.openJudge(ctx, o, say); err != nil {
		return err
	}
	O := l.of.OutDim
	l.Means, l.Spread = make([]float64, l.of.Heads.Each()), make([]float64, l.of.Heads.Each()/O)
	err := l.read(ctx, "read heads", say, func(b source.Batch) error {
		heads := b.Parts.Heads[:b.Parts.Images*len(l.Means)]
		if i := artefact.FirstNonFinite(heads); i >= 0 {
			return fmt.Errorf("%s: a head adds %g, want a finite number", foreign.Name(b.Names[i/len(l.Means)]), heads[i])
		}
		l.team.For(len(l.Spread), func(lo, hi, _ int) {
			for at := 0; at < len(heads); at += len(l.Means) {
				for h := lo; h < hi; h++ {
					for i, x := range heads[at+h*O:][:O] {
						l.Means[h*O+i] += float64(x)
						l.Spread[h] += float64(x) * float64(x)
					}
				}
			}
		})
		return nil
	})
	if err != nil {
		return err
	}
	n := float64(len(l.Names))
	for i := range l.Means {
		l.Means[i] /= n
	}
	for h := range l.Spread {
		l.Spread[h] /= n
		for _, m := range l.Means[h*O : (h+1)*O] {
			l.Spread[h] -= m * m
		}
		l.Spread[h] = max(l.Spread[h], 0)
	}
	return l.openGroups(o, say)
}

// Heads says how many there are, of all layers, and what they are called.
func (l *HeadLedger) Heads() (of *artefact.FirstOrder, count int) { return l.of, len(l.Spread) }

// headBlock is how many images' parts are in memory at a time.
const headBlock = 64

// blocks reads what a head adds to all images, [n,O] at a time.
func (l *HeadLedger) blocks(ctx context.Context, head int, do func(image, n int, rows []float32) error) error {
	O, B := l.of.OutDim, len(l.Names)
	rows := make([]float32, min(headBlock, B)*O)
	for lo := 0; lo < B; lo += headBlock {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(headBlock, B-lo)
		l.mu.Lock()
		err := l.of.Heads.Read(rows[:n*O], lo, n, head*O, (head+1)*O)
		l.mu.Unlock()
		if err != nil {
			return err
		}
		if err := do(lo, n, rows[:n*O]); err != nil {
			return err
		}
	}
	return nil
}

// Along returns what heads add to images along the vector text [O], r·text, [L·H,B].
func (l *HeadLedger) Along(ctx context.Context, text []float32) ([]float32, error) {
	B := len(l.Names)
	values := make([]float32, len(l.Spread)*B)
	along, buffers := l.of.Heads.Along(text), make([]artefact.AlongBuffer, l.team.Size())
	failed := make([]error, (B+headBlock-1)/headBlock)
	l.team.Each(len(failed), func(block, worker int) {
		if failed[block] = ctx.Err(); failed[block] == nil {
			lo := block * headBlock
			failed[block] = along.Read(values[lo:], B, lo, min(headBlock, B-lo), &buffers[worker])
		}
	})
	for _, err := range failed {
		if err != nil {
			return nil, err
		}
	}
	return values, nil
}

// Feature returns that of an image without the heads off, [O]; zero says that they add nothing,
// rather than their means.
func (l *HeadLedger) Feature(image int, off []int, zero bool) ([]float32, error) {
	O := l.of.OutDim
	feature, row := make([]float64, O), make([]float32, O)
	for i, x := range l.Features[image*O : (image+1)*O] {
		feature[i] = float64(x)
	}
	for _, h := range off {
		l.mu.Lock()
		err := l.of.Heads.Read(row, image, 1, h*O, (h+1)*O)
		l.mu.Unlock()
		if err != nil {
			return nil, err
		}
		l.remove(feature, row, h, zero)
	}
	return single(feature), nil
}

// remove takes what head h adds, row [O], out of a feature [O].
func (l *HeadLedger) remove(feature []float64, row []float32, h int, zero bool) {
	mean := l.Means[h*len(row):][:len(row)]
	for i, x := range row {
		feature[i] -= float64(x)
		if !zero {
			feature[i] += mean[i]
		}
	}
}

func single(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

// Without measures accuracy with heads taken out, none twice, beside the unchanged model's: by
// their means, or with zero so that they add nothing. It has the numbers of Ablate with these heads.
func (l *HeadLedger) Without(ctx context.Context, off []int, zero bool) (*Evaluation, error) {
	if l.judge == nil {
		return nil, l.unjudged
	}
	O, B := l.of.OutDim, len(l.Names)
	features := make([]float64, B*O)
	for i, x := range l.Features {
		features[i] = float64(x)
	}
	for _, h := range off {
		err := l.blocks(ctx, h, func(image, n int, rows []float32) error {
			for i := range n {
				l.remove(features[(image+i)*O:][:O], rows[i*O:(i+1)*O], h, zero)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	after := VariantScore{Variant: AblateHeads, Units: len(l.Spread), Kept: len(l.Spread) - len(off)}
	after.KeptShare = float64(after.Kept) / float64(after.Units)
	logits := make([]float32, min(headBlock, B)*l.judge.number)
	for lo := 0; lo < B; lo += headBlock {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := min(headBlock, B-lo)
		l.judge.products(logits, single(features[lo*O:(lo+n)*O]), n, l.team)
		if err := l.judge.judge(&after, logits[:n*l.judge.number], l.Labels[lo:lo+n]); err != nil {
			return nil, err
		}
	}
	return l.evaluation(after), nil
}
