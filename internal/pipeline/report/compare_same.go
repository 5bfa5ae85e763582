package report

import (
	"math"

	"github.com/clipnh/clipnh/internal/report"
)

// This file says what is the same on both sides: images and pairs.

const (
	// What rounding makes of equal scores: one program with kernels of another family.
	sameSimilarity = 1 - 1e-5
	sameShift      = 1e-3 // standard deviations
	sameLength     = 1e-4 // of |v|
)

// share finds the images that both have. A name alone does not say so: cameras give the
// same names to other images.
func (c *comparison) share() {
	at := make(map[string]int, len(c.there.names))
	for i, name := range c.there.names {
		at[name] = i
	}
	for i, name := range c.here.names {
		j, ok := at[name]
		switch {
		case !ok:
		case c.here.sums[i].Differs(c.there.sums[j]):
			c.otherFiles++
		default:
			c.shared = append(c.shared, [2]int{i, j})
		}
	}
}

// isSame reports whether a pair is on both sides the same but for rounding: its scores and
// the length of its direction. Its norm also has a share of the constant, which an edit of
// other pairs changes.
func (c *comparison) isSame(s report.Shift) bool {
	here, there := c.here.length[s.Here], c.there.length[s.There]
	return s.Similarity >= sameSimilarity && math.Abs(s.Shift) <= sameShift && math.Abs(there-here) <= sameLength*max(here, there)
}
