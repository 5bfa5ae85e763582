package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/pipeline/source"
)

// This file compares artefacts with what they were made from.

const (
	sameOrigin = "same"
	otherOne   = "other"
	notChecked = "not checked"
)

// parentKinds are the kinds of artefact that are read in a role.
var parentKinds = map[string][]string{
	"contributions": {artefact.KindScores, artefact.KindDense, artefact.KindStatistics},
	"components":    {artefact.KindComponents},
	"embeddings":    {artefact.KindEmbeddings},
	"norms":         {artefact.KindNorms},
	"means":         {artefact.KindMeans, artefact.KindMeanActivations},
	"codes":         {artefact.KindCodes},
	"mask":          {artefact.KindMask},
	"sink drops":    {artefact.KindSinkDrops},
	"checkpoint":    {artefact.KindCheckpoint},
}

// parents looks for the artefacts that f was made from among those that were
// found, by their hashes. One that is not there, though others of its kind are,
// was made again since, or belongs elsewhere.
func (v *verifier) parents(f *found) {
	var origin origin.Origin
	switch {
	case f.artefact != nil:
		origin = f.artefact.Manifest.Origin
	case f.unfinished != nil:
		origin = f.unfinished.Plan.Origin
	}
	roles := make([]string, 0, len(origin.Parents))
	for role := range origin.Parents {
		roles = append(roles, role)
	}
	slices.Sort(roles)
	for _, role := range roles {
		p := Parent{Role: role, State: notChecked, Paths: []string{}}
		for _, other := range v.found {
			if other.artefact == nil || other == f {
				continue
			}
			if other.artefact.Hash() == origin.Parents[role] {
				p.State, p.Paths = sameOrigin, []string{other.path}
				break
			}
			if slices.Contains(parentKinds[artefact.Role(role)], other.artefact.Manifest.Kind) {
				p.State, p.Paths = otherOne, append(p.Paths, other.path)
			}
		}
		f.Parents = append(f.Parents, p)
		if p.State == otherOne {
			f.wrong(StateStale, f.path, -1, v.stale(p, origin.Parents[role]))
			if f.Hint == "" && f.artefact != nil {
				f.Hint = v.Remake(f.path, f.artefact.Manifest)
			}
		}
	}
}

func (v *verifier) stale(p Parent, made string) string {
	var there []string
	for _, other := range v.found {
		if slices.Contains(p.Paths, other.path) {
			there = append(there, fmt.Sprintf("%s is %.12s", other.path, other.artefact.Hash()))
		}
	}
	return fmt.Sprintf("made from %s %.12s, but %s", p.Role, made, strings.Join(there, ", "))
}

// imageSet are the images of a data set as they are now.
type imageSet struct {
	data   *dataset.Dataset
	images string // fingerprint
	sums   []uint32
	err    error
}

// compareImages compares the files of a collection's images with what they
// were when they were collected.
func (v *verifier) compareImages(ctx context.Context, f *found) error {
	if f.artefact == nil || f.artefact.Manifest.Origin.Images == nil {
		return nil
	}
	m := f.artefact.Manifest
	f.Images = notChecked
	if v.DataPath == "" {
		return nil
	}
	from := m.Origin.Images
	kind := from.Dataset
	if v.DataKind != "" {
		kind = v.DataKind
	}
	set, err := v.imageSet(ctx, kind, from.Stride)
	if err != nil {
		return err
	}
	f.Images = otherOne
	if set.err != nil {
		f.wrong(StateStale, f.path, -1, set.err.Error())
		return nil
	}
	facts := artefact.Facts{{Field: "origin.images.dataset", Want: kind}}.Images(set.images)
	if err = f.artefact.Expect(nil, facts...); err != nil {
		f.wrong(StateStale, f.path, -1, fmt.Sprintf("%v, the images of %s", err, v.DataPath))
		return nil
	}
	f.Images = notChecked // until one is
	first, _, err := shard.RangeOf(m)
	if err != nil {
		return err
	}
	for i, c := range m.Payloads[0].Chunks {
		sums := c.InputSums()
		if sums == nil {
			return nil
		}
		f.Images = sameOrigin
		for j, was := range sums {
			if now := set.sums[first+j]; now != was {
				f.wrong(StateStale, set.data.Items[first+j].Path, i, source.Changed(set.data.Items[first+j], was, now).Error())
			}
		}
		first += len(sums)
	}
	if f.State == StateStale {
		f.Images = otherOne
	}
	return nil
}

func (v *verifier) imageSet(ctx context.Context, kind string, stride int) (*imageSet, error) {
	key := fmt.Sprint(kind, " ", stride)
	if set := v.images[key]; set != nil {
		return set, nil
	}
	set := &imageSet{}
	v.images[key] = set
	data, err := dataset.Open(ctx, dataset.Options{Kind: kind, Path: v.DataPath})
	if err != nil {
		if ctx.Err() != nil || errors.Is(err, context.Canceled) {
			return nil, err
		}
		set.err = err
		return set, nil
	}
	set.data = data.Stride(max(stride, 1))
	set.images = set.data.Fingerprint()
	set.sums, err = source.Sums(ctx, set.data.Items, v.Threads, v.say.Progress())
	return set, err
}
