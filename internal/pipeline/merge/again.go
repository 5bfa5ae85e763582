package merge

import (
	"errors"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
)

// open opens the shards that are given, or else those beside SavePath.
func (o Options) open() ([]shard.Part, error) {
	paths := o.Shards
	if len(paths) == 0 {
		var err error
		if paths, err = shard.Beside(o.SavePath); err != nil {
			return nil, err
		}
		paths = shard.Fewest(o.SavePath, paths, o.Part)
	}
	return shard.OpenAll(o.SavePath, paths, o.Part, o.Force)
}

// alreadyMerged is the result of a merge to a part that was finished before its shards were
// removed; nil if there is none. Shards that are left must be of the same run. A collection as a
// whole does not say that it was merged, and its shards are wanted.
func (o Options) alreadyMerged() (*Result, error) {
	at := o.Part.Path(o.SavePath)
	if o.Part.Whole() || len(o.Shards) > 0 || o.Restart || shard.IsJSON(at) {
		return nil, nil
	}
	a, err := cache.Open(at)
	if err != nil {
		return nil, nil // it can be made of shards only
	}
	m := a.Manifest
	if shard.Recorded(m.Origin.Shard) != o.Part || !artefact.IsShard(m.Kind) || m.Payloads[0].Chunks == nil {
		return nil, nil
	}
	left, err := shard.Beside(o.SavePath)
	if err != nil && !errors.Is(err, cache.ErrMissing) {
		return nil, err
	}
	for _, path := range left {
		if s := shard.Of(o.SavePath, path); s.Of != o.Part.Of || s.Number < o.Part.Number || s.End() > o.Part.End() {
			continue
		}
		if _, err := shard.OpenAll(o.SavePath, []string{at, path}, shard.Shard{}, o.Force); errors.Is(err, cache.ErrStale) {
			return nil, err
		}
	}
	o.SavePath = at
	return o.complete(a, o.Part.Count())
}
