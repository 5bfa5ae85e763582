package clip

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/ptfile"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestBeside opens the golden vision transformer with files beside it, as Hugging Face's and
// open_clip's models have them.
func TestBeside(t *testing.T) {
	const (
		transformers = "config.json"
		openCLIP     = "open_clip_config.json"
		quick        = `{"model_type": "clip", "vision_config": {"hidden_act": "quick_gelu", "num_attention_heads": 4, "hidden_size": 48}, "text_config": {"num_attention_heads": 1}}`
		gelu         = `{"model_cfg": {"embed_dim": 24, "vision_cfg": {"layers": 5, "width": 48, "head_width": 12, "patch_size": 8}, "text_cfg": {"heads": 1}}}`
		move         = "if it is not of this model, move it elsewhere, or say {activation} and {vit-heads}"
	)
	for _, test := range []struct {
		name       string
		files      map[string]string
		details    Details
		activation string // and where it comes from, and the heads
		heads      string
		notes      []string
		err, hint  string
	}{
		{name: "transformers", files: map[string]string{transformers: quick}, activation: "quick_gelu of config.json", heads: "4 of config.json"},
		{name: "open_clip", files: map[string]string{openCLIP: gelu}, activation: "gelu of open_clip_config.json", heads: "4 of open_clip_config.json"},
		{name: "open_clip, quick", files: map[string]string{"open_clip_model_config.json": strings.Replace(gelu, `"embed_dim"`, `"quick_gelu": true, "embed_dim"`, 1)},
			activation: "quick_gelu of open_clip_model_config.json", heads: "4 of open_clip_model_config.json"},
		{name: "two that differ", files: map[string]string{openCLIP: gelu, transformers: quick}, activation: "gelu of open_clip_config.json", heads: "4 of open_clip_config.json",
			notes: []string{`open_clip_config.json says the activation gelu, and config.json "quick_gelu": used gelu`}},
		{name: "the user says", files: map[string]string{transformers: quick}, details: Details{Heads: 2, Activation: GELU}, activation: "gelu of {activation}", heads: "2 of {vit-heads}",
			notes: []string{`config.json says the activation "quick_gelu": used gelu`, "config.json says that layers have heads 4: used 2"}},
		{name: "of another program", files: map[string]string{transformers: `{"architecture": "vit"}`}, details: Details{Heads: 4}, activation: "gelu of guess", heads: "4 of {vit-heads}",
			notes: []string{"guessed the activation gelu"}},
		{name: "of other sizes", files: map[string]string{transformers: strings.Replace(quick, "48", "768", 1)}, details: Details{Heads: 4},
			err: "config.json: width 768 of the image tower, want 48 as in the weights", hint: move},
		{name: "of other sizes, not needed", files: map[string]string{transformers: strings.Replace(quick, "48", "768", 1)}, details: Details{Heads: 4, Activation: GELU},
			activation: "gelu of {activation}", heads: "4 of {vit-heads}", notes: []string{"not used: "}},
		{name: "heads that do not divide", files: map[string]string{transformers: strings.Replace(quick, `heads": 4`, `heads": 5`, 1)}, err: "config.json: heads 5 in a layer of width 48", hint: move},
		{name: "another activation", files: map[string]string{transformers: strings.Replace(quick, "quick_gelu", "gelu_new", 1)}, err: `config.json: activation "gelu_new", want quick_gelu or gelu`, hint: move},
		{name: "of a ResNet", files: map[string]string{openCLIP: `{"model_cfg": {"vision_cfg": {"layers": [3, 4, 6, 3]}}}`}, err: "a ResNet as the image tower", hint: move},
		{name: "of timm's", files: map[string]string{openCLIP: `{"model_cfg": {"vision_cfg": {"timm_model_name": "vit_base_patch16_224"}}}`}, err: `vision_cfg.timm_model_name "vit_base_patch16_224", an image tower of timm's, want one of open_clip's`, hint: move},
		{name: "another pooling", files: map[string]string{openCLIP: strings.Replace(gelu, `"layers"`, `"pool_type": "avg", "layers"`, 1)}, err: `open_clip_config.json: vision_cfg.pool_type "avg", want "tok"`, hint: "if it is not of this model, move it elsewhere"},
		{name: "another pooling, settled", files: map[string]string{openCLIP: strings.Replace(gelu, `"layers"`, `"pool_type": "avg", "layers"`, 1)}, details: Details{Heads: 4, Activation: GELU}, err: `vision_cfg.pool_type "avg"`, hint: "if it is not of this model, move it elsewhere"},
		{name: "another epsilon", files: map[string]string{transformers: strings.Replace(quick, `"hidden_size"`, `"layer_norm_eps": 1e-6, "hidden_size"`, 1)}, err: `config.json: vision_config.layer_norm_eps 1e-06, want 1e-05`, hint: "if it is not of this model, move it elsewhere"},
		{name: "of a SigLIP", files: map[string]string{transformers: `{"model_type": "siglip", "vision_config": {}}`}, details: Details{Heads: 4, Activation: GELU}, activation: "gelu of {activation}", heads: "4 of {vit-heads}",
			notes: []string{"not used: "}},
		{name: "cut off", files: map[string]string{transformers: quick[:40]}, err: "config.json: not as expected", hint: move},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			data, err := os.ReadFile(testutil.GoldenViT("vit_sd32.pt"))
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "model.pt")
			write(t, path, string(data))
			for name, text := range test.files {
				write(t, filepath.Join(dir, name), text)
			}
			ck, err := OpenWith(path, test.details)
			if test.err != "" {
				if bad := testutil.Line(err, test.err); bad != nil || hintOf(err) != test.hint {
					t.Errorf("%v, hint %q: %v", err, hintOf(err), bad)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer ck.Close()
			checkFrom(t, ck, test.activation, test.heads)
			if !slices.EqualFunc(ck.Notes(), test.notes, strings.HasPrefix) {
				t.Errorf("notes %q, want %q", ck.Notes(), test.notes)
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// checkFrom compares activation and heads with what they are and where they come from.
func checkFrom(t *testing.T, ck *Checkpoint, activation, heads string) {
	t.Helper()
	if got := ActivationName(ck.Config.Activation) + " of " + ck.ActivationFrom(); got != activation {
		t.Errorf("activation %s, want %s", got, activation)
	}
	if got := string(rune('0'+ck.Config.Heads())) + " of " + ck.HeadsFrom(); got != heads {
		t.Errorf("heads %s, want %s", got, heads)
	}
}

// TestPublished takes the activation that weights were published with in place of a guess.
func TestPublished(t *testing.T) {
	ck, err := OpenWith(testutil.GoldenViT("vit_sd32.pt"), Details{Heads: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer ck.Close()
	if len(ck.Notes()) != 1 || !ck.ActivationOpen() {
		t.Errorf("a guess: notes %q, open %t", ck.Notes(), ck.ActivationOpen())
	}
	ck.Published("some-model", QuickGELU)
	checkFrom(t, ck, "quick_gelu of some-model", "4 of {vit-heads}")
	if len(ck.Notes()) != 0 {
		t.Errorf("notes %q", ck.Notes())
	}
	if openViT(t, "vit_sd32.pt", GELU).ActivationOpen() {
		t.Error("what the user says is open")
	}
}

// TestTextBeside refuses texts, and nothing else, where the text tower is not as the weights'
// sizes say.
func TestTextBeside(t *testing.T) {
	c := Config{ViT: ViT{32, 768, 12, 12, 3072}, ImageSize: 224, OutDim: 512, ContextLength: 77, VocabSize: 49408, TextWidth: 512, TextLayers: 12}
	for text, want := range map[string]string{
		`"num_attention_heads": 8, "hidden_act": "quick_gelu"`: "",
		`"num_attention_heads": 4`:                             "heads 4 in a layer of the text tower, want 8, of width 64",
		`"layer_norm_eps": 1e-6`:                               "text_config.layer_norm_eps 1e-06, want 1e-05",
		`"hidden_act": "gelu"`:                                 `activation "gelu" of the text tower, want quick_gelu as of the image tower`,
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "config.json"), `{"model_type": "clip", "vision_config": {}, "text_config": {`+text+`}}`)
		var f found
		if _, err := (Details{}).beside(c, dir, true, &f); err != nil {
			t.Error(err)
		}
		if want == "" && f.text != nil || want != "" && testutil.Line(f.text, "config.json", want) != nil {
			t.Errorf("%s: %v, want %q", text, f.text, want)
		}
		ck := &Checkpoint{Config: c, found: f}
		if err := ck.RequireText(); (err != nil) != (want != "") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestGuess guesses activations by sizes, dtype and names.
func TestGuess(t *testing.T) {
	sizes := func(name string) Config {
		for _, m := range configs.Transformers() {
			if m.Name == name {
				return Config{
					ViT: ViT{m.PatchSize, m.Width, m.Layers, m.Heads, m.MLP}, ImageSize: m.ImageSize, OutDim: m.OutDim,
					ContextLength: m.ContextLength, VocabSize: m.VocabSize, TextWidth: m.TextWidth, TextLayers: m.TextLayers,
				}
			}
		}
		return Config{ViT: ViT{8, 48, 5, 4, 96}}
	}
	for _, test := range []struct {
		model       string
		dtype       ptfile.DType
		huggingFace bool
		want, note  string
	}{
		{"ViT-B-32", ptfile.Float16, false, QuickGELU, "because OpenAI's ViT-B-32 is float16"},
		{"ViT-B-32", ptfile.Float32, false, GELU, "as in open_clip's ViT-B-32"},
		{"ViT-L-14", ptfile.Float32, true, QuickGELU, "as in OpenAI's ViT-L-14, whose tensors have these names"},
		{"ViT-L-14-336", ptfile.Float32, false, QuickGELU, "as in OpenAI's ViT-L-14-336;"},
		{"ViT-H-14", ptfile.Float16, false, GELU, "as in most of open_clip's"},
		{"ViT-g-14", ptfile.Float16, true, GELU, "as in most of open_clip's"},
		{"ViT-bigG-14", ptfile.Float16, false, GELU, "as in most of open_clip's"},
		{"custom", ptfile.Float16, true, GELU, "as in most of open_clip's"},
	} {
		conv := ptfile.Tensor{Name: "visual.conv1.weight"}
		if test.huggingFace {
			conv.Name = "vision_model.embeddings.patch_embedding.weight"
		}
		name, note := guessActivation(sizes(test.model), map[string]ptfile.Tensor{"visual.conv1.weight": conv, "visual.proj": {DType: test.dtype}})
		if name != test.want || !strings.Contains(note, test.note) || !strings.Contains(note, "say {activation} ") {
			t.Errorf("%+v: %s, %q", test, name, note)
		}
	}
}
