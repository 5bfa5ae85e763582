package artefact

import (
	"errors"
	"io"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
)

// CheckpointManifest is the manifest of a checkpoint of H heads, C neurons and O
// dimensions, whose value weights have a number type by torch's name.
func CheckpointManifest(heads, neurons, outDim int, dtype string, o origin.Origin) cache.Manifest {
	return cache.Manifest{Kind: KindCheckpoint, Axes: []string{"H", "C", "O"}, Shape: []int{heads, neurons, outDim}, DType: dtype, Origin: o}
}

// SaveCheckpoint writes a checkpoint and returns the SHA-256 of its bytes, by which
// artefacts made from it name the model.
func (w Writer) SaveCheckpoint(path string, m cache.Manifest, write func(io.Writer) error) (string, error) {
	if _, err := w.Store.Save(path, m, write); err != nil {
		return "", err
	}
	a, err := cache.Open(path)
	if err != nil {
		return "", err
	}
	return a.Manifest.Payloads[0].SHA256, nil
}

// EditedCheckpoint opens the manifest beside a checkpoint that edit wrote. It is nil for
// weights of others. The bytes are not compared with it.
func EditedCheckpoint(path string) (*cache.Artefact, error) {
	a, err := cache.Open(path)
	if errors.Is(err, cache.ErrNoManifest) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if a.Manifest.Kind != KindCheckpoint || a.Manifest.Origin.Edit == nil {
		return nil, nil
	}
	return a, nil
}
