package live

import (
	"context"
	"errors"
	"fmt"
)

// reason is why an input is not there; empty if it is.
func (l *Live) reason(of Input) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why[of]
}

func (l *Live) because(of Input, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.why[of] = why
}

// off says why what needs some inputs does not work, by the first that is not there.
func (l *Live) off(inputs ...Input) error {
	for _, of := range inputs {
		if why := l.reason(of); why != "" {
			return because(ErrOff, errors.New(why))
		}
	}
	return nil
}

// need waits until some inputs are there: scores are read, and packed says that the tower
// must be ready too.
func (l *Live) need(ctx context.Context, packed bool, inputs ...Input) error {
	if err := l.off(inputs...); err != nil {
		return err
	}
	for _, of := range inputs {
		if of == Scores {
			if err := wait(ctx, l.read, reading); err != nil {
				return err
			}
		}
	}
	if packed {
		if err := wait(ctx, l.packed, packing); err != nil {
			return err
		}
	}
	return l.off(inputs...)
}

func closed(ready <-chan struct{}) bool {
	select {
	case <-ready:
		return true
	default:
		return false
	}
}

// Status says what works. It does not wait.
func (l *Live) Status() Status {
	read, packed := closed(l.read), closed(l.packed)
	able := func(scores, tower bool, inputs ...Input) Ability {
		switch err := l.off(inputs...); {
		case err != nil:
			return Ability{Reason: err.Error()}
		case scores && !read:
			return Ability{Loading: true, Reason: reading}
		case tower && !packed:
			return Ability{Loading: true, Reason: packing}
		}
		return Ability{On: true}
	}
	s := Status{
		Text:    able(false, false, Model, Vocab),
		Image:   able(true, true, Model, Images, Scores),
		Drop:    able(false, true, Model),
		Segment: able(false, false, Model, Vocab, Components),
		Toggle:  able(true, false, Scores),
		Scores:  able(true, false, Scores),
		Classes: []string{}, MaxBytes: MaxUpload,
	}
	if !read || l.ledger == nil {
		return s
	}
	s.Images, s.MaxOff = len(l.ledger.Names), l.ledger.MaxOff()
	if err := l.unjudged(); err != nil && s.Toggle.On {
		s.Toggle.Reason = err.Error() // images can be looked at all the same
	}
	if names, _ := l.ledger.Classes(); names != nil {
		s.Classes = names
	}
	return s
}

// unjudged is why no accuracies can be told; nil where they can. The scores must have been
// read.
func (l *Live) unjudged() error {
	err := l.ledger.Unjudged()
	if err == nil {
		return nil
	}
	for _, of := range []Input{Classes, Images} {
		if why := l.reason(of); why != "" {
			return fmt.Errorf("accuracy needs labels and classes: %s", why)
		}
	}
	return err
}
