package configs

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/textlist"
)

// A Segmentation describes the layout of a segmentation data set and the settings
// for measuring a method on it.
//
// Sources of the YAML files in this folder: sides, window, stride, scale and
// thresholds are those of the method's published code for each data set
// (configs/cfg_*.py; context59's shorter side is 512 in the paper, 384 there).
// Folders, suffixes, the meaning of the numbers, and names in label order are from
// the data sets' own documentation, as mmsegmentation reads them. The words for
// backgrounds are ours. The demo's settings were chosen for its model on other
// scenes.
type Segmentation struct {
	Name string `yaml:"-"` // built-in name, or file name without folder and extension

	Title  string `yaml:"title"`
	Layout Layout `yaml:"data"`

	ShorterSide int     `yaml:"shorter_side"` // pixels to which an image's shorter side is scaled
	LongerSide  int     `yaml:"longer_side"`  // maximum of its longer side, in pixels
	SlideCrop   int     `yaml:"slide_crop"`   // side of the sliding window in pixels; 0: the model's input size
	SlideStride int     `yaml:"slide_stride"` // pixels between windows; 0: half a window
	LogitScale  float64 `yaml:"logit_scale"`  // factor of the logits before the softmax
	ProbThd     float64 `yaml:"prob_thd"`     // pixels below this probability become background, class 0; 0: none
	AreaThd     float64 `yaml:"area_thd"`     // classes with a smaller share of the image's area are dropped; 0: none

	Pairs int  `yaml:"k"`     // number of pairs for each class
	Block int  `yaml:"block"` // block of the last stage whose maps are used, from 0; -1: the last
	Sink  bool `yaml:"sink"`  // whether the last location is an attention sink, to be interpolated

	// NamePath is a file of class names in the config's folder, with one class per
	// line, its words separated by commas, or in another form that textlist.ReadList
	// knows. Classes in the config replace it.
	NamePath string   `yaml:"name_path"`
	Classes  []Class  `yaml:"classes"` // in label order; filled from NamePath
	Warnings []string `yaml:"-"`       // how the file of names was read where that is not plain
}

// A Class is the words for a class, at least one. The first is its name.
type Class []string

// A Layout says where a data set keeps its images and label maps, as paths relative
// to its root, and what the numbers in the label maps mean.
type Layout struct {
	Images      string `yaml:"images"`       // folder of images
	ImageSuffix string `yaml:"image_suffix"` // file name of an image after the scene's name
	List        string `yaml:"list"`         // file of names, one per line; empty: all images
	// Labels are the places where label maps may be. The first one found is read.
	Labels []LabelSource `yaml:"labels"`

	ReduceZeroLabel bool `yaml:"reduce_zero_label"` // label 0 is unlabelled, label 1 is class 0
	IgnoreIndex     int  `yaml:"ignore_index"`      // label of pixels that do not count; -1: none
}

// Text says in one line what pixels a layout labels how; origins keep its hash. Which
// numbers are refused is no part of it.
func (l Layout) Text() string {
	type source struct {
		folder, suffix, annotation, phase string
		ids                               []int
	}
	sources := make([]source, len(l.Labels))
	for i, s := range l.Labels {
		sources[i] = source{s.Folder, s.Suffix, s.Annotation, s.Phase, s.IDs}
	}
	return fmt.Sprint(struct {
		images, suffix, list string
		labels               []source
		reduce               bool
		ignore               int
	}{l.Images, l.ImageSuffix, l.List, sources, l.ReduceZeroLabel, l.IgnoreIndex})
}

// A LabelSource is a folder of label maps, or an annotation file in the format of
// PASCAL in Detail.
type LabelSource struct {
	Folder string `yaml:"folder"`
	Suffix string `yaml:"suffix"` // file name of a label map after the scene's name

	Annotation string `yaml:"annotation"` // the file
	Phase      string `yaml:"phase"`      // the images to read if there is no list: train, val or test

	// IDs, if not empty, means that the numbers are category ids: IDs[i] is label i.
	// Pixels with other ids are unlabelled. If empty, the numbers are the labels.
	IDs []int `yaml:"ids"`

	// Unlabelled, if not empty, are the other ids that may occur. Any more are of
	// another numbering, and refused.
	Unlabelled []int `yaml:"unlabelled"`
}

// Segmentations returns the names of the built-in configs.
func Segmentations() []string {
	entries, err := fs.Glob(files, "*"+configExt)
	if err != nil {
		panic("configs: " + err.Error())
	}
	for i, name := range entries {
		entries[i] = strings.TrimSuffix(name, configExt)
	}
	return entries
}

const configExt = ".yaml"

// ReadSegmentation reads a built-in config by its name, one of Segmentations, or a
// file whose path ends in .yaml or .yml. Files must have at most 1 MiB, only known
// keys, and no anchors or aliases. Errors name the file; some have a method Hint.
func ReadSegmentation(pathOrName string) (*Segmentation, error) {
	var tree fs.FS = files
	var s *Segmentation
	name := pathOrName
	switch ext := filepath.Ext(pathOrName); {
	case ext == configExt || ext == ".yml":
		data, err := foreign.ReadFile(pathOrName, maxConfig)
		if err != nil {
			return nil, missingConfig(pathOrName, err)
		}
		if mistake := foreign.Mistaken(data); mistake != nil {
			return nil, fmt.Errorf("%s: %w, want a YAML file of a data set", pathOrName, mistake)
		}
		name = strings.TrimSuffix(filepath.Base(pathOrName), ext)
		if s, err = parseSegmentation(data); err != nil {
			return nil, fmt.Errorf("%s: %w", pathOrName, err)
		}
		tree = nil
	case slices.Contains(Segmentations(), pathOrName):
		var err error
		if s, err = parseSegmentation(read(pathOrName + configExt)); err != nil {
			return nil, fmt.Errorf("%s%s: %w", pathOrName, configExt, err)
		}
	default:
		return nil, fmt.Errorf("config %q, want the path of a .yaml file or one of %s", pathOrName, strings.Join(Segmentations(), ", "))
	}
	s.Name = name
	if err := s.readNames(tree, pathOrName); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", pathOrName, err)
	}
	return s, nil
}

// readNames fills Classes from the file of names: in tree, or in the config's folder
// if tree is nil.
func (s *Segmentation) readNames(tree fs.FS, config string) error {
	switch {
	case s.NamePath == "" && len(s.Classes) == 0:
		return fmt.Errorf("%s: neither classes nor name_path, want one", config)
	case s.NamePath == "":
		return nil
	case len(s.Classes) > 0:
		return fmt.Errorf("%s: both classes and name_path, want one", config)
	}
	var list textlist.List
	var err error
	file := s.NamePath
	if tree == nil {
		if !filepath.IsAbs(file) {
			file = filepath.Join(filepath.Dir(config), filepath.FromSlash(file))
		}
		list, err = textlist.ReadList(file)
	} else {
		var open fs.File
		if open, err = tree.Open(path.Clean(file)); err == nil {
			defer open.Close()
			list, err = textlist.ParseList(open)
		}
	}
	if err != nil {
		return fmt.Errorf("%s: name_path: %w", config, err)
	}
	for _, warning := range list.Warnings {
		s.Warnings = append(s.Warnings, file+": "+warning)
	}
	for i, line := range list.Texts {
		class, err := parseClass(line)
		if err != nil {
			return fmt.Errorf("%s: line %d: %w", file, i+1, err)
		}
		s.Classes = append(s.Classes, class)
	}
	return nil
}

// parseClass splits a line of comma-separated words.
func parseClass(line string) (Class, error) {
	var class Class
	for word := range strings.SplitSeq(line, ",") {
		if word = strings.TrimSpace(word); word == "" {
			return nil, fmt.Errorf("%.80q, want a name, or words separated by commas", line)
		}
		class = append(class, word)
	}
	return class, nil
}

// missingConfig adds a hint to the error of a missing file if there is a built-in
// config of the same name.
func missingConfig(file string, err error) error {
	name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	if errors.Is(err, fs.ErrNotExist) && slices.Contains(Segmentations(), name) {
		return hinted{err, fmt.Sprintf("for the built-in config, give %q without folder and extension", name)}
	}
	return err
}

// hinted is an error with advice.
type hinted struct {
	error
	hint string
}

func (e hinted) Unwrap() error { return e.error }
func (e hinted) Hint() string  { return e.hint }
