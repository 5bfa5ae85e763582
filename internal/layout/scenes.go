package layout

import (
	"bytes"
	"context"
	"errors"
	"image"
	_ "image/jpeg" // the heads of images
	_ "image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/textlist"
)

// sceneKind is a data set for segmentation, whose layout a config describes.
type sceneKind struct {
	name, about string
	config      string
	published   int // scenes
	get         []string
}

var sceneKinds = []sceneKind{
	{"context", "PASCAL Context (VOC 2010)", "context59", 5105, []string{
		"images: http://host.robots.ox.ac.uk/pascal/VOC/voc2010/ (VOCtrainval_03-May-2010.tar)",
		"annotation: https://cs.stanford.edu/~roozbeh/pascal-context/; trainval_merged.json is read as it is",
	}},
	{"voc", "PASCAL VOC 2012", "voc20", 1449, []string{
		"http://host.robots.ox.ac.uk/pascal/VOC/voc2012/ (VOCtrainval_11-May-2012.tar)",
	}},
	{"ade20k", "ADE20K, 150 classes", "ade20k", 2000, []string{
		"http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip",
	}},
	{"coco_object", "COCO with 80 objects and background", "coco_object", 5000, []string{
		"images: https://cocodataset.org/#download (val2017)",
		"label maps are made from the instance annotations",
	}},
	{"coco_stuff10k", "COCO-Stuff 10k, 171 classes", "coco_stuff10k", 1000, []string{
		"https://github.com/nightrome/cocostuff10k",
	}},
	{"coco_stuff164k", "COCO-Stuff 164k, 171 classes", "coco_stuff164k", 5000, []string{
		"images: https://cocodataset.org/#download (val2017)",
		"label maps: https://github.com/nightrome/cocostuff (stuffthingmaps)",
	}},
	{"cityscapes", "Cityscapes, 19 classes", "cityscapes", 500, []string{
		"https://www.cityscapes-dataset.com (leftImg8bit_trainvaltest.zip, gtFine_trainvaltest.zip; free after registration)",
	}},
}

// parts looks for what the config names, and then reads the data set as segment
// would, and the label maps of some scenes.
func (s sceneKind) parts(ctx context.Context, root string) ([]Part, error) {
	config, err := configs.ReadSegmentation(s.config)
	if err != nil {
		return nil, err
	}
	l := config.Layout
	images := Part{Name: l.Images, Unit: "images", Published: s.published}
	labels := Part{Name: forms(l), Unit: "scenes"}
	if !isFolder(below(root, l.Images)) {
		images.problem("there is no %s", below(root, l.Images))
	}
	found := ""
	for _, source := range l.Labels {
		if name := source.Folder + source.Annotation; found == "" && exists(below(root, name)) { // one of them is empty
			found, labels.Name = name, name
			if source.Annotation != "" {
				labels.note("label maps are taken from %s", name)
			}
		}
	}
	if found == "" {
		labels.problem("there is no %s", below(root, forms(l)))
	}
	parts := []Part{images, labels}
	if l.List != "" {
		list := Part{Name: l.List, Unit: "names"}
		names, err := textlist.ReadFile(below(root, l.List))
		switch {
		case err == nil:
			list.Count = len(names)
		case !errors.Is(err, fs.ErrNotExist):
			list.problem("%v", err)
		case found != "" && !isFolder(below(root, found)):
			list.note("there is no list: the scenes are those that %s puts into its val phase", found)
		default:
			list.problem("there is no %s", below(root, l.List))
		}
		parts = append(parts, list)
	}
	return parts, s.read(ctx, root, config, parts)
}

// packed is parts of archives, which are read as segment would.
func (s sceneKind) packed(ctx context.Context, path string) ([]Part, error) {
	config, err := configs.ReadSegmentation(s.config)
	if err != nil {
		return nil, err
	}
	parts := []Part{
		{Name: config.Layout.Images, Unit: "images", Published: s.published},
		{Name: forms(config.Layout), Unit: "scenes"},
	}
	return parts, s.read(ctx, path, config, parts)
}

// read reads the data set, and puts what is wrong with it into the parts.
func (s sceneKind) read(ctx context.Context, root string, config *configs.Segmentation, parts []Part) error {
	images, labels := &parts[0], &parts[1]
	d, err := dataset.OpenScenes(ctx, dataset.SceneOptions{Path: root, Layout: config.Layout, Classes: len(config.Classes)})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		if isFolder(root) {
			images.Count = countFiles(below(root, config.Layout.Images), config.Layout.ImageSuffix)
		}
		if ok(parts) {
			labels.problem("%v", err)
		}
		var h interface{ Hint() string }
		if errors.As(err, &h) {
			images.note("%s", h.Hint())
		}
		return nil
	}
	images.Count, labels.Count = len(d.Items), len(d.Items)
	images.leftOut(d.Skipped)
	var noImage, noLabels []string
	for _, path := range d.Missing {
		rel, err := filepath.Rel(below(root, config.Layout.Images), path)
		inImages := err == nil && filepath.IsLocal(rel)
		if !isFolder(root) {
			inImages = strings.Contains(path, config.Layout.Images+"/")
		}
		if inImages {
			noImage = append(noImage, foreign.Name(path))
		} else {
			noLabels = append(noLabels, foreign.Name(path))
		}
	}
	if len(noImage) > 0 {
		images.problem("images that are wanted are missing: %s", some(noImage))
	}
	if len(noLabels) > 0 {
		labels.problem("label maps that are wanted are missing: %s", some(noLabels))
	}
	return s.sample(ctx, d, labels)
}

// sample reads the label maps of some scenes, first to last, up to the first that
// is wrong.
func (s sceneKind) sample(ctx context.Context, d *dataset.Scenes, labels *Part) error {
	const scenes = 20
	read := 0
	for i := 0; i < len(d.Items); i += max(1, len(d.Items)/scenes) {
		if err := ctx.Err(); err != nil {
			return err
		}
		scene := d.Items[i]
		m, err := d.ReadLabels(i, imageprep.Options{MaxPixels: imageprep.DefaultMaxPixels})
		if err != nil {
			labels.problem("%v", err)
			return nil
		}
		w, h, err := size(scene.Image())
		switch {
		case err != nil:
			labels.problem("%s: %v", scene.Path, err)
			return nil
		case w != m.W || h != m.H:
			labels.problem("%s: %dx%d pixels, the image %s has %dx%d", foreign.Name(scene.Labels), m.W, m.H, foreign.Name(scene.Name), w, h)
			return nil
		}
		read++
	}
	labels.note("label maps of %d of %s were read, and are as they should be", read, quantity.Of(len(d.Items), "scene"))
	return nil
}

// countFiles counts the files below dir whose names end in suffix, as far as it can be
// read.
func countFiles(dir, suffix string) (n int) {
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(d.Name(), suffix) {
			n++
		}
		return nil
	})
	return n
}

// size reads the width and height of an image, of a file from its head.
func size(item dataset.Item) (w, h int, err error) {
	var from io.Reader
	if item.IsFile() {
		file, err := foreign.Open(item.Path)
		if err != nil {
			return 0, 0, err
		}
		defer file.Close()
		from = file
	} else {
		file, err := item.Load()
		if err != nil {
			return 0, 0, err
		}
		from = bytes.NewReader(file.Bytes)
	}
	config, _, err := image.DecodeConfig(from)
	return config.Width, config.Height, err
}

// forms names where label maps may be.
func forms(l configs.Layout) string {
	var names []string
	for _, source := range l.Labels {
		if name := source.Folder + source.Annotation; len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
	}
	return strings.Join(names, " or ")
}

func below(root, name string) string { return filepath.Join(root, filepath.FromSlash(name)) }

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
