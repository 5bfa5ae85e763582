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

// layerFolder matches the name of a layer's collection, and those of its shards and parts.
var layerFolder = regexp.MustCompile("^" + LayerFolder + `(\d{1,4})(\.\d+(?:-\d+)?-of-\d+)?$`)

// Layers are the collections of single layers of neurons within a folder, or their shards, in the
// order of the layers.
type Layers []Layer

// A Layer is the collection of one of them.
type Layer struct {
	Number int
	Path   string // without a shard's number
	Whole  bool   // the collection is there, and complete
	Shards bool   // there are shards of it
	Broken error  // why the collection that is there cannot be used; nil where it is not finished
}

// LayerPath is where the collection of a layer of neurons is, of those within a folder.
func LayerPath(path string, layer int) string {
	return filepath.Join(path, LayerFolder+strconv.Itoa(layer))
}

// LayerOfShard is the number of the layer that a shard is of, by the name that it has within a
// folder of several layers; false of any other name.
func LayerOfShard(path string) (int, bool) {
	m := layerFolder.FindStringSubmatch(filepath.Base(path))
	if m == nil || m[2] == "" {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	return n, err == nil
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
		layer := Layer{Number: n, Path: LayerPath(path, n), Shards: shards[n]}
		_, err := cache.Open(layer.Path)
		if layer.Whole = err == nil; !errors.Is(err, cache.ErrMissing) {
			layer.Broken = err
		}
		layers = append(layers, layer)
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

// Lacking says which layers are not merged, not finished or cannot be used, where others can; empty
// if all are as far.
func (l Layers) Lacking() string {
	if len(l.whole()) == 0 {
		return ""
	}
	var said []string
	for _, as := range []struct {
		shards bool
		what   string
	}{{true, "not merged: "}, {false, "not finished: "}} {
		lacking := slices.DeleteFunc(slices.Clone(l), func(layer Layer) bool {
			return layer.Whole || layer.Broken != nil || layer.Shards != as.shards
		})
		if len(lacking) > 0 {
			said = append(said, as.what+strings.Join(lacking.Paths(), ", "))
		}
	}
	for _, layer := range l {
		if layer.Broken != nil {
			said = append(said, layer.Broken.Error())
		}
	}
	return strings.Join(said, "; ")
}

// hint says which layers to give, and which of all are not as far as others.
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
