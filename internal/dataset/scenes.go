package dataset

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/quantity"
)

// A Scene is an image whose pixels have classes.
type Scene struct {
	Path   string // of the image in messages, as the system writes it
	Name   string // of the image, below the folder of images, with slashes; unique
	Labels string // the file that holds the label map, its own or that of all scenes

	image, labels Item   // labels of its own file
	below         string // where that file is in the data set, with slashes
}

// Image is the scene's image.
func (s *Scene) Image() Item { return s.image }

// Scenes is a segmentation data set: images in a fixed order, that of its
// list, or of the names' bytes where it has none.
type Scenes struct {
	Root   string // the folder of the data set
	Items  []Scene
	Source string // which of the layout's label maps were found, in words
	// Missing are the files that the data set lacks, images or label maps, in
	// order. Their scenes are not among the items.
	Missing []string
	// Skipped are the folders and images below the folder of images that
	// were left out, as those of a Dataset; their names are below that folder.
	Skipped []Skipped

	codes *codes
	marks *annotations // nil: each scene has its own file
}

// SceneOptions say where a segmentation data set lies and how it is laid out.
type SceneOptions struct {
	Path    string         // its root, the folder that the layout's paths are below, or archives of it
	Layout  configs.Layout // folders, suffixes and labels
	Classes int            // number of classes

	files sceneFiles
}

// OpenScenes lists the scenes of a segmentation data set, at least one. It opens
// no image. Errors may have a method Hint.
func OpenScenes(ctx context.Context, o SceneOptions) (*Scenes, error) {
	var err error
	if o.files, err = o.openSceneFiles(ctx); err != nil {
		return nil, err
	}
	if err := o.files.folder(o.Layout.Images); errors.Is(err, fs.ErrNotExist) {
		return nil, o.wrong(fmt.Errorf("%s: no %s in it", o.Path, o.Layout.Images))
	} else if err != nil {
		return nil, err
	}
	source, err := o.findSource(ctx)
	if err != nil {
		return nil, err
	}
	s := &Scenes{Root: o.Path, codes: newCodes(o.Layout, source, o.Classes)}
	if source.Annotation != "" {
		s.Source = "annotations " + source.Annotation
		if s.marks, err = readAnnotations(ctx, o.files.path(source.Annotation), source.IDs); err != nil {
			return nil, err
		}
	} else {
		s.Source = fmt.Sprintf("label maps %s/*%s", source.Folder, source.Suffix)
	}
	var names []string
	names, s.Skipped, err = o.names(ctx, source, s.marks)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		scene := Scene{Name: name + o.Layout.ImageSuffix}
		image := o.Layout.Images + "/" + scene.Name
		scene.Path = o.files.path(image)
		there := o.files.file(image)
		if there {
			scene.image = o.files.item(image)
		} else {
			s.Missing = append(s.Missing, scene.Path)
		}
		if s.marks != nil {
			scene.Labels, scene.below = s.marks.listed.Path, source.Annotation
			if !s.marks.has(scene.Name) {
				return nil, fmt.Errorf("%s: no image %s, which %s lists", s.marks.listed.Path, foreign.Name(scene.Name), o.Layout.List)
			}
		} else {
			scene.below = source.Folder + "/" + name + source.Suffix
			if scene.Labels = o.files.path(scene.below); o.files.file(scene.below) {
				scene.labels = o.files.item(scene.below)
			} else {
				s.Missing = append(s.Missing, scene.Labels)
				there = false
			}
		}
		if there {
			s.Items = append(s.Items, scene)
		}
	}
	if len(s.Items) == 0 {
		return nil, o.wrong(fmt.Errorf("%s: none of %s is there, %s is the first file missing", o.Path, quantity.Of(len(names), "scene"), foreign.Name(s.Missing[0])))
	}
	return s, nil
}

// LabelBytes are the bytes that say what a scene's label map is.
type LabelBytes struct {
	Size   int64  // of the file that holds them
	CRC    uint32 // CRC-32C of the file, or of the scene's part where it is that of all scenes
	decode func(imageprep.Options) (*imageprep.Labels, error)
}

// LoadLabels reads the bytes of the label map of scene i. What is in them is left to
// Decode to refuse.
func (s *Scenes) LoadLabels(i int) (*LabelBytes, error) {
	scene := s.Items[i]
	b := &LabelBytes{}
	var decode func(imageprep.Options) (*imageprep.Labels, error)
	if s.marks != nil {
		var err error
		if b.CRC, err = s.marks.checksum(scene.Name); err != nil {
			return nil, err
		}
		b.Size = s.marks.listed.Size
		decode = func(o imageprep.Options) (*imageprep.Labels, error) { return s.marks.labels(scene.Name, o) }
	} else {
		f, err := scene.labels.loadLabels()
		if err != nil {
			return nil, err
		}
		b.Size, b.CRC = f.Size, crc32.Checksum(f.Bytes, castagnoli)
		decode = f.DecodeLabels
	}
	b.decode = func(o imageprep.Options) (*imageprep.Labels, error) {
		labels, err := decode(o)
		if err != nil {
			return nil, err
		}
		if err := s.codes.apply(labels); err != nil {
			return nil, fmt.Errorf("read label map: %s: %w", scene.Labels, err)
		}
		return labels, nil
	}
	return b, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Decode returns the label map: the class of each pixel, from 0, or Ignore. A number
// that the data set's convention does not know is an error.
func (b *LabelBytes) Decode(o imageprep.Options) (*imageprep.Labels, error) { return b.decode(o) }

// ReadLabels is LoadLabels and Decode.
func (s *Scenes) ReadLabels(i int, o imageprep.Options) (*imageprep.Labels, error) {
	b, err := s.LoadLabels(i)
	if err != nil {
		return nil, err
	}
	return b.Decode(o)
}
