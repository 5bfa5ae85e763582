package model

import (
	"context"

	"github.com/clipnh/clipnh/internal/clip"
)

// A Lookup finds what is known of a published file by its SHA-256: its name, and the
// activation of its transformers. Both are empty of a file that is not known.
type Lookup func(sha256 string) (name, activation string)

type lookupKey struct{}

// WithPublished returns a context in which checkpoints that the lookup knows have the
// activation that they were published with, unless the user says another.
func WithPublished(ctx context.Context, l Lookup) context.Context {
	return context.WithValue(ctx, lookupKey{}, l)
}

// knowPublished has a checkpoint with that hash take what is known of it.
func knowPublished(ctx context.Context, ck *clip.Checkpoint, sha256 string) {
	l, _ := ctx.Value(lookupKey{}).(Lookup)
	if l == nil || !ck.ActivationOpen() {
		return
	}
	if name, activation := l(sha256); activation != "" {
		ck.Published(name, activation)
	}
}
