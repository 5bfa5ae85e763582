package source_test

import (
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/source"
)

// TestUnlikeFamilies says of collections of models of different families that they are, and not
// that their blocks differ, of which one has none.
func TestUnlikeFamilies(t *testing.T) {
	resnet := origin.Origin{Block: origin.LastBlock}
	other := origin.Origin{Block: "1"}
	vit := origin.Origin{Transformer: &origin.Transformer{NeuronLayer: 2}}
	const families = "a is of a ResNet, b of a vision transformer: the pairs of models of different families"
	for _, test := range []struct {
		a, b       origin.Origin
		want, none string
	}{
		{resnet, vit, families, "block"},
		{vit, vit, "", "warning"},
		{resnet, other, "a was collected with another block than b", "families"},
		{origin.Origin{}, vit, "", "warning"},
	} {
		say, heard := pipelinetest.Heard()
		source.WarnWhereUnlike(&cache.Artefact{Manifest: cache.Manifest{Origin: test.a}}, &cache.Artefact{Manifest: cache.Manifest{Origin: test.b}}, "a", "b", say)
		if said := heard.String(); !strings.Contains(said, test.want) || strings.Contains(said, test.none) {
			t.Errorf("%v and %v: said %q, want %q", test.a, test.b, said, test.want)
		}
	}
}
