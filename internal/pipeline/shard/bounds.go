package shard

import (
	"sort"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/usage"
)

// Bounds returns the first of a shard's inputs and the one behind its last. Where inputs are cut
// by archives, and these are at least as many as shards, a shard is of whole archives; otherwise
// it is of whole chunks. Shards are as even as that allows.
func (s Shard) Bounds(all cache.Chunking) (lo, hi int, err error) {
	if s.Whole() {
		return 0, all.Inputs(), nil
	}
	chunks := all.Chunks()
	if s.Of > chunks && all.Size() == 1 {
		return 0, 0, usage.Errorf("{shard} %s: %s, want at most as many shards", s, quantity.Of(all.Inputs(), "image"))
	}
	if s.Of > chunks {
		return 0, 0, usage.Errorf("{shard} %s: want no more shards than chunks of %s, of which %s make %d", s, quantity.Of(all.Size(), "image"), quantity.Of(all.Inputs(), "image"), chunks)
	}
	if s.Of <= len(all.Cuts())+1 {
		lo, hi = s.ofArchives(all)
		return lo, hi, nil
	}
	// In 64 bits, whatever the platform's.
	at := func(number int) int { return all.First(int(int64(chunks) * int64(number) / int64(s.Of))) }
	return at(s.Number - 1), at(s.End()), nil
}

// ofArchives is Bounds where there are as many archives as shards: each shard ends at the cut that
// is nearest to where even ones would end, so far as every shard has an archive.
func (s Shard) ofArchives(all cache.Chunking) (lo, hi int) {
	cuts := all.Cuts()
	next, at := 0, 0 // the first cut behind the shard before, and the inputs before that
	for number := 1; number <= s.End(); number++ {
		if number == s.Number {
			lo = at
		}
		if number == s.Of {
			return lo, all.Inputs()
		}
		// In units of 1/Of of an input, and in 64 bits, whatever the platform's.
		want := int64(all.Inputs()) * int64(number)
		off := func(i int) int64 { return max(int64(cuts[i])*int64(s.Of)-want, want-int64(cuts[i])*int64(s.Of)) }
		i := sort.Search(len(cuts), func(i int) bool { return int64(cuts[i])*int64(s.Of) >= want })
		if i == len(cuts) || i > 0 && off(i-1) <= off(i) {
			i--
		}
		i = min(max(i, next), len(cuts)-(s.Of-number))
		next, at = i+1, cuts[i]
	}
	return lo, at
}

// OfAll is how the inputs of all shards of what m is a part of are cut into chunks, or those of m
// if it is no shard.
func OfAll(m cache.Manifest) cache.Chunking {
	if of := m.Origin.Shard; of != nil {
		return cache.NewChunking(of.Inputs, m.ChunkInputs, of.Cuts)
	}
	return m.Chunking()
}

// RestrictPlan makes a plan of all inputs that of the shard, and returns where its
// inputs begin and end.
func (s Shard) RestrictPlan(plan *cache.Plan) (lo, hi int, err error) {
	all := plan.Chunking()
	lo, hi, err = s.restrict(plan, all)
	if err == nil && !s.Whole() {
		plan.Inputs, plan.Cuts = hi-lo, all.Part(lo, hi)
	}
	return lo, hi, err
}

// RestrictSums makes the plan of sums over inputs, such as a summary, that of the shard: a
// plan of one row, whatever the number of inputs. It returns where the shard's inputs begin
// and end. ends are where archives end.
func (s Shard) RestrictSums(plan *cache.Plan, inputs int, ends []int) (lo, hi int, err error) {
	return s.restrict(plan, cache.NewChunking(inputs, 1, cache.KeptCuts(ends, 1)))
}

func (s Shard) restrict(plan *cache.Plan, all cache.Chunking) (lo, hi int, err error) {
	lo, hi, err = s.Bounds(all)
	if err != nil || s.Whole() {
		return lo, hi, err
	}
	plan.Origin.Shard = &origin.Shard{Number: s.Number, Last: s.Last, Of: s.Of, Inputs: all.Inputs(), Cuts: all.Cuts()}
	plan.Kind = artefact.ShardKind(plan.Kind)
	return lo, hi, nil
}

// AsBegun returns where archives end, for the cuts of what is to be at path: none of these if an
// older build, which did not cut by archives, has begun or finished it there, so that it is resumed
// as it was begun.
func AsBegun(path string, restart bool, ends []int) []int {
	if ends == nil || restart {
		return ends
	}
	var m cache.Manifest
	if a, err := cache.Inspect(path); err == nil {
		m = a.Manifest
	} else if u, err := cache.InspectUnfinished(path); err == nil {
		m = u.Plan
	} else if u, err := cache.InspectState(path); err == nil {
		m.Origin = u.Origin
	} else {
		return ends
	}
	if m.HasCuts() {
		return ends
	}
	return nil
}
