package collect

import (
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
)

// TestWorthList: a shard of very many images says that their list can be kept, and nothing else does.
func TestWorthList(t *testing.T) {
	defer func(was int) { worthList = was }(worthList)
	for _, tt := range []struct {
		worth int
		shard shard.Shard
		said  bool
	}{{48, shard.Shard{Number: 1, Of: 2}, true}, {49, shard.Shard{Number: 1, Of: 2}, false}, {48, shard.Shard{}, false}} {
		worthList = tt.worth
		o := goldenImages(t, "scores")
		o.Shard = tt.shard
		say, heard := pipelinetest.Heard()
		if _, err := openImages(t.Context(), o, say); err != nil {
			t.Fatal(err)
		}
		if said := strings.Contains(heard.String(), "note: each shard lists all images: "); said != tt.said {
			t.Errorf("%d images, shard %v: said %q", tt.worth, tt.shard, heard)
		}
	}
}
