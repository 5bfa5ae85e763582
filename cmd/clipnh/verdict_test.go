package main

import (
	"errors"
	"testing"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/pipeline/verify"
)

// TestVerdict counts artefacts of all states that are not right; the gravest decides the exit
// status.
func TestVerdict(t *testing.T) {
	all := make([]verify.Report, 9)
	for _, test := range []struct {
		counts map[string]int
		want   string
		is     error
	}{
		{map[string]int{verify.StateSound: 5, verify.StateUnknown: 4}, "", nil},
		{map[string]int{verify.StateUnfinished: 2}, "2 of 9 artefacts: unfinished", cache.ErrMissing},
		{map[string]int{verify.StateDamaged: 1, verify.StateUnfinished: 2, verify.StateSound: 6}, "3 of 9 artefacts: 1 damaged, 2 unfinished", cache.ErrDamaged},
		{map[string]int{verify.StateStale: 4, verify.StateUnfinished: 1, verify.StateMissing: 1}, "6 of 9 artefacts: 1 missing, 1 unfinished, 4 stale", cache.ErrMissing},
	} {
		err := verdict(&verify.Result{Counts: test.counts, Artefacts: all})
		if test.is == nil {
			if err != nil {
				t.Errorf("%v: %v", test.counts, err)
			}
			continue
		}
		if err == nil || err.Error() != test.want || !errors.Is(err, test.is) {
			t.Errorf("%v: %v, want %s", test.counts, err, test.want)
		}
	}
}
