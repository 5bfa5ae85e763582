package clip

import (
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/ptfile"
	"github.com/clipnh/clipnh/internal/testutil"
)

// vitTensors reads every tensor of the golden vision transformer, and adds those of a
// random text tower of one layer.
func vitTensors(t *testing.T) map[string]stored {
	t.Helper()
	f, err := ptfile.Open(testutil.GoldenViT("vit_sd32.pt"))
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
	random := rand.New(rand.NewPCG(1, 15))
	c := Config{OutDim: 24, VocabSize: 50, ContextLength: 12, TextWidth: 64, TextLayers: 1}
	for _, p := range c.parameters() {
		if strings.HasPrefix(p.name, "visual.") {
			continue
		}
		s := stored{p.shape, make([]float32, elements(p.shape))}
		for i := range s.data {
			s.data[i] = float32(random.NormFloat64() * 0.3)
		}
		all[p.name] = s
	}
	return all
}

// toHuggingFace renames and reshapes the tensors of a vision transformer as Hugging Face
// does.
func toHuggingFace(tensors map[string]stored) map[string]stored {
	all := map[string]stored{"vision_model.embeddings.position_ids": {[]int{1}, []float32{0}}}
	for name, s := range tensors {
		switch name {
		case "visual.proj", "text_projection":
			s = stored{[]int{s.shape[1], s.shape[0]}, transposed(s.data, s.shape[0], s.shape[1])}
		}
		for _, r := range []struct{ from, to string }{
			{`^visual\.proj$`, "visual_projection.weight"}, {`^text_projection$`, "text_projection.weight"},
			{`^visual\.class_embedding$`, "vision_model.embeddings.class_embedding"},
			{`^visual\.conv1\.`, "vision_model.embeddings.patch_embedding."},
			{`^visual\.positional_embedding$`, "vision_model.embeddings.position_embedding.weight"},
			{`^visual\.ln_pre\.`, "vision_model.pre_layrnorm."}, {`^visual\.ln_post\.`, "vision_model.post_layernorm."},
			{`^visual\.transformer\.resblocks\.`, "vision_model.encoder.layers."}, {`^transformer\.resblocks\.`, "text_model.encoder.layers."},
			{`^token_embedding\.`, "text_model.embeddings.token_embedding."},
			{`^positional_embedding$`, "text_model.embeddings.position_embedding.weight"}, {`^ln_final\.`, "text_model.final_layer_norm."},
			{`\.ln_(1|2)\.`, ".layer_norm$1."}, {`\.attn\.`, ".self_attn."}, {`\.c_fc\.`, ".fc1."}, {`\.c_proj\.`, ".fc2."},
		} {
			name = regexp.MustCompile(r.from).ReplaceAllString(name, r.to)
		}
		if before, part, ok := strings.Cut(name, "in_proj_"); ok {
			third := append([]int{s.shape[0] / 3}, s.shape[1:]...)
			for i, q := range []string{"q", "k", "v"} {
				all[before+q+"_proj."+part] = stored{third, s.data[i*elements(third):][:elements(third)]}
			}
			continue
		}
		all[name] = s
	}
	return all
}

// TestHuggingFace reads the golden vision transformer under Hugging Face's names, with and
// without what training puts around them, and gets the same bytes from both towers.
func TestHuggingFace(t *testing.T) {
	tensors := vitTensors(t)
	images, shape := goldenViT(t, "images.npy")
	texts := [][]int32{{48, 3, 7, 49}, {48, 5, 49}}
	encode := func(all map[string]stored) (features, embeddings []float32) {
		ck, err := OpenWith(writeSafetensors(t, all), Details{Heads: 4, Activation: GELU})
		if err != nil {
			t.Fatal(err)
		}
		defer ck.Close()
		tw, err := NewImageTower(ck, ImageOptions{Batch: 2, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		features = make([]float32, shape[0]*ck.Config.OutDim)
		if err := tw.Run(images, Output{Features: features}); err != nil {
			t.Fatal(err)
		}
		text, err := NewTextTower(ck, 1)
		if err != nil {
			t.Fatal(err)
		}
		embeddings = make([]float32, len(texts)*ck.Config.OutDim)
		if err := text.Encode(t.Context(), embeddings, texts, nil); err != nil {
			t.Fatal(err)
		}
		return features, embeddings
	}
	features, embeddings := encode(tensors)
	want, _ := goldenViT(t, "gelu/feature.npy")
	if err := testutil.Far(features, want, vitRounding); err != nil {
		t.Error(err)
	}
	for _, prefix := range []string{"", "module."} {
		renamed := map[string]stored{}
		for name, s := range toHuggingFace(tensors) {
			renamed[prefix+name] = s
		}
		gotFeatures, gotEmbeddings := encode(renamed)
		if !slices.Equal(gotFeatures, features) || !slices.Equal(gotEmbeddings, embeddings) {
			t.Errorf("prefix %q: other features", prefix)
		}
	}
	broken := toHuggingFace(tensors)
	delete(broken, "vision_model.encoder.layers.2.self_attn.k_proj.bias")
	_, err := OpenWith(writeSafetensors(t, broken), Details{Heads: 4})
	if bad := testutil.Line(err, "visual.transformer.resblocks.2.attn.in_proj_bias is missing"); bad != nil {
		t.Error(bad)
	}
}

// TestTextActivation compares the text tower with one in plain Go and float64, for both
// activations.
func TestTextActivation(t *testing.T) {
	tensors := vitTensors(t)
	path := writeSafetensors(t, tensors)
	text := []int32{48, 3, 7, 11, 49}
	for _, activation := range Activations() {
		ck, err := OpenWith(path, Details{Heads: 4, Activation: activation})
		if err != nil {
			t.Fatal(err)
		}
		tower, err := NewTextTower(ck, 1)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float32, ck.Config.OutDim)
		if err := tower.Encode(t.Context(), got, [][]int32{text}, nil); err != nil {
			t.Fatal(err)
		}
		ck.Close()
		if err := testutil.Far(got, plainText(tensors, text, activation), vitRounding); err != nil {
			t.Errorf("%s: %v", activation, err)
		}
	}
}

// plainText is a text tower of one layer of one head, the slow and plain way.
func plainText(tensors map[string]stored, text []int32, activation string) []float32 {
	const W = 64
	data := func(name string) []float32 { return tensors[name].data }
	norm := func(x []float64, name string) []float64 {
		mean, variance := 0.0, 0.0
		for _, v := range x {
			mean += v / W
		}
		for _, v := range x {
			variance += (v - mean) * (v - mean) / W
		}
		y := make([]float64, W)
		for i, v := range x {
			y[i] = (v-mean)/math.Sqrt(variance+1e-5)*float64(data(name + ".weight")[i]) + float64(data(name + ".bias")[i])
		}
		return y
	}
	linear := func(x []float64, w, bias []float32) []float64 {
		y := make([]float64, len(bias))
		for o := range y {
			y[o] = float64(bias[o])
			for i, v := range x {
				y[o] += v * float64(w[o*len(x)+i])
			}
		}
		return y
	}
	const block = "transformer.resblocks.0."
	var x, qkv [][]float64
	for t, id := range text {
		row := make([]float64, W)
		for i := range row {
			row[i] = float64(data("token_embedding.weight")[int(id)*W+i]) + float64(data("positional_embedding")[t*W+i])
		}
		x = append(x, row)
		qkv = append(qkv, linear(norm(row, block+"ln_1"), data(block+"attn.in_proj_weight"), data(block+"attn.in_proj_bias")))
	}
	last, mixed, total := len(text)-1, make([]float64, W), 0.0
	for u := range text {
		logit := 0.0
		for i := range W {
			logit += qkv[last][i] * qkv[u][W+i] / 8
		}
		total += math.Exp(logit)
		for i := range mixed {
			mixed[i] += math.Exp(logit) * qkv[u][2*W+i]
		}
	}
	for i := range mixed {
		mixed[i] /= total
	}
	y := x[last]
	for i, v := range linear(mixed, data(block+"attn.out_proj.weight"), data(block+"attn.out_proj.bias")) {
		y[i] += v
	}
	wide := linear(norm(y, block+"ln_2"), data(block+"mlp.c_fc.weight"), data(block+"mlp.c_fc.bias"))
	for i, v := range wide {
		wide[i] = v * 0.5 * math.Erfc(-v/math.Sqrt2)
		if activation == QuickGELU {
			wide[i] = v / (1 + math.Exp(-1.702*v))
		}
	}
	for i, v := range linear(wide, data(block+"mlp.c_proj.weight"), data(block+"mlp.c_proj.bias")) {
		y[i] += v
	}
	y = norm(y, "ln_final")
	dst := make([]float32, tensors["text_projection"].shape[1])
	for o := range dst {
		sum := 0.0
		for i, v := range y {
			sum += v * float64(data("text_projection")[i*len(dst)+o])
		}
		dst[o] = float32(sum)
	}
	return dst
}

// TestDetails holds what is said of heads and activations that a file does not tell.
func TestDetails(t *testing.T) {
	wide := vitTensors(t)
	for name, s := range wide { // width 64, so that the heads can be guessed
		if !strings.HasPrefix(name, "visual.") {
			continue
		}
		shape := slices.Clone(s.shape)
		for i, n := range shape {
			switch n {
			case 48:
				shape[i] = 64
			case 144:
				shape[i] = 192
			}
		}
		wide[name] = stored{shape, make([]float32, elements(shape))}
	}
	tensors := vitTensors(t)
	for _, test := range []struct {
		name    string
		path    string
		details Details
		notes   []string
		err     string
		heads   int
		kind    string
	}{
		{"all said", testutil.GoldenViT("vit_sd32.pt"), Details{Heads: 2, Activation: GELU}, nil, "", 2, GELU},
		{"float16 of no published size", testutil.GoldenViT("vit_sd16.pt"), Details{Heads: 4}, []string{"guessed the activation gelu, as in most"}, "", 4, GELU},
		{"float32", writeSafetensors(t, tensors), Details{Heads: 4}, []string{"guessed the activation gelu, as in most"}, "", 4, GELU},
		{"heads of 64", writeSafetensors(t, wide), Details{Activation: GELU}, []string{"guessed 1 head in each layer, of width 64"}, "", 1, GELU},
		{"unknown heads", testutil.GoldenViT("vit_sd32.pt"), Details{}, nil, "an image tower of width 48 and 5 layers is not a published one", 0, ""},
		{"heads that do not divide", testutil.GoldenViT("vit_sd32.pt"), Details{Heads: 5}, nil, "5 heads in an image tower of width 48", 0, ""},
		{"unknown activation", testutil.GoldenViT("vit_sd32.pt"), Details{Heads: 4, Activation: "silu"}, nil, `activation "silu", want quick_gelu or gelu`, 0, ""},
		{"heads of a ResNet", testutil.Golden("model/tiny_sd_fp32.pt"), Details{Heads: 4}, nil, "{vit-heads} 4: the image tower is a ResNet", 0, ""},
		{"a ResNet", testutil.Golden("model/tiny_sd_fp32.pt"), Details{}, nil, "", 4, QuickGELU},
		{"a ResNet with gelu", testutil.Golden("model/tiny_sd_fp32.pt"), Details{Activation: GELU}, nil, "", 4, GELU},
	} {
		t.Run(test.name, func(t *testing.T) {
			ck, err := OpenWith(test.path, test.details)
			if test.err != "" {
				if bad := testutil.Line(err, test.path, test.err); bad != nil {
					t.Error(bad)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer ck.Close()
			if c := ck.Config; c.Heads() != test.heads || ActivationName(c.Activation) != test.kind {
				t.Errorf("%d heads, %v, want %d, %s", c.Heads(), c.Activation, test.heads, test.kind)
			}
			if !slices.EqualFunc(ck.Notes(), test.notes, strings.HasPrefix) {
				t.Errorf("notes %q, want %q", ck.Notes(), test.notes)
			}
		})
	}
	c := Config{ViT: ViT{14, 1280, 32, 16, 5120}, ImageSize: 224, OutDim: 1024, ContextLength: 77, VocabSize: 49408, TextWidth: 1024, TextLayers: 24}
	if c.Name() != "ViT-H-14" || c.Tokens() != 257 || c.ViT.HeadWidth() != 80 || c.Family() != "CLIP-ViT" {
		t.Errorf("%s of %d tokens and heads of %d", c.Name(), c.Tokens(), c.ViT.HeadWidth())
	}
	var f found
	h := ViT{14, 1280, 32, 0, 5120}
	if err := (Details{}).chooseHeads(&h, beside{}, &f); err != nil || f.notes != nil || h.Heads != 16 || f.heads != "ViT-H-14" {
		t.Errorf("ViT-H-14: %d heads, %+v, %v", h.Heads, f, err)
	}
}

// TestOtherFamily refuses a tower that the checkpoint has not.
func TestOtherFamily(t *testing.T) {
	vit := openViT(t, "vit_sd32.pt", GELU)
	if _, err := NewResNetTower(vit, ImageOptions{Batch: 1, Threads: 1}); testutil.Line(err, vit.Path(), "vision transformer", "want a CLIP-ResNet") != nil {
		t.Errorf("a ResNet of a vision transformer: %v", err)
	}
	if _, err := vit.OV(); testutil.Line(err, vit.Path(), "want a CLIP-ResNet") != nil {
		t.Errorf("an attention pool of a vision transformer: %v", err)
	}
	// Neither what nobody said of it nor a flag that a command lacks is in the way.
	if _, err := OpenWith(vit.Path(), Details{Needs: []Structure{AttentionPool}}); testutil.Line(err, vit.Path(), "is a vision transformer (ViT), want a CLIP-ResNet") != nil {
		t.Errorf("a vision transformer where only a ResNet will do: %v", err)
	}
	if _, err := NewViTTower(tiny(t), ImageOptions{Batch: 1, Threads: 1}); testutil.Line(err, "is a CLIP-ResNet, want a vision transformer") != nil {
		t.Errorf("a vision transformer of a ResNet: %v", err)
	}
	if _, err := NewViTTower(vit, ImageOptions{Batch: 1, Threads: 1, Pairs: true, NeuronLayer: 4}); testutil.Line(err, "{neuron-layer} 4") != nil {
		t.Errorf("pairs of the last layer: %v", err)
	}
}

// TestHuggingFaceSHA256 holds that the hash of the tensors is that of OpenAI's form, with
// every part of what is assembled in it.
func TestHuggingFaceSHA256(t *testing.T) {
	hash := func(all map[string]stored) string {
		t.Helper()
		ck, err := OpenWith(writeSafetensors(t, all), Details{Heads: 4, Activation: GELU})
		if err != nil {
			t.Fatal(err)
		}
		defer ck.Close()
		sum, err := ck.TensorsSHA256(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	tensors := vitTensors(t)
	want := hash(tensors)
	if got := hash(toHuggingFace(tensors)); got != want {
		t.Errorf("Hugging Face's form: %s, want %s", got, want)
	}
	for _, part := range []string{"q_proj.weight", "k_proj.bias", "v_proj.weight"} {
		all := toHuggingFace(tensors)
		name := "vision_model.encoder.layers.0.self_attn." + part
		negated := slices.Clone(all[name].data)
		for i := range negated {
			negated[i] = -negated[i]
		}
		all[name] = stored{all[name].shape, negated}
		if hash(all) == want {
			t.Errorf("%s negated: the same hash", part)
		}
	}
}
