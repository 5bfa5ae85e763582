package clip

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/ptfile"
	"github.com/clipnh/clipnh/internal/testutil"
)

// stored is a tensor of a checkpoint that a test makes up.
type stored struct {
	shape []int
	data  []float32
}

// goldenTensors reads every tensor of the golden model.
func goldenTensors(t *testing.T) map[string]stored {
	t.Helper()
	f, err := ptfile.Open(testutil.Golden("model/tiny_sd_fp32.pt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string]stored{}
	for _, tensor := range f.Tensors() {
		s := stored{tensor.Shape, make([]float32, elements(tensor.Shape))}
		if err := f.Float32(tensor, s.data); err != nil {
			t.Fatal(err)
		}
		all[tensor.Name] = s
	}
	return all
}

// writeSafetensors writes tensors as float32 in the safetensors format: the
// header's length, the header, the payload.
func writeSafetensors(t *testing.T, tensors map[string]stored) string {
	t.Helper()
	type entry struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	header := map[string]entry{}
	var payload []byte
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		s := tensors[name]
		start := len(payload)
		for _, x := range s.data {
			payload = binary.LittleEndian.AppendUint32(payload, math.Float32bits(x))
		}
		header[name] = entry{"F32", append([]int{}, s.shape...), [2]int{start, len(payload)}}
	}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	file := append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)
	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := os.WriteFile(path, append(file, payload...), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSafetensors reads the golden model from the names that OpenAI,
// data-parallel training, and open_clip's newer releases give its tensors.
func TestSafetensors(t *testing.T) {
	tensors := goldenTensors(t)
	for name, rename := range map[string]func(string) string{
		"openai":   func(name string) string { return name },
		"parallel": func(name string) string { return "module." + name },
		"open_clip text": func(name string) string {
			if strings.HasPrefix(name, "visual.") || name == "logit_scale" {
				return name
			}
			return "text." + name
		},
	} {
		t.Run(name, func(t *testing.T) {
			renamed := map[string]stored{}
			for n, s := range tensors {
				renamed[rename(n)] = s
			}
			tw := tower(t, open(t, writeSafetensors(t, renamed)), ImageOptions{Batch: 4, Threads: 1})
			pictures, shape := golden(t, "dataset_pre4.npy")
			features := make([]float32, shape[0]*tw.Config().OutDim)
			if err := tw.Run(pictures, Output{Features: features}); err != nil {
				t.Fatal(err)
			}
			closeTo(t, "features", features, "features.npy", rounding)
		})
	}
}

// TestRefuses holds that what is not a CLIP-ResNet is refused in one line that
// names the tensor.
func TestRefuses(t *testing.T) {
	const conv = "visual.layer4.1.conv2.weight"
	for _, test := range []struct {
		name  string
		spoil func(map[string]stored)
		want  []string
	}{
		{"ViT", func(m map[string]stored) { m["visual.class_embedding"] = stored{[]int{1}, []float32{0}} },
			[]string{"ViT", "CLIP-ResNet"}},
		{"missing", func(m map[string]stored) { delete(m, conv) }, []string{conv, "missing", "[64 64 3 3]"}},
		{"missing stem", func(m map[string]stored) { delete(m, "visual.conv1.weight") }, []string{"visual.conv1.weight", "missing"}},
		{"missing text tower", func(m map[string]stored) { delete(m, "transformer.resblocks.0.ln_1.weight") },
			[]string{"transformer.resblocks.0.ln_1.weight", "missing"}},
		{"surplus", func(m map[string]stored) { m["visual.adapter.weight"] = stored{[]int{1}, []float32{0}} },
			[]string{"visual.adapter.weight"}},
		{"mis-shaped", func(m map[string]stored) { m[conv] = stored{[]int{64, 64, 9}, m[conv].data} },
			[]string{conv, "[64 64 9]", "[64 64 3 3]"}},
		{"tokens not square", func(m map[string]stored) {
			m["visual.attnpool.positional_embedding"] = stored{[]int{4, 256}, make([]float32, 4*256)}
		}, []string{"visual.attnpool.positional_embedding", "4 tokens"}},
		{"NaN", func(m map[string]stored) { m[conv].data[7] = float32(math.NaN()) }, []string{conv, "element 7", "NaN"}},
		{"infinite", func(m map[string]stored) { m["ln_final.bias"].data[1] = float32(math.Inf(1)) }, []string{"ln_final.bias", "+Inf"}},
		{"negative variance", func(m map[string]stored) { m["visual.bn2.running_var"].data[3] = -1 },
			[]string{"visual.bn2.running_var", "element 3"}},
		{"twice", func(m map[string]stored) { m["module.ln_final.bias"] = m["ln_final.bias"] }, []string{"ln_final.bias"}},
		{"empty", func(m map[string]stored) { clear(m) }, []string{"without tensors"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tensors := goldenTensors(t)
			test.spoil(tensors)
			path := writeSafetensors(t, tensors)
			ck, err := Open(path)
			if err == nil {
				err = ck.Verify(context.Background())
				ck.Close()
			}
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range append(test.want, path) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of more than one line: %q", err)
			}
		})
	}
}

// TestNames holds the published sizes against METHOD's table of models.
func TestNames(t *testing.T) {
	c := Config{Layers: [4]int{6, 8, 18, 8}, Width: 96, ImageSize: 384, OutDim: 768, ContextLength: 77, VocabSize: 49408, TextWidth: 768, TextLayers: 12}
	if c.Name() != "RN50x16" || c.Neurons() != 3072 || c.Heads() != 48 || c.Tokens() != 145 || c.TextHeads() != 12 {
		t.Errorf("%s: C %d, H %d, T %d, text heads %d", c.Name(), c.Neurons(), c.Heads(), c.Tokens(), c.TextHeads())
	}
	c.Width = 98
	if c.Name() != "custom" {
		t.Errorf("other width: %s", c.Name())
	}
}
