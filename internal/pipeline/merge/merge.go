// Package merge puts the shards of a collection, a segmentation or a shift together.
package merge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/npy"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/segment"
	"github.com/clipnh/clipnh/internal/pipeline/shard"
	"github.com/clipnh/clipnh/internal/pipeline/shift"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// Options say which shards to put together.
type Options struct {
	SavePath string
	Layers   []int       // of neurons, two or more: only their collections within SavePath; see LayersWithin
	Shards   []string    // paths; none stands for those that lie beside SavePath
	Part     shard.Shard // several shards in a row, of which a part is made for another merge; the zero Shard is all
	Restart  bool        // discard what is at SavePath
	Store    *cache.Store
	Verify   bool   // compare what is already complete with its checksums
	Strict   bool   // refuse shards of different families of kernels
	Force    bool   // merge shards of different devices
	PlotPath string // of shards of Shift: .png or .svg; may be empty
	Threads  int
}

// Merged is what was merged.
type Merged struct {
	Path     string           `json:"path"`
	Kind     string           `json:"kind"`
	Shape    []int            `json:"shape"`
	Shards   int              `json:"shards"`
	Images   int              `json:"images"` // with a row
	Skipped  []source.Skipped `json:"skipped"`
	Complete bool             `json:"already_complete"` // nothing was left to do
}

// Result is what Run wrote.
type Result struct {
	Merged

	// The results of shards of package segment and of package shift.
	Segmentation *segment.Result `json:"segmentation,omitempty"`
	Shift        *shift.Result   `json:"shift,omitempty"`
}

// Run puts the shards of a collection, a segmentation or a shift together. The
// bytes are those of what is made as a whole. All shards must be there, finished
// and of one run. Merge can be interrupted and started again; it reads shards and
// leaves them as they are.
func Run(ctx context.Context, o Options, say ui.Reporter) (*Result, error) {
	shards, err := o.open()
	if errors.Is(err, cache.ErrMissing) {
		if r, e := o.alreadyMerged(); r != nil || e != nil {
			return r, e
		}
	}
	if err != nil {
		return nil, err
	}
	if err := oneFamily(shards, o.Strict, say); err != nil {
		return nil, err
	}
	if err := artefact.MakeFolders(filepath.Clean(o.SavePath), o.PlotPath); err != nil {
		return nil, err
	}
	kind := artefact.WholeKind(shards[0].Manifest.Kind)
	if o.PlotPath != "" && kind != artefact.KindRatios {
		return nil, fmt.Errorf("%s: the shards are of %s, want those of shift to draw", o.PlotPath, kind)
	}
	if shard.IsFile(o.SavePath) != (shards[0].Manifest.Payloads[0].File == "") || artefact.IsResult(kind) != shard.IsJSON(o.SavePath) {
		return nil, fmt.Errorf("%s: the shards are %s, want a path of the same form", o.SavePath, shards[0].Path())
	}
	if artefact.IsResult(kind) && !o.Part.Whole() {
		return nil, usage.Errorf("{shards} %s: of %s no parts are merged, want those of collect", o.Part, kind)
	}
	o.SavePath = o.Part.Path(o.SavePath)
	switch kind {
	case artefact.KindSegmentation:
		r, err := segment.Merge(shards, o.SavePath, o.Restart, o.Store, say)
		if err != nil {
			return nil, err
		}
		m := Merged{
			Path: o.SavePath, Kind: kind, Shape: []int{shards[0].InputsInAll()}, Shards: countOf(shards),
			Images: r.Images, Skipped: r.Skipped, Complete: r.Complete,
		}
		return &Result{Merged: m, Segmentation: r}, nil
	case artefact.KindRatios:
		r, err := shift.Merge(shards, o.SavePath, o.PlotPath, o.Store, say)
		if err != nil {
			return nil, err
		}
		m := Merged{
			Path: o.SavePath, Kind: kind, Shape: []int{r.Images, len(r.Concepts)}, Shards: countOf(shards),
			Images: r.Images, Skipped: r.Skipped,
		}
		return &Result{Merged: m, Shift: r}, nil
	}
	if kind == artefact.KindSummary {
		return mergeSummaries(ctx, o, shards, say)
	}
	return mergeCollection(ctx, o, shards, say)
}

// countOf is how many shards parts are of.
func countOf(parts []shard.Part) (n int) {
	for _, p := range parts {
		n += p.Count()
	}
	return n
}

// oneFamily says, or if strict refuses, that shards were computed with different
// families of kernels. Files are compared one by one: a device computes rows, and this
// program's kernels the files beside them.
func oneFamily(shards []shard.Part, strict bool, say ui.Reporter) error {
	of := map[string]string{} // a shard of each, in files that have several
	for _, file := range shards[0].Manifest.Payloads {
		ofFile := map[string]string{}
		for _, p := range shards {
			for _, family := range cache.Families(kernelOf(p.Manifest, file.File)) {
				if ofFile[family] == "" && family != cache.UnknownFamily {
					ofFile[family] = p.Path()
				}
			}
		}
		if len(ofFile) > 1 {
			maps.Copy(of, ofFile)
		}
	}
	if len(of) < 2 {
		return nil
	}
	var each []string
	for _, family := range slices.Sorted(maps.Keys(of)) {
		each = append(each, fmt.Sprintf("%s (%s)", family, of[family]))
	}
	text := fmt.Sprintf("shards were computed with kernels of different families: %s; the last digits differ", strings.Join(each, ", "))
	if strict {
		return hint.With(fmt.Errorf("%w: %s", cache.ErrStale, text),
			fmt.Sprintf("make the shards again on processors of one kind, or set %s for all of them", cpu.Variable))
	}
	say.Warn("%s", text)
	return nil
}

// mergeCollection merges shards that have rows in chunks.
func mergeCollection(ctx context.Context, o Options, shards []shard.Part, say ui.Reporter) (*Result, error) {
	m := shards[0].Manifest
	plan := cache.Plan{
		Kind: artefact.WholeKind(m.Kind), Tool: m.Tool, Axes: m.Axes, Row: m.Shape[1:], DType: npy.Float32,
		Origin: m.Origin, Inputs: shards[0].InputsInAll(), ChunkInputs: m.ChunkInputs, Cuts: m.Origin.Shard.Cuts, Payload: m.Payloads[0].File,
	}
	if m.DType == npy.Float16.String() {
		plan.DType = npy.Float16
	}
	plan.Origin.Shard, plan.Origin.Device = nil, shard.DeviceOf(shards)
	if d := plan.Origin.Device; d != nil && (m.Origin.Device == nil || *d != *m.Origin.Device) {
		say.Warn("%s: shards were computed on different devices (used anyway: {force}); they differ by rounding", o.SavePath)
	}
	if _, _, err := o.Part.RestrictPlan(&plan); err != nil {
		return nil, err
	}
	result := &Result{Merged: Merged{Path: o.SavePath, Kind: plan.Kind, Shards: countOf(shards), Skipped: []source.Skipped{}}}
	for _, p := range shards {
		result.Skipped = append(result.Skipped, p.Manifest.Skipped...)
		result.Images += p.Manifest.Shape[0]
	}
	result.Shape = append([]int{result.Images}, plan.Row...)
	if result.Images == 0 && o.Part.Whole() {
		return nil, fmt.Errorf("%s: none of %s could be read by any shard", o.SavePath, ui.Images.Count(int64(plan.Inputs)))
	}

	w, err := o.Store.OpenChunks(o.SavePath, plan, o.Restart)
	if errors.Is(err, cache.ErrComplete) {
		result.Complete = true
		if err := mergeFeatures(ctx, o, shards, say); err != nil {
			return nil, err
		}
		if !o.Verify {
			return result, nil
		}
		a, err := cache.Open(o.SavePath)
		if err == nil {
			err = artefact.VerifyChecksums(a)
		}
		return result, err
	}
	if err != nil {
		return nil, err
	}
	defer w.Close()
	source.SayOpened(o.SavePath, w, say)
	if err := mergeFeatures(ctx, o, shards, say); err != nil {
		return nil, err
	}
	if err := copyChunks(ctx, w, shards, say); err != nil {
		return nil, err
	}
	if err := mergeFiles(w, shards, par.NewTeam(o.Threads)); err != nil {
		return nil, err
	}
	_, err = w.Finish()
	return result, err
}

// copyChunks appends the chunks of shards that w lacks.
func copyChunks(ctx context.Context, w *cache.ChunkWriter, shards []shard.Part, say ui.Reporter) error {
	progress := say.Progress()
	progress.Start(int64(w.Chunks()-w.Done()), ui.Chunks, "merge")
	defer progress.Done()
	number := 0 // of the chunk in the whole
	for _, p := range shards {
		chunks, cut := p.Manifest.Payloads[0].Chunks, p.Manifest.Chunking()
		if number+len(chunks) <= w.Done() {
			number += len(chunks)
			continue
		}
		if err := artefact.VerifyChecksums(p.Artefact); err != nil {
			return err
		}
		f, err := openRows(p)
		if err != nil {
			return err
		}
		if err := p.Unreplaced(); err != nil {
			f.Close()
			return err
		}
		row, start, skipped := int64(artefact.Product(p.Manifest.Shape[1:])), int64(0), p.Manifest.Skipped
		values := make([]float32, min(1<<20, int64(p.Manifest.Shape[0])*row))
		for i, c := range chunks {
			inputs := cut.Len(i)
			gone := inputs - c.Rows
			if gone < 0 || gone > len(skipped) {
				f.Close()
				return fmt.Errorf("%s: %w: chunk %d has %s of %s, and %d %s left that could be skipped", p.Path(), cache.ErrDamaged, i, quantity.Of(c.Rows, "row"), quantity.Of(inputs, "image"), len(skipped), quantity.Is(len(skipped)))
			}
			if number >= w.Done() {
				err := ctx.Err()
				w.Kernel = c.Kernel
				if err == nil {
					err = w.AppendInputs(c.InputSums(), skipped[:gone], func(put func([]float32) error) error {
						return readValues(f, start, int64(c.Rows)*row, values, put)
					})
				}
				if err != nil {
					f.Close()
					return err
				}
				progress.Add(1)
			}
			start += int64(c.Rows) * row
			skipped = skipped[gone:]
			number++
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// openRows opens the rows of a shard.
func openRows(p shard.Part) (*npy.File, error) {
	path, err := p.Payload("")
	if err != nil {
		return nil, err
	}
	if p.Manifest.Payloads[0].Header == 0 {
		return npy.OpenRaw(path, p.Manifest.Shape)
	}
	return npy.Open(path)
}

// readValues hands over n values of f from start on, in pieces that fit buf.
func readValues(f *npy.File, start, n int64, buf []float32, put func([]float32) error) error {
	for n > 0 {
		piece := buf[:min(int64(len(buf)), n)]
		if err := f.ReadFloat32(piece, start); err != nil {
			return err
		}
		if err := put(piece); err != nil {
			return err
		}
		start, n = start+int64(len(piece)), n-int64(len(piece))
	}
	return nil
}

// mergeFiles adds the other files of a folder of rows: the names one after
// the other, statistics summed up, and what depends on the weights alone from the
// first shard.
func mergeFiles(w *cache.ChunkWriter, shards []shard.Part, team par.Team) error {
	for _, file := range shards[0].Manifest.Payloads[1:] {
		var err error
		w.Kernel = ""
		for _, p := range shards {
			w.Kernel = cache.AddFamilies(w.Kernel, kernelOf(p.Manifest, file.File))
		}
		switch file.File {
		case artefact.ImagesFile:
			err = w.AddFile(artefact.ImagesFile, func(to io.Writer) error { return eachShard(shards, artefact.ImagesFile, to) })
		case artefact.SumsFile:
			err = mergeStatistics(w, shards, team)
		case artefact.SumsLowFile, artefact.LargestFile, artefact.LargestImagesFile, artefact.SmallestFile, artefact.SmallestImagesFile:
			// written with artefact.SumsFile
		default:
			if err = sameFile(shards, file); err != nil {
				return err
			}
			w.Kernel = file.Kernel
			err = w.AddFile(file.File, func(to io.Writer) error { return eachShard(shards[:1], file.File, to) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// kernelOf returns the families of kernels that computed a file; see cache.Families.
func kernelOf(m cache.Manifest, name string) string {
	for _, p := range m.Payloads {
		if p.File == name {
			return p.Families()
		}
	}
	return ""
}

func hasFile(m cache.Manifest, want cache.Payload) bool {
	for _, p := range m.Payloads {
		if p.File == want.File && p.SHA256 == want.SHA256 {
			return true
		}
	}
	return false
}

// sameFile returns an error (ErrStale) unless all shards have a file of the first one.
func sameFile(shards []shard.Part, file cache.Payload) error {
	for _, p := range shards[1:] {
		if !hasFile(p.Manifest, file) {
			return fmt.Errorf("%s: %w: its %s is not that of %s", p.Path(), cache.ErrStale, file.File, shards[0].Path())
		}
	}
	return nil
}

// eachShard writes a file of every shard, one after the other.
func eachShard(shards []shard.Part, name string, to io.Writer) error {
	for _, p := range shards {
		path, err := p.Payload(name)
		if err != nil {
			return err
		}
		f, err := foreign.Open(path)
		if err != nil {
			return err
		}
		if _, err = io.Copy(to, f); err == nil {
			err = p.Unreplaced()
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}
