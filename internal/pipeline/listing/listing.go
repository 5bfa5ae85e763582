// Package listing keeps lists of the images of data sets, so that runs that make shards of a
// collection each read their own part of a list and look at no other image.
package listing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/imagelist"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// Options are the inputs of Run.
type Options struct {
	Data     dataset.Options
	SavePath string // ends in dataset.ListingEnd
	Restart  bool   // list again, and discard what is at SavePath
	Strict   bool   // stop at what cannot be listed
	Store    *cache.Store
}

// Result says what is in a list.
type Result struct {
	Path     string           `json:"path"`
	Dataset  string           `json:"dataset"` // its kind
	Images   int              `json:"images"`
	Archives int              `json:"archives"`         // that hold them, Parquet files included; 0 of files
	SHA256   string           `json:"images_sha256"`    // of their names and sizes, as manifests have it
	Skipped  []source.Skipped `json:"skipped"`          // what could not be listed
	Complete bool             `json:"already_complete"` // the list was there, and nothing was listed
}

// Run lists the images of a data set and keeps the list. One that is there of the same data
// set stays as it is, and nothing is listed, unless Restart is set: whoever reads it compares
// the images with it.
func Run(ctx context.Context, o Options, say ui.Reporter) (*Result, error) {
	if !strings.EqualFold(filepath.Ext(o.SavePath), dataset.ListingEnd) {
		return nil, usage.Errorf("{save-path} %s: want a name that ends in %s, by which lists are known", o.SavePath, dataset.ListingEnd)
	}
	w := artefact.Writer{Store: o.Store, Restart: o.Restart, Note: say.Note}
	there, err := w.Complete(o.SavePath, artefact.KindListing, func(has origin.Origin) origin.Origin { return has })
	if err != nil {
		return nil, err
	}
	if there != nil {
		return o.complete(say)
	}
	if err := artefact.MakeFolders(o.SavePath); err != nil {
		return nil, err
	}
	// The manifest is written behind the list, and has what is only known then.
	m := cache.Manifest{
		Kind: artefact.KindListing, Axes: []string{"B"}, Shape: []int{0},
		Origin: origin.Origin{Images: &origin.Images{Dataset: o.Data.Kind, LabelKey: o.Data.LabelKey, Stride: 1}},
	}
	var list *dataset.Written
	_, err = o.Store.Save(o.SavePath, m, func(to io.Writer) (err error) {
		if list, err = dataset.WriteListing(ctx, o.Data, to); err != nil {
			return err
		}
		m.Shape[0], m.Origin.Images.SHA256, m.Origin.Images.Names = list.Images, list.SHA256, list.Names
		return o.name(list, say)
	})
	if err != nil {
		return nil, err
	}
	return result(o.SavePath, &list.Head), nil
}

var errUnopened = errors.New("cannot be opened while the images are listed")

// mostUnopened is how many images are named that cannot be opened.
const mostUnopened = 20

// name names what could not be listed; to a strict run it is an error.
func (o Options) name(l *dataset.Written, say ui.Reporter) error {
	if l.Captions {
		source.NameCaptions(o.Data.Shown(), len(l.Classes), l.Images, say)
	}
	for i, path := range l.Unopened {
		if o.Strict {
			return fmt.Errorf("%s: %w", path, errUnopened)
		}
		if i < mostUnopened {
			say.Warn("%s: %v: it is listed, and skipped where it is read unless it is there again", path, errUnopened)
		}
	}
	if more := len(l.Unopened) - mostUnopened; more > 0 {
		say.Warn("%s more: %v", quantity.Of(more, "image"), errUnopened)
	}
	return source.NamePassedOver(skipped(&l.Head), dataset.Passed(l.Passed), o.Strict, say)
}

func skipped(h *imagelist.Head) []dataset.Skipped {
	list := make([]dataset.Skipped, len(h.Skipped))
	for i, s := range h.Skipped {
		list[i] = dataset.Skipped(s)
	}
	return list
}

// complete describes the list that is there.
func (o Options) complete(say ui.Reporter) (*Result, error) {
	f, err := imagelist.Open(o.SavePath)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	given, err := filepath.Abs(o.Data.Path)
	if err != nil {
		return nil, err
	}
	if f.Dataset != o.Data.Kind || f.DataPath != given && f.DataPath != o.Data.Path {
		err := fmt.Errorf("%s: %w: it lists %s of %s, not %s of %s", o.SavePath, cache.ErrStale, f.Dataset, f.DataPath, o.Data.Kind, o.Data.Shown())
		return nil, hint.With(err, "give another path, or discard what is there with {restart}")
	}
	if f.LabelKey != o.Data.LabelKey {
		err := fmt.Errorf("%s: %w: its labels are %s, not %s", o.SavePath, cache.ErrStale, named(f.LabelKey), named(o.Data.LabelKey))
		return nil, hint.With(err, "give another path, or discard what is there with {restart}")
	}
	r := result(o.SavePath, &f.Head)
	r.Complete = true
	return r, o.name(&dataset.Written{Head: f.Head}, say)
}

// named says by which name labels were taken.
func named(key string) string {
	if key == "" {
		return "of no given name"
	}
	return "of the name " + foreign.Quote(key)
}

func result(path string, h *imagelist.Head) *Result {
	return &Result{
		Path: path, Dataset: h.Dataset, Images: h.Images, Archives: len(h.Stores), SHA256: h.SHA256, Skipped: source.Unlisted(skipped(h)),
	}
}
