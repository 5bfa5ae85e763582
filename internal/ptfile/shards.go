package ptfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
)

// Bounds of an index of shards.
const (
	maxIndex  = 16 << 20 // bytes
	maxShards = 1024
)

// isIndex tells an index of shards, a JSON object, from a safetensors file whose
// header's length happens to begin with the byte of '{': that has zeros there.
func isIndex(head []byte) bool {
	text := bytes.TrimLeft(head, " \t\r\n")
	return len(text) > 0 && text[0] == '{' && bytes.IndexByte(head[:min(len(head), 8)], 0) < 0
}

// parseIndex reads an index of shards, model.safetensors.index.json, and returns
// the names of the tensors of each file:
//
//	{"metadata": {...}, "weight_map": {"visual.conv1.weight": "model-00001-of-00002.safetensors", ...}}
//
// Files lie in the index's own folder.
func parseIndex(data []byte) (shards map[string][]string, err error) {
	var index struct {
		Map map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, fmt.Errorf("a JSON file, and no index of shards: %s", brief(err))
	}
	if len(index.Map) == 0 {
		return nil, errors.New(`a JSON file without "weight_map", want the weights or an index of shards`)
	}
	shards = make(map[string][]string)
	for _, name := range slices.Sorted(maps.Keys(index.Map)) {
		shard := index.Map[name]
		if shard == "" || shard == "." || shard == ".." || len(shard) > maxRecord || !printable(shard) || strings.ContainsAny(shard, `/\:`) {
			return nil, fmt.Errorf("weight_map: %s: shard %s, want the name of a file in the same folder", foreign.Name(name), foreign.Quote(shard))
		}
		shards[shard] = append(shards[shard], name)
		if len(shards) > maxShards {
			return nil, fmt.Errorf("weight_map: more than %d shards", maxShards)
		}
	}
	return shards, nil
}

// openShards opens the files that an index names as one.
func openShards(index *os.File, path string) (*File, error) {
	data, err := foreign.Read(index, maxIndex)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	shards, err := parseIndex(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	info, err := index.Stat()
	if err != nil {
		return nil, err
	}
	all := &File{path: path, paths: []string{path}, opened: []fs.FileInfo{info}, index: make(map[string]int)}
	var open []*File
	all.close = func() error {
		var errs []error
		for _, f := range open {
			errs = append(errs, f.Close())
		}
		return errors.Join(errs...)
	}
	for _, name := range slices.Sorted(maps.Keys(shards)) {
		f, err := openShard(filepath.Join(filepath.Dir(path), name))
		if err == nil {
			open = append(open, f)
			err = all.add(f, shards[name])
		}
		if err != nil {
			all.close()
			return nil, hinted{fmt.Errorf("%s: %w", path, err), "download every file that the index names into its folder"}
		}
	}
	return all, nil
}

// openShard is Open for a file that an index names, which must not be an index.
func openShard(path string) (*File, error) {
	f, err := foreign.Open(path)
	if err != nil {
		return nil, err
	}
	file, err := parseFile(f, path)
	if err != nil {
		f.Close()
		return nil, err
	}
	file.close = f.Close
	return file, nil
}

// add takes over the tensors of a shard, which are those that the index says.
func (f *File) add(shard *File, names []string) error {
	wanted := make(map[string]bool, len(names))
	for _, name := range names {
		wanted[name] = true
		if _, ok := shard.index[name]; !ok {
			return fmt.Errorf("%s: no tensor %s, which the index says it has", shard.path, foreign.Name(name))
		}
	}
	for _, t := range shard.tensors {
		if !wanted[t.Name] {
			return fmt.Errorf("%s: tensor %s, which the index does not say it has", shard.path, foreign.Name(t.Name))
		}
		t.view.store.source = shard.r
		f.index[t.Name] = len(f.tensors)
		f.tensors = append(f.tensors, t)
	}
	f.format = shard.format
	f.paths, f.opened = append(f.paths, shard.path), append(f.opened, shard.opened...)
	for _, class := range shard.skipped {
		if !slices.Contains(f.skipped, class) {
			f.skipped = append(f.skipped, class)
		}
	}
	return nil
}
