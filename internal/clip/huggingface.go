package clip

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/ptfile"
)

// huggingFaceNames gives the names of the parts of Hugging Face's CLIPModel, and
// OpenAI's.
//
// Source: transformers, models/clip/convert_clip_original_pytorch_to_hf.py, which maps
// the other way.
var huggingFaceNames = []struct {
	huggingFace *regexp.Regexp
	openAI      string
}{
	{regexp.MustCompile(`^vision_model\.embeddings\.class_embedding$`), "visual.class_embedding"},
	{regexp.MustCompile(`^vision_model\.embeddings\.patch_embedding\.weight$`), "visual.conv1.weight"},
	{regexp.MustCompile(`^vision_model\.embeddings\.position_embedding\.weight$`), "visual.positional_embedding"},
	{regexp.MustCompile(`^vision_model\.pre_layrnorm\.`), "visual.ln_pre."}, // spelled so
	{regexp.MustCompile(`^vision_model\.post_layernorm\.`), "visual.ln_post."},
	{regexp.MustCompile(`^vision_model\.encoder\.layers\.`), "visual.transformer.resblocks."},
	{regexp.MustCompile(`^(vision|text)_model\.embeddings\.position_ids$`), "$1.position_ids"},
	{regexp.MustCompile(`^text_model\.embeddings\.token_embedding\.weight$`), "token_embedding.weight"},
	{regexp.MustCompile(`^text_model\.embeddings\.position_embedding\.weight$`), "positional_embedding"},
	{regexp.MustCompile(`^text_model\.final_layer_norm\.`), "ln_final."},
	{regexp.MustCompile(`^text_model\.encoder\.layers\.`), "transformer.resblocks."},
	{regexp.MustCompile(`^(.*resblocks\.\d+)\.layer_norm(1|2)\.`), "$1.ln_$2."},
	{regexp.MustCompile(`^(.*resblocks\.\d+)\.self_attn\.`), "$1.attn."},
	{regexp.MustCompile(`^(.*resblocks\.\d+)\.mlp\.fc1\.`), "$1.mlp.c_fc."},
	{regexp.MustCompile(`^(.*resblocks\.\d+)\.mlp\.fc2\.`), "$1.mlp.c_proj."},
}

func huggingFaceName(name string) string {
	for _, n := range huggingFaceNames {
		name = n.huggingFace.ReplaceAllString(name, n.openAI)
	}
	return name
}

// assembly is a tensor of OpenAI's that a file holds in another form: in parts, which
// follow each other along the first axis, or transposed.
type assembly struct {
	parts      []ptfile.Tensor
	transposed bool
}

// assemble replaces tensors of Hugging Face's forms by those of OpenAI's: queries, keys
// and values are one tensor there, and both projections are transposed.
func assemble(tensors map[string]ptfile.Tensor) map[string]assembly {
	made := map[string]assembly{}
	replace := func(name string, transposed bool, by ...string) {
		a := assembly{transposed: transposed}
		for _, part := range by {
			t, ok := tensors[part]
			if !ok || len(t.Shape) == 0 || len(a.parts) > 0 && (t.DType != a.parts[0].DType || !slices.Equal(t.Shape, a.parts[0].Shape)) {
				return // what is missing or surplus is said of the file's own names
			}
			a.parts = append(a.parts, t)
		}
		if _, there := tensors[name]; there {
			return
		}
		t := a.parts[0]
		t.Name, t.Shape = name, slices.Clone(t.Shape)
		if transposed {
			slices.Reverse(t.Shape)
		}
		t.Shape[0] *= len(a.parts)
		made[name], tensors[name] = a, t
		for _, part := range by {
			delete(tensors, part)
		}
	}
	for _, name := range slices.Collect(maps.Keys(tensors)) {
		if block, part, ok := strings.Cut(name, ".attn.q_proj."); ok {
			replace(block+".attn.in_proj_"+part, false, name, block+".attn.k_proj."+part, block+".attn.v_proj."+part)
		}
	}
	replace("visual.proj", true, "visual_projection.weight")
	replace("text_projection", true, "text_projection.weight")
	return made
}

// read reads the tensor, row-major.
func (a assembly) read(f *ptfile.File, dst []float32) error {
	rest := dst
	for _, part := range a.parts {
		n := part.Len()
		if err := f.Float32(part, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	if a.transposed {
		shape := a.parts[0].Shape
		copy(dst, transposed(dst, shape[0], elements(shape[1:])))
	}
	return nil
}

// transposed is the transpose of w [rows,cols].
func transposed(w []float32, rows, cols int) []float32 {
	t := make([]float32, len(w))
	kernel.Transpose(t, w, rows, cols)
	return t
}
