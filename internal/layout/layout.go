// Package layout says whether a folder holds a data set as the commands want it:
// which of its parts are there, how much is in them, what is wrong, and where the
// data set is to be had.
//
// A kind is a data set with a layout: folders and files at fixed places below a
// root. A part is one of these. What a check reads is names, sizes and the heads of some
// files, never whole images, so that it takes seconds; an image damaged further in
// shows when it is used.
package layout

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/remote"
)

// A Part is a folder or file of a layout.
type Part struct {
	Name      string   `json:"name"` // below the root, with slashes
	Unit      string   `json:"unit"` // what Count counts, many of them
	Count     int      `json:"count"`
	Published int      `json:"published,omitempty"` // what the published data set has
	Problems  []string `json:"problems,omitempty"`  // none: the part is as it should be
	Notes     []string `json:"notes,omitempty"`
}

// Partial reports whether the part is as it should be, but has less than was published.
func (p *Part) Partial() bool {
	return len(p.Problems) == 0 && p.Count > 0 && p.Count < p.Published
}

func (p *Part) problem(format string, args ...any) {
	p.Problems = append(p.Problems, fmt.Sprintf(format, args...))
}

func (p *Part) note(format string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, args...))
}

// leftOut notes what the listing of a data set left out, the first few by name.
func (p *Part) leftOut(skipped []dataset.Skipped) {
	const most = 3
	for _, s := range skipped[:min(len(skipped), most)] {
		p.note("skipped: %s: %s", foreign.Name(s.Name), s.Reason)
	}
	if more := len(skipped) - most; more > 0 {
		p.note("skipped: %d more", more)
	}
}

// A Report is what was found.
type Report struct {
	Kind   string   `json:"dataset"`
	Path   string   `json:"path"`
	OK     bool     `json:"ok"` // no part has a problem
	Parts  []Part   `json:"parts"`
	Get    []string `json:"get,omitempty"` // where to get the data set, unless OK
	Packed bool     `json:"-"`             // Path is not a folder
	Config string   `json:"-"`             // built-in config for segmentation, or empty
}

// kind is a data set whose layout is known.
type kind struct {
	name   string
	about  string
	get    []string
	config string // of Report
	parts  func(ctx context.Context, root string) ([]Part, error)
	packed func(ctx context.Context, path string) ([]Part, error) // the same of what is not a folder; nil if it must be one
}

func kinds() []kind {
	all := []kind{
		{
			"imagenet", "both splits of ImageNet below",
			getImageNet, "", imageNet, nil,
		},
		{
			"imagenet_test", "ImageNet's test split: images in test, or in the folder",
			getImageNet, "", single(imageNetTest), single(imageNetTest),
		},
		{
			"imagenet_val", "ImageNet's validation split: class folders, or Kaggle's",
			getImageNet, "", single(imageNetVal), single(imageNetVal),
		},
		{
			"cars", "Stanford Cars: images, devkit, table of refined colours",
			[]string{
				"Stanford Cars (train split with devkit): its authors' page no longer serves it; copies are kept on Kaggle and other sites",
				"refined_train.csv: a table with the columns image and Class, of which Class is CLASS_COLOUR",
			},
			"", cars, carsPacked,
		},
	}
	for _, s := range sceneKinds {
		all = append(all, kind{s.name, s.about, s.get, s.config, s.parts, s.packed})
	}
	return all
}

func single(check func(context.Context, string) (Part, error)) func(context.Context, string) ([]Part, error) {
	return func(ctx context.Context, root string) ([]Part, error) {
		part, err := check(ctx, root)
		return []Part{part}, err
	}
}

// Kinds returns the names of the data sets whose layout is known.
func Kinds() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// About returns a line on each of Kinds, in their order.
func About() []string {
	var about []string
	for _, k := range kinds() {
		about = append(about, k.about)
	}
	return about
}

// Check looks at what is at a data path, of any form that dataset.Open takes, for the layout of a kind. That the layout is not
// there is no error but in the report.
func Check(ctx context.Context, name, path string) (*Report, error) {
	for _, k := range kinds() {
		if k.name != name {
			continue
		}
		if err := dataset.There(path); err != nil {
			return nil, err
		}
		if info, err := os.Stat(path); err == nil && !info.IsDir() && !dataset.IsArchive(path) && !dataset.IsList(path) && !dataset.IsListing(path) {
			return nil, fmt.Errorf("%s: a file, want the folder of the data set", path)
		}
		shown, root, check := remote.Shown(path), path, k.parts
		switch packed := !isFolder(path); {
		case packed && k.packed == nil:
			return nil, hint.With(fmt.Errorf("%s: not a folder, want the folder of the data set", shown),
				"archives, lists and addresses are checked as one split, imagenet_test or imagenet_val")
		case packed:
			check = k.packed
		default:
			root = filepath.Clean(path)
			shown = root
		}
		parts, err := check(ctx, root)
		if err != nil {
			return nil, err
		}
		for i := range parts {
			if p := &parts[i]; p.Partial() {
				p.note("%s%d of the %d published %s: results cannot be compared with published ones", strings.TrimPrefix(p.Name+": ", ".: "), p.Count, p.Published, p.Unit)
			}
		}
		r := &Report{Kind: k.name, Path: shown, OK: ok(parts), Parts: parts, Packed: !isFolder(path), Config: k.config}
		if !r.OK {
			r.Get = k.get
		}
		return r, nil
	}
	return nil, fmt.Errorf("data set %q, want one of %s", name, strings.Join(Kinds(), ", "))
}

// ok reports whether no part has a problem.
func ok(parts []Part) bool {
	for _, p := range parts {
		if len(p.Problems) > 0 {
			return false
		}
	}
	return true
}

// some names the first few of many, for a message.
func some(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
