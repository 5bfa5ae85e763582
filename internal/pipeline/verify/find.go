package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
)

// This file finds out which artefacts lie at or below a path.

const (
	folderManifest = "manifest.json"
	folderJournal  = "journal"
	manifestEnd    = ".json"
	journalEnd     = ".journal"
)

// payloadEnds are how the names of files end that commands write.
var payloadEnds = []string{".npy", ".npz", ".dat", ".pt", ".json"}

// withManifestEnds are those of files that are ours where a manifest says so, and models of
// other programs elsewhere.
var withManifestEnds = []string{".safetensors", ".onnx", ".data"}

func (v *verifier) find(ctx context.Context, path string) error {
	path = filepath.Clean(path)
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return v.findBelow(ctx, path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	// The path of a manifest means what it describes.
	if filepath.Base(path) == folderManifest && exists(path) {
		v.addFolder(filepath.Dir(path))
		return nil
	}
	if base := strings.TrimSuffix(path, manifestEnd); base != path && exists(path) && !exists(path+manifestEnd) && exists(base) {
		path = base
	}
	v.add(path)
	return nil
}

// layers says which layers of neurons are not merged, or not finished, in folders that have others.
func (v *verifier) layers() {
	for _, dir := range v.folders {
		if lacking := artefact.LayersWithin(dir).Lacking(); lacking != "" {
			v.say.Note("%s: it holds a collection of each layer of neurons; %s", dir, lacking)
		}
	}
}

// findBelow adds the artefact that a folder is, or all those in it.
func (v *verifier) findBelow(ctx context.Context, dir string) error {
	before := len(v.found)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if d.IsDir() {
			v.folders = append(v.folders, path)
			if isCollection(path) {
				v.addFolder(path)
				return filepath.SkipDir
			}
			return nil
		}
		if of, ok := describes(path); ok {
			v.add(of)
		}
		return nil
	})
	if err == nil && len(v.found) == before {
		v.add(dir) // a folder of nothing
		if f := v.found[before]; errors.Is(f.err, cache.ErrMissing) {
			f.err = fmt.Errorf("%s: %w: no artefact in this folder", dir, cache.ErrMissing)
		}
	}
	return err
}

// addFolder adds the artefact that a folder is, and the image features within it, which are
// one of their own.
func (v *verifier) addFolder(path string) {
	v.add(path)
	if features := filepath.Join(path, artefact.FeaturesFolder); isCollection(features) {
		v.folders = append(v.folders, features)
		v.add(features)
	}
}

// isCollection reports whether a folder is a collection, finished or not.
func isCollection(dir string) bool {
	return exists(filepath.Join(dir, folderManifest)) || exists(filepath.Join(dir, folderJournal))
}

// leftovers names the files of killed runs in the folders that were searched, and
// removes in a repair those that can be nobody else's.
func (v *verifier) leftovers() error {
	list, what := cache.Leftovers, "left by a run that was killed, and of no use: remove it, or run verify with {repair}"
	if v.Repair {
		list, what = cache.RemoveLeftovers, "left by a run that was killed; removed"
	}
	for _, dir := range v.folders {
		found, err := list(dir)
		if err != nil {
			return err
		}
		for _, l := range found {
			if l.Unmarked {
				v.say.Note("%s: perhaps left by a run of an older build that was killed; remove it if it is not another program's", l.Path)
				continue
			}
			v.say.Note("%s: %s", l.Path, what)
		}
		v.result.Leftovers = append(v.result.Leftovers, found...)
	}
	return nil
}

// describes returns the artefact that a file in a folder is a part of.
func describes(path string) (string, bool) {
	ends := func(name string) bool { return slices.Contains(payloadEnds, filepath.Ext(name)) }
	for _, end := range []string{journalEnd, cache.StateEnd} {
		if base, ok := strings.CutSuffix(path, end); ok {
			return base, true
		}
	}
	if base, ok := strings.CutSuffix(path, manifestEnd); ok && (ends(base) || slices.Contains(withManifestEnds, filepath.Ext(base))) {
		return base, true
	}
	if filepath.Ext(path) == manifestEnd && !exists(path+manifestEnd) {
		return "", false // some other program's, or a person's
	}
	return path, ends(path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// add adds an artefact, once.
func (v *verifier) add(path string) {
	for _, f := range v.found {
		if f.path == path {
			return
		}
	}
	f := &found{path: path, Report: &Report{Path: path, State: StateSound, Problems: []Problem{}, Parents: []Parent{}}}
	v.found = append(v.found, f)
	if f.artefact, f.err = cache.Inspect(path); f.err == nil {
		if hasWeightsBeside(f) {
			v.add(artefact.WeightsBeside(path))
		}
		return
	}
	if unfinished, err := cache.InspectUnfinished(path); err == nil {
		f.unfinished, f.err = unfinished, nil
	} else if !errors.Is(err, cache.ErrMissing) {
		f.err = err
	} else if work := path + artefact.WorkEnd; errors.Is(f.err, cache.ErrMissing) && isCollection(work) {
		if f.unfinished, err = cache.InspectUnfinished(work); err == nil {
			f.err = nil
			return
		}
		f.err = hint.With(
			fmt.Errorf("%s: %w: not finished, the work so far is in %s", path, cache.ErrMissing, filepath.Base(work)),
			"run the command that makes it again: it resumes from there",
		)
	} else if exists(path+cache.StateEnd) && errors.Is(f.err, cache.ErrMissing) {
		f.err = hint.With(
			fmt.Errorf("%s: %w: not finished, its sums so far are in %s", path, cache.ErrMissing, filepath.Base(path)+cache.StateEnd),
			"run the command that makes it again: it resumes from there",
		)
	}
}
