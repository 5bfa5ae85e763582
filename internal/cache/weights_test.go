package cache

import (
	"errors"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/origin"
)

// TestSameWeights compares artefacts of checkpoints by their tensors where both sides have
// the hash of these, and else by their files.
func TestSameWeights(t *testing.T) {
	origins := func(file, tensors string) origin.Origin {
		return origin.Origin{Model: "RN50", Weights: file, Tensors: tensors}.Own()
	}
	for _, tt := range []struct {
		name       string
		made, this origin.Origin
		same       bool
	}{
		{"the same file", origins("f", "t"), origins("f", "t"), true},
		{"another format", origins("f", "t"), origins("g", "t"), true},
		{"other tensors", origins("f", "t"), origins("g", "u"), false},
		{"an old manifest of the same file", origins("f", ""), origins("f", "t"), true},
		{"an old manifest of another file", origins("f", ""), origins("g", "t"), false},
		{"old on the other side", origins("f", "t"), origins("f", ""), true},
		{"no weights", origins("", ""), origins("g", "t"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &Artefact{Manifest: Manifest{Kind: "k", Origin: tt.made}, at: layout{path: "p"}}
			fact := Fact{Field: "origin.weights_sha256", Want: tt.this.Weights, Instead: &Fact{Field: "origin.tensors_sha256", Want: tt.this.Tensors}}
			for how, err := range map[string]error{
				"IsOf": a.IsOf("k", tt.this), "Expect": a.Expect(nil, fact),
				"Agrees": a.Agrees(&Artefact{Manifest: Manifest{Kind: "k", Origin: tt.this}}, func(m Manifest) Manifest { return m }),
			} {
				if (err == nil) != tt.same || err != nil && !errors.Is(err, ErrStale) {
					t.Errorf("%s: %v, want the same %v", how, err, tt.same)
				}
			}
			if tt.made.SameWeights(tt.this) != tt.same {
				t.Errorf("SameWeights is %v", !tt.same)
			}
		})
	}
}

// TestOtherWeights: the weights of a run are compared by their tensors where both sides know them,
// and the error is that of a fact which is not so.
func TestOtherWeights(t *testing.T) {
	hash := func(digit string) string { return strings.Repeat(digit, 64) }
	file := func(digit, tensors string) origin.Origin {
		return origin.Origin{Weights: hash(digit), Tensors: strings.Repeat(tensors, 64)}
	}
	for name, same := range map[string][2]origin.Origin{
		"the same file":        {file("a", "b"), file("a", "b")},
		"another format":       {file("a", "b"), file("c", "b")},
		"one knows no tensors": {file("a", ""), file("a", "b")},
		"not known":            {{}, file("a", "b")},
	} {
		if err := OtherWeights("scores", same[0], same[1], true); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, other := range map[string][2]origin.Origin{
		"other tensors": {file("a", "b"), file("a", "c")},
		"another file":  {file("a", ""), file("c", "b")},
	} {
		err := OtherWeights("scores", other[0], other[1], true)
		if err == nil || !errors.Is(err, ErrStale) || err.Error() != "scores: made with other weights than this run uses" || !err.Asked || err.Hint() == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
