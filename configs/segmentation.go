package configs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/textlist"
)

// A Segmentation is how a segmentation data set is laid out and what is fixed
// when a method is measured on it.
//
// Sources of the files beside this one: sides, window, stride, scale and
// thresholds are what the method's published code fixes for each data set
// (configs/cfg_*.py; context59's shorter side is 512 in the paper, 384 there).
// Folders, suffixes, the meaning of the numbers, and names in the order of the
// labels are the data sets' own documentation, as mmsegmentation reads them. The
// words for backgrounds are ours. The demo's figures are those that were chosen
// for its model on other scenes.
type Segmentation struct {
	Name string `yaml:"-"` // as it was asked for, a file without its folder and ending

	Title  string `yaml:"title"`
	Layout Layout `yaml:"data"`

	ShorterSide int     `yaml:"shorter_side"` // pixels to which a picture's shorter side is scaled
	LongerSide  int     `yaml:"longer_side"`  // pixels that its longer side may have
	SlideCrop   int     `yaml:"slide_crop"`   // side of the sliding window in pixels; 0: the model's image side
	SlideStride int     `yaml:"slide_stride"` // pixels between windows; 0: half a window
	LogitScale  float64 `yaml:"logit_scale"`  // factor of the logits before the softmax
	ProbThd     float64 `yaml:"prob_thd"`     // pixels of a smaller probability are background, class 0; 0: none
	AreaThd     float64 `yaml:"area_thd"`     // as a share of the picture: classes of a smaller area are left out; 0: none

	Pairs int  `yaml:"k"`     // pairs taken for each class
	Block int  `yaml:"block"` // of the last stage, from 0, whose maps the neurons give; -1: the last
	Sink  bool `yaml:"sink"`  // whether the last location is an attention sink, to be interpolated

	// NamePath is a file of class names, a class a line, its words between
	// commas. It lies beside the config. Inline names are in its place.
	NamePath string  `yaml:"name_path"`
	Classes  []Class `yaml:"classes"` // in label order; filled from NamePath
}

// A Class is the words that stand for a class, at least one. The first is its
// name.
type Class []string

// A Layout is where a data set keeps its pictures and label maps, as paths
// below its root, and what the numbers in the label maps mean.
type Layout struct {
	Images      string `yaml:"images"`       // folder of pictures
	ImageSuffix string `yaml:"image_suffix"` // what follows a name in its picture's file name
	List        string `yaml:"list"`         // file of names, one a line; none: every picture
	// Labels are the forms in which the label maps may be there. The first that
	// is found is read.
	Labels []LabelSource `yaml:"labels"`

	ReduceZeroLabel bool `yaml:"reduce_zero_label"` // label 0 is unlabelled, label 1 is class 0
	IgnoreIndex     int  `yaml:"ignore_index"`      // label of pixels that do not count; -1: none
}

// A LabelSource is a folder of label maps, or a file of annotations in the form
// of PASCAL in Detail.
type LabelSource struct {
	Folder string `yaml:"folder"`
	Suffix string `yaml:"suffix"` // what follows a name in its label map's file name

	Annotation string `yaml:"annotation"` // the file
	Phase      string `yaml:"phase"`      // the pictures to take where there is no list: train, val or test

	// IDs says that the numbers are ids of categories: IDs[i] is label i. Ids that
	// are not listed label nothing. Without it the numbers are the labels.
	IDs []int `yaml:"ids"`
}

// Segmentations returns the names of the configs that the program carries.
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

// ReadSegmentation reads the config of a name, one of Segmentations, or of a
// file, whose path ends in .yaml or .yml. It takes files of up to 1 MiB, without
// anchors and aliases, of known keys only. Errors name the file; some have a
// method Hint.
func ReadSegmentation(pathOrName string) (*Segmentation, error) {
	var tree fs.FS = files
	var s *Segmentation
	name := pathOrName
	switch ext := filepath.Ext(pathOrName); {
	case ext == configExt || ext == ".yml":
		data, err := readBounded(pathOrName)
		if err != nil {
			return nil, missingConfig(pathOrName, err)
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

// readNames fills Classes from the file of names: in tree, or beside the config
// where tree is nil.
func (s *Segmentation) readNames(tree fs.FS, config string) error {
	switch {
	case s.NamePath == "" && len(s.Classes) == 0:
		return fmt.Errorf("%s: neither classes nor name_path, want one", config)
	case s.NamePath == "":
		return nil
	case len(s.Classes) > 0:
		return fmt.Errorf("%s: both classes and name_path, want one", config)
	}
	var lines []string
	var err error
	file := s.NamePath
	if tree == nil {
		if !filepath.IsAbs(file) {
			file = filepath.Join(filepath.Dir(config), filepath.FromSlash(file))
		}
		lines, err = textlist.ReadFile(file)
	} else {
		var open fs.File
		if open, err = tree.Open(path.Clean(file)); err == nil {
			defer open.Close()
			lines, err = textlist.Read(open)
		}
	}
	if err != nil {
		return fmt.Errorf("%s: name_path: %w", config, err)
	}
	for i, line := range lines {
		class, err := parseClass(line)
		if err != nil {
			return fmt.Errorf("%s: line %d: %w", file, i+1, err)
		}
		s.Classes = append(s.Classes, class)
	}
	return nil
}

// parseClass splits a line of words.
func parseClass(line string) (Class, error) {
	var class Class
	for word := range strings.SplitSeq(line, ",") {
		if word = strings.TrimSpace(word); word == "" {
			return nil, fmt.Errorf("%.80q, want a name, or words with a comma between each two", line)
		}
		class = append(class, word)
	}
	return class, nil
}

// readBounded reads a file of at most maxConfig bytes.
func readBounded(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", name)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxConfig {
		return nil, fmt.Errorf("%s: more than %d KiB, want a config", name, maxConfig>>10)
	}
	return data, nil
}

// missingConfig adds to the error of a file that is not there that the program
// carries one of this name.
func missingConfig(file string, err error) error {
	name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	if errors.Is(err, fs.ErrNotExist) && slices.Contains(Segmentations(), name) {
		return hinted{err, fmt.Sprintf("%q without folder and ending names the config that clipnh carries", name)}
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
