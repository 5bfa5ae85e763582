package segment

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/figure"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/remote"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// sceneList is what there is to segment.
type sceneList struct {
	scenes      []sceneToRead
	missing     []string         // files that the data set lacks
	unlisted    []source.Skipped // what the listing left out
	paths       []string         // those that were given, if several were
	fingerprint string           // of the data set; empty of images that were given
	names       string           // the hash of the data set's names, likewise

	heldBy func(lo, hi int) string // see dataset.HeldBy; nil of images that were given
}

// scenes lists what to segment.
func (o *Options) scenes(ctx context.Context, say ui.Reporter) (*sceneList, error) {
	if len(o.Paths) > 0 {
		return o.given(ctx, say)
	}
	var folders []string
	for _, of := range slices.Concat(o.Setup.Layout.Labels, []configs.LabelSource{{Folder: o.Setup.Layout.Images}}) {
		if of.Folder != "" && of.Folder != "." {
			folders = append(folders, filepath.Join(o.DataPath, of.Folder))
		}
	}
	if err := o.wantOutside(folders...); err != nil {
		return nil, err
	}
	data, err := dataset.OpenScenes(ctx, dataset.SceneOptions{Path: o.DataPath, Layout: o.Setup.Layout, Classes: len(o.Setup.Classes)})
	if err != nil {
		return nil, err
	}
	if err := source.NamePassedOver(data.Skipped, dataset.Passed{}, o.Strict, say); err != nil {
		return nil, err
	}
	n, missing := len(data.Items), data.Missing
	if o.Limit > 0 && o.Limit < n {
		n, missing = o.Limit, nil // it cannot be told which of them are among the first
	}
	list := &sceneList{missing: missing, unlisted: source.Unlisted(data.Skipped)}
	sizes, err := data.Sizes()
	if err != nil {
		return nil, err
	}
	list.fingerprint = data.FingerprintOf(sizes)
	names := make([]string, len(data.Items))
	for i, item := range data.Items {
		names[i] = item.Name
	}
	list.names = cache.ListHash(names)
	list.heldBy = data.HeldBy
	for i, item := range data.Items[:n] {
		load := func() (*dataset.LabelBytes, error) { return data.LoadLabels(i) }
		list.scenes = append(list.scenes, sceneToRead{name: item.Name, item: item.Image(), load: load, labels: item.Labels, sizes: &sizes[i]})
	}
	return list, nil
}

// given lists the images of Paths, which have no labels.
func (o *Options) given(ctx context.Context, say ui.Reporter) (*sceneList, error) {
	list := &sceneList{}
	seen := map[string]bool{}
	paths, err := dataset.Expand(o.Paths)
	if err == nil {
		err = o.wantOutside(paths...)
	}
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		if dataset.IsList(path) || dataset.IsListing(path) {
			return nil, usage.Errorf("{image} %s: a list, want images, folders or archives", remote.Shown(path))
		}
		first := len(list.scenes)
		info, err := os.Stat(path)
		if remote.Named(path) {
			err = o.addFolder(ctx, list, path, say)
		} else if err == nil && !info.IsDir() && !dataset.IsArchive(path) {
			list.scenes = append(list.scenes, sceneToRead{name: filepath.Base(path), item: dataset.Item{Path: path}})
		} else if err == nil {
			err = o.addFolder(ctx, list, path, say)
		}
		if err != nil {
			return nil, err
		}
		for i := first; i < len(list.scenes); i++ {
			s := &list.scenes[i]
			if s.given = len(list.paths); seen[filepath.Clean(s.item.Path)] {
				return nil, usage.Errorf("{image} %s: given twice", s.item.Path)
			}
			seen[filepath.Clean(s.item.Path)] = true
		}
		list.paths = append(list.paths, path)
	}
	if len(list.paths) == 1 {
		list.paths = nil
	}
	if len(list.scenes) > 1 {
		err = list.skippable()
	}
	return list, err
}

// skippable has each scene skipped where it cannot be read, and tells files of one name
// in different folders apart by their paths.
func (l *sceneList) skippable() error {
	files := map[string]int{}
	var all dataset.Dataset
	for _, s := range l.scenes {
		files[figure.FileOf(s.name)]++
		all.Items = append(all.Items, s.item)
	}
	sizes, err := all.Sizes()
	if err != nil {
		return err
	}
	names := make([]string, len(l.scenes))
	for i := range l.scenes {
		s := &l.scenes[i]
		if files[figure.FileOf(s.name)] > 1 {
			s.name = strings.TrimLeft(filepath.ToSlash(filepath.Clean(s.item.Path)), "./")
		}
		if s.sizes == nil {
			s.sizes = &dataset.SceneSizes{Image: sizes[i]}
		}
		names[i] = s.name
	}
	for i, file := range figure.FilesOf(names) {
		l.scenes[i].file = file
	}
	return nil
}

// wantOutside refuses folders for what is written that are those of images; see
// source.WantOutside.
func (o *Options) wantOutside(images ...string) error {
	for _, out := range []struct{ option, dir string }{{"{show-dir}", o.ShowDir}, {"{save-dir}", o.SaveDir}, {"{probabilities-dir}", o.ProbabilitiesDir}} {
		if err := source.WantOutside(out.option, out.dir, dataset.Options{}, images...); err != nil {
			return err
		}
	}
	return nil
}

// addFolder adds the images of a folder or an archive.
func (o *Options) addFolder(ctx context.Context, list *sceneList, folder string, say ui.Reporter) error {
	data, err := source.OpenImages(ctx, dataset.Options{Kind: dataset.Images, Path: folder}, o.Strict, say)
	if err != nil {
		return err
	}
	list.unlisted = append(list.unlisted, source.Unlisted(data.Skipped)...)
	sizes, err := data.Sizes()
	if err != nil {
		return err
	}
	for i, item := range data.Items {
		list.scenes = append(list.scenes, sceneToRead{name: item.Name, item: item, sizes: &dataset.SceneSizes{Image: sizes[i]}})
	}
	return nil
}

// sceneReader reads scenes ahead of whoever needs them, in their order.
type sceneReader struct {
	scenes chan *sceneToRead
	stop   context.CancelFunc
}

// scenesAhead is how many scenes are in memory as well as the current one.
const scenesAhead = 2

// readScenes reads images, scaled so that the shorter side is given and the
// longer one as bounded in o, and their labels.
func readScenes(ctx context.Context, scenes []sceneToRead, o *Options, shorter int) *sceneReader {
	ctx, stop := context.WithCancel(ctx)
	r := &sceneReader{make(chan *sceneToRead, scenesAhead-1), stop}
	go func() {
		defer close(r.scenes)
		for i := range scenes {
			s := scenes[i]
			if s.err = ctx.Err(); s.err == nil {
				s.panic = par.Catch(func() { s.err = s.open(o, shorter) })
			}
			select {
			case r.scenes <- &s:
			case <-ctx.Done():
				return
			}
		}
	}()
	return r
}

// next returns the next scene; ok is false after the last one or when the
// context was cancelled.
func (r *sceneReader) next() (s *sceneToRead, ok bool) {
	if s, ok = <-r.scenes; ok {
		s.panic.Rethrow()
	}
	return s, ok
}

// close ends the reading and waits for it.
func (r *sceneReader) close() {
	r.stop()
	for range r.scenes {
	}
}

// scenes segments scenes. It calls kept after each, with how many are done, and
// without a scene when it is interrupted or finds one changed, when they must be kept.
func (s *segmenter) scenes(ctx context.Context, scenes []sceneToRead, kept func(sc *sceneToRead, n int, must bool) error, t *tally) error {
	progress := s.say.Progress()
	progress.Start(int64(len(scenes)), ui.Images, "segment")
	defer progress.Done()
	reader := readScenes(ctx, scenes, s.o, s.shorter)
	defer reader.close()
	for n := range scenes {
		windows := s.result.Windows
		sc, ok := reader.next()
		err := ctx.Err()
		if err == nil && !ok {
			return errors.New("the images ended early")
		}
		if ok {
			progress.Read(sc.bytes)
		}
		if err == nil && sc.changed != nil {
			return errors.Join(sc.changed, kept(nil, n, true))
		}
		if err == nil {
			if err = sc.err; err == nil {
				err = s.scene(ctx, sc, t)
			}
		}
		switch {
		case errors.Is(err, context.Canceled):
			s.result.Windows = windows // those of this scene do not count
			return errors.Join(err, kept(nil, n, true))
		case err != nil && (source.Stops(err, s.o.Strict) || sc.sizes == nil || sc.err == nil):
			return err
		case err != nil:
			s.say.Skip(err)
			s.result.Skipped = append(s.result.Skipped, source.Skipped{Name: sc.name, Reason: source.Reason(err, sc.item.Path)})
		default:
			s.result.Images++
		}
		if err := kept(sc, n+1, false); err != nil {
			return err
		}
		progress.Add(1)
	}
	return nil
}

// Masks has the map of each image's class compared with a mask of its foreground, in place of
// pixels labelled.
type Masks struct {
	MasksDir   string // folder of the masks, PNG, by the images' names; empty: none
	Foreground string // the class of all images; empty: the folder that an image is in
}

// checkMasks refuses masks together with what needs labels.
func (o *Options) checkMasks() error {
	if o.MasksDir != "" && (o.DataPath != "" || o.ShowDir != "" || o.SaveDir != "" || o.ProbabilitiesDir != "") {
		return usage.Errorf("{masks} is for {image}, and labels no pixels that could be drawn or written")
	}
	return nil
}

// addMasks says of each scene what its class is and where its mask.
func (o *Options) addMasks(list *sceneList) error {
	if o.MasksDir == "" {
		return nil
	}
	classOf := map[string]int{}
	for i, c := range o.Setup.Classes {
		classOf[c[0]] = i
	}
	for i := range list.scenes {
		s := &list.scenes[i]
		class := o.Foreground
		if class == "" {
			class = filepath.Base(filepath.Dir(s.item.Path))
		}
		var known bool
		if s.class, known = classOf[class]; !known && o.Foreground != "" {
			return usage.Errorf("{foreground} %s: not among the %s", foreign.Quote(class), quantity.Of(len(o.Setup.Classes), "class"))
		} else if !known {
			return hint.With(fmt.Errorf("%s: its folder %s is not among the %s", s.item.Path, foreign.Quote(class), quantity.Of(len(o.Setup.Classes), "class")),
				"name the class of all images with {foreground}")
		}
		s.labels = filepath.Join(o.MasksDir, filepath.FromSlash(strings.TrimSuffix(s.name, filepath.Ext(s.name))+".png"))
		info, err := os.Stat(s.labels)
		if err != nil {
			return fmt.Errorf("mask of %s: %w", s.item.Path, err)
		}
		if s.sizes != nil {
			s.sizes.Labels = info.Size()
		}
		path := s.labels
		s.load = func() (*dataset.LabelBytes, error) { return dataset.LoadMask(path) }
	}
	return nil
}
