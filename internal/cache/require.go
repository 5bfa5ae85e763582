package cache

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/clipnh/clipnh/internal/origin"
)

// OnMismatch decides whether an artefact is used although it was made from other
// inputs or options than the caller expects: it returns nil to use it, or the error
// to fail with. A nil OnMismatch fails with the mismatch itself.
type OnMismatch func(*MismatchError) error

// A Fact is a value that a reader expects an artefact to have.
type Fact struct {
	Field string // in the manifest's JSON, such as origin.weights_sha256
	Want  any

	// OrUnknown accepts an artefact in which the field is empty. It is empty if the
	// artefact was made from files of another program.
	OrUnknown bool

	// Instead is another field that decides in place of this one where both sides have it:
	// that of the tensors, in place of the file that they were read from.
	Instead *Fact
}

// Expect compares facts with the artefact's fields. A fact that is empty on one side
// only is a difference too. If there are differences, on decides.
func (a *Artefact) Expect(on OnMismatch, facts ...Fact) error {
	made, err := flatten(a.Manifest)
	if err != nil {
		return err
	}
	var wrong []Difference
	for _, f := range facts {
		if made[f.Field] != "" && f.Instead != nil && !isEmpty(made[f.Instead.Field]) && f.Instead.Want != "" {
			f.Field, f.Want = f.Instead.Field, f.Instead.Want
		}
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
	if e.Asked = !slices.ContainsFunc(wrong, Difference.ofPairs); on == nil || !e.Asked {
		return e
	}
	return on(e)
}

// OtherWeights returns the *MismatchError of what is at a path, of origin made, in a run that uses the
// weights of another origin; nil where these are the same, or made does not say which it has. asked
// is whether OnMismatch can decide about it.
func OtherWeights(path string, made, this origin.Origin, asked bool) *MismatchError {
	if made.Weights == "" || made.SameWeights(this) {
		return nil
	}
	d := Difference{"origin.weights_sha256", strconv.Quote(made.Weights), strconv.Quote(this.Weights)}
	if made.Tensors != "" && this.Tensors != "" {
		d = Difference{"origin.tensors_sha256", strconv.Quote(made.Tensors), strconv.Quote(this.Tensors)}
	}
	return &MismatchError{path, []Difference{d}, asked, remake}
}

const remake = "make it again for these inputs, or use the inputs that it was made with"

// IsOf returns a *MismatchError (ErrStale) unless the artefact has the given kind and
// its whole origin equals o.
func (a *Artefact) IsOf(kind string, o origin.Origin) error {
	type compared struct {
		Kind   string        `json:"kind"`
		Origin origin.Origin `json:"origin"`
	}
	return a.compare(compared{a.Manifest.Kind, a.Manifest.Origin}, compared{kind, o})
}

// Agrees returns a *MismatchError (ErrStale) unless common returns equal manifests for
// a and other. common clears the fields that may differ.
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
