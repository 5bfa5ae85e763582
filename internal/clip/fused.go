package clip

import (
	"fmt"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/ptfile"
)

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
