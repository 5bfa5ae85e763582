package hubconfig

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// published are files as they are published, shortened, and what they say.
var published = []struct {
	name, text string
	want       Config
}{
	{"transformers", `{"architectures": ["CLIPModel"], "model_type": "clip", "projection_dim": 512, "logit_scale_init_value": 2.6592,
		"text_config": {"hidden_act": "quick_gelu", "hidden_size": 512, "num_attention_heads": 8, "num_hidden_layers": 12, "intermediate_size": 2048}, "text_config_dict": null,
		"vision_config": {"hidden_act": "quick_gelu", "hidden_size": 768, "image_size": 224, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": 12, "patch_size": 32}, "vision_config_dict": null}`,
		Config{Image: Tower{"quick_gelu", 12, 0, 768, 12, 3072, ""}, Text: Tower{"quick_gelu", 8, 0, 512, 12, 2048, ""}, Patch: 32, ImageSize: 224, OutDim: 512}},
	{"two objects, of which the second counts", `{"model_type": "clip", "projection_dim": 1024, "text_config": {}, "vision_config": {"hidden_act": "quick_gelu"},
		"text_config_dict": {"hidden_act": "gelu", "num_attention_heads": 16}, "vision_config_dict": {"hidden_act": "gelu", "hidden_size": 1280, "num_attention_heads": 16}}`,
		Config{Image: Tower{Activation: "gelu", Heads: 16, Width: 1280}, Text: Tower{Activation: "gelu", Heads: 16}, OutDim: 1024}},
	{"defaults left out", `{"model_type": "clip", "vision_config": {"model_type": "clip_vision_model"}, "text_config": {}}`,
		Config{Image: Tower{Activation: "quick_gelu", Heads: 12}, Text: Tower{Activation: "quick_gelu", Heads: 8}}},
	{"what somebody wrote", `{"vision_config": {"hidden_act": "gelu"}}`, Config{Image: Tower{Activation: "gelu"}}},
	{"the image tower alone", `{"model_type": "clip_vision_model", "hidden_act": "gelu", "hidden_size": 768, "num_attention_heads": 12, "patch_size": 16, "projection_dim": 512}`,
		Config{Image: Tower{Activation: "gelu", Heads: 12, Width: 768}, Patch: 16, OutDim: 512}},
	{"open_clip", `{"model_cfg": {"embed_dim": 1024, "vision_cfg": {"image_size": 224, "layers": 32, "width": 1280, "head_width": 80, "patch_size": 14},
		"text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 1024, "heads": 16, "layers": 24}}, "preprocess_cfg": {"mean": [0.48]}}`,
		Config{Image: Tower{Activation: "gelu", HeadWidth: 80, Width: 1280, Layers: 32}, Text: Tower{Activation: "gelu", Heads: 16, Width: 1024, Layers: 24}, Patch: 14, ImageSize: 224, OutDim: 1024}},
	{"open_clip's own list", `{"embed_dim": 1280, "quick_gelu": true, "vision_cfg": {"image_size": [224, 224], "layers": 48, "width": 1664, "head_width": 104, "mlp_ratio": 4.9231, "patch_size": 14.0}, "text_cfg": {}}`,
		Config{Image: Tower{Activation: "quick_gelu", HeadWidth: 104, Width: 1664, Layers: 48, MLP: 8192}, Text: Tower{Activation: "quick_gelu"}, Patch: 14, ImageSize: 224, OutDim: 1280}},
	{"open_clip's ResNet", `{"embed_dim": 1024, "quick_gelu": true, "vision_cfg": {"image_size": 224, "layers": [3, 4, 6, 3], "width": 64, "patch_size": null}, "text_cfg": {"width": 512}}`,
		Config{Stages: true, Text: Tower{Activation: "quick_gelu", Width: 512}, ImageSize: 224, OutDim: 1024}},
	{"another GELU", `{"vision_cfg": {"layers": 2, "act_kwargs": {"approximate": "tanh"}}}`,
		Config{Image: Tower{Activation: "gelu with act_kwargs", HeadWidth: 64, Layers: 2}, Text: Tower{Activation: "gelu"}}},
}

func TestParse(t *testing.T) {
	for _, p := range published {
		c, err := Parse([]byte(p.text))
		if c != nil {
			c.Prep = Prep{}
		}
		if err != nil || *c != p.want {
			t.Errorf("%s: %+v, %v, want %+v", p.name, c, err, p.want)
		}
	}
	for text, want := range map[string]string{
		`{"model_type": "siglip", "vision_config": {}}`:                     `model_type "siglip", not of a CLIP`,
		`{"architecture": "vit_base_patch32_clip_224", "num_classes": 512}`: "neither vision_config nor model_cfg, not of a CLIP",
		`{"vision_config": `:                   "not as expected: unexpected end of JSON input",
		`[]`:                                   "cannot unmarshal array",
		`{"vision_config": {"hidden_act": 3}}`: "vision_config: not as expected: json: cannot unmarshal number",
		`{"model_type": "clip", "vision_config": {"num_attention_heads": "12"}}`:      "want a whole number",
		`{"model_type": "clip", "vision_config": {"num_attention_heads": -1}}`:        "-1, want a whole number",
		`{"model_type": "clip", "vision_config": {"image_size": [224, 112]}}`:         "want a whole number",
		`{"vision_cfg": {"layers": "twelve"}}`:                                        "layers: not as expected",
		`{"vision_cfg": {"width": 768, "mlp_ratio": -4}}`:                             "mlp_ratio -4",
		`{"model_cfg": {"vision_cfg": {"width": 1000000000, "mlp_ratio": 1e300}}}`:    "mlp_ratio 1e+300",
		`{"model_cfg": {"quick_gelu": "yes", "vision_cfg": {"layers": 2}}}`:           "cannot unmarshal string",
		`{"vision_config": {"hidden_act": "gelu"}, "projection_dim": 1e999, "x": {}}`: "want a whole number",
	} {
		c, err := Parse([]byte(text))
		if bad := testutil.Line(err, want); bad != nil {
			t.Errorf("%s: %v (%+v)", text, bad, c)
		}
		if errors.Is(err, ErrOther) != strings.HasSuffix(want, "not of a CLIP") {
			t.Errorf("%s: %v is of another model %t", text, err, errors.Is(err, ErrOther))
		}
	}
}

// TestUnlike finds fields that make a tower another one, and none that change nothing.
func TestUnlike(t *testing.T) {
	for text, want := range map[string][2]string{ // of the image tower and of the text tower
		`{"vision_cfg": {"layers": 2, "pool_type": "tok", "global_average_pool": false, "attentional_pool": false, "norm_kwargs": {"eps": 1e-05}, "pos_embed_type": "sin_cos_2d",
			"final_ln_after_pool": true, "output_tokens": true, "patch_dropout": 0.5, "no_ln_pre": null}, "text_cfg": {"pool_type": "argmax", "hf_tokenizer_name": "openai/clip-vit-base-patch32", "tokenizer_kwargs": {}, "norm_kwargs": null}}`: {"", ""},
		`{"vision_cfg": {"layers": 2, "pool_type": "avg"}, "text_cfg": {"pool_type": "last"}}`:                                              {`vision_cfg.pool_type "avg", want "tok"`, `text_cfg.pool_type "last", want "argmax"`},
		`{"vision_cfg": {"layers": 2, "global_average_pool": true}, "text_cfg": {"no_causal_mask": true}}`:                                  {"vision_cfg.global_average_pool true, want false", "text_cfg.no_causal_mask true, want false"},
		`{"vision_cfg": {"layers": 2, "attentional_pool": "parallel"}, "text_cfg": {"proj_bias": true}}`:                                    {`vision_cfg.attentional_pool "parallel", want false`, "text_cfg.proj_bias true, want false"},
		`{"vision_cfg": {"layers": 2, "norm_kwargs": {"eps": 1e-06}}, "text_cfg": {"norm_kwargs": {"x": 1}}}`:                               {`vision_cfg.norm_kwargs "{\"eps\":1e-06}", want none, or an eps of 1e-05`, `text_cfg.norm_kwargs "{\"x\":1}", want none`},
		`{"vision_cfg": {"layers": 2, "no_ln_pre": true}, "text_cfg": {"hf_model_name": "roberta-base"}}`:                                   {"vision_cfg.no_ln_pre true, want false", `text_cfg.hf_model_name "roberta-base", want a text tower of open_clip's`},
		`{"vision_cfg": {"layers": 2, "pos_embed_type": "rope"}, "text_cfg": {"tokenizer_kwargs": {"clean": "canonicalize"}}}`:              {`vision_cfg.pos_embed_type "rope"`, `text_cfg.tokenizer_kwargs "{\"clean\":\"canonicalize\"}"`},
		`{"vision_cfg": {"layers": [3, 4, 6, 3], "head_width": 32, "pool_type": "avg"}}`:                                                    {"vision_cfg.head_width 32, want 64", ""},
		`{"vision_cfg": {"timm_model_name": "vit_base_patch16_siglip_224", "pool_type": "map"}}`:                                            {"", ""},
		`{"model_type": "clip", "vision_config": {"layer_norm_eps": 1e-05}, "text_config": {"layer_norm_eps": 0.00001, "eos_token_id": 2}}`: {"", ""},
		`{"model_type": "clip", "vision_config": {"layer_norm_eps": 1e-06}, "text_config": {"eos_token_id": 49407}}`:                        {"vision_config.layer_norm_eps 1e-06, want 1e-05", ""},
		`{"model_type": "clip", "vision_config": {}, "text_config": {"eos_token_id": 7}}`:                                                   {"", "text_config.eos_token_id 7, want 49407, the last of the vocabulary"},
		`{"model_type": "clip", "vision_config": {}, "text_config": {"eos_token_id": 99, "vocab_size": 100}}`:                               {"", ""},
		`{"model_type": "clip_vision_model", "layer_norm_eps": 0.001}`:                                                                      {"vision_config.layer_norm_eps 0.001, want 1e-05", ""},
	} {
		c, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for i, tower := range []Tower{c.Image, c.Text} {
			if (tower.Unlike == "") != (want[i] == "") || !strings.HasPrefix(tower.Unlike, want[i]) {
				t.Errorf("%s: %q, want %q", text, tower.Unlike, want[i])
			}
		}
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.json")
	if err := os.WriteFile(path, []byte(published[0].text), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := Read(dir, "config.json"); err != nil || c.Name != "config.json" || c.Patch != 32 {
		t.Errorf("%+v, %v", c, err)
	}
	if err := os.WriteFile(path, make([]byte, MaxBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir, "config.json"); testutil.Line(err, path, "more than 1 MiB, the limit") != nil {
		t.Error(err)
	}
	if _, err := Read(dir, "open_clip_config.json"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// preprocessors are files as they are published, shortened, and what they say.
var preprocessors = []struct {
	text string
	want Prep
}{
	{`{"crop_size": {"height": 224, "width": 224}, "do_center_crop": true, "do_normalize": true, "do_rescale": true, "do_resize": true, "feature_extractor_type": "CLIPFeatureExtractor",
		"image_mean": [0.5, 0.5, 0.5], "image_processor_type": "CLIPImageProcessor", "image_std": [0.25, 0.5, 1], "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 224}}`,
		Prep{Mean: &[3]float64{0.5, 0.5, 0.5}, Std: &[3]float64{0.25, 0.5, 1}, Fit: "shortest", Side: 224}},
	{`{"crop_size": 336, "do_center_crop": true, "size": 336, "resample": 2}`, Prep{Fit: "shortest-bilinear", Side: 336}},
	{`{"do_center_crop": false, "size": {"height": 224, "width": 224}, "do_normalize": false}`, Prep{Mean: &[3]float64{}, Std: &[3]float64{1, 1, 1}, Fit: "squash", Side: 224}},
	{`{"image_mean": 0.5, "image_std": null}`, Prep{Mean: &[3]float64{0.5, 0.5, 0.5}}},
	{`{}`, Prep{}},
	{`{"image_mean": [0.5, 0.5]}`, Prep{OtherChannels: `image_mean "[0.5,0.5]", want three numbers`}},
	{`{"rescale_factor": 1}`, Prep{OtherChannels: "rescale_factor 1, want 1/255"}},
	{`{"do_rescale": false}`, Prep{OtherChannels: "do_rescale false, want true"}},
	{`{"do_resize": false}`, Prep{OtherFit: "do_resize false, want true"}},
	{`{"size": {"shortest_edge": 256}, "crop_size": 224}`, Prep{Fit: "shortest", Side: 256, OtherFit: `size "{\"shortest_edge\":256}", want that of crop_size, 224`}},
	{`{"size": {"shortest_edge": 224}, "do_center_crop": false}`, Prep{Fit: "shortest", Side: 224, OtherFit: "do_center_crop false, want true, or a size of height and width"}},
	{`{"size": {"longest_edge": 224}}`, Prep{Fit: "squash", OtherFit: `size "{\"longest_edge\":224}", want the shortest_edge, or equal height and width`}},
	{`{"resample": 1}`, Prep{Fit: "shortest", OtherFit: "resample 1, want 3 (bicubic) or 2 (bilinear)"}},
	{`{"image_processor_type": "ViTImageProcessor"}`, Prep{OtherChannels: `image_processor_type "ViTImageProcessor", want CLIPImageProcessor`, OtherFit: `image_processor_type "ViTImageProcessor", want CLIPImageProcessor`}},
}

func TestParsePreprocessor(t *testing.T) {
	for _, p := range preprocessors {
		c, err := ParsePreprocessor([]byte(p.text))
		if err != nil || !reflect.DeepEqual(*c, p.want) {
			t.Errorf("%s: %+v, %v, want %+v", p.text, c, err, p.want)
		}
	}
	for _, text := range []string{"", "[]", `{"size": `} {
		if c, err := ParsePreprocessor([]byte(text)); testutil.Line(err, "not as expected") != nil {
			t.Errorf("%s: %+v, %v", text, c, err)
		}
	}
}

// TestParseProcessor reads what newer releases of transformers write, within another object.
func TestParseProcessor(t *testing.T) {
	for _, p := range preprocessors {
		want := p.want
		for _, other := range []*string{&want.OtherChannels, &want.OtherFit} {
			if *other != "" {
				*other = "image_processor." + *other
			}
		}
		c, err := ParseProcessor([]byte(`{"processor_class": "CLIPProcessor", "image_processor": ` + p.text + `}`))
		if err != nil || !reflect.DeepEqual(*c, want) {
			t.Errorf("%s: %+v, %v, want %+v", p.text, c, err, want)
		}
	}
	for _, text := range []string{`{"processor_class": "CLIPProcessor"}`, `{"image_processor": null}`} {
		if c, err := ParseProcessor([]byte(text)); c != nil || err != nil {
			t.Errorf("%s: %+v, %v, want nothing", text, c, err)
		}
	}
	if c, err := ParseProcessor([]byte(`{"image_processor": []}`)); testutil.Line(err, "image_processor: not as expected") != nil {
		t.Errorf("%+v, %v", c, err)
	}
}

// timms are files of timm's as they are published, shortened, and what they say.
var timms = []struct {
	text string
	want *Prep
}{
	{`{"architecture": "resnet50_clip", "pretrained_cfg": {"input_size": [3, 224, 224], "fixed_input_size": true, "interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "center", "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.5, 1]}}`,
		&Prep{Mean: &[3]float64{0.5, 0.5, 0.5}, Std: &[3]float64{0.25, 0.5, 1}, Fit: "shortest", Side: 224}},
	{`{"architecture": "resnet50_clip", "input_size": [3, 224, 224], "interpolation": "bilinear", "crop_pct": 1, "crop_mode": "squash", "mean": [0, 0, 0]}`, &Prep{Mean: &[3]float64{}, Fit: "squash-bilinear", Side: 224}},
	{`{"pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "tag": "openai"}}`, &Prep{Mean: &[3]float64{0.5, 0.5, 0.5}}},
	{`{"pretrained_cfg": {}}`, &Prep{}},
	{`{"pretrained_cfg": {"crop_pct": 0.9}}`, &Prep{Fit: "shortest", OtherFit: "pretrained_cfg.crop_pct 0.9, want 1, all of the image's shorter side"}},
	{`{"pretrained_cfg": {"interpolation": "bicubic"}}`, &Prep{Fit: "shortest", OtherFit: "pretrained_cfg.crop_pct 0.875, want 1, all of the image's shorter side"}},
	{`{"pretrained_cfg": {"crop_mode": "border", "crop_pct": 1}}`, &Prep{Fit: "shortest", OtherFit: `pretrained_cfg.crop_mode "border", want "center" or "squash"`}},
	{`{"pretrained_cfg": {"interpolation": "lanczos", "crop_pct": 1}}`, &Prep{Fit: "shortest", OtherFit: `pretrained_cfg.interpolation "lanczos", want "bicubic" or "bilinear"`}},
	{`{"pretrained_cfg": {"input_size": [3, 224, 112], "crop_pct": 1}}`, &Prep{Fit: "shortest", OtherFit: `pretrained_cfg.input_size "[3,224,112]", want 3 channels and the side of a square, twice`}},
	{`{"pretrained_cfg": {"input_size": [1, 28, 28], "crop_pct": 1}}`, &Prep{Fit: "shortest", OtherFit: `pretrained_cfg.input_size "[1,28,28]", want 3 channels and the side of a square, twice`}},
	{`{"pretrained_cfg": {"std": "low"}}`, &Prep{OtherChannels: `pretrained_cfg.std "low", want three numbers`}},
	{`{"architecture": "vit_base_patch32_clip_224", "num_classes": 512}`, nil},
	{`{"model_type": "siglip", "vision_config": {}}`, nil},
	{`{"pretrained_cfg": null}`, nil},
}

func TestParseTimm(t *testing.T) {
	for _, p := range timms {
		c, err := ParseTimm([]byte(p.text))
		if err != nil || !reflect.DeepEqual(c, p.want) {
			t.Errorf("%s: %+v, %v, want %+v", p.text, c, err, p.want)
		}
	}
	for _, text := range []string{"", "[]", `{"pretrained_cfg": [1]}`} {
		if c, err := ParseTimm([]byte(text)); testutil.Line(err, "not as expected") != nil {
			t.Errorf("%s: %+v, %v", text, c, err)
		}
	}
}

func FuzzParseTimm(f *testing.F) {
	for _, p := range timms {
		f.Add([]byte(p.text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var p *Prep
		if !testutil.Parsed(t, testutil.Multiple(len(data), parseFactor), func() (err error) {
			p, err = ParseTimm(data)
			return err
		}) {
			return
		}
		if p != nil && (p.Side < 0 || p.Side > maxNumber) {
			t.Errorf("%+v: a size out of bounds", *p)
		}
	})
}

// TestPreprocessCfg reads what open_clip's files say of images.
func TestPreprocessCfg(t *testing.T) {
	for text, want := range map[string]Prep{
		`{"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.5, 1], "interpolation": "bicubic", "resize_mode": "shortest"}`: {Mean: &[3]float64{0.5, 0.5, 0.5}, Std: &[3]float64{0.25, 0.5, 1}, Fit: "shortest"},
		`{"resize_mode": "squash", "size": [224, 224], "interpolation": "bilinear"}`:                              {Fit: "squash-bilinear", Side: 224},
		`{"size": 336, "mode": "RGB", "fill_color": 0, "mean": null}`:                                             {Side: 336},
		`null`:                                {},
		`{"resize_mode": "longest"}`:          {Fit: "longest", OtherFit: `preprocess_cfg.resize_mode "longest", want "shortest" or "squash"`},
		`{"interpolation": "lanczos"}`:        {Fit: "shortest", OtherFit: `preprocess_cfg.interpolation "lanczos", want "bicubic" or "bilinear"`},
		`{"mode": "L"}`:                       {OtherFit: `preprocess_cfg.mode "L", want "RGB"`},
		`{"size": [224, 112], "mean": "low"}`: {OtherFit: `preprocess_cfg.size "[224,112]", want the side of a square`, OtherChannels: `preprocess_cfg.mean "low", want three numbers`},
	} {
		c, err := Parse([]byte(`{"model_cfg": {"vision_cfg": {"layers": 2}}, "preprocess_cfg": ` + text + `}`))
		if err != nil || !reflect.DeepEqual(c.Prep, want) {
			t.Errorf("%s: %+v, %v, want %+v", text, c, err, want)
		}
	}
}

func FuzzParsePreprocessor(f *testing.F) {
	for _, p := range preprocessors {
		f.Add([]byte(p.text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var p *Prep
		if !testutil.Parsed(t, testutil.Multiple(len(data), parseFactor), func() (err error) {
			p, err = ParsePreprocessor(data)
			return err
		}) {
			return
		}
		if p.Side < 0 || p.Side > maxNumber {
			t.Errorf("%+v: a size out of bounds", *p)
		}
	})
}

// parseFactor is what reading a file may allocate in all for each of its bytes.
const parseFactor = 128

func FuzzParse(f *testing.F) {
	for _, p := range published {
		f.Add([]byte(p.text))
	}
	f.Add([]byte(`{"model_cfg": null, "vision_cfg": null, "vision_config": null}`))
	f.Add([]byte(`{"vision_cfg": {"norm_kwargs": {"eps": [1e-06, {}]}}, "text_cfg": {"tokenizer_kwargs": {"clean": "canonicalize"}}}`))
	f.Add([]byte(`{"vision_cfg": {"layers": [` + strings.Repeat("[", 50) + `]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c *Config
		if !testutil.Parsed(t, testutil.Multiple(len(data), parseFactor), func() (err error) {
			c, err = Parse(data)
			return err
		}) {
			return
		}
		for _, n := range []int{c.Patch, c.ImageSize, c.OutDim, c.Image.Heads, c.Image.HeadWidth, c.Image.Width, c.Image.Layers, c.Image.MLP, c.Text.Heads, c.Text.Width, c.Text.Layers, c.Text.MLP} {
			if n < 0 || n > maxNumber {
				t.Errorf("%+v: a size out of bounds", *c)
			}
		}
	})
}
