package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/foreign"
)

// findSource returns the first of the layout's forms of label maps that is
// there.
func (o *SceneOptions) findSource(ctx context.Context) (configs.LabelSource, error) {
	for _, source := range o.Layout.Labels {
		if source.Annotation != "" {
			if !o.files.file(source.Annotation) {
				continue
			}
			if _, inFolder := o.files.(sceneFolder); !inFolder {
				return source, hinted{fmt.Errorf("%s: annotations in an archive, want them in a folder", o.files.path(source.Annotation)), "unpack the data set: annotations are read in many places"}
			}
			return source, nil
		}
		maps, _, err := o.files.ending(ctx, source.Folder, source.Suffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return configs.LabelSource{}, err
		}
		if len(maps) > 0 {
			return source, nil
		}
	}
	return configs.LabelSource{}, o.wrong(fmt.Errorf("%s: no label maps in it", o.Path))
}

// names returns the names of the scenes, without suffix: those of the list, or
// of the images, or of the annotations' phase where the list is not there; and
// what was skipped among the images.
func (o *SceneOptions) names(ctx context.Context, source configs.LabelSource, marks *annotations) (names []string, skipped []Skipped, err error) {
	l := o.Layout
	if l.List == "" {
		names, skipped, err = o.files.ending(ctx, l.Images, l.ImageSuffix)
		if err == nil && len(names) == 0 {
			err = o.wrong(fmt.Errorf("%s: no images *%s in it", o.files.path(l.Images), l.ImageSuffix))
		}
		return names, skipped, err
	}
	if marks != nil && !o.files.file(l.List) {
		names, err = marks.names(source.Phase, l.ImageSuffix)
		return names, nil, err
	}
	if !o.files.file(l.List) {
		return nil, nil, o.wrong(fmt.Errorf("%s: no %s in it", o.Path, l.List))
	}
	if names, err = o.files.lines(l.List); err != nil {
		return nil, nil, err
	}
	return names, nil, checkNames(names, o.files.path(l.List), l.ImageSuffix)
}

// checkNames cuts the suffix off the names of a list, which may be with or without it.
func checkNames(names []string, list, suffix string) error {
	lines := make(map[string]int, len(names))
	for i, name := range names {
		name = strings.TrimSuffix(name, suffix)
		if !isSceneName(name) {
			return fmt.Errorf("%s: line %d: %s, want the name of an image", list, i+1, foreign.Quote(name))
		}
		if first, ok := lines[name]; ok {
			return fmt.Errorf("%s: line %d: %s is listed already, in line %d", list, i+1, foreign.Quote(name), first)
		}
		lines[name] = i + 1
		names[i] = name
	}
	return nil
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
	if above := o.files.above(l.Images); above != "" {
		hint += fmt.Sprintf("; %s has one", above)
	}
	return hinted{err, hint}
}
