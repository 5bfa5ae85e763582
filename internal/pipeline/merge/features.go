package merge

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/ui"
)

// mergeFeatures merges the image features that are collected within the folders of shards;
// those of builds before have none.
func mergeFeatures(ctx context.Context, o Options, shards []shard.Part, say ui.Reporter) error {
	if shard.IsFile(o.SavePath) {
		return nil
	}
	var paths []string
	for _, p := range shards {
		path := filepath.Join(p.Path(), artefact.FeaturesFolder)
		switch _, err := os.Stat(path); {
		case err == nil:
			paths = append(paths, path)
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	if len(paths) == 0 {
		return nil
	}
	o.SavePath = filepath.Join(o.SavePath, artefact.FeaturesFolder)
	parts, err := shard.OpenAll(o.SavePath, paths, o.Part, o.Force)
	if err != nil {
		return err
	}
	_, err = mergeCollection(ctx, o, parts, say)
	return err
}
