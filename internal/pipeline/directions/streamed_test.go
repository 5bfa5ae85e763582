package directions

import (
	"context"
	"reflect"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// TestStreamedScores holds that scores which are not worked on as a whole give the same
// results, in one group and in several.
func TestStreamedScores(t *testing.T) {
	path := pipelinetest.GoldenScores(t)
	for _, neurons := range []bool{false, true} {
		o := SVDOptions{CollectPath: path, Neurons: neurons, TopK: 10, Threads: 2}
		if neurons {
			o.PC = 1
		}
		solved := func(mapped, statistics, block int) (all []lowrank.Result) {
			s, err := artefact.Reader{}.Scores(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			f := &factored{s, neurons, mapped, statistics, block}
			next := 0
			err = f.solve(context.Background(), o, func(first int, r *lowrank.Result) error {
				if first != next {
					t.Errorf("units from %d on, want %d", first, next)
				}
				next += r.Units
				for u := range r.Units {
					one := lowrank.NewResult(1, r.OutDim, s.Images, o.TopK)
					copy(one.Direction, r.Direction[u*r.OutDim:])
					copy(one.Mean, r.Mean[u*r.OutDim:])
					copy(one.Norms, r.Norms[u*r.Kept:])
					copy(one.Images, r.Images[u*r.Kept:])
					one.State[0], one.ScoreMean[0] = r.State[u], r.ScoreMean[u]
					all = append(all, *one)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return all
		}
		want := solved(mostMapped, statisticsBytes, blockBytes)
		for _, limits := range [][3]int{{1, statisticsBytes, blockBytes}, {1, 1 << 18, 100_000}, {1, 1, 1}} {
			if got := solved(limits[0], limits[1], limits[2]); !reflect.DeepEqual(got, want) {
				t.Errorf("neurons %t, limits %v: other results than of the whole", neurons, limits)
			}
		}
	}
}
