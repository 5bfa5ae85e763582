package dataset

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/remote"
	"github.com/clipnh/clipnh/internal/usage"
)

// This file reads lists at addresses, whose images are at addresses of their own.

// listAddress returns the address of a list, of which only one can be given.
func listAddress(pattern string) (string, error) {
	at, err := expandBraces(pattern)
	if err != nil {
		return "", errors.New(strings.ReplaceAll(err.Error(), pattern, remote.Shown(pattern)))
	}
	if len(at) > 1 {
		return "", usage.Errorf("%s: %s, want one", remote.Shown(pattern), quantity.Of(len(at), "list"))
	}
	return at[0], nil
}

// nameFar resolves and names the images of a list at an address.
func (l *lines) nameFar(ctx context.Context) error {
	l.far = make([]string, len(l.paths))
	local := true
	for i, written := range l.paths {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !isLine(written) {
			return fmt.Errorf("%s: image %d: %s", l.shown(), i+1, notALine)
		}
		var err error
		if l.far[i], err = remote.Resolve(l.list, written); err != nil {
			return fmt.Errorf("%s: image %d: %s: %w", l.shown(), i+1, foreign.Name(withoutHost(written)), err)
		}
		l.names[i] = path.Clean(written)
		local = local && filepath.IsLocal(filepath.FromSlash(l.names[i]))
	}
	if !local {
		l.names = belowAddress(l.far)
	}
	return nil
}

// withoutHost is a path in a list, without a host that it begins with, where a password may be.
func withoutHost(written string) string {
	if strings.HasPrefix(written, "//") {
		return strings.TrimPrefix(remote.Shown("http:"+written), "http:")
	}
	if scheme, _, is := strings.Cut(written, "://"); is {
		return scheme + "://"
	}
	return written
}

// thereFar returns an error if no image is at its address. It asks for no more of them than that takes.
func (l *lines) thereFar(ctx context.Context) error {
	for first, rest := 0, 1; first < len(l.far); first, rest = rest, len(l.far) { // the first alone, as most lists hold
		asked := openAhead(ctx, rest-first, singlesAtOnce, func(ctx context.Context, i int) (bool, error) {
			return remote.NewSingle(ctx, l.far[first+i]).There()
		})
		there, err := anyThere(asked)
		if there || err != nil {
			return err
		}
	}
	return hinted{
		fmt.Errorf("%s: none of the %s that it lists is there; the first would be %s", l.shown(), quantity.Of(len(l.far), "image"), remote.Shown(l.far[0])),
		"want a path on each line, or in a column of a .csv, from the list's folder",
	}
}

// anyThere reports whether one of some images is there, and ends the asking.
func anyThere(asked *ahead[bool]) (there bool, err error) {
	defer asked.close()
	for i := 0; i < asked.n && !there && err == nil; i++ {
		there, err = asked.next()
	}
	return there, err
}
