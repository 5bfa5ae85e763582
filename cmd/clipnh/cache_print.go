package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/clipnh/clipnh/internal/asset"
	"github.com/clipnh/clipnh/internal/digest"
	"github.com/clipnh/clipnh/internal/packed"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// keptWeights are the packed weights in the user's cache folder, as JSON.
type keptWeights struct {
	Folder  string     `json:"folder"`
	Limit   int64      `json:"limit"` // bytes
	Bytes   int64      `json:"bytes"`
	Files   []keptFile `json:"files"`   // the least recently used first
	Removed int        `json:"removed"` // by --clear-cache, which the files are left of
}

type keptFile struct {
	packed.Kept
	Models []string `json:"models"` // checkpoints of these weights, where they were last hashed
}

// printCache says which packed weights are kept, after removing them if that is asked for.
func printCache(clear bool, g *globalOptions) error {
	home, err := asset.Home()
	if err != nil {
		return err
	}
	limit, err := packedLimit()
	if err != nil {
		return err
	}
	store := &packed.Store{Dir: filepath.Join(home, packedFolder)}
	r := keptWeights{Folder: store.Dir, Limit: limit, Files: []keptFile{}}
	if clear {
		removed, err := store.Clear()
		if err != nil {
			return err
		}
		r.Removed = len(removed)
	}
	files, err := store.Files()
	if err != nil {
		return err
	}
	models := digest.Memory{Dir: filepath.Join(home, hashesFolder)}.Checkpoints()
	for _, f := range files {
		r.Bytes += f.Bytes
		r.Files = append(r.Files, keptFile{f, append([]string{}, models[f.Weights]...)})
	}
	if g.json {
		return g.printer.JSON(r)
	}
	t := ui.NewTable(ui.Left(""), ui.Left(""))
	t.Row("folder", r.Folder)
	t.Row("at most", fmt.Sprintf("%s (%s)", ui.FormatBytes(limit), packedSizeVariable))
	if clear {
		t.Row("removed", quantity.Of(r.Removed, "file"))
	}
	t.Row("kept", fmt.Sprintf("%s, %s", ui.FormatBytes(r.Bytes), quantity.Of(len(r.Files), "file")))
	for _, f := range r.Files {
		t.Row("  "+filepath.Base(f.Path), f.text())
	}
	return g.printer.Table(t)
}

// text says in a line what a file is.
func (f keptFile) text() string {
	of := "of no known checkpoint"
	switch {
	case f.Partial:
		of = "being written, or left by a killed run"
	case f.Weights == "":
		of = "not packed weights"
	case len(f.Models) > 0:
		of = "of " + strings.Join(f.Models, ", ")
	}
	return fmt.Sprintf("%s, %s, last used %s, %s", ui.FormatBytes(f.Bytes), cmp.Or(f.Kernel, "no kernel"), f.Used.Local().Format("2006-01-02 15:04"), of)
}
