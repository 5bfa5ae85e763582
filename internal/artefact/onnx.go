package artefact

import (
	"io"
	"strings"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
)

// ONNXManifest is the manifest of an image tower of H heads, C neurons and O dimensions,
// whose matrices have a number type by NumPy's name.
func ONNXManifest(heads, neurons, outDim int, dtype string, o origin.Origin) cache.Manifest {
	return cache.Manifest{Kind: KindONNX, Axes: []string{"H", "C", "O"}, Shape: []int{heads, neurons, outDim}, DType: dtype, Origin: o}
}

// WeightsBeside is where the weights of a model in ONNX are that are not inside it.
func WeightsBeside(model string) string { return model + besideEnd }

// ModelOf is the model in ONNX whose weights are beside it at path, or which is there itself.
func ModelOf(path string) string { return strings.TrimSuffix(path, besideEnd) }

const besideEnd = ".data"

// Beside is what the manifest of a model says of weights in a file of their own.
const Beside = "beside"

// SaveONNX writes a model in ONNX and, unless weightsPath is empty, the weights that it
// names in a file beside it, which gets its place first. write is given a nil data without
// such a file. m is the model's manifest. SaveONNX returns the SHA-256 of the model's bytes.
func (w Writer) SaveONNX(path, weightsPath string, m cache.Manifest, write func(to, data io.Writer) error) (string, error) {
	_, err := w.Store.Save(path, m, func(to io.Writer) error {
		if weightsPath == "" {
			return write(to, nil)
		}
		beside := m
		beside.Kind = KindONNXWeights
		_, err := w.Store.Save(weightsPath, beside, func(data io.Writer) error { return write(to, data) })
		return err
	})
	if err != nil {
		return "", err
	}
	a, err := cache.Open(path)
	if err != nil {
		return "", err
	}
	return a.Manifest.Payloads[0].SHA256, nil
}
