package pipelinetest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/ptfile"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TwoModels is a file with the golden model and its average, which is the same;
// TwoModelsNote is what a user is told of it.
func TwoModels(t testing.TB) string {
	return Renamed(t, func(name string) []string { return []string{"state_dict." + name, "state_dict_ema." + name} })
}

const TwoModelsNote = `using the weights under "state_dict.", not those under "state_dict_ema."`

// Renamed writes the tensors of the golden model to a safetensors file, each under
// all names that names returns for its own.
func Renamed(t testing.TB, names func(name string) []string) string {
	w := checkpointWriter{header: map[string]any{}}
	eachTensor(t, testutil.Golden("model/tiny_sd_fp32.pt"), func(name string, shape []int, data []float32) {
		for _, name := range names(name) {
			w.add(name, shape, data)
		}
	})
	return w.write(t)
}

// ViTWithText writes a checkpoint of a small vision transformer, with two heads and the
// weights zero, and the golden model's text tower, its features cut to the given
// number of dimensions.
func ViTWithText(t testing.TB) (path string, dims int) {
	const width, outDim = 128, 24
	w := checkpointWriter{header: map[string]any{}}
	w.addText(t, outDim)
	for name, shape := range map[string][]int{
		"conv1.weight": {width, 3, 8, 8}, "class_embedding": {width}, "positional_embedding": {5, width},
		"ln_pre.weight": {width}, "ln_pre.bias": {width}, "ln_post.weight": {width}, "ln_post.bias": {width}, "proj": {width, outDim},
		"transformer.resblocks.0.ln_1.weight": {width}, "transformer.resblocks.0.ln_1.bias": {width},
		"transformer.resblocks.0.ln_2.weight": {width}, "transformer.resblocks.0.ln_2.bias": {width},
		"transformer.resblocks.0.attn.in_proj_weight": {3 * width, width}, "transformer.resblocks.0.attn.in_proj_bias": {3 * width},
		"transformer.resblocks.0.attn.out_proj.weight": {width, width}, "transformer.resblocks.0.attn.out_proj.bias": {width},
		"transformer.resblocks.0.mlp.c_fc.weight": {4, width}, "transformer.resblocks.0.mlp.c_fc.bias": {4},
		"transformer.resblocks.0.mlp.c_proj.weight": {width, 4}, "transformer.resblocks.0.mlp.c_proj.bias": {width},
	} {
		n := 1
		for _, d := range shape {
			n *= d
		}
		w.add("visual."+name, shape, make([]float32, n))
	}
	return w.write(t), outDim
}

// GoldenViTWithText writes a checkpoint of the golden vision transformer, which has 4 heads in
// each layer and 24 dimensions, and the text tower of ViTWithText.
func GoldenViTWithText(t testing.TB) string {
	w := checkpointWriter{header: map[string]any{}}
	w.addText(t, 24)
	eachTensor(t, testutil.GoldenViT("vit_sd32.pt"), w.add)
	return w.write(t)
}

// addText adds the golden model's text tower, its features cut to the given number of
// dimensions.
func (w *checkpointWriter) addText(t testing.TB, outDim int) {
	eachTensor(t, testutil.Golden("model/tiny_sd_fp32.pt"), func(name string, shape []int, data []float32) {
		if strings.HasPrefix(name, "visual.") {
			return
		}
		if name == "text_projection" {
			var cut []float32
			for ; len(data) > 0; data = data[shape[1]:] {
				cut = append(cut, data[:outDim]...)
			}
			shape, data = []int{shape[0], outDim}, cut
		}
		w.add(name, shape, data)
	})
}

// eachTensor hands over the tensors of a checkpoint.
func eachTensor(t testing.TB, path string, do func(name string, shape []int, data []float32)) {
	f, err := ptfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, tensor := range f.Tensors() {
		data := make([]float32, tensor.Len())
		if err := f.Float32(tensor, data); err != nil {
			t.Fatal(err)
		}
		do(tensor.Name, tensor.Shape, data)
	}
}

// checkpointWriter makes a safetensors file.
type checkpointWriter struct {
	header map[string]any
	values bytes.Buffer
}

func (w *checkpointWriter) add(name string, shape []int, data []float32) {
	start := w.values.Len()
	binary.Write(&w.values, binary.LittleEndian, data)
	w.header[name] = map[string]any{"dtype": "F32", "shape": append([]int{}, shape...), "data_offsets": []int{start, w.values.Len()}}
}

func (w *checkpointWriter) write(t testing.TB) string {
	text, err := json.Marshal(w.header)
	if err != nil {
		t.Fatal(err)
	}
	all := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := os.WriteFile(path, append(append(all, text...), w.values.Bytes()...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
