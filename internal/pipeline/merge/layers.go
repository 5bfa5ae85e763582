package merge

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// This file merges what one run collects of several layers of neurons: each layer is a collection
// of its own within the folder that collect was given, with shards of its own.

// Layers is what RunLayers wrote, layer by layer.
type Layers struct {
	Layers []Merged `json:"layers"`
}

// LayersWithin are the layers of neurons whose collections are to be merged within SavePath, in
// ascending order; none where one collection is merged to SavePath itself. They are those that
// are asked for, or else those of the shards that are given, or else those in the folder.
func (o Options) LayersWithin() []int {
	switch {
	case len(o.Layers) == 1:
		return nil // collect writes it to the path itself
	case len(o.Layers) > 0:
		return slices.Sorted(slices.Values(o.Layers))
	case len(o.Shards) > 0:
		return layersOf(o.Shards)
	case shard.IsFile(o.SavePath):
		return nil
	}
	if _, err := cache.Open(o.SavePath); err == nil {
		return nil
	}
	if _, err := shard.Beside(o.SavePath); err == nil {
		return nil
	}
	var layers []int
	for _, layer := range artefact.LayersWithin(o.SavePath) {
		layers = append(layers, layer.Number)
	}
	return layers
}

// layersOf are the layers of shards by their names; none unless all of them have such names, of
// two layers or more. Shards of one are merged to any path.
func layersOf(shards []string) []int {
	var layers []int
	for _, path := range shards {
		n, ok := artefact.LayerOfShard(path)
		if !ok {
			return nil
		}
		layers = append(layers, n)
	}
	slices.Sort(layers)
	if layers = slices.Compact(layers); len(layers) < 2 {
		return nil
	}
	return layers
}

// RunLayers is Run for each of several layers of neurons, whose collections go to folders within
// SavePath. Nothing is written unless the shards of all layers are there. A layer that is complete
// and has no shards any more is left as it is, as long as another has some.
func RunLayers(ctx context.Context, o Options, layers []int, say ui.Reporter) (*Layers, error) {
	each, err := o.eachLayer(layers)
	if err != nil {
		return nil, err
	}
	result, shards := &Layers{}, false
	results := make([]*Result, len(each))
	var missing error
	for i, of := range each {
		if results[i], err = of.withoutShards(); err != nil {
			return nil, err
		}
		if results[i] != nil {
			continue
		}
		shards = true
		if _, err := of.open(); err != nil {
			if done, e := of.alreadyMerged(); done == nil || e != nil {
				missing = err
				break
			}
		}
	}
	if !shards {
		_, missing = each[0].open()
	}
	if missing != nil {
		return nil, missing
	}
	for i, of := range each {
		if results[i] == nil {
			if results[i], err = Run(ctx, of, say); err != nil {
				return nil, err
			}
		}
		result.Layers = append(result.Layers, results[i].Merged)
	}
	return result, nil
}

// eachLayer are the options of the layers: each has its path, and those of the shards that are its.
func (o Options) eachLayer(layers []int) ([]Options, error) {
	if shard.IsFile(o.SavePath) {
		return nil, usage.Errorf("{save-path} %s: want the folder that several layers of neurons are collected to", o.SavePath)
	}
	var each []Options
	for _, n := range layers {
		of := o
		of.Layers, of.SavePath, of.Shards = nil, artefact.LayerPath(o.SavePath, n), nil
		for _, path := range o.Shards {
			if layer, ok := artefact.LayerOfShard(path); ok && layer == n {
				of.Shards = append(of.Shards, path)
			}
		}
		if len(o.Shards) > 0 && of.Shards == nil {
			return nil, usage.Errorf("no shard of layer %d is given: want those of all layers, with their names, such as %s", n, filepath.Base(shard.Shard{Number: 1, Of: 16}.Path(of.SavePath)))
		}
		each = append(each, of)
	}
	for _, path := range o.Shards {
		if n, ok := artefact.LayerOfShard(path); !ok || !slices.Contains(layers, n) {
			return nil, usage.Errorf("%s: its name is not that of a shard of layer %s", path, numbered(layers))
		}
	}
	return each, nil
}

// numbered lists layers, as "8, 9".
func numbered(layers []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(layers), " ", ", "), "[]")
}

// withoutShards is the result of a layer that is complete, and of which no shards are left; nil if
// it is not so. With Restart, it would have to be made of shards.
func (o Options) withoutShards() (*Result, error) {
	if len(o.Shards) > 0 || o.Restart {
		return nil, nil
	}
	if _, err := shard.Beside(o.SavePath); !errors.Is(err, cache.ErrMissing) {
		return nil, err
	}
	a, err := cache.Open(o.SavePath)
	if err != nil {
		if !errors.Is(err, cache.ErrMissing) {
			err = hint.With(err, "make it again with collect: it has no shards to merge it of")
			return nil, err
		}
		return nil, nil
	}
	return o.complete(a, 0)
}

// complete is the result of what is there already, merged of a number of shards.
func (o Options) complete(a *cache.Artefact, shards int) (*Result, error) {
	m := a.Manifest
	r := &Result{Merged: Merged{Path: o.SavePath, Kind: m.Kind, Shape: m.Shape, Shards: shards, Images: m.Shape[0], Skipped: []source.Skipped{}, Complete: true}}
	if artefact.WholeKind(m.Kind) == artefact.KindSummary {
		return r, r.complete(o)
	}
	r.Skipped = append(r.Skipped, m.Skipped...)
	all := []*cache.Artefact{a}
	if !shard.IsFile(o.SavePath) {
		switch features, err := cache.Open(filepath.Join(o.SavePath, artefact.FeaturesFolder)); {
		case err == nil:
			all = append(all, features)
		case !errors.Is(err, cache.ErrMissing):
			return nil, err
		}
	}
	for _, a := range all {
		if o.Verify {
			if err := artefact.VerifyChecksums(a); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}
