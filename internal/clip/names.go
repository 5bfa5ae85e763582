package clip

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/ptfile"
	"github.com/clipnh/clipnh/internal/quantity"
)

// A naming is one of the ways in which a CLIP's tensors are named. The
// names of a whole model below some prefix, such as "state_dict.model.", are
// those of the naming.
type naming struct {
	anchor string // a tensor that every such model has
	beside string // another one
	rename func(name string) string
}

// namings lists them. An anchor is looked for at the end of names, so that what
// stands before it is the prefix.
var namings = []naming{
	{"visual.attnpool.c_proj.weight", "", openAIName},
	// The image tower's own state dict.
	{"attnpool.c_proj.weight", "conv1.weight", func(name string) string { return "visual." + name }},
	// timm's resnet50_clip and its kind, as an image tower of open_clip's and alone.
	{"visual.trunk.head.proj.weight", "visual.trunk.stem.conv1.conv.weight", trunkName},
	{"head.proj.weight", "stem.conv1.conv.weight", timmName},
	// Vision transformers: OpenAI's and open_clip's, the tower alone, and Hugging Face's.
	{"visual.class_embedding", "visual.transformer.resblocks.0.ln_1.weight", openAIName},
	{"class_embedding", "transformer.resblocks.0.ln_1.weight", func(name string) string { return "visual." + name }},
	{"vision_model.embeddings.class_embedding", "vision_model.encoder.layers.0.layer_norm1.weight", huggingFaceName},
}

// openAIName drops the "text." that open_clip's newer releases put before the text
// tower.
func openAIName(name string) string { return strings.TrimPrefix(name, "text.") }

// timmNames gives timm's names of a CLIP-ResNet's parts, and OpenAI's.
//
// Source: timm/models/byobnet.py, _convert_openai_clip, which maps the other way.
var timmNames = []struct {
	timm   *regexp.Regexp
	openAI string
}{
	{regexp.MustCompile(`^stem\.conv(\d)\.conv\.`), "visual.conv$1."},
	{regexp.MustCompile(`^stem\.conv(\d)\.bn\.`), "visual.bn$1."},
	{regexp.MustCompile(`^stages\.0\.`), "visual.layer1."},
	{regexp.MustCompile(`^stages\.1\.`), "visual.layer2."},
	{regexp.MustCompile(`^stages\.2\.`), "visual.layer3."},
	{regexp.MustCompile(`^stages\.3\.`), "visual.layer4."},
	{regexp.MustCompile(`^(visual\.layer\d\.\d+)\.conv(\d)_(?:1x1|kxk)\.(conv|bn)\.`), "$1.$3$2."},
	{regexp.MustCompile(`^(visual\.layer\d\.\d+)\.shortcut\.conv\.conv\.`), "$1.downsample.0."},
	{regexp.MustCompile(`^(visual\.layer\d\.\d+)\.shortcut\.conv\.bn\.`), "$1.downsample.1."},
	{regexp.MustCompile(`^head\.pos_embed$`), "visual.attnpool.positional_embedding"},
	{regexp.MustCompile(`^head\.(q|k|v)\.`), "visual.attnpool.${1}_proj."},
	{regexp.MustCompile(`^head\.qkv\.`), fusedPool},
	{regexp.MustCompile(`^head\.proj\.`), "visual.attnpool.c_proj."},
}

func timmName(name string) string {
	for _, n := range timmNames {
		name = n.timm.ReplaceAllString(name, n.openAI)
	}
	return name
}

const (
	fusedPool  = "visual.attnpool.qkv."
	poolPrefix = "visual.attnpool."
)

// projections are those of an attention pool, in the order of their rows in a fused one.
var projections = [...]string{"q_proj.", "k_proj.", "v_proj."}

// split replaces the fused projection of an attention pool, [3C,C] and [3C], by those of
// queries, keys and values, which are its rows in this order.
//
// Source: timm/layers/attention_pool2d.py, AttentionPool2d with qkv_separate=False.
func split(tensors map[string]ptfile.Tensor) error {
	for _, part := range []string{"weight", "bias"} {
		t, ok := tensors[fusedPool+part]
		if !ok {
			continue
		}
		if len(t.Shape) == 0 || t.Shape[0]%len(projections) != 0 {
			return fmt.Errorf("%s: shape %s, want queries, keys and values, in as many rows each", foreign.Name(t.Name), shapeText(t.Shape))
		}
		rows := t.Shape[0] / len(projections)
		for i, p := range projections {
			name := poolPrefix + p + part
			if other, twice := tensors[name]; twice {
				return fmt.Errorf("tensors %s and %s both stand for %s", foreign.Name(other.Name), foreign.Name(t.Name), name)
			}
			tensors[name] = t.Rows(i*rows, (i+1)*rows)
		}
		delete(tensors, fusedPool+part)
	}
	return nil
}

// hasRotaryPool reports whether the attention pool is timm's RotAttentionPool2d, which
// rotates queries and keys by their positions: no tensor has a position embedding.
func hasRotaryPool(tensors map[string]ptfile.Tensor) bool {
	out, pool := tensors[poolPrefix+"c_proj.weight"]
	_, learned := tensors[poolPrefix+"positional_embedding"]
	return pool && !learned && slices.Contains(strings.Split(out.Name, "."), "head")
}

// trunkName is a name of an open_clip model whose image tower is timm's. What follows that
// tower keeps its name and is refused: the attention pool's output is then no feature yet.
func trunkName(name string) string {
	if inside, ok := strings.CutPrefix(name, "visual.trunk."); ok {
		return timmName(inside)
	}
	return openAIName(name)
}

// wrappers are what training puts around a module, at any place of a name, for
// data-parallel or compiled modules.
var wrappers = []string{"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}

// unwrapped is a name without wrappers.
func unwrapped(name string) string {
	parts := strings.Split(name, ".")
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return slices.Contains(wrappers, part) }), ".")
}

// weights are the tensors of one model in a file.
type weights struct {
	prefix string
	naming naming
}

// findWeights lists the models whose tensors are named so.
func findWeights(names []string) []weights {
	has := make(map[string]bool, len(names))
	for _, name := range names {
		has[name] = true
	}
	var found []weights
	for _, name := range names {
		for _, n := range namings {
			prefix, ok := strings.CutSuffix(name, n.anchor)
			if !ok || prefix != "" && !strings.HasSuffix(prefix, ".") || n.beside != "" && !has[prefix+n.beside] {
				continue
			}
			if w := (weights{prefix, n}); !slices.ContainsFunc(found, func(f weights) bool { return f.prefix == prefix }) {
				found = append(found, w)
			}
			break
		}
	}
	return found
}

// canonical maps the names of a file's tensors to OpenAI's. It keeps what lies
// below the prefix that leads to the model's attention pool or class token, whatever
// that is:
// "state_dict." (the rest is a training run's optimiser), "model.",
// "state_dict.model.visual_encoder." and so on. Where several models lie in a
// file, that below "state_dict." counts, which notes say, or else there must be
// one only.
func canonical(tensors []ptfile.Tensor) (names map[string]ptfile.Tensor, notes []string, err error) {
	short := make([]string, len(tensors))
	for i, t := range tensors {
		short[i] = unwrapped(t.Name)
	}
	// Without an attention pool the first that can be said is what is missing.
	model := weights{naming: namings[0]}
	if slices.ContainsFunc(short, func(name string) bool { return strings.HasPrefix(name, "state_dict.") }) {
		model.prefix = "state_dict."
	}
	switch found := findWeights(short); {
	case len(found) == 1:
		model = found[0]
	case len(found) > 1:
		if model, notes, err = choose(found); err != nil {
			return nil, nil, err
		}
	}
	names = make(map[string]ptfile.Tensor, len(tensors))
	for i, t := range tensors {
		name, inside := strings.CutPrefix(short[i], model.prefix)
		if !inside {
			continue
		}
		name = model.naming.rename(name)
		if other, twice := names[name]; twice {
			return nil, nil, fmt.Errorf("tensors %s and %s both stand for %s", foreign.Name(other.Name), foreign.Name(t.Name), foreign.Name(name))
		}
		names[name] = t
	}
	return names, notes, nil
}

// choose takes the model below "state_dict." where that is one of several.
func choose(found []weights) (weights, []string, error) {
	var prefixes []string
	var inside []weights
	for _, w := range found {
		prefixes = append(prefixes, w.prefix)
		if strings.HasPrefix(w.prefix, "state_dict.") {
			inside = append(inside, w)
		}
	}
	if len(inside) != 1 {
		return weights{}, nil, hinted{
			fmt.Errorf("weights of %s, under %s; want one", quantity.Of(len(found), "model"), foreign.QuoteAll(prefixes)),
			`save the one you want from Python: torch.save({k.removeprefix("model."): v for k, v in weights.items() if k.startswith("model.")}, "weights.pt")`,
		}
	}
	var notes []string
	for _, prefix := range prefixes {
		if prefix != inside[0].prefix {
			notes = append(notes, fmt.Sprintf("using the weights under %s, not those under %s", foreign.Quote(inside[0].prefix), foreign.Quote(prefix)))
		}
	}
	return inside[0], notes, nil
}

// otherModels are models that people have in the place of a CLIP-ResNet or CLIP-ViT, by
// tensors that their files hold, below any prefix. A part that ends in a dot is
// looked for within names.
var otherModels = []struct {
	parts []string
	what  string
}{
	{[]string{"visual.attnpool.c_proj.weight", "visual.class_embedding"}, "visual.attnpool and visual.class_embedding: a ResNet and a vision transformer in one"},
	{[]string{"visual.trunk."}, "visual.trunk: the image tower is a timm model, as of SigLIP in open_clip"},
	{[]string{"visual.head.proj.weight"}, "visual.head: the image tower is a timm model"},
	{[]string{"vision_model.head.probe"}, "vision_model.head.probe: a SigLIP, whose image tower ends in attention pooling without a class token"},
	{[]string{"visual.patch_embed.proj.weight"}, "visual.patch_embed: the image tower is an EVA transformer"},
	{[]string{"text_decoder."}, "text_decoder: a CoCa, which has a caption decoder"},
	{[]string{"visual.attn_pool."}, "visual.attn_pool: the image tower pools by attention, as of CoCa"},
	{[]string{"transformer.encoder."}, "text.transformer.encoder: the text tower is a Hugging Face model"},
	{[]string{"transformer.embeddings."}, "text.transformer.embeddings: the text tower is a Hugging Face model"},
	{[]string{"vision_model."}, "vision_model: a Hugging Face model that is not a CLIPModel"},
	{[]string{"embedder.embedder.convolution.weight"}, "embedder.embedder.convolution: a Hugging Face ResNet, which has no attention pool"},
	{[]string{"stem.conv1.conv.weight", "stages.0.0.conv1_1x1.conv.weight"}, "stem.conv1.conv: a timm ResNet without CLIP's attention pool"},
	{[]string{"layer4.0.conv1.weight", "fc.weight"}, "fc.weight: a ResNet with a classifier, as of torchvision or timm, which has no attention pool"},
	{[]string{"patch_embed.proj.weight"}, "patch_embed.proj: a vision transformer (ViT) of timm's or DINO, which is no CLIP model"},
	{[]string{"patch_embeddings.projection.weight"}, "patch_embeddings.projection: a vision transformer of Hugging Face's, such as ViT or DINO, which is no CLIP model"},
	{[]string{"conv_proj.weight", "class_token"}, "conv_proj: a vision transformer of torchvision's, which is no CLIP model"},
	{[]string{"blocks.0.attn.qkv.weight"}, "blocks.0.attn.qkv: a vision transformer (ViT) as timm's and DINO, which is no CLIP model"},
	{[]string{"unet.", "first_stage_model."}, "first_stage_model: a diffusion model"},
	{[]string{"model.diffusion_model."}, "model.diffusion_model: a diffusion model"},
}

// otherArchitecture names a model that is no CLIP-ResNet or CLIP-ViT, or returns "".
func otherArchitecture(tensors map[string]ptfile.Tensor) string {
	if _, pool := tensors["visual.attnpool.c_proj.weight"]; pool && !isViT(tensors) {
		if hasRotaryPool(tensors) {
			return "head: timm's attention pool with rotary position embeddings (RotAttentionPool2d)"
		}
		return ""
	}
	has := func(part string) bool {
		for name := range tensors {
			if strings.HasSuffix(part, ".") && strings.Contains("."+name, "."+part) || strings.HasSuffix("."+name, "."+part) {
				return true
			}
		}
		return false
	}
	for _, other := range otherModels {
		if !slices.ContainsFunc(other.parts, func(part string) bool { return !has(part) }) {
			return other.what
		}
	}
	// Of CLIP's own names it is said which tensor is missing.
	if has("layer1.0.conv1.weight") && has("layer4.0.conv1.weight") && !has("visual.layer4.0.conv1.weight") {
		return "layer4: a ResNet without CLIP's attention pool"
	}
	return ""
}
