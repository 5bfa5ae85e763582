package arch

import (
	"go/ast"
	"strings"
	"testing"
)

// ofFamilies may name the sizes of one family of image towers: they declare its layers.
var ofFamilies = []string{"internal/clip/", "internal/onnxtower/"}

// TestStagesAskNoFamily holds that nothing else asks which family a model is of: what differs
// between them is behind the interfaces of package clip.
func TestStagesAskNoFamily(t *testing.T) {
	seen := 0
	eachSource(t, func(file string, f *ast.File) {
		for _, at := range familiesIn(f) {
			own := false
			for _, dir := range ofFamilies {
				own = own || strings.HasPrefix(file, dir)
			}
			if seen++; !own {
				t.Errorf("%s: %s, want what a model has or does: see Checkpoint.Require, Pairs and Windows", file, at)
			}
		}
	})
	if seen < 10 {
		t.Errorf("%d uses in all, want those of package clip", seen)
	}
}

// familiesIn are the uses of the sizes of one family in a file.
func familiesIn(f *ast.File) (uses []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && (s.Sel.Name == "ViT" || s.Sel.Name == "ResNet") {
			uses = append(uses, "."+s.Sel.Name)
		}
		return true
	})
	return uses
}
