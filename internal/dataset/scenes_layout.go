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
	"unicode/utf8"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/textlist"
)

// findSource returns the first of the layout's forms of label maps that is
// there.
func (o *SceneOptions) findSource(ctx context.Context) (configs.LabelSource, error) {
	for _, source := range o.Layout.Labels {
		if source.Annotation != "" {
			if isFile(o.below(source.Annotation)) {
				return source, nil
			}
			continue
		}
		maps, _, err := filesEnding(ctx, o.below(source.Folder), source.Suffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return configs.LabelSource{}, err
		}
		if len(maps) > 0 {
			return source, nil
		}
	}
	return configs.LabelSource{}, o.wrong(fmt.Errorf("%s: no label maps in it", o.Path))
}

// filesEnding returns the names of the files below dir that end in suffix,
// without it, sorted, and what was skipped there.
func filesEnding(ctx context.Context, dir, suffix string) ([]string, []Skipped, error) {
	f := &finder{ctx: ctx, deep: true}
	if err := f.find(dir); err != nil {
		return nil, nil, err
	}
	f.images = slices.DeleteFunc(f.images, func(path string) bool { return !strings.HasSuffix(path, suffix) })
	items := f.items(dir, Unlabelled)
	names := make([]string, len(items))
	for i, item := range items {
		names[i] = strings.TrimSuffix(item.Name, suffix)
	}
	return names, f.named(dir), nil
}

// names returns the names of the scenes, without suffix: those of the list, or
// of the images, or of the annotations' phase where the list is not there; and
// what was skipped among the images.
func (o *SceneOptions) names(ctx context.Context, source configs.LabelSource, marks *annotations) (names []string, skipped []Skipped, err error) {
	l := o.Layout
	if l.List == "" {
		names, skipped, err = filesEnding(ctx, o.below(l.Images), l.ImageSuffix)
		if err == nil && len(names) == 0 {
			err = o.wrong(fmt.Errorf("%s: no images *%s in it", o.below(l.Images), l.ImageSuffix))
		}
		return names, skipped, err
	}
	if marks != nil && !isFile(o.below(l.List)) {
		names, err = marks.names(source.Phase, l.ImageSuffix)
		return names, nil, err
	}
	if _, err := o.stat(l.List); err != nil {
		return nil, nil, err
	}
	names, err = readNames(o.below(l.List), l.ImageSuffix)
	return names, nil, err
}

// readNames reads a list of names of images, with or without suffix.
func readNames(list, suffix string) ([]string, error) {
	names, err := textlist.ReadFile(list)
	if err != nil {
		return nil, err
	}
	lines := make(map[string]int, len(names))
	for i, name := range names {
		name = strings.TrimSuffix(name, suffix)
		if !isSceneName(name) {
			return nil, fmt.Errorf("%s: line %d: %s, want the name of an image", list, i+1, foreign.Quote(name))
		}
		if first, ok := lines[name]; ok {
			return nil, fmt.Errorf("%s: line %d: %s is listed already, in line %d", list, i+1, foreign.Quote(name), first)
		}
		lines[name] = i + 1
		names[i] = name
	}
	return names, nil
}

// isSceneName tells whether a list may name an image so: by a path that does
// not lead out of its folder, in one line of text.
func isSceneName(name string) bool {
	return filepath.IsLocal(filepath.FromSlash(name)) && path.Clean(name) == name &&
		!strings.ContainsAny(name, "\r\n") && utf8.ValidString(name)
}

// wrong adds to the error of a layout what it should be, and where it is.
func (o *SceneOptions) wrong(err error) error {
	l := o.Layout
	wants := []string{l.Images + "/*" + l.ImageSuffix}
	var forms []string
	for _, source := range l.Labels {
		if source.Annotation != "" {
			forms = append(forms, source.Annotation)
		} else {
			forms = append(forms, source.Folder+"/*"+source.Suffix)
		}
	}
	wants = append(wants, strings.Join(forms, " or "))
	if l.List != "" {
		wants = append(wants, l.List)
	}
	hint := "the data path is the folder that holds " + strings.Join(wants, ", ")
	tree := os.DirFS(o.Path)
	for _, above := range []string{"*", "*/*"} {
		found, globErr := fs.Glob(tree, above+"/"+l.Images)
		if globErr == nil && len(found) > 0 {
			hint += fmt.Sprintf("; %s has one", o.below(strings.TrimSuffix(found[0], "/"+l.Images)))
			break
		}
	}
	return hinted{err, hint}
}
