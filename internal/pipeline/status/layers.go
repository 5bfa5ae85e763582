package status

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/quantity"
)

// A Layer is how far the collection of one of several layers of neurons is.
type Layer struct {
	Path     string `json:"path"`
	Whole    bool   `json:"whole"`    // it is there, and complete
	State    string `json:"state"`    // of a run without shards that is not finished: running, stopped or begun; or missing or damaged; empty otherwise
	Shards   int    `json:"shards"`   // in all; 0 where there are none
	Done     int    `json:"done"`     // of these
	Images   *int   `json:"images"`   // of all shards; null where none says it
	Finished int    `json:"finished"` // of these
	Skipped  int    `json:"skipped"`
	Error    string `json:"error"` // of a damaged one
}

// layers fills in how far the collections of several layers of neurons are within the folder of
// one run. A shard of the run is one of each layer that is not complete, and is as far as that
// of the layer which is least far. It reports false, and changes nothing, where no layer is there.
func (o Options) layers(ctx context.Context, r *Result, within artefact.Layers) (bool, error) {
	var all, open []*Result
	damaged := map[*Result]error{}
	there := 0
	for _, layer := range within {
		of := o
		of.Path = layer.Path
		one, err := Run(ctx, of)
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case errors.Is(err, cache.ErrMissing):
			one = newResult(layer.Path)
			one.State = Missing
		case err != nil:
			one = newResult(layer.Path)
			one.State, damaged[one] = Damaged, err
		}
		all = append(all, one)
		if one.State != Missing {
			there++
		}
		if !one.Whole && one.State != Missing && one.State != Damaged {
			open = append(open, one)
		}
	}
	if there == 0 {
		return false, nil
	}
	for _, one := range all {
		l := Layer{one.Path, one.Whole, one.State, len(one.Shards), one.Counts[Done], one.Images, one.Finished, one.Skipped, ""}
		if err := damaged[one]; err != nil {
			l.Error = err.Error()
		}
		r.Layers = append(r.Layers, l)
	}
	r.Whole = !slices.ContainsFunc(all, func(one *Result) bool { return !one.Whole })
	if len(open) == 0 { // what shards there are is of layers that were merged
		open = slices.DeleteFunc(slices.Clone(all), func(one *Result) bool { return len(one.Shards) == 0 })
	}
	if err := oneRun(r.Path, open); err != nil {
		return true, err
	}
	switch {
	case len(open) == 0:
	case len(open[0].Shards) == 0:
		r.ofRuns(open)
	default:
		r.ofShards(open)
	}
	if r.Whole && len(r.Shards) == 0 {
		r.Next = "nothing is left to do"
	} else if r.Next == "" && len(open) == 0 {
		r.Next = "run the command that makes it again"
		if len(damaged) > 0 {
			r.Next = fmt.Sprintf("\"clipnh verify %s\" says how what is damaged is repaired", r.Path)
		}
	}
	return true, nil
}

// oneRun returns an error unless layers are of as many shards.
func oneRun(path string, layers []*Result) error {
	for _, one := range layers {
		if a, b := len(layers[0].Shards), len(one.Shards); a != b {
			err := fmt.Errorf("%s: its layers are of several runs: %s has %s beside it, %s has %d", path, layers[0].Path, quantity.Of(a, "shard"), one.Path, b)
			return hint.With(err, "give the path of a layer")
		}
	}
	return nil
}

// ofRuns fills in how far runs without shards are: as that which is least far.
func (r *Result) ofRuns(layers []*Result) {
	least := slices.MinFunc(layers, func(a, b *Result) int { return byProgress(a.State, a.Finished, b.State, b.Finished) })
	r.State, r.Kind, r.Next = least.State, least.Kind, least.Next
	r.Images, r.Finished, r.Skipped, r.Rate, r.Left = least.Images, least.Finished, least.Skipped, least.Rate, least.Left
}

// ofShards fills in how far the shards of layers are.
func (r *Result) ofShards(layers []*Result) {
	of := len(layers[0].Shards)
	for _, one := range layers {
		r.Parts = append(r.Parts, one.Parts...)
		if r.Images == nil {
			r.Images = one.Images
		}
		if len(r.Command) == 0 {
			r.Command, r.Folder, r.Hidden = one.Command, one.Folder, one.Hidden
		}
	}
	for i := range of {
		s := layers[0].Shards[i]
		for _, one := range layers[1:] {
			if t := one.Shards[i]; byProgress(t.State, t.Finished, s.State, s.Finished) < 0 {
				s = t
			}
		}
		r.Shards = append(r.Shards, s)
		r.count(s)
	}
	r.advise(of)
}

// least are what shards may be, from the one that says most of a shard of several layers: it runs
// where one of them does.
var least = []string{Running, Damaged, Missing, Begun, Stopped, Done}

// byProgress compares how far shards are that count as one.
func byProgress(a string, finishedA int, b string, finishedB int) int {
	if i, j := slices.Index(least, a), slices.Index(least, b); i != j {
		return i - j
	}
	return finishedA - finishedB
}
