package live

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
