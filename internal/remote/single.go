package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
)

// A Single is an object that is read whole, by one request, such as an image at an address of its
// own. Its server need not give ranges of bytes. Nothing is asked before its methods are called:
// what the first answer says of the object, all others have to.
type Single struct {
	Address string // as Shown has it

	ctx     context.Context
	address string // with what is secret

	mu    sync.Mutex
	first *answer // nil: none yet
}

// mostWhole is how many bytes are read by one request. A larger object is read in blocks.
const mostWhole = 64 << 20

// NewSingle is the object at an address. Reading it ends with ctx.
func NewSingle(ctx context.Context, address string) *Single {
	shown := Shown(address)
	if shown == address {
		address = shown // which shares its memory
	}
	return &Single{Address: shown, ctx: ctx, address: address}
}

// opened returns the object. now says that it was asked for just now, for the first time.
func (s *Single) opened() (o *Object, now bool, err error) {
	if o, err = at(s.ctx, s.address); err != nil {
		return nil, false, err
	}
	o.whole = true
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first == nil {
		a, err := o.look(s.ctx, nil)
		if err != nil {
			return nil, false, err
		}
		s.first, now = &a, true
	}
	o.Size, o.tag, o.modified = s.first.size, s.first.tag, s.first.modified
	return o, now, nil
}

// There reports whether something is at the address. If it is not the object of the first answer,
// or the server does not say, that is an error.
func (s *Single) There() (bool, error) {
	o, now, err := s.opened()
	if err == nil && !now {
		_, err = o.look(s.ctx, o)
	}
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, ErrMissing):
		return false, nil
	}
	return false, fmt.Errorf("%s: %w", s.Address, err)
}

// Size is how many bytes the first answer says that there are, or -1 before there is one.
func (s *Single) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first == nil {
		return -1
	}
	return s.first.size
}

// Exact is that of an Object; empty before the first answer.
func (s *Single) Exact() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first == nil {
		return ""
	}
	return (&Object{Address: s.Address, Size: s.first.size, tag: s.first.tag, modified: s.first.modified}).Exact()
}

// Open reads the object, and returns its bytes and how many they are. Its errors do not have the
// address, as those of Object.ReadAt.
func (s *Single) Open() (io.ReadCloser, int64, error) {
	o, _, err := s.opened()
	if err != nil {
		return nil, 0, err
	}
	switch {
	case o.Size == 0:
		return io.NopCloser(bytes.NewReader(nil)), 0, nil
	case o.Size <= mostWhole:
		data := make([]byte, o.Size)
		if err := o.fetch(data, 0); err != nil {
			return nil, o.Size, err
		}
		return io.NopCloser(bytes.NewReader(data)), o.Size, nil
	}
	o.whole = false
	return io.NopCloser(io.NewSectionReader(o, 0, math.MaxInt64)), o.Size, nil
}

// ReadAll returns the bytes of the object, of which there must be no more than most.
func (s *Single) ReadAll(most int64) ([]byte, error) {
	if _, _, err := s.opened(); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Address, err)
	}
	if size := s.Size(); size > most {
		return nil, fmt.Errorf("%s: %d bytes, want at most %d", s.Address, size, most)
	}
	r, _, err := s.Open()
	if err == nil {
		var data []byte
		if data, err = io.ReadAll(r); err == nil {
			return data, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", s.Address, err)
}
