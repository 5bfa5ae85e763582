package model

import "context"

type openingKey struct{}

// WithOpening returns a context in which whoever asks is told which checkpoint is being opened: say
// is called with its path, and with "" when it is open or has failed. Hashing a large one takes
// seconds, or minutes from a slow disk.
func WithOpening(ctx context.Context, say func(path string)) context.Context {
	return context.WithValue(ctx, openingKey{}, say)
}

// opening says that a checkpoint is being opened, until the function that it returns is called.
func opening(ctx context.Context, path string) (opened func()) {
	say, _ := ctx.Value(openingKey{}).(func(string))
	if say == nil {
		return func() {}
	}
	say(path)
	return func() { say("") }
}
