// Package subset makes a folder of links to some images of a data set.
package subset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// Options are the inputs of Subset.
type Options struct {
	Data     dataset.Options // of a kind without labels
	Number   int             // of images; 0 for as many as Stride gives
	Stride   int             // take every k-th; 0 for as many as Number asks
	Hard     bool            // hard links in place of symbolic ones
	SavePath string          // folder
}

// Result says what Subset made.
type Result struct {
	Path   string `json:"path"`
	Images int    `json:"images"` // links
	Of     int    `json:"of"`     // images of the data set
	Stride int    `json:"stride"`
	Made   int    `json:"made"` // in this run; the others were there

	Skipped []source.Skipped `json:"skipped"` // what the listing left out
}

// Run makes a folder of links to every k-th image of a data set, in the order of
// their names and under these names. It never removes or replaces anything: what is
// in the way, or does not belong into the folder, is an error found before the first
// link is made. Links that are there already are left, so that a run that was
// interrupted goes on.
func Run(ctx context.Context, o Options, say ui.Reporter) (*Result, error) {
	d, err := source.OpenImages(ctx, o.Data, false, say)
	if err != nil {
		return nil, err
	}
	if len(d.Items) > 0 && d.Items[0].IsFar() {
		return nil, hint.With(
			fmt.Errorf("%s: images at addresses, and links are to files: want a folder of images", d.Root),
			"take fewer of them with {sample-stride}, in the command that reads them",
		)
	}
	if len(d.Items) > 0 && !d.Items[0].IsFile() {
		return nil, hint.With(
			fmt.Errorf("%s: an archive, and links are to files: want a folder of images", d.Root),
			"take fewer images of an archive with {sample-stride}, in the command that reads it",
		)
	}
	r := &Result{Path: o.SavePath, Of: len(d.Items), Stride: o.Stride, Skipped: source.Unlisted(d.Skipped)}
	if r.Stride == 0 {
		r.Stride = max(1, len(d.Items)/o.Number)
	}
	items := d.Stride(r.Stride).Items
	if o.Number > 0 {
		if len(items) < o.Number {
			return nil, hint.With(
				usage.Errorf("%s: %s, of which {sample-stride} %d takes %d, want {number} %d", d.Root, ui.Images.Count(int64(len(d.Items))), r.Stride, len(items), o.Number),
				"a smaller {number}, or 0 for all that {sample-stride} takes",
			)
		}
		items = items[:o.Number]
	}
	r.Images = len(items)
	l, err := newLinks(d.Root, o)
	if err != nil {
		return nil, err
	}
	missing, err := l.plan(ctx, items)
	if err != nil {
		return nil, err
	}
	if len(missing) == 0 {
		say.Note("%s is complete already", o.SavePath)
		return r, nil
	}
	progress := say.Progress()
	progress.Start(int64(len(missing)), ui.Images, "subset")
	defer progress.Done()
	for _, item := range missing {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := l.make(item); err != nil {
			return nil, err
		}
		r.Made++
		progress.Add(1)
	}
	return r, nil
}

// links is a folder of links that is being made.
type links struct {
	dir  string
	hard bool
}

// newLinks refuses a folder inside that of the images, where the links would be
// taken for images.
func newLinks(root string, o Options) (*links, error) {
	from, err := realPath(root)
	if err != nil {
		return nil, err
	}
	to, err := realPath(o.SavePath)
	if err != nil {
		return nil, err
	}
	if rel, err := filepath.Rel(from, to); err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return nil, usage.Errorf("%s: is in the folder of the images, %s: want another", o.SavePath, root)
	}
	return &links{dir: o.SavePath, hard: o.Hard}, nil
}

// realPath follows the links of the part of a path that exists.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(path)
	if parent := filepath.Dir(path); errors.Is(err, fs.ErrNotExist) && parent != path {
		if real, err = realPath(parent); err == nil {
			real = filepath.Join(real, filepath.Base(path))
		}
	}
	return real, err
}

// plan returns the items whose link is not there yet.
func (l *links) plan(ctx context.Context, items []dataset.Item) (missing []dataset.Item, err error) {
	ours := make(map[string]bool, len(items))
	for _, item := range items {
		ours[item.Name] = true
	}
	if err := l.onlyOurs(ctx, ours); err != nil {
		return nil, err
	}
	for _, item := range items {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		switch there, err := l.exists(item); {
		case err != nil:
			return nil, err
		case !there:
			missing = append(missing, item)
		}
	}
	return missing, nil
}

// onlyOurs refuses a folder that holds what is no part of the subset, as another
// subset would be.
func (l *links) onlyOurs(ctx context.Context, ours map[string]bool) error {
	if _, err := os.Stat(l.dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	root, err := filepath.EvalSymlinks(l.dir)
	if err != nil {
		return err
	}
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if path == root && !d.IsDir() {
			return fmt.Errorf("%s: a file, want a folder", l.dir)
		}
		if !d.IsDir() && !ours[filepath.ToSlash(rel)] {
			return hint.With(
				fmt.Errorf("%s: holds %s, which is not part of this subset", l.dir, rel),
				"give another folder with {save-path}",
			)
		}
		return nil
	})
}

// exists reports whether there is the link of an item; anything else of that name is
// an error.
func (l *links) exists(item dataset.Item) (bool, error) {
	path := l.path(item)
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	is, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	want, err := os.Stat(item.Path)
	if err != nil {
		return false, err
	}
	if info.IsDir() || !os.SameFile(is, want) {
		return false, hint.With(
			fmt.Errorf("%s: something else is in the way, want a link to %s", path, item.Path),
			"give another folder with {save-path}, or remove it yourself",
		)
	}
	return true, nil
}

func (l *links) path(item dataset.Item) string {
	return filepath.Join(l.dir, filepath.FromSlash(item.Name))
}

// make makes the link of an item. A symbolic one holds the absolute path, so that the
// folder can be moved.
func (l *links) make(item dataset.Item) error {
	path := l.path(item)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	if l.hard {
		file, err := filepath.EvalSymlinks(item.Path)
		if err == nil {
			err = os.Link(file, path)
		}
		if errors.Is(err, fs.ErrExist) {
			return l.madeMeanwhile(item, err)
		}
		if err != nil {
			return hint.With(err, "hard links need both folders on one file system: use {link} symbolic")
		}
		return nil
	}
	file, err := filepath.Abs(item.Path)
	if err == nil {
		err = os.Symlink(file, path)
	}
	if errors.Is(err, fs.ErrExist) {
		return l.madeMeanwhile(item, err)
	}
	return err
}

// madeMeanwhile returns err unless what is in the way is the item's link, which another run has
// made.
func (l *links) madeMeanwhile(item dataset.Item, err error) error {
	there, existsErr := l.exists(item)
	if existsErr != nil {
		return existsErr
	}
	if !there {
		return err
	}
	return nil
}
