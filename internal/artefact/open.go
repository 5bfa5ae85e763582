package artefact

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
)

// A Reader opens artefacts. OnMismatch decides about those that were made from
// something else than what is asked for; nil refuses them. An artefact of
// another kind is always refused.
type Reader struct {
	OnMismatch cache.OnMismatch

	// Warn is told what is doubtful about an artefact that is used; nil keeps it to itself.
	Warn func(format string, args ...any)
}

// Facts are what an artefact is expected to have been made from.
type Facts []cache.Fact

// Of returns the facts by which an artefact belongs to what has origin o: the
// weights, the block or the layer of the neurons, and the precision, as far as o knows
// them. An artefact that does not know one of them, as of another program's files, is taken
// to agree.
func Of(o origin.Origin) Facts {
	var facts Facts
	for _, f := range []cache.Fact{
		{Field: "origin.weights_sha256", Want: o.Weights, OrUnknown: true,
			Instead: &cache.Fact{Field: "origin.tensors_sha256", Want: o.Tensors}},
		{Field: "origin.block", Want: o.Block, OrUnknown: true},
		{Field: "origin.precision", Want: o.Precision, OrUnknown: true},
	} {
		if f.Want != "" {
			facts = append(facts, f)
		}
	}
	if t := o.Transformer; t != nil {
		facts = append(facts,
			activation(t),
			cache.Fact{Field: "origin.transformer.heads", Want: t.Heads, OrUnknown: true})
		if t.NeuronLayer >= 0 {
			facts = append(facts, cache.Fact{Field: "origin.transformer.neuron_layer", Want: t.NeuronLayer, OrUnknown: true})
		}
	}
	return facts
}

// OfModel returns the facts by which an artefact was made with the model of origin o, whatever
// its pairs: the weights, and the activation of a vision transformer's checkpoint, which its
// text tower has too; none of what o does not know.
func OfModel(o origin.Origin) Facts {
	facts := Of(origin.Origin{}.WithWeights(o))
	if t := o.Transformer; t != nil {
		facts = append(facts, activation(t))
	}
	return facts
}

func activation(t *origin.Transformer) cache.Fact {
	return cache.Fact{Field: "origin.transformer.activation", Want: t.Activation, OrUnknown: true}
}

// Mode adds the stage's mode.
func (f Facts) Mode(mode string) Facts {
	return append(slices.Clone(f), cache.Fact{Field: "origin.mode", Want: mode})
}

// Form adds the form of the pairs of a vision transformer that mean contributions or their norms
// are of, as that of origin o; none where o is not about such pairs.
func (f Facts) Form(o origin.Origin) Facts {
	if o.PairsLayer() == nil {
		return f
	}
	return append(slices.Clone(f), cache.Fact{Field: "origin.transformer.form", Want: o.Transformer.Form})
}

// Texts adds the texts, in their order.
func (f Facts) Texts(texts []string) Facts {
	return append(slices.Clone(f), cache.Fact{Field: "origin.texts_sha256", Want: cache.ListHash(texts)})
}

// Normalize adds how the dictionary of codes is normalised.
func (f Facts) Normalize(how string) Facts {
	return append(slices.Clone(f), cache.Fact{Field: "origin.code.normalize", Want: how})
}

// Parent adds the artefact that was read in a role; none if there is no hash.
func (f Facts) Parent(role, hash string) Facts {
	if hash == "" {
		return f
	}
	return append(slices.Clone(f), cache.Fact{Field: "origin.parents." + role, Want: hash})
}

// Images adds the images that a collection was made from.
func (f Facts) Images(fingerprint string) Facts {
	return append(slices.Clone(f), cache.Fact{Field: "origin.images.images_sha256", Want: fingerprint})
}

// Open opens the artefact at path, which must be of one of some kinds, as facts
// say, and have the bytes that its manifest has the checksums of. It returns nil
// for a file without a manifest, which is another program's.
func (r Reader) Open(path string, facts Facts, kinds ...string) (*cache.Artefact, error) {
	a, err := cache.Open(path)
	if errors.Is(err, cache.ErrNoManifest) {
		return nil, nil
	}
	if err != nil {
		return nil, missing(ofSeveralLayers(err, path), path, kinds[0])
	}
	if err := r.check(a, facts, kinds); err != nil {
		return nil, err
	}
	return a, VerifyChecksums(a)
}

// Check compares facts with an open artefact's.
func (r Reader) Check(a *cache.Artefact, facts Facts) error { return a.Expect(r.OnMismatch, facts...) }

func (r Reader) check(a *cache.Artefact, facts Facts, kinds []string) error {
	kind := a.Manifest.Kind
	if slices.Contains(kinds, kind) {
		return r.Check(a, facts)
	}
	if strings.HasPrefix(kind, shardPrefix) {
		return &Error{Kind: kind, Path: a.Path(), Err: WrongKind(a.Path(), "a "+kind, anyOf(kinds))}
	}
	return &Error{Kind: kind, Want: kinds[0], Path: a.Path(), Err: WrongKind(a.Path(), kind, anyOf(kinds))}
}

// WrongKind is the error of an artefact of another kind than is wanted. It is
// cache.ErrStale, whose word it does not have: nothing has changed.
func WrongKind(path, holds, want string) error { return wrongKind{path, holds, want} }

type wrongKind struct{ path, holds, want string }

func (e wrongKind) Error() string {
	return fmt.Sprintf("%s: it holds %s, want %s", e.path, inWords(e.holds), e.want)
}
func (e wrongKind) Is(target error) bool { return target == cache.ErrStale }

func anyOf(kinds []string) string {
	const shared = "contributions of "
	words := make([]string, len(kinds))
	for i, kind := range kinds {
		words[i] = inWords(kind)
		if i > 0 && strings.HasPrefix(words[0], shared) {
			words[i] = strings.TrimPrefix(words[i], shared) // of heads, mlps or class tokens
		}
	}
	last := len(words) - 1
	if last == 0 && kinds[0] == KindDense { // wherever a dense file is read, scores are too
		return "a folder of scores or " + words[0]
	}
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// inWords is what a kind is called where its name would not say what it is.
func inWords(kind string) string {
	switch kind {
	case KindDense:
		return "dense contributions"
	case KindComponents:
		return "principal components"
	case KindMeans:
		return "mean contributions"
	case KindNorms:
		return "norms of contributions"
	case KindCodes:
		return "sparse codes"
	case KindUnfinishedCodes:
		return "unfinished sparse codes"
	case KindLayer4:
		return "norms of layer4's maps"
	case KindPublished:
		return "scores in the published form"
	case KindHeads, KindMLPs, KindTokens:
		return "contributions of " + kind
	case KindMeanHeads, KindMeanMLPs, KindMeanTokens:
		return "mean contributions of " + strings.TrimPrefix(kind, "mean ")
	case KindClassParts:
		return "contributions of class tokens"
	case KindMeanClassParts:
		return "mean contributions of class tokens"
	case KindTextSpans:
		return "texts that span heads"
	case KindSummary:
		return "a summary (no features or scores of images)"
	}
	return kind
}

// shardPrefix tells the kind of a shard from that of the whole, so that only a
// merge reads it.
const shardPrefix = "shard of "

// ShardKind is the kind of a shard of artefacts of a kind.
func ShardKind(kind string) string { return shardPrefix + kind }

// IsShard reports whether a kind is that of a shard.
func IsShard(kind string) bool { return strings.HasPrefix(kind, shardPrefix) }

// WholeKind is the kind of what a shard is of, and kind itself for other kinds.
func WholeKind(kind string) string { return strings.TrimPrefix(kind, shardPrefix) }

// An Error is about an artefact that is missing, damaged or of another kind.
type Error struct {
	Kind string // of what is, or should be, at Path
	Want string // another kind that was wanted; empty where that is not the fault
	Path string

	Damaged *cache.Manifest // of a damaged one; else nil
	Err     error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// missing says of what kind the artefact is that is missing, unless the error
// knows better what to do about it.
func missing(err error, path, kind string) error {
	var hint interface{ Hint() string }
	if !errors.Is(err, cache.ErrMissing) || errors.As(err, &hint) {
		return err
	}
	return &Error{Kind: kind, Path: path, Err: err}
}

// RemovedNote says of an artefact, by its path, that its file was removed while its
// manifest was not.
const RemovedNote = "%s was removed; making it again"

// VerifyChecksums reads an artefact and compares its bytes with its checksums.
func VerifyChecksums(a *cache.Artefact) error {
	damage, err := a.Verify(context.Background(), nil)
	if err != nil || len(damage) == 0 {
		return err
	}
	d := damage[0]
	err = fmt.Errorf("%s: %w", d.File, d.Err)
	if d.Chunk >= 0 {
		err = fmt.Errorf("%s: chunk %d: %w", d.File, d.Chunk, d.Err)
	}
	return &Error{Kind: a.Manifest.Kind, Path: a.Path(), Damaged: &a.Manifest, Err: err}
}
