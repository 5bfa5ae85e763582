package segment

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/heat"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/usage"
)

// Masks has the map of each image's class compared with a mask of its foreground, in place of
// pixels labelled.
type Masks struct {
	MasksDir   string // folder of the masks, PNG, by the images' names; empty: none
	Foreground string // the class of all images; empty: the folder that an image is in
}

// ForegroundScores is how well the maps of a method separate foreground and background. A pixel
// is taken for foreground where the map of the image's class is above its mean; measures are
// 0 to 1.
type ForegroundScores struct {
	Method        string  `json:"method"`
	PixelAccuracy float64 `json:"pixel_accuracy"`
	MIoU          float64 `json:"miou"` // of foreground and background, over all images
	MAP           float64 `json:"map"`  // mean over images of the average precision of both
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
			return usage.Errorf("{foreground} %s: not among the %d classes", foreign.Quote(class), len(o.Setup.Classes))
		} else if !known {
			return hint.With(fmt.Errorf("%s: its folder %s is not among the %d classes", s.item.Path, foreign.Quote(class), len(o.Setup.Classes)),
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

// compare compares the map of a scene's class, by each method, with its mask.
func (s *segmenter) compare(ctx context.Context, sc *sceneToRead, t *tally) error {
	if i := slices.Index(sc.truth, 1); i < 0 {
		return fmt.Errorf("%s: a mask without foreground", sc.labels)
	}
	fields, err := s.fields(ctx, sc)
	if err != nil {
		return err
	}
	var queries []int
	for p, class := range s.class {
		if class == sc.class {
			queries = append(queries, p)
		}
	}
	for i, f := range fields {
		if s.o.PAMR.Steps > 0 {
			s.o.PAMR.Refine(f, sc.image.Pix, s.team)
		}
		t.foreground[i].Add(f.Largest(queries, s.team), sc.truth)
	}
	return nil
}

// finishMasks fills in the measures of each method.
func (t *tally) finishMasks() *Result {
	for m, method := range t.methods {
		if f := &t.foreground[m]; f.Images > 0 {
			t.result.Foreground = append(t.result.Foreground, ForegroundScores{method, f.PixelAccuracy(), f.MIoU(), f.MAP()})
		}
	}
	return t.result
}

// checkMasks refuses masks together with what needs labels.
func (o *Options) checkMasks() error {
	if o.MasksDir != "" && (o.DataPath != "" || o.ShowDir != "" || o.SaveDir != "" || o.ProbabilitiesDir != "") {
		return usage.Errorf("{masks} is for {image}, and labels no pixels that could be drawn or written")
	}
	return nil
}

// newForegrounds are counts for each method; nil where there are no masks.
func (o *Options) newForegrounds() []heat.Foreground {
	if o.MasksDir == "" {
		return nil
	}
	return make([]heat.Foreground, len(o.Methods))
}
