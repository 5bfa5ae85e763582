package cache

import (
	"errors"
	"slices"
	"sync/atomic"
)

// lenient is asked about artefacts that were made from something else; nil
// stands for no.
var lenient atomic.Pointer[func(*MismatchError) bool]

// Tolerate has Require ask f whether an artefact that is read is to be used all the
// same, until it is called again; nil ends it. It is of the whole process, as a
// person asks for it once for a command. What is of another kind, damaged or of
// another version is never asked about.
func Tolerate(f func(*MismatchError) bool) {
	if f == nil {
		lenient.Store(nil)
		return
	}
	lenient.Store(&f)
}

// Require compares the fields of want that are not zero with the artefact's,
// and returns a *MismatchError (ErrStale) when they differ. Kind and origin
// are what a reader usually sets. Where Tolerate allows it, a difference of
// origin is no error.
func (a *Artefact) Require(want Manifest) error {
	err := a.Match(want)
	var wrong *MismatchError
	if f := lenient.Load(); f == nil || !errors.As(err, &wrong) || slices.ContainsFunc(wrong.Differences, ofKind) || !(*f)(wrong) {
		return err
	}
	return nil
}

func ofKind(d Difference) bool { return d.Field == "kind" }

// Match is Require for what is to be gone on with or left as it is, which
// Tolerate is not about.
func (a *Artefact) Match(want Manifest) error {
	fields, err := flatten(want)
	if err != nil {
		return err
	}
	all, err := differences(a.Manifest, want)
	if err != nil {
		return err
	}
	// Numbers, lists and names that want leaves at zero are not asked for.
	zero, err := flatten(Manifest{})
	if err != nil {
		return err
	}
	var wrong []Difference
	for _, d := range all {
		value, asked := fields[d.Field]
		if asked && value != zero[d.Field] {
			wrong = append(wrong, d)
		}
	}
	if wrong == nil {
		return nil
	}
	return &MismatchError{a.at.path, wrong, "make it again for these inputs, or use the inputs it was made with; --force reads it all the same"}
}

// RequireParent checks that the artefact was made from parent in the given
// role, and returns a *MismatchError (ErrStale) otherwise.
func (a *Artefact) RequireParent(role string, parent *Artefact) error {
	return a.Require(Manifest{Origin: Origin{Parents: map[string]string{role: parent.hash}}})
}
