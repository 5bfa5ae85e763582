package live

// able is whether a part works that needs inputs; scores says that the collection must have been
// read, and tower that the tower must be ready.
func (l *common) able(scores, tower bool, inputs ...Input) Ability {
	switch err := l.off(inputs...); {
	case err != nil:
		return Ability{Reason: err.Error()}
	case scores && !closed(l.read):
		return Ability{Loading: true, Reason: l.reading()}
	case tower && !closed(l.packed):
		return Ability{Loading: true, Reason: packing}
	}
	return Ability{On: true}
}

// tellRead adds what is known once the collection is read.
func (l *common) tellRead(s *Status) {
	s.Classes, s.MaxBytes = []string{}, MaxUpload
	if !closed(l.read) || l.judged == nil {
		return
	}
	s.Images = len(l.judged.Names)
	if err := l.unjudged(); err != nil && s.Toggle.On {
		s.Toggle.Reason = err.Error() // images can be looked at all the same
	}
	if names, _ := l.judged.Classes(); names != nil {
		s.Classes = names
	}
}

// Status says what works. It does not wait.
func (l *Live) Status() Status {
	s := Status{
		Text:    l.able(false, false, Model, Vocab),
		Image:   l.able(true, true, Model, Images, Scores),
		Drop:    l.able(false, true, Model),
		Segment: l.able(false, false, Model, Vocab, Components),
		Toggle:  l.able(true, false, Scores),
		Scores:  l.able(true, false, Scores),
		Thumbs:  l.able(false, false, Images),
	}
	l.tellRead(&s)
	if closed(l.read) && l.ledger != nil {
		s.MaxOff = l.ledger.MaxOff()
	}
	return s
}
