package explore

import (
	"context"

	"github.com/clipnh/clipnh/internal/pipeline/live"
	"github.com/clipnh/clipnh/internal/ui"
)

// Open opens the answers about the units of the report.
func (r *Report) Open(ctx context.Context, o live.Options, say ui.Reporter) (Answers, error) {
	if r.OfHeads() {
		h, err := live.OpenHeads(ctx, o, say)
		if err != nil {
			return nil, err
		}
		return ofHeads{h}, nil
	}
	l, err := live.Open(ctx, o, say)
	if err != nil {
		return nil, err
	}
	return ofPairs{l}, nil
}

// ofPairs are Answers of pairs, and ofHeads of heads; some are of types of their own.
type (
	ofPairs struct{ *live.Live }
	ofHeads struct{ *live.Heads }
)

func (p ofPairs) Text(ctx context.Context, text string) (any, error) { return p.Live.Text(ctx, text) }
func (h ofHeads) Text(ctx context.Context, text string) (any, error) { return h.Heads.Text(ctx, text) }

func (p ofPairs) Image(ctx context.Context, image int, q live.Question) (any, error) {
	return p.Live.Image(ctx, image, q)
}

func (h ofHeads) Image(ctx context.Context, image int, q live.Question) (any, error) {
	return h.Heads.Image(ctx, image, q)
}

func (p ofPairs) Drop(ctx context.Context, name string, data []byte, unit string, q live.Question) (any, error) {
	return p.Live.Drop(ctx, name, data, unit, q)
}

func (h ofHeads) Drop(ctx context.Context, name string, data []byte, unit string, q live.Question) (any, error) {
	return h.Heads.Drop(ctx, name, data, unit, q)
}
