package merge

import (
	"fmt"
	"io"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/quantity"
)

// mergeStatistics adds the statistics of all shards' images.
func mergeStatistics(w *cache.ChunkWriter, shards []shard.Part, team par.Team) error {
	var all *lowrank.Extremes
	var heads, neurons int
	images := 0
	for _, p := range shards {
		images += p.Manifest.Shape[0]
	}
	for _, p := range shards {
		keep := 0
		if c := p.Manifest.Origin.Collect; c != nil {
			keep = c.TopK
		}
		if keep < 1 {
			return fmt.Errorf("%s: top_k %d in its manifest, want 1 or more", p.Path(), keep)
		}
		if p.Manifest.Shape[0] == 0 {
			continue
		}
		s, err := artefact.StatisticsOf(p.Artefact)
		if err != nil {
			return err
		}
		if all == nil {
			heads, neurons = s.OV.Heads, s.OV.Neurons
			all = lowrank.NewExtremes(heads*neurons, min(keep, images))
		}
		if s.Pairs != all.Pairs {
			return fmt.Errorf("%s: %s, want the %d of %s", p.Path(), quantity.Of(s.Pairs, "pair"), all.Pairs, shards[0].Path())
		}
		if err := s.WantTop("top_k", all.Keep); err != nil {
			return err
		}
		all.Merge(s.Extremes, team)
	}
	if all == nil { // a part without a single image, as its shards are
		for _, name := range []string{artefact.SumsFile, artefact.SumsLowFile, artefact.LargestFile, artefact.LargestImagesFile, artefact.SmallestFile, artefact.SmallestImagesFile} {
			if err := w.AddFile(name, func(to io.Writer) error { return eachShard(shards[:1], name, to) }); err != nil {
				return err
			}
		}
		return nil
	}
	return artefact.AddStatistics(w, all, heads, neurons)
}
