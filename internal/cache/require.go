package cache

import (
	"encoding/json"

	"github.com/clipnh/clipnh/internal/origin"
)

// OnMismatch decides whether an artefact that was made from something else than
// what is asked for is used all the same: it returns nil, or the error to fail
// with. A nil OnMismatch fails with the mismatch itself.
type OnMismatch func(*MismatchError) error

// A Fact is a value that a reader expects an artefact to have.
type Fact struct {
	Field string // in the manifest's JSON, such as origin.weights_sha256
	Want  any

	// OrUnknown accepts an artefact in which the field is empty, as that of what
	// was made from another program's files is.
	OrUnknown bool
}

// Expect compares facts with the artefact's, both ways: a fact that is empty
// here and not there differs. Where one does, on decides.
func (a *Artefact) Expect(on OnMismatch, facts ...Fact) error {
	made, err := flatten(a.Manifest)
	if err != nil {
		return err
	}
	var wrong []Difference
	for _, f := range facts {
		text, err := json.Marshal(f.Want)
		if err != nil {
			return err
		}
		got := made[f.Field]
		if got == string(text) || isEmpty(got) && (f.OrUnknown || isEmpty(string(text))) {
			continue
		}
		wrong = append(wrong, Difference{f.Field, got, string(text)})
	}
	if wrong == nil {
		return nil
	}
	sortDifferences(wrong)
	e := &MismatchError{a.at.path, wrong, true, remake}
	if on == nil {
		return e
	}
	return on(e)
}

const remake = "make it again for these inputs, or use the inputs that it was made with"

// IsOf returns a *MismatchError (ErrStale) unless the artefact is of a kind and
// its whole origin is o, compared both ways.
func (a *Artefact) IsOf(kind string, o origin.Origin) error {
	type compared struct {
		Kind   string        `json:"kind"`
		Origin origin.Origin `json:"origin"`
	}
	return a.compare(compared{a.Manifest.Kind, a.Manifest.Origin}, compared{kind, o})
}

// Agrees returns a *MismatchError (ErrStale) unless a and other have the same in
// what common keeps of their manifests, compared both ways.
func (a *Artefact) Agrees(other *Artefact, common func(Manifest) Manifest) error {
	return a.compare(common(a.Manifest), common(other.Manifest))
}

func (a *Artefact) compare(made, this any) error {
	wrong, err := differences(made, this)
	if err != nil || wrong == nil {
		return err
	}
	return &MismatchError{a.at.path, wrong, false, remake}
}
