package model

import (
	"context"

	"github.com/clipnh/clipnh/internal/digest"
	"github.com/clipnh/clipnh/internal/packed"
)

// Caches are what earlier runs found of checkpoints. They make opening one faster and
// change no result. The zero value keeps nothing.
type Caches struct {
	Sums  digest.Memory
	Packs *packed.Store
}

type cachesKey struct{}

// WithCaches returns a context whose Open uses the caches. They go with the context, not
// with each stage's options, because no result depends on them.
func WithCaches(ctx context.Context, c Caches) context.Context {
	return context.WithValue(ctx, cachesKey{}, c)
}

func cachesOf(ctx context.Context) Caches {
	c, _ := ctx.Value(cachesKey{}).(Caches)
	return c
}
