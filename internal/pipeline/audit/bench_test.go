package audit

import "testing"

// BenchmarkAudit audits 1,000 images of a planted collection of RN50x16's size, 590 MB on
// the disk, with 1,000 permutations.
func BenchmarkAudit(b *testing.B) {
	c := plant(b, planting{heads: 48, neurons: 3072, outDim: 768, images: 250, cue: 4, cuePair: 7*3072 + 624, seed: 1})
	c.rows = nil
	for b.Loop() {
		o := c.options(b)
		o.Permutations = 1000
		if r := run(b, o); r.Found < 1 || r.Pairs[0].Index != 7*3072+624 {
			b.Fatalf("%d pairs are found, the planted one is not first", r.Found)
		}
	}
}
