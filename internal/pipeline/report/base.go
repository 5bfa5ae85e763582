package report

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/remote"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/ui"
)

// base is what every report has, whatever its units: the collection, the images that it is of, and
// the folder that is written.
type base struct {
	Options
	say      ui.Reporter
	folder   *folder // once it is open
	result   *Result
	overview report.Overview

	artefact *cache.Artefact // the collection
	from     origin.Origin   // of it
	images   int             // B
	names    []string        // of images, [B]

	data        *dataset.Dataset // nil: none
	fingerprint string           // of its images; empty: there are none
	recorded    *source.Recorded // of them
	labels      []int            // into labelNames, [B]; nil: none
	labelNames  []string
	groups      []int // into groupNames, -1 of none, [B]; nil: none
	groupNames  []string
	items       map[string]*dataset.Item // by name; nil: none

	model *model.Model // nil: none

	files   []report.Input        // what was read, with hashes
	origins map[int]origin.Origin // of artefacts among files, by index
}

func newBase(o Options, a *cache.Artefact, images int, say ui.Reporter) *base {
	return &base{
		Options: o, say: say, artefact: a, from: artefact.DerivedFrom(a), images: images, origins: map[int]origin.Origin{},
		result: &Result{Dir: o.Dir, Images: images, Skipped: []Skipped{}},
	}
}

func (b *base) close() error {
	if b.model == nil {
		return nil
	}
	return b.model.Close()
}

// nameCommands says of what was read which command makes it, once all files are known.
func (b *base) nameCommands() {
	for i := range b.files {
		if from, made := b.origins[i]; made && b.Command != nil {
			b.files[i].Command = b.Command(b.files[i], from, b.files)
		}
	}
}

// make makes a report, or finishes it, in steps.
func (b *base) make(ctx context.Context, steps []step) (err error) {
	if b.folder, err = b.openFolder(b.key(), b.files); err != nil {
		return err
	}
	defer b.folder.release()
	for _, part := range steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := part.do(ctx); err != nil {
			return err
		}
	}
	b.result.Changed = b.recorded.Tell(b.say)
	b.result.Parts = b.overview.Parts
	b.result.Files, b.result.Kept, b.result.Bytes = b.folder.files, b.folder.kept, b.folder.bytes
	return b.folder.finish(b.result.Changed)
}

// read notes what was read.
func (b *base) read(kind, path string, a *cache.Artefact) error {
	f := report.Input{Kind: kind, Path: filepath.ToSlash(path)}
	if a != nil {
		f.SHA256 = a.Hash()
		b.origins[len(b.files)] = artefact.OriginOf(a)
		made := a.Manifest.Origin
		made.TextList = nil // pages list the classes elsewhere
		text, err := json.MarshalIndent(made, "", "  ")
		if err != nil {
			return err
		}
		f.Made = string(text)
	} else {
		var err error
		if f.SHA256, err = artefact.FileHash(path); err != nil {
			return err
		}
	}
	b.files = append(b.files, f)
	return nil
}

// note notes the model that was opened.
func (b *base) note(m *model.Model) {
	b.files = append(b.files, report.Input{Kind: report.InputModel, Path: filepath.ToSlash(b.Model), SHA256: m.Hash})
}

// openData lists the images, for labels and thumbnails.
func (b *base) openData(ctx context.Context) error {
	if b.Data.Path == "" {
		return nil
	}
	var err error
	if b.data, err = source.OpenAs(ctx, b.Data, b.artefact); err != nil {
		return err
	}
	b.items = dataset.ByName(b.data.Items)
	if len(b.data.Classes) > 0 {
		b.labels, b.labelNames = make([]int, len(b.names)), b.data.Classes
	}
	for i, name := range b.names {
		item := b.items[name]
		if item == nil {
			return source.NotFound(b.Data, name, b.ScoresPath)
		}
		if b.labels != nil {
			b.labels[i] = item.Label
		}
	}
	if b.fingerprint, err = b.data.Fingerprint(); err != nil {
		return err
	}
	b.files = append(b.files, report.Input{Kind: report.InputImages, Path: remote.Shown(filepath.ToSlash(b.Data.Path)), SHA256: b.fingerprint, Dataset: b.Data.Kind, LabelKey: b.Data.LabelKey})
	source.NameEmpty(b.data, b.Data.Shown(), b.say)
	if err := source.NameOtherImages(ctx, b.data, b.Data.Path, b.artefact, b.ScoresPath, b.Strict, b.say); err != nil {
		return err
	}
	if b.recorded, err = source.RecordedImages(b.artefact, b.ScoresPath, b.data, b.Strict); err != nil {
		return err
	}
	return source.PrepareAsCollected(&b.Images, b.artefact)
}

// openGroups reads which group each image belongs to.
func (b *base) openGroups() error {
	if b.Groups.Path == "" {
		return nil
	}
	named, err := source.GroupsOf(b.Groups, b.names, b.say)
	if err != nil {
		return err
	}
	b.groupNames = slices.DeleteFunc(slices.Clone(named), func(name string) bool { return name == "" })
	slices.Sort(b.groupNames)
	b.groupNames = slices.Compact(b.groupNames)
	b.groups = make([]int, len(b.names))
	for i, name := range named {
		b.groups[i] = slices.Index(b.groupNames, name) // report.None of none
	}
	return b.read("groups", b.Groups.Path, nil)
}

// key is the hash of all that the report depends on.
func (b *base) key() string {
	facts, err := json.Marshal(struct {
		Format int
		Title  string
		Seed   uint64
		Inputs []report.Input
		Data   dataset.Options
		Images string // of the data set
		Prep   imageprep.Options
		Group  string
		Lines  string // of words
		Kernel string
	}{report.Format, b.title(), b.Seed, b.files, b.Data, b.fingerprint, b.Images, b.Groups.Group, cache.ListHash(b.Words), cache.Family()})
	if err != nil {
		panic(err) // only texts and numbers
	}
	sum := sha256.Sum256(facts)
	return hex.EncodeToString(sum[:])
}

// title is what the report is called.
func (b *base) title() string {
	if b.Title != "" {
		return b.Title
	}
	return b.modelName() + " on " + filepath.Base(filepath.Clean(b.ScoresPath))
}

// modelName is that of the architecture; of one that has no published name, that of the file
// where one is given.
func (b *base) modelName() string {
	name := b.from.Model
	if name != "" && name != clip.Custom {
		return name
	}
	if b.Model != "" {
		return strings.TrimSuffix(filepath.Base(b.Model), filepath.Ext(b.Model))
	}
	return "a model"
}

// team shares loops out.
func (b *base) team() par.Team { return par.NewTeam(b.Threads) }
