package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/remote"
	"github.com/clipnh/clipnh/internal/textlist"
)

// sceneFiles are the files of a segmentation data set: a folder, or archives. Names have
// slashes and are below the folder that the layout's paths start in.
type sceneFiles interface {
	path(name string) string  // in messages
	folder(name string) error // an error unless it is there
	file(name string) bool    // whether it is there
	item(name string) Item    // an image or label map
	lines(name string) ([]string, error)
	// ending returns the names of the files below a folder that end in suffix, without
	// it, sorted, and what was skipped there. The folder may be missing.
	ending(ctx context.Context, dir, suffix string) ([]string, []Skipped, error)
	// above returns a folder in which a folder is; empty if there is none.
	above(dir string) string
}

// openSceneFiles looks at what a data path names.
func (o *SceneOptions) openSceneFiles(ctx context.Context) (sceneFiles, error) {
	archives, err := archivesAt(o.Path)
	if err != nil {
		return nil, err
	}
	if IsList(o.Path) || IsListing(o.Path) {
		return nil, fmt.Errorf("%s: a list of images, want the folder or archives of the data set", remote.Shown(o.Path))
	}
	if archives == nil {
		if err := checkFolder(o.Path); err != nil {
			return nil, err
		}
		o.Path = filepath.Clean(o.Path)
		return sceneFolder(o.Path), nil
	}
	tables, err := areTables(o.Path, archives)
	if err != nil {
		return nil, err
	}
	if tables {
		return nil, fmt.Errorf("%s: a Parquet file, want the folder or archives of the data set", remote.Shown(o.Path))
	}
	p, err := openPack(ctx, o.Path, archives, func(base string) bool {
		return base == path.Base(o.Layout.List) || slices.ContainsFunc(o.Layout.Labels, func(l configs.LabelSource) bool { return base == path.Base(l.Annotation) })
	})
	if err != nil {
		return nil, err
	}
	o.Path = p.path
	return newScenePack(p, o.Layout.Images), nil
}

// sceneFolder is a folder on disk.
type sceneFolder string

func (f sceneFolder) path(name string) string { return join(string(f), filepath.FromSlash(name)) }
func (f sceneFolder) file(name string) bool   { return isFile(f.path(name)) }

func (f sceneFolder) folder(name string) error {
	_, err := os.Stat(f.path(name))
	return err
}

func (f sceneFolder) item(name string) Item { return Item{Path: f.path(name)} }

func (f sceneFolder) lines(name string) ([]string, error) { return textlist.ReadFile(f.path(name)) }

func (f sceneFolder) ending(ctx context.Context, dir, suffix string) ([]string, []Skipped, error) {
	found := &finder{ctx: ctx, deep: true}
	dir = f.path(dir)
	if err := found.find(dir); err != nil {
		return nil, nil, err
	}
	found.images = slices.DeleteFunc(found.images, func(path string) bool { return !strings.HasSuffix(path, suffix) })
	items := found.items(dir, Unlabelled)
	names := make([]string, len(items))
	for i, item := range items {
		names[i] = strings.TrimSuffix(item.Name, suffix)
	}
	return names, found.named(dir), nil
}

func (f sceneFolder) above(dir string) string {
	for _, above := range []string{"*", "*/*"} {
		if found, err := fs.Glob(os.DirFS(string(f)), above+"/"+dir); err == nil && len(found) > 0 {
			return f.path(strings.TrimSuffix(found[0], "/"+dir))
		}
	}
	return ""
}

// scenePack is archives. The data set is in the topmost folder that has the images'
// folder in it.
type scenePack struct {
	*pack
	top     string // empty, or with a slash at its end
	members map[string]*Item
	texts   map[string]*text
	folders map[string]bool
}

func newScenePack(p *pack, images string) *scenePack {
	s := &scenePack{pack: p, members: map[string]*Item{}, texts: map[string]*text{}, folders: map[string]bool{}}
	add := func(name string) {
		for at := path.Dir(name); at != "." && !s.folders[at]; at = path.Dir(at) {
			s.folders[at] = true
		}
	}
	for i := range p.items {
		s.members[p.items[i].inner()] = &p.items[i]
		add(p.items[i].inner())
	}
	for i := range p.texts {
		s.texts[p.texts[i].of.Name] = &p.texts[i]
		add(p.texts[i].of.Name)
	}
	found := ""
	for folder := range s.folders {
		top, ok := strings.CutSuffix("/"+folder, "/"+images)
		if ok && (found == "" || strings.Count(folder, "/") < strings.Count(found, "/") || strings.Count(folder, "/") == strings.Count(found, "/") && folder < found) {
			found, s.top = folder, strings.TrimPrefix(top+"/", "/")
		}
	}
	return s
}

func (s *scenePack) path(name string) string {
	if m := s.members[s.top+name]; m != nil {
		return m.Path
	}
	if t := s.texts[s.top+name]; t != nil {
		return t.path
	}
	return s.pack.path + "!" + s.top + name
}

func (s *scenePack) file(name string) bool {
	return s.members[s.top+name] != nil || s.texts[s.top+name] != nil
}

func (s *scenePack) folder(name string) error {
	if !s.folders[s.top+name] {
		return &fs.PathError{Op: "open", Path: s.path(name), Err: fs.ErrNotExist}
	}
	return nil
}

func (s *scenePack) item(name string) Item { return *s.members[s.top+name] }

func (s *scenePack) lines(name string) ([]string, error) {
	t := s.texts[s.top+name]
	r, err := t.in.Open(t.of)
	if err == nil {
		defer r.Close()
		var lines []string
		if lines, err = textlist.Read(r); err == nil {
			return lines, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", t.path, err)
}

func (s *scenePack) ending(ctx context.Context, dir, suffix string) ([]string, []Skipped, error) {
	if err := errors.Join(ctx.Err(), s.folder(dir)); err != nil {
		return nil, nil, err
	}
	var names []string
	for inner := range s.members {
		if name, ok := strings.CutPrefix(inner, s.top+dir+"/"); ok && strings.HasSuffix(name, suffix) {
			names = append(names, strings.TrimSuffix(name, suffix))
		}
	}
	slices.Sort(names)
	sortSkipped(s.skipped)
	return names, s.skipped, nil
}

// above has nothing to find: the topmost folder was.
func (s *scenePack) above(string) string { return "" }
