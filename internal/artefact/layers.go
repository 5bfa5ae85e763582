package artefact

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
)

var layerFolder = regexp.MustCompile("^" + LayerFolder + `(\d{1,4})(\.|$)`)

// Layers are the collections of single layers of neurons within a folder, or their shards, in the
// order of the layers.
type Layers []Layer

// A Layer is the collection of one of them.
type Layer struct {
	Path   string // without a shard's number
	Whole  bool   // the collection is there, and complete
	Shards bool   // there are shards of it
}

// LayersWithin returns the collections of single layers of neurons within a folder.
func LayersWithin(path string) Layers {
	entries, _ := os.ReadDir(path) // what cannot be read has none
	shards := map[int]bool{}
	for _, e := range entries {
		m := layerFolder.FindStringSubmatch(e.Name())
		if m == nil || !e.IsDir() {
			continue
		}
		if n, err := strconv.Atoi(m[1]); err == nil {
			shards[n] = shards[n] || m[2] != ""
		}
	}
	var layers Layers
	for _, n := range slices.Sorted(maps.Keys(shards)) {
		at := filepath.Join(path, LayerFolder+strconv.Itoa(n))
		_, err := cache.Open(at)
		layers = append(layers, Layer{at, err == nil, shards[n]})
	}
	return layers
}

// RunOfLayer returns the path of the run that collects several layers of neurons, of the path of
// one of its collections; empty if the path has no such name.
func RunOfLayer(path string) string {
	m := layerFolder.FindStringSubmatch(filepath.Base(path))
	if m == nil || m[2] != "" {
		return ""
	}
	return filepath.Dir(path)
}

// Paths are those of all layers.
func (l Layers) Paths() []string {
	paths := make([]string, len(l))
	for i, layer := range l {
		paths[i] = layer.Path
	}
	return paths
}

// whole are the layers that are there.
func (l Layers) whole() Layers {
	return slices.DeleteFunc(slices.Clone(l), func(layer Layer) bool { return !layer.Whole })
}

// Lacking says which layers are not merged, or not finished, where others are; empty if all are as
// far.
func (l Layers) Lacking() string {
	if len(l.whole()) == 0 {
		return ""
	}
	var said []string
	for _, as := range []struct {
		shards bool
		what   string
	}{{true, "not merged: "}, {false, "not finished: "}} {
		lacking := slices.DeleteFunc(slices.Clone(l), func(layer Layer) bool { return layer.Whole || layer.Shards != as.shards })
		if len(lacking) > 0 {
			said = append(said, as.what+strings.Join(lacking.Paths(), ", "))
		}
	}
	return strings.Join(said, "; ")
}

// Hint says which layers there are, and which of them are not as far as others.
func (l Layers) Hint() string { return l.hint(l) }

func (l Layers) hint(some Layers) string {
	said := "give one of " + strings.Join(some.Paths(), ", ")
	if lacking := l.Lacking(); lacking != "" {
		said += "; " + lacking
	}
	return said
}

// ofSeveralLayers is the error of a folder that holds collections of single layers in place of
// an artefact; err where it does not.
func ofSeveralLayers(err error, path string) error {
	if !errors.Is(err, cache.ErrMissing) {
		return err
	}
	layers := LayersWithin(path)
	if len(layers) == 0 {
		return err
	}
	there := layers.whole()
	if len(there) == 0 {
		there = layers
	}
	return hint.With(fmt.Errorf("%s: %w: it holds a collection of each layer of neurons, want one of them", path, cache.ErrMissing), layers.hint(there))
}
