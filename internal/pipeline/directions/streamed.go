package directions

import (
	"context"

	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/par"
)

// Scores of more than mostMapped bytes are not worked on as a whole, since their pages
// would fill the memory, but image by image in their order on disk: statistics are kept,
// of as many heads or neurons at a time as take statisticsBytes. Results are the same.
const (
	mostMapped      = 1 << 30
	statisticsBytes = 1 << 30
	blockBytes      = 32 << 20 // of scores in memory
)

// eachBlock hands over the scores of the pairs from number first on, n for each image, of
// all images in blocks, [b,n].
func (f *factored) eachBlock(ctx context.Context, first, n int, do func(scores []float32)) error {
	C := f.OV.Neurons
	each := max(1, f.block/(4*n))
	rows := make([]float32, min(each, f.images())*n)
	for lo := 0; lo < f.images(); lo += each {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := rows[:min(each, f.images()-lo)*n]
		if err := f.ReadPart(part, lo, first/C, first%C, n); err != nil {
			return err
		}
		do(part)
	}
	return nil
}

// streamPairs is solvePairs with one pass over the scores, or one for each group of heads
// where topK is large.
func (f *factored) streamPairs(ctx context.Context, o SVDOptions, done func(int, *lowrank.Result) error) error {
	H, C, O, team := f.OV.Heads, f.OV.Neurons, f.OV.OutDim, par.NewTeam(o.Threads)
	kept := min(o.TopK, f.images())
	heads := max(1, min(H, f.statistics/(C*(16*kept+16))))
	directions, results := make([]float32, C*O), results{}
	for from := 0; from < H; from += heads {
		to := min(from+heads, H)
		e := lowrank.NewExtremes((to-from)*C, kept)
		if err := f.eachBlock(ctx, from*C, e.Pairs, func(scores []float32) { e.Add(scores, team) }); err != nil {
			return err
		}
		for h := from; h < to; h++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			f.OV.Directions(directions, h, 0, C, team)
			r, bias := results.next(C, O, f.images(), o.TopK), f.OV.Bias[h*O:(h+1)*O]
			if err := e.PairsOf(r, h-from, directions, bias, o.TopK, team); err != nil {
				return f.name(err, h*C)
			}
			for _, u := range e.Unsure(h-from, C, team) {
				if err := f.solveAgain(ctx, r, h, u, directions[u*O:(u+1)*O], bias, o.TopK); err != nil {
					return err
				}
			}
			if err := done(h*C, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// solveAgain computes unit u of r, a pair of a head, from all of its scores.
func (f *factored) solveAgain(ctx context.Context, r *lowrank.Result, head, u int, direction, bias []float32, topK int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	column := make([]float32, f.images())
	if err := f.ReadPairs(column, head, u, 1); err != nil {
		return err
	}
	one := lowrank.NewResult(1, r.OutDim, f.images(), topK)
	s := lowrank.Scores{Images: f.images(), Heads: 1, Neurons: 1, Data: column}
	if err := lowrank.Pairs(one, s, 0, direction, bias, topK, par.Team{}); err != nil {
		return f.name(err, head*f.OV.Neurons+u)
	}
	r.Set(u, one)
	return nil
}

// streamNeurons is solveNeurons with two passes over the scores, or two for each group of
// neurons where topK is large.
func (f *factored) streamNeurons(ctx context.Context, o SVDOptions, done func(int, *lowrank.Result) error) error {
	H, C, O, team := f.OV.Heads, f.OV.Neurons, f.OV.OutDim, par.NewTeam(o.Threads)
	neurons := max(1, min(C, f.statistics/lowrank.StreamedBytes(H, min(o.TopK, f.images()))))
	bias, results := f.biasSum(), results{}
	var buf []float32
	for from := 0; from < C; from += neurons {
		s := lowrank.NewStreamed(f.images(), H, C, from, min(neurons, C-from), o.TopK)
		if err := f.eachBlock(ctx, 0, H*C, func(scores []float32) { s.AddMeans(scores, team) }); err != nil {
			return err
		}
		eachGroup := func(do func(lo, n int, directions []float32) error) error {
			for lo, end := from, min(from+neurons, C); lo < end; lo += neuronsPerGroup {
				if err := ctx.Err(); err != nil {
					return err
				}
				n := min(neuronsPerGroup, end-lo)
				if err := do(lo, n, f.directions(&buf, lo, n, team)); err != nil {
					return f.name(err, lo)
				}
			}
			return nil
		}
		err := eachGroup(func(lo, _ int, directions []float32) error { return s.Measure(lo-from, directions, O, team) })
		if err != nil {
			return err
		}
		if err := f.eachBlock(ctx, 0, H*C, func(scores []float32) { s.AddNorms(scores, team) }); err != nil {
			return err
		}
		err = eachGroup(func(lo, n int, directions []float32) error {
			r := results.next(n, O, f.images(), o.TopK)
			if err := s.Solve(r, lo-from, directions, bias, lowrank.Options{TopK: o.TopK, Index: o.PC}, team); err != nil {
				return err
			}
			return done(lo, r)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
