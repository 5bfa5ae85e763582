package layout

import (
	"context"
	"errors"
	"image"
	"image/color"
	_ "image/jpeg" // the heads of pictures
	_ "image/png"  // and of label maps
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/textlist"
)

// sceneKind is a data set for segmentation: pictures, a label map for each, and
// perhaps a list of those that count.
type sceneKind struct {
	name, about string
	images      string // folder below the root
	imageEnd    string // end of a picture's name; what is before it is the scene
	labels      string
	labelEnds   []string // ends of a label map's name, of which one is used
	list        string   // names of the scenes, one a line; empty: all pictures
	published   int      // scenes
	get         []string
}

var sceneKinds = []sceneKind{
	{
		name: "context", about: "PASCAL Context (VOC 2010)",
		images: "JPEGImages", imageEnd: ".jpg", labels: "SegmentationClassContext", labelEnds: []string{".png"},
		list: "ImageSets/SegmentationContext/val.txt", published: 5105,
		get: []string{
			"pictures: http://host.robots.ox.ac.uk/pascal/VOC/voc2010/ (VOCtrainval_03-May-2010.tar)",
			"annotation: https://cs.stanford.edu/~roozbeh/pascal-context/ (trainval_merged.json, from which the label maps are made)",
		},
	},
	{
		name: "voc", about: "PASCAL VOC 2012",
		images: "JPEGImages", imageEnd: ".jpg", labels: "SegmentationClass", labelEnds: []string{".png"},
		list: "ImageSets/Segmentation/val.txt", published: 1449,
		get: []string{"http://host.robots.ox.ac.uk/pascal/VOC/voc2012/ (VOCtrainval_11-May-2012.tar)"},
	},
	{
		name: "ade20k", about: "ADE20K, 150 classes",
		images: "images/validation", imageEnd: ".jpg", labels: "annotations/validation", labelEnds: []string{".png"}, published: 2000,
		get: []string{"http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip"},
	},
	{
		name: "coco_object", about: "COCO with 80 objects and background",
		images: "images/val2017", imageEnd: ".jpg", labels: "annotations/val2017", labelEnds: []string{"_instanceTrainIds.png"}, published: 5000,
		get: []string{"pictures: https://cocodataset.org/#download (val2017)", "label maps are made from the instance annotations"},
	},
	{
		name: "coco_stuff10k", about: "COCO-Stuff 10k, 171 classes",
		images: "images/test2014", imageEnd: ".jpg", labels: "annotations/test2014", labelEnds: []string{"_labelTrainIds.png"}, published: 1000,
		get: []string{"https://github.com/nightrome/cocostuff10k"},
	},
	{
		name: "coco_stuff164k", about: "COCO-Stuff 164k, 171 classes",
		images: "images/val2017", imageEnd: ".jpg", labels: "annotations/val2017", labelEnds: []string{"_labelTrainIds.png", ".png"}, published: 5000,
		get: []string{"pictures: https://cocodataset.org/#download (val2017)", "label maps: https://github.com/nightrome/cocostuff (stuffthingmaps)"},
	},
	{
		name: "cityscapes", about: "Cityscapes, 19 classes",
		images: "leftImg8bit/val", imageEnd: "_leftImg8bit.png", labels: "gtFine/val", labelEnds: []string{"_gtFine_labelTrainIds.png"}, published: 500,
		get: []string{"https://www.cityscapes-dataset.com (leftImg8bit_trainvaltest.zip, gtFine_trainvaltest.zip; free after registration)"},
	},
}

// places are where the root is often given too high.
var places = []string{"VOC2010", "VOCdevkit/VOC2010", "VOC2012", "VOCdevkit/VOC2012", "ADEChallengeData2016", "cityscapes"}

func (s sceneKind) parts(ctx context.Context, root string) ([]Part, error) {
	images := Part{Name: s.images, Unit: "pictures"}
	labels := Part{Name: s.labels, Unit: "label maps"}
	scenes := Part{Name: s.list, Unit: "names", Published: s.published}

	pictures, err := s.listPart(ctx, root, &images, []string{s.imageEnd})
	if err != nil {
		return nil, err
	}
	maps, err := s.listPart(ctx, root, &labels, s.labelEnds)
	if err != nil {
		return nil, err
	}
	end := s.labelEnds[0]
	for _, e := range s.labelEnds {
		if slices.ContainsFunc(maps, func(name string) bool { return strings.HasSuffix(name, e) }) {
			end = e
			break
		}
	}
	if _, err := os.Stat(filepath.Join(root, "trainval_merged.json")); err == nil && s.name == "context" && len(maps) == 0 {
		labels.note("trainval_merged.json is there, from which they can be made")
	}
	for _, place := range places {
		if len(pictures) == 0 && isFolder(filepath.Join(root, filepath.FromSlash(place), filepath.FromSlash(s.images))) {
			images.note("there is %s: give %s", path.Join(place, s.images), filepath.Join(root, filepath.FromSlash(place)))
		}
	}

	var wanted []string // scenes
	if s.list != "" {
		wanted, err = textlist.ReadFile(filepath.Join(root, filepath.FromSlash(s.list)))
		if err != nil {
			scenes.problem("%v", err)
		}
		scenes.Count = len(wanted)
	} else {
		images.Published = s.published
		for _, name := range pictures {
			wanted = append(wanted, strings.TrimSuffix(name, s.imageEnd))
		}
	}
	s.checkPairs(ctx, root, wanted, pictures, maps, end, &images, &labels)
	parts := []Part{images, labels}
	if s.list != "" {
		parts = append(parts, scenes)
	}
	return parts, ctx.Err()
}

// listPart lists the files of a part whose names have one of the ends.
func (s sceneKind) listPart(ctx context.Context, root string, p *Part, ends []string) ([]string, error) {
	dir := filepath.Join(root, filepath.FromSlash(p.Name))
	names, err := list(ctx, dir, func(name string) bool {
		return slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(name, end) })
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.problem("there is no %s", dir)
	case err != nil:
		return nil, err
	case len(names) == 0:
		p.problem("%s: no files that end in %s", dir, strings.Join(ends, " or "))
	}
	p.Count = len(names)
	return names, nil
}

// checkPairs looks for the picture and the label map of each scene, and at the heads
// of some.
func (s sceneKind) checkPairs(ctx context.Context, root string, scenes, pictures, maps []string, end string, images, labels *Part) {
	const heads = 100
	havePicture, haveMap := set(pictures), set(maps)
	var noPicture, noMap []string
	for i, scene := range scenes {
		picture, label := scene+s.imageEnd, scene+end
		if !havePicture[picture] {
			noPicture = append(noPicture, picture)
		}
		if !haveMap[label] {
			noMap = append(noMap, label)
		}
		if i%max(1, len(scenes)/heads) == 0 && havePicture[picture] && haveMap[label] && ctx.Err() == nil {
			checkPair(filepath.Join(root, filepath.FromSlash(s.images), filepath.FromSlash(picture)),
				filepath.Join(root, filepath.FromSlash(s.labels), filepath.FromSlash(label)), images, labels)
		}
	}
	if len(pictures) > 0 && len(noPicture) > 0 {
		images.problem("%d of %d scenes have no picture: %s", len(noPicture), len(scenes), some(noPicture))
	}
	if len(maps) > 0 && len(noMap) > 0 {
		labels.problem("%d of %d scenes have no label map: %s", len(noMap), len(scenes), some(noMap))
	}
}

// checkPair compares the heads of a picture and its label map. One problem of a part
// is enough.
func checkPair(picture, label string, images, labels *Part) {
	of, err := head(picture)
	if err != nil {
		if len(images.Problems) == 0 {
			images.problem("%s: %v", picture, err)
		}
		return
	}
	is, err := head(label)
	if len(labels.Problems) > 0 {
		return
	}
	_, indexed := is.ColorModel.(color.Palette)
	switch {
	case err != nil:
		labels.problem("%s: %v", label, err)
	case !indexed && is.ColorModel != color.GrayModel && is.ColorModel != color.Gray16Model:
		labels.problem("%s: in colour, want a label for each pixel (grey or indexed)", label)
	case is.Width != of.Width || is.Height != of.Height:
		labels.problem("%s: %dx%d pixels, its picture has %dx%d", label, is.Width, is.Height, of.Width, of.Height)
	}
}

// head reads the size and colours of a picture.
func head(path string) (image.Config, error) {
	file, err := os.Open(path)
	if err != nil {
		return image.Config{}, err
	}
	defer file.Close()
	config, _, err := image.DecodeConfig(file)
	return config, err
}

func set(names []string) map[string]bool {
	s := make(map[string]bool, len(names))
	for _, name := range names {
		s[name] = true
	}
	return s
}

// list returns the files below dir that are wanted, with slashes, in order; names
// that begin with a dot are passed over.
func list(ctx context.Context, dir string, wanted func(name string) bool) (names []string, err error) {
	root, err := filepath.EvalSymlinks(dir) // WalkDir does not follow it
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case file != root && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
		case !d.IsDir() && wanted(d.Name()):
			rel, err := filepath.Rel(root, file)
			names = append(names, filepath.ToSlash(rel))
			return err
		}
		return nil
	})
	return names, err
}

// isPicture tells by the extension.
func isPicture(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".jpg", ".jpeg", ".png":
		return true
	}
	return false
}
