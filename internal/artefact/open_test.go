package artefact

import "testing"

func TestAnyOf(t *testing.T) {
	for want, kinds := range map[string][]string{
		"scores":                        {KindScores},
		"scores or dense contributions": {KindScores, KindDense},
		"contributions of heads, mlps or class tokens": {KindHeads, KindMLPs, KindClassParts},
		"scores, statistics or contributions of heads": {KindScores, KindStatistics, KindHeads},
	} {
		if got := anyOf(kinds); got != want {
			t.Errorf("%q: got %q, want %q", kinds, got, want)
		}
	}
}
