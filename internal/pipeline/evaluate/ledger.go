package evaluate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// A Ledger keeps what collected images say of classes, so that the accuracy without some
// pairs is a small product away and no score of another pair is read:
//
//	f'·t = f·t - Σ_u (s[u] - m[u])·(v[u]·t)
//
// It takes 4 bytes for each image and dimension of features, and for each image and class.
// It is safe for concurrent use.
type Ledger struct {
	Judged
	OV    *decomp.OV
	Means []float64 // mean scores, [H,C]

	leaders *leaders // nil: few classes

	mu      sync.Mutex
	columns []column // of scores, the one used last comes last
}

// column is a pair's scores.
type column struct {
	pair   int
	scores []float32 // [B]
}

// maxColumns bounds the columns that a ledger keeps, in bytes: of 50,000 images, 335.
const maxColumns = 64 << 20

// OpenLedger reads all scores once. Where accuracies cannot be told, as there are no labels
// or no classes, the ledger is whole but for them.
func OpenLedger(ctx context.Context, o LedgerOptions, say ui.Reporter) (*Ledger, error) {
	src, err := source.Open(ctx, source.Options{Artefacts: o.Artefacts, ScoresPath: o.ScoresPath, Data: o.Data, Stride: 1}, o.Threads, say)
	if err != nil {
		return nil, err
	}
	l := &Ledger{Judged: Judged{src: src, team: par.NewTeam(o.Threads)}, OV: src.OV}
	if err := l.open(ctx, o, say); err != nil {
		src.Close()
		return nil, err
	}
	return l, nil
}

func (l *Ledger) open(ctx context.Context, o LedgerOptions, say ui.Reporter) error {
	if l.src.OV == nil {
		return fmt.Errorf("%s: want a folder of scores that collect wrote", o.ScoresPath)
	}
	if err := l.openJudge(ctx, o, say); err != nil {
		return err
	}
	pairs := l.src.Heads * l.src.Neurons
	sums := lowrank.NewSums(pairs)
	err := l.read(ctx, "read scores", say, func(b source.Batch) error {
		l.team.For(pairs, func(lo, hi, _ int) {
			for row := range slices.Chunk(b.Scores, pairs) {
				for i := lo; i < hi; i++ {
					sums.Add(i, row[i])
				}
			}
		})
		return nil
	})
	if err != nil {
		return err
	}
	if l.judge != nil {
		l.leaders = newLeaders(l.logits, l.judge.number, l.Labels, l.team)
	}
	l.Means = make([]float64, pairs)
	for i := range l.Means {
		l.Means[i] = sums.Of(i) / float64(len(l.Names))
	}
	return l.openGroups(o, say)
}

// Row returns the scores of one image, [H,C].
func (l *Ledger) Row(image int) ([]float32, error) {
	row := make([]float32, len(l.Means))
	return row, l.src.Row(row, image)
}

// Column returns the scores of pair h*C+n by image, which must not be changed. It keeps
// those that were used last.
func (l *Ledger) Column(ctx context.Context, pair int) ([]float32, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.IndexFunc(l.columns, func(c column) bool { return c.pair == pair }); i >= 0 {
		c := l.columns[i]
		l.columns = append(slices.Delete(l.columns, i, i+1), c)
		return c.scores, nil
	}
	scores := make([]float32, len(l.Names))
	if err := l.src.Column(ctx, scores, pair); err != nil {
		return nil, err
	}
	if len(l.columns) >= l.MaxOff() {
		l.columns = slices.Delete(l.columns, 0, 1)
	}
	l.columns = append(l.columns, column{pair, scores})
	return scores, nil
}

// MaxOff is how many pairs can be taken out at a time.
func (l *Ledger) MaxOff() int { return max(1, maxColumns/(4*len(l.Names))) }

// ledgerBlock is how many logits a worker changes at a time, some 128 KiB.
const ledgerBlock = 1 << 15

// Without measures accuracy with pairs h*C+n taken out, none twice, beside the unchanged
// model's: by their means, or with zero so that they add nothing. It has the numbers of Ablate with
// these units, without what is said of each image.
func (l *Ledger) Without(ctx context.Context, off []int, zero bool) (*Evaluation, error) {
	switch {
	case l.judge == nil:
		return nil, l.unjudged
	case len(off) > l.MaxOff():
		return nil, fmt.Errorf("%s, want at most %d of %s", quantity.Of(len(off), "pair"), l.MaxOff(), quantity.Of(len(l.Names), "image"))
	}
	means := l.Means
	if zero {
		means = nil
	}
	removal := l.OV.NewRemoval(off, means)
	columns := make([][]float32, len(off))
	for i, u := range off {
		var err error
		if columns[i], err = l.Column(ctx, u); err != nil {
			return nil, err
		}
	}
	after := VariantScore{Variant: AblatePairs, Units: len(l.Means), Kept: len(l.Means) - len(off)}
	after.KeptShare = float64(after.Kept) / float64(after.Units)
	products := make([]float32, len(off)*l.judge.number) // v·t
	l.judge.products(products, removal.Directions(), len(off), l.team)
	t := &trial{leaders: l.leaders, removal: removal, columns: columns, products: products, number: l.judge.number}
	outcomes := make([]outcome, len(l.Names))
	if t.leaders != nil && len(off) <= leadersOff {
		t.bound()
		l.team.For(len(outcomes), func(lo, hi, _ int) {
			beyond := make([]float32, len(off))
			t.settle(outcomes[lo:hi], lo, make([]float32, hi-lo))
			for i := lo; i < hi; i++ {
				if outcomes[i] == unclear {
					outcomes[i] = t.judge(i, l.Labels[i], beyond)
				}
			}
		})
	}
	if err := l.judgeRest(ctx, outcomes, t); err != nil {
		return nil, err
	}
	after.Predictions = make([]int, len(outcomes))
	for i, o := range outcomes {
		prediction := dataset.Unlabelled // another class than the label
		switch o {
		case right:
			prediction = l.Labels[i]
			after.Correct++
			after.CorrectTop5++
		case amongFive:
			after.CorrectTop5++
		}
		after.Predictions[i] = prediction
	}
	return l.evaluation(after), nil
}

// judgeRest judges the images whose outcome is unclear by all their classes.
func (l *Ledger) judgeRest(ctx context.Context, outcomes []outcome, t *trial) error {
	K, off := t.number, len(t.columns)
	var rest []int
	for i, o := range outcomes {
		if o == unclear {
			rest = append(rest, i)
		}
	}
	rows := max(1, ledgerBlock/K)
	blocks := (len(rest) + rows - 1) / rows
	errs := make([]error, blocks)
	l.team.For(blocks, func(lo, hi, _ int) {
		logits, beyond := make([]float32, rows*K), make([]float32, rows*off)
		for b := lo; b < hi && ctx.Err() == nil; b++ {
			of := rest[b*rows : min(len(rest), (b+1)*rows)]
			for j, image := range of {
				copy(logits[j*K:(j+1)*K], l.logits[image*K:(image+1)*K])
				for u, column := range t.columns {
					beyond[j*off+u] = float32(t.removal.Beyond(u, column[image]))
				}
			}
			if off > 0 {
				kernel.Sgemm(-1, kernel.Dense(beyond, len(of), off), kernel.Dense(t.products, off, K), 1, kernel.Dense(logits, len(of), K), par.NewTeam(1))
			}
			for j, image := range of {
				place, _, err := l.judge.place(logits[j*K:(j+1)*K], l.Labels[image])
				if errs[b] = err; err != nil {
					break
				}
				outcomes[image] = outcomeOf(place)
			}
		}
	})
	return errors.Join(append(errs, ctx.Err())...)
}
