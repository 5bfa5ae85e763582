package pipelinetest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
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
	f, err := ptfile.Open(testutil.Golden("model/tiny_sd_fp32.pt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	header := map[string]any{}
	var values bytes.Buffer
	for _, tensor := range f.Tensors() {
		data := make([]float32, tensor.Len())
		for _, name := range names(tensor.Name) {
			if err := f.Float32(tensor, data); err != nil {
				t.Fatal(err)
			}
			start := values.Len()
			binary.Write(&values, binary.LittleEndian, data)
			header[name] = map[string]any{"dtype": "F32", "shape": append([]int{}, tensor.Shape...), "data_offsets": []int{start, values.Len()}}
		}
	}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	all := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := os.WriteFile(path, append(append(all, text...), values.Bytes()...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
