package explore

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/live"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/usage"
)

// A Report is the folder of one, and what answers need of it.
type Report struct {
	Dir  string
	root *os.Root

	mark     report.Mark
	overview report.Overview
	images   report.Images
	norms    []float64 // mean norms of pairs, [H,C]
	groups   []int     // of images, -1 of none
}

// remake is what to do about a report that lacks a part or has one that is damaged.
const remake = `make the report again: run the same "clipnh report" command`

// OpenReport opens the folder of a finished report.
func OpenReport(dir string) (*Report, error) {
	r := &Report{Dir: dir}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, r.missing("no such folder")
	case err == nil && !info.IsDir():
		return nil, r.missing("it is a file, not the folder of a report")
	}
	if r.root, err = os.OpenRoot(dir); err != nil {
		return nil, err
	}
	if err := r.open(); err != nil {
		r.root.Close()
		return nil, err
	}
	return r, nil
}

// Close closes the folder.
func (r *Report) Close() error { return r.root.Close() }

func (r *Report) open() error {
	if err := r.readMark(); err != nil {
		return err
	}
	var index report.Index
	parts := []reportPart{{report.OverviewName, &r.overview}, {report.ImagesName, &r.images}, {report.IndexName, &index}}
	if r.OfHeads() {
		parts = parts[:2] // norms are those of pairs
	}
	for _, part := range parts {
		if err := r.read(part.name, part.into); err != nil {
			return hint.With(fmt.Errorf("%s: %w: %w", filepath.Join(r.Dir, report.FileOf(part.name)), cache.ErrDamaged, err),
				remake)
		}
	}
	if f := r.overview.Format; f < report.OldestFormat || f > report.Format {
		return fmt.Errorf("%s: %w: format %d of a report, want %d to %d", r.Dir, cache.ErrVersion, r.overview.Format, report.OldestFormat, report.Format)
	}
	var err error
	if !r.OfHeads() {
		if r.norms, err = index.Pairs.Norm.Values(); err != nil {
			return fmt.Errorf("%s: mean norms: %w", r.Dir, err)
		}
	}
	if len(r.overview.Data.Groups) == 0 {
		return nil
	}
	groups, err := r.images.Groups.Integers()
	if err == nil && len(groups) != len(r.images.Names) {
		err = fmt.Errorf("%d, want %d", len(groups), len(r.images.Names))
	}
	if err != nil {
		return fmt.Errorf("%s: groups of images: %w", r.Dir, err)
	}
	for i, g := range groups {
		if g < report.None || int(g) >= len(r.overview.Data.Groups) {
			return fmt.Errorf("%s: group %d of image %d, want at most %d", r.Dir, g, i, len(r.overview.Data.Groups)-1)
		}
		r.groups = append(r.groups, int(g))
	}
	return nil
}

// A reportPart is a data file, and what it is read into.
type reportPart struct {
	name string
	into any
}

// OfHeads reports whether the report is of heads, and has no pairs.
func (r *Report) OfHeads() bool { return r.Names(artefact.KindHeads) }

// missing is the error of a report that is not there.
func (r *Report) missing(why string) error {
	return hint.With(fmt.Errorf("%s: %w: %s", r.Dir, cache.ErrMissing, why), `give the folder that "clipnh report {out}" wrote`)
}

func (r *Report) readMark() error {
	f, _, err := r.file(report.MarkFile)
	if err != nil {
		return r.missing("it has no " + report.MarkFile + ", so it is not a report")
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, report.MostMark))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &r.mark); err != nil || r.mark.Tool != report.Tool {
		return r.missing(report.MarkFile + " is a file that clipnh report did not write")
	}
	switch {
	case r.mark.Format < report.OldestFormat || r.mark.Format > report.Format:
		return fmt.Errorf("%s: %w: format %d of a report, want %d to %d", r.Dir, cache.ErrVersion, r.mark.Format, report.OldestFormat, report.Format)
	case r.mark.State != report.Complete:
		return hint.With(fmt.Errorf("%s: %w: the report is unfinished", r.Dir, cache.ErrMissing), `run the same "clipnh report" command again, which resumes`)
	}
	return nil
}

// read reads a data file.
func (r *Report) read(name string, into any) error {
	f, _, err := r.file(report.FileOf(name))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.New("it is not there, in a finished report")
		}
		return err
	}
	defer f.Close()
	return report.Read(f, name, into)
}

// Paths say where inputs are; those that are empty are where the report was made from.
type Paths struct {
	Scores, Components, Classes string
	Dataset                     bool // of o.Data is as it was given; else it is the report's, or its scores'
	Force                       bool // inputs that are others than the report's are used, with a warning
}

// Inputs completes options by what the report knows: where inputs are, unless o says it, if they are still
// those that it was made from, groups of images, and norms of pairs.
func (r *Report) Inputs(p Paths, o live.Options, warn func(format string, args ...any)) (live.Options, error) {
	m := r.overview.Model
	o.Report, o.Weights, o.Force = r.Dir, origin.Origin{Weights: m.Weights, Tensors: m.Tensors}, p.Force
	o.Norms, o.GroupOf, o.Names = r.norms, r.groups, r.images.Names
	if r.groups != nil {
		o.GroupNames = r.overview.Data.Groups
	}
	o.Why, o.Given = map[live.Input]string{}, orEmpty(o.Given)
	// Whether the model and the images are still the same is checked when they are opened.
	if made, ok := r.mark.Input(r.Dir, report.InputModel); ok && o.ModelPath == "" {
		o.ModelPath = made.Path
	}
	if made, ok := r.mark.Input(r.Dir, report.InputImages); ok {
		o.Listing = made.SHA256
		o.Data.Path = cmp.Or(o.Data.Path, made.Path)
		if !p.Dataset {
			o.Data.Kind = cmp.Or(made.Dataset, o.Data.Kind)
		}
		o.Data = o.Data.WithKeyOf(made.Dataset, made.LabelKey)
	}
	if o.Data.Path != "" {
		if o.Data.Kind = cmp.Or(o.Data.Kind, r.overview.Data.Name); o.Data.Kind == "" {
			return o, usage.Errorf("{data-path} %s: neither the report nor its scores say how the images are laid out: want {dataset}", o.Data.Shown())
		}
	}
	collection := artefact.KindScores
	if r.OfHeads() {
		collection = artefact.KindHeads
		if p.Components != "" {
			return o, usage.Errorf("{pcs-path} %s: components are of pairs, and %s is a report of heads", p.Components, r.Dir)
		}
		r.addMLPs(p, &o, warn)
	}
	for _, in := range []struct {
		of    live.Input
		kind  string
		given string
		path  *string
		made  bool // the report was made with one
	}{
		{live.Scores, collection, p.Scores, &o.ScoresPath, true},
		{live.Components, artefact.KindComponents, p.Components, &o.PCsPath, true},
		{live.Classes, artefact.KindEmbeddings, p.Classes, &o.ClassesPath, len(r.overview.Data.Classes) > 0},
	} {
		*in.path, o.Given[in.of] = in.given, in.given != ""
		made, ok := r.mark.Input(r.Dir, in.kind)
		if !ok || !in.made {
			continue
		}
		if in.given == "" {
			*in.path = made.Path
		}
		err := r.unchanged(o.Artefacts, *in.path, in.kind, made)
		switch {
		case err == nil:
		case p.Force && errors.Is(err, cache.ErrStale):
			warn("%v (used anyway: {force})", err)
		case in.given != "":
			return o, err
		default:
			*in.path, o.Why[in.of] = "", err.Error()
		}
	}
	return o, nil
}

// addMLPs has the MLPs of a report of heads, which sum with these to the features, if it was made
// with some that are still the same.
func (r *Report) addMLPs(p Paths, o *live.Options, warn func(format string, args ...any)) {
	made, ok := r.mark.Input(r.Dir, artefact.KindMLPs)
	if !ok {
		return
	}
	err := r.unchanged(o.Artefacts, made.Path, artefact.KindMLPs, made)
	if err != nil && !(p.Force && errors.Is(err, cache.ErrStale)) {
		o.Why[live.MLPs] = err.Error()
		return
	}
	if err != nil {
		warn("%v (used anyway: {force})", err)
	}
	o.Parts = []string{made.Path}
}

// Names reports whether the report was made from an input of a kind, which it names.
func (r *Report) Names(kind string) bool {
	_, ok := r.mark.Input(r.Dir, kind)
	return ok
}

func orEmpty(given map[live.Input]bool) map[live.Input]bool {
	if given == nil {
		return map[live.Input]bool{}
	}
	return given
}

// unchanged fails where a file is not the one that the report was made from.
func (r *Report) unchanged(reader artefact.Reader, path, kind string, made report.Input) error {
	a, err := reader.Open(path, nil, kind)
	if err != nil {
		return err
	}
	now := ""
	if a != nil {
		now = a.Hash()
	} else if now, err = artefact.FileHash(path); err != nil {
		return err
	}
	if now == made.SHA256 {
		return nil
	}
	other := ""
	if filepath.Clean(path) != filepath.Clean(made.Path) {
		other = ", " + made.Path
	}
	m := r.overview.Model
	if err := cache.OtherWeights(path, artefact.OriginOf(a), origin.Origin{Weights: m.Weights, Tensors: m.Tensors}, true); m.Weights != "" && err != nil {
		return fmt.Errorf("%w (%s was made from another one%s)", err, r.Dir, other)
	}
	return hint.With(fmt.Errorf("%s: %w: the report was made from another one%s", path, cache.ErrStale, other),
		"make the report again, or give the one that it was made from")
}
