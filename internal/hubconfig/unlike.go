package hubconfig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/clipnh/clipnh/internal/foreign"
)

// A rule is about a field of a tower's object that makes it another tower than CLIP's, though
// its tensors may have the same names and shapes. Fields that change nothing but training, or
// that add tensors, have none.
type rule struct {
	field string
	want  string // in words
	like  func(value any) bool
}

// openCLIPImage are the rules for vision_cfg of vision transformers. With the pooling of the
// class token, final_ln_after_pool changes no number; neither does sin_cos_2d, whose values
// are in the position embedding.
//
// Source: open_clip, src/open_clip/model.py, CLIPVisionCfg, and transformer.py.
var openCLIPImage = []rule{
	{"pool_type", `"tok"`, oneOf("tok")},
	{"global_average_pool", "false", oneOf(false)},
	{"attentional_pool", "false", oneOf(false, "")},
	{"no_ln_pre", "false", oneOf(false)},
	{"pos_embed_type", `"learnable"`, oneOf("learnable", "sin_cos_2d")},
	{"input_patchnorm", "false", oneOf(false)},
	{"qk_norm", "false", oneOf(false)},
	{"scaled_cosine_attn", "false", oneOf(false)},
	{"scale_heads", "false", oneOf(false)},
	{"scale_attn_inner", "false", oneOf(false)},
	{"scale_attn", "false", oneOf(false)},
	{"scale_fc", "false", oneOf(false)},
	{"norm_kwargs", "none, or an eps of 1e-05", onlyEpsilon},
}

// openCLIPStages are those of ResNets, in whose attention pool heads have this width.
var openCLIPStages = []rule{{"head_width", "64", oneOf(64.)}}

// openCLIPText are those for text_cfg.
//
// Source: open_clip, src/open_clip/model.py, CLIPTextCfg, transformer.py and tokenizer.py.
var openCLIPText = []rule{
	{"hf_model_name", "a text tower of open_clip's", oneOf("")},
	{"no_causal_mask", "false", oneOf(false)},
	{"pool_type", `"argmax"`, oneOf("argmax")},
	{"embed_cls", "false", oneOf(false)},
	{"proj_type", `"linear"`, oneOf("linear", "none")},
	{"proj_bias", "false", oneOf(false)},
	{"norm_kwargs", "none, or an eps of 1e-05", onlyEpsilon},
	{"tokenizer_kwargs", "none", oneOf()},
}

// transformersImage and transformersText are those for vision_config and text_config. Up to a
// release of theirs, the end token was said to be 2 whatever it was, and the highest counted.
//
// Source: transformers, models/clip/modeling_clip.py.
var transformersImage = []rule{{"layer_norm_eps", "1e-05", isEpsilon}}

func transformersText(vocabulary int) []rule {
	return []rule{
		{"layer_norm_eps", "1e-05", isEpsilon},
		{"eos_token_id", fmt.Sprintf("%d, the last of the vocabulary", vocabulary-1), oneOf(2., float64(vocabulary-1))},
	}
}

// oneOf accepts these values, and what is empty.
func oneOf(values ...any) func(any) bool {
	return func(value any) bool {
		switch v := value.(type) {
		case nil:
			return true
		case map[string]any:
			return len(v) == 0
		case []any:
			return false
		}
		return slices.Contains(values, value)
	}
}

// isEpsilon accepts what CLIP's layer norms add to a variance, as far as float32 tells.
func isEpsilon(value any) bool {
	number, ok := value.(float64)
	return value == nil || ok && math.Abs(number-1e-5) < 1e-12
}

func onlyEpsilon(value any) bool {
	object, ok := value.(map[string]any)
	if !ok {
		return value == nil
	}
	for name, value := range object {
		if name != "eps" || !isEpsilon(value) {
			return false
		}
	}
	return true
}

// unlike says which field of an object, the first of the rules, makes a tower another one;
// empty of none.
func unlike(object json.RawMessage, what string, rules []rule) string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(object, &fields) != nil {
		return ""
	}
	for _, r := range rules {
		raw, said := fields[r.field]
		if !said {
			continue
		}
		var value any
		if json.Unmarshal(raw, &value) != nil || r.like(value) {
			continue
		}
		return fmt.Sprintf("%s%s %s, want %s", what, r.field, written(raw, value), r.want)
	}
	return ""
}

// written is a value of JSON that is safe to print.
func written(raw json.RawMessage, value any) string {
	switch v := value.(type) {
	case string:
		return foreign.Quote(v)
	case bool, float64:
		return fmt.Sprint(v)
	}
	var compact bytes.Buffer
	if json.Compact(&compact, raw) != nil {
		return foreign.Quote(string(raw))
	}
	return foreign.Quote(compact.String())
}
