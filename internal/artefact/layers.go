package artefact

import (
	"cmp"
	"errors"
	"fmt"
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

// LayersWithin returns the collections of single layers of neurons within a folder, or their
// shards, without shards' numbers: their paths, in the order of the layers.
func LayersWithin(path string) []string {
	entries, _ := os.ReadDir(path) // what cannot be read has none
	var layers []int
	for _, e := range entries {
		m := layerFolder.FindStringSubmatch(e.Name())
		if m == nil || !e.IsDir() {
			continue
		}
		if n, err := strconv.Atoi(m[1]); err == nil && !slices.Contains(layers, n) {
			layers = append(layers, n)
		}
	}
	slices.SortFunc(layers, cmp.Compare[int])
	var paths []string
	for _, n := range layers {
		paths = append(paths, filepath.Join(path, LayerFolder+strconv.Itoa(n)))
	}
	return paths
}

// ofSeveralLayers is the error of a folder that holds collections of single layers in place of
// an artefact; err where it does not.
func ofSeveralLayers(err error, path string) error {
	if !errors.Is(err, cache.ErrMissing) {
		return err
	}
	paths := LayersWithin(path)
	if len(paths) == 0 {
		return err
	}
	return hint.With(fmt.Errorf("%s: %w: it holds a collection of each layer of neurons, want one of them", path, cache.ErrMissing),
		"give one of "+strings.Join(paths, ", "))
}
