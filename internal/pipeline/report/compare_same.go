package report

import (
	"math"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/report"
)

// This file says what is the same on both sides: images and pairs.

const (
	// What rounding makes of equal scores: one program with kernels of another family.
	sameSimilarity = 1 - 1e-5
	sameShift      = 1e-3 // standard deviations
	sameLength     = 1e-4 // of |v|

	// goneShare is the share of its norm that a pair has lost which dies.
	goneShare = 0.5
)

// sharedImages finds the images that both sides have, as rows of both, and counts those of one name
// whose files differ. A name alone does not say so: cameras give the same names to other images. A
// folder and an archive of it have the same images.
func sharedImages(here, there []string, hereSums, thereSums []artefact.ImageSum) (shared [][2]int, otherFiles int) {
	at := make(map[string]int, len(there))
	for i, name := range dataset.NamesAs(there, here) {
		at[name] = i
	}
	for i, name := range here {
		j, ok := at[name]
		switch {
		case !ok:
		case hereSums[i].Differs(thereSums[j]):
			otherFiles++
		default:
			shared = append(shared, [2]int{i, j})
		}
	}
	return shared, otherFiles
}

// isSame reports whether a pair is on both sides the same but for rounding: its scores, on
// shared images and over all, and the length of its direction. Without enough shared images
// its direction, and the mean and deviation of its scores. The norm is not compared: it has a
// share of the constant, which an edit of other pairs changes.
func (c *comparison) isSame(s report.Shift) bool {
	if s.Similarity < sameSimilarity {
		return false
	}
	a, b, u, v := c.here, c.there, s.Here, s.There
	spread := sameShift * max(a.sd[u], b.sd[v])
	return math.Abs(b.mean[v]-a.mean[u]) <= spread && math.Abs(b.sd[v]-a.sd[u]) <= spread &&
		math.Abs(b.length[v]-a.length[u]) <= sameLength*max(a.length[u], b.length[v])
}

// shift is how far the mean score of a pair moved, in standard deviations here; 0 where
// scores do not vary here.
func (c *comparison) shift(here, there int) float64 {
	if c.here.sd[here] > 0 {
		return (c.there.mean[there] - c.here.mean[here]) / c.here.sd[here]
	}
	return 0
}

// isGone reports whether a pair is alive by one of its norms and dead by the other, which is
// less than half as large: one that merely crosses the threshold is as weak on both sides.
func isGone(alive, dead, threshold float64) bool {
	return alive >= threshold && dead < threshold && dead < goneShare*alive
}
