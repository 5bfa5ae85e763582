package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/quantity"
)

// Toggle says what taking pairs out does to the accuracy over the collection, and to one
// image.
func (l *Live) Toggle(ctx context.Context, r ToggleRequest) (*Toggle, error) {
	z, q, err := r.check()
	if err != nil {
		return nil, err
	}
	if err := l.need(ctx, false, Scores); err != nil {
		return nil, err
	}
	if r.Image != nil {
		if err := l.checkImage(*r.Image); err != nil {
			return nil, err
		}
	}
	off, shape, err := l.pairs(r.Off)
	if err != nil {
		return nil, err
	}
	if most := l.ledger.MaxOff(); len(off) > most {
		return nil, fmt.Errorf("%s, want at most %d of %s", quantity.Of(len(off), "pair"), most, quantity.Of(len(l.ledger.Names), "image"))
	}
	names := make([]string, len(off))
	for i, u := range off {
		names[i] = shape.Name(u)
	}
	t := newToggle(names, r.By)
	t.Edit, t.EditNote = l.editLine(shape, off, z)
	if why := l.unjudged(); why != nil {
		t.Reason = why.Error()
	} else if t.Before, t.After, err = l.accuracy(ctx, off, z, l.ledger.Without); err != nil {
		return nil, err
	}
	if r.Image != nil {
		if t.Image, err = l.toggled(ctx, *r.Image, q, off, z); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// check returns an error unless the request can be met, whatever the inputs. byZero says that units
// that are taken out add nothing, and q is what is asked of the image.
func (r *ToggleRequest) check() (byZero bool, q Question, err error) {
	q = Question{Classes: r.Classes, Off: r.Off, By: r.By, List: 0, Maps: 0}
	if byZero, err = zero(r.By); err == nil {
		err = q.check()
	}
	return byZero, q, err
}

func newToggle(off []string, by string) *Toggle {
	return &Toggle{Off: append([]string{}, off...), By: cmp.Or(by, ByMean)}
}

// toggled says what taking pairs out does to an image of the collection: with its places,
// where there is a tower and the image's file, or else from its scores.
func (l *Live) toggled(ctx context.Context, image int, q Question, off []int, zero bool) (*ToggledImage, error) {
	tower := true
	if err := l.need(ctx, true, Model, Images); errors.Is(err, ErrOff) || errors.Is(err, ErrLoading) {
		tower = false
	} else if err != nil {
		return nil, err
	}
	leave, err := l.tower.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	t := &ToggledImage{Image: image, Name: l.ledger.Names[image]}
	if !tower {
		return t, l.fromScores(ctx, t, q, off, zero)
	}
	p, err := l.pass(image)
	if err != nil {
		return nil, err
	}
	side := func(q Question) (Side, error) {
		x, err := l.explain(ctx, p, q)
		if err != nil {
			return Side{}, err
		}
		t.Class = x.Class
		return Side{Logit: x.Logit, Norm: x.Norm, Classes: x.Classes, Places: &x.Places}, nil
	}
	bare := q
	bare.Off = nil
	if t.Before, err = side(bare); err != nil {
		return nil, err
	}
	q.Class = t.Class
	t.After, err = side(q)
	return t, err
}

// fromScores is toggled without places.
func (l *Live) fromScores(ctx context.Context, t *ToggledImage, q Question, off []int, zero bool) error {
	names, rows, err := l.classes(ctx, q.Classes)
	if err != nil {
		return err
	}
	scores, err := l.ledger.Row(t.Image)
	if err != nil {
		return because(ErrInternal, err)
	}
	means := l.ledger.Means
	if zero {
		means = nil
	}
	O := l.ledger.OV.OutDim
	feature := slices.Clone(l.ledger.Features[t.Image*O : (t.Image+1)*O])
	if t.Before, err = t.side(feature, names, rows); err != nil {
		return err
	}
	l.ledger.OV.NewRemoval(off, means).Feature(feature, feature, scores)
	t.After, err = t.side(feature, names, rows)
	return err
}
