package clip

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/float16"
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
	return writeMixed(t, tensors, func(string) bool { return false })
}

// writeMixed is writeSafetensors with some tensors in half precision.
func writeMixed(t *testing.T, tensors map[string]stored, half func(name string) bool) string {
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
		start, dtype := len(payload), "F32"
		if half(name) {
			dtype = "F16"
		}
		for _, x := range s.data {
			if half(name) {
				payload = binary.LittleEndian.AppendUint16(payload, float16.Bits(x))
			} else {
				payload = binary.LittleEndian.AppendUint32(payload, math.Float32bits(x))
			}
		}
		header[name] = entry{dtype, append([]int{}, s.shape...), [2]int{start, len(payload)}}
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
		"openai":             func(name string) string { return name },
		"parallel":           func(name string) string { return "module." + name },
		"compiled":           func(name string) string { return "_orig_mod." + name },
		"compiled, parallel": func(name string) string { return "module._orig_mod." + name },
		"compiled within":    func(name string) string { return strings.Replace(name, "visual.", "visual._orig_mod.", 1) },
		"model":              func(name string) string { return "model." + name },
		"clip_model":         func(name string) string { return "clip_model." + name },
		"average":            func(name string) string { return "state_dict_ema." + name },
		"Lightning":          func(name string) string { return "state_dict.model.module." + name },
		"Lightning, open_clip": func(name string) string {
			if strings.HasPrefix(name, "visual.") || name == "logit_scale" {
				return "state_dict.net.clip." + name
			}
			return "state_dict.net.clip.text." + name
		},
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
			images, shape := golden(t, "dataset_pre4.npy")
			features := make([]float32, shape[0]*tw.Config().OutDim)
			if err := tw.Run(images, Output{Features: features}); err != nil {
				t.Fatal(err)
			}
			closeTo(t, "features", features, "features.npy", rounding)
		})
	}
}

// fromOpenAI renames the image tower's tensors as timm does.
func fromOpenAI(name string) string {
	for _, r := range []struct{ from, to string }{
		{`^visual\.conv(\d)\.`, "stem.conv$1.conv."}, {`^visual\.bn(\d)\.`, "stem.conv$1.bn."},
		{`^visual\.layer1\.`, "stages.0."}, {`^visual\.layer2\.`, "stages.1."}, {`^visual\.layer3\.`, "stages.2."}, {`^visual\.layer4\.`, "stages.3."},
		{`^(stages.*)\.(conv|bn)([13])\.`, "$1.conv${3}_1x1.$2."}, {`^(stages.*)\.(conv|bn)2\.`, "$1.conv2_kxk.$2."},
		{`\.downsample\.0\.`, ".shortcut.conv.conv."}, {`\.downsample\.1\.`, ".shortcut.conv.bn."},
		{`^visual\.attnpool\.positional_embedding$`, "head.pos_embed"}, {`^visual\.attnpool\.(q|k|v)_proj\.`, "head.$1."}, {`^visual\.attnpool\.c_proj\.`, "head.proj."},
	} {
		name = regexp.MustCompile(r.from).ReplaceAllString(name, r.to)
	}
	return name
}

// TestImageTowerAlone runs the image tower of files without a text tower, under
// the names that it has then, and refuses to embed texts.
func TestImageTowerAlone(t *testing.T) {
	tensors := goldenTensors(t)
	for name, rename := range map[string]func(string) string{
		"OpenAI":        func(name string) string { return name },
		"below visual":  func(name string) string { return strings.TrimPrefix(name, "visual.") },
		"image_encoder": func(name string) string { return "image_encoder." + strings.TrimPrefix(name, "visual.") },
		"timm":          fromOpenAI,
		"timm, wrapped": func(name string) string { return "state_dict.model." + fromOpenAI(name) },
	} {
		t.Run(name, func(t *testing.T) {
			renamed := map[string]stored{}
			for n, s := range tensors {
				if strings.HasPrefix(n, "visual.") {
					renamed[rename(n)] = s
				}
			}
			ck := open(t, writeSafetensors(t, renamed))
			tw := tower(t, ck, ImageOptions{Batch: 4, Threads: 1})
			images, shape := golden(t, "dataset_pre4.npy")
			features := make([]float32, shape[0]*tw.Config().OutDim)
			if err := tw.Run(images, Output{Features: features}); err != nil {
				t.Fatal(err)
			}
			closeTo(t, "features", features, "features.npy", rounding)
			if err := ck.Verify(context.Background()); err != nil {
				t.Error(err)
			}
			if _, err := NewTextTower(ck, 1); testutil.Line(err, ck.Path(), "only the image tower is there, want the text tower too") != nil {
				t.Errorf("a text tower of nothing: %v", err)
			}
		})
	}
}

// TestSeveralModels takes the model that a training run saved from among its
// averages, and none where there is no telling.
func TestSeveralModels(t *testing.T) {
	tensors := goldenTensors(t)
	write := func(prefixes ...string) string {
		all := map[string]stored{}
		for n, s := range tensors {
			for _, prefix := range prefixes {
				all[prefix+n] = s
			}
		}
		return writeSafetensors(t, all)
	}
	ck := open(t, write("state_dict.", "state_dict_ema."))
	if got, want := ck.Notes(), []string{`using the weights under "state_dict.", not those under "state_dict_ema."`}; !slices.Equal(got, want) {
		t.Errorf("notes %q, want %q", got, want)
	}
	if notes := open(t, write("model.")).Notes(); len(notes) > 0 {
		t.Errorf("notes %q of one model", notes)
	}
	_, err := OpenWith(write("state_dict.student.", "state_dict.teacher."), Details{})
	if bad := testutil.Line(err, `weights of 2 models, under "state_dict.student.", "state_dict.teacher."`); bad != nil {
		t.Error(bad)
	}
}

// TestOtherModels names what people have in the place of a CLIP-ResNet.
func TestOtherModels(t *testing.T) {
	one := stored{[]int{1}, []float32{0}}
	for want, names := range map[string][]string{
		"a SigLIP":                         {"vision_model.embeddings.patch_embedding.weight", "vision_model.head.probe", "text_model.head.weight"},
		"a Hugging Face model that is no":  {"vision_model.embeddings.class_embedding", "text_model.embeddings.token_embedding.weight"},
		"an EVA transformer":               {"visual.patch_embed.proj.weight", "visual.blocks.0.attn.q_proj.weight", "text.ln_final.weight"},
		"a CoCa, which has":                {"visual.class_embedding", "text_decoder.resblocks.0.ln_1.weight"},
		"the text tower is a Hugging Face": {"visual.class_embedding", "text.transformer.embeddings.word_embeddings.weight"},
		"a Hugging Face ResNet":            {"resnet.embedder.embedder.convolution.weight", "resnet.encoder.stages.0.layers.0.layer.0.convolution.weight"},
		"of timm's or DINO, which is no":   {"cls_token", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight"},
		"as timm's and DINO, which":        {"model.blocks.0.attn.qkv.weight"},
		"such as ViT or DINO, which is no": {"embeddings.cls_token", "embeddings.patch_embeddings.projection.weight", "encoder.layer.0.attention.attention.query.weight"},
		"of torchvision's, which is no":    {"class_token", "conv_proj.weight", "encoder.layers.encoder_layer_0.ln_1.weight"},
		"a timm ResNet without":            {"stem.conv1.conv.weight", "stages.0.0.conv1_1x1.conv.weight", "head.fc.weight"},
		"as of torchvision or timm":        {"conv1.weight", "layer4.0.conv1.weight", "fc.weight"},
		"a ResNet without":                 {"backbone.conv1.weight", "backbone.layer1.0.conv1.weight", "backbone.layer4.0.conv1.weight"},
		"tensor visual.conv1.weight is":    {"model.visual.class_embedding", "model.visual.transformer.resblocks.0.ln_1.weight"},
		"the image tower is a timm model":  {"visual.trunk.stem.0.weight"},
		"a diffusion model":                {"model.diffusion_model.input_blocks.0.0.weight"},
		"visual.conv1.weight is missing":   {"something.else"},
	} {
		tensors := map[string]stored{}
		for _, name := range names {
			tensors[name] = one
		}
		if _, err := OpenWith(writeSafetensors(t, tensors), Details{}); testutil.Line(err, want) != nil {
			t.Errorf("%q: %v, want %q", names, err, want)
		}
	}
}

// TestShardsSHA256 opens a model in two files, whose hash is that of all.
func TestShardsSHA256(t *testing.T) {
	dir, weightMap := t.TempDir(), map[string]string{}
	halves := [2]map[string]stored{{}, {}}
	tensors := goldenTensors(t)
	for i, name := range slices.Sorted(maps.Keys(tensors)) {
		halves[i%2][name] = tensors[name]
		weightMap[name] = []string{"m-1.safetensors", "m-2.safetensors"}[i%2]
	}
	for i, half := range halves {
		if err := os.Rename(writeSafetensors(t, half), filepath.Join(dir, []string{"m-1.safetensors", "m-2.safetensors"}[i])); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(map[string]any{"weight_map": weightMap})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "model.safetensors.index.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	ck := open(t, path)
	tw := tower(t, ck, ImageOptions{Batch: 4, Threads: 1})
	images, shape := golden(t, "dataset_pre4.npy")
	features := make([]float32, shape[0]*tw.Config().OutDim)
	if err := tw.Run(images, Output{Features: features}); err != nil {
		t.Fatal(err)
	}
	closeTo(t, "features", features, "features.npy", rounding)
	before, err := ck.SHA256(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	second := filepath.Join(dir, "m-2.safetensors")
	data, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(second, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if after, err := ck.SHA256(context.Background()); err != nil || after == before {
		t.Errorf("the hash of other weights is the same (%v)", err)
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
		{"ResNet and ViT", func(m map[string]stored) { m["visual.class_embedding"] = stored{[]int{1}, []float32{0}} },
			[]string{"a ResNet and a vision transformer in one"}},
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
			ck, err := OpenWith(path, Details{})
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
	c := Config{ResNet: ResNet{[4]int{6, 8, 18, 8}, 96}, ImageSize: 384, OutDim: 768, ContextLength: 77, VocabSize: 49408, TextWidth: 768, TextLayers: 12}
	if c.Name() != "RN50x16" || c.Neurons() != 3072 || c.Heads() != 48 || c.Tokens() != 145 || c.TextHeads() != 12 {
		t.Errorf("%s: C %d, H %d, T %d, text heads %d", c.Name(), c.Neurons(), c.Heads(), c.Tokens(), c.TextHeads())
	}
	c.Width = 98
	if c.Name() != "custom" {
		t.Errorf("other width: %s", c.Name())
	}
}

// TestObjectsBeside takes note of objects beside the weights, which are not built.
func TestObjectsBeside(t *testing.T) {
	from, err := zip.OpenReader(testutil.Golden("model/tiny_sd_fp32.pt"))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	path := filepath.Join(t.TempDir(), "training.pt")
	var file bytes.Buffer
	to := zip.NewWriter(&file)
	for _, entry := range from.File {
		r, err := entry.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if body, ok := strings.CutPrefix(string(content), "\x80\x02"); ok && strings.HasSuffix(entry.Name, "/data.pkl") {
			text := func(s string) string { return "X" + string(rune(len(s))) + "\x00\x00\x00" + s }
			args := text("args") + "cargparse\nNamespace\n)\x81}b"
			content = []byte("\x80\x02(" + args + text("state_dict") + strings.TrimSuffix(body, ".") + "d.")
		}
		w, err := to.CreateHeader(&zip.FileHeader{Name: entry.Name, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := open(t, path).Notes(), []string{`left out objects that are not weights: "argparse.Namespace"`}; !slices.Equal(got, want) {
		t.Errorf("notes %q, want %q", got, want)
	}
}
