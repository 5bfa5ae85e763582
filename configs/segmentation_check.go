package configs

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"path/filepath"
)

const maxSide = 1 << 16 // pixels

// check rejects values that no data set can have.
func (s *Segmentation) check() error {
	l := &s.Layout
	return cmp.Or(
		within("shorter_side", s.ShorterSide, 1, maxSide),
		within("longer_side", s.LongerSide, s.ShorterSide, maxSide),
		within("slide_crop", s.SlideCrop, 0, maxSide),
		within("slide_stride", s.SlideStride, 0, maxSide),
		share("prob_thd", s.ProbThd),
		share("area_thd", s.AreaThd),
		within("k", s.Pairs, 1, math.MaxInt32),
		within("block", s.Block, -1, maxSide),
		within("ignore_index", l.IgnoreIndex, -1, math.MaxUint16),
		s.checkScale(),
		s.checkPaths(),
		s.checkLabels(),
		s.checkClasses(),
	)
}

func within(key string, v, from, to int) error {
	if v < from || v > to {
		return fmt.Errorf("%s: %d, want %d to %d", key, v, from, to)
	}
	return nil
}

func share(key string, v float64) error {
	if !(v >= 0 && v < 1) {
		return fmt.Errorf("%s: %v, want 0 or more and less than 1", key, v)
	}
	return nil
}

// local rejects paths that lead out of the data set's root.
func local(key, name string) error {
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return fmt.Errorf("%s: %q, want a path inside the data set's root", key, name)
	}
	return nil
}

func (s *Segmentation) checkPaths() error {
	if err := local("data: images", s.Layout.Images); err != nil || s.Layout.List == "" {
		return err
	}
	return local("data: list", s.Layout.List)
}

func (s *Segmentation) checkScale() error {
	if !(s.LogitScale > 0) || math.IsInf(s.LogitScale, 0) {
		return fmt.Errorf("logit_scale: %v, want more than 0", s.LogitScale)
	}
	return nil
}

func (s *Segmentation) checkLabels() error {
	l := s.Layout
	if len(l.Labels) == 0 {
		return errors.New("data: labels: none, want a list of folders or annotations")
	}
	for i, source := range l.Labels {
		key := fmt.Sprintf("data: labels: entry %d", i+1)
		if (source.Folder == "") == (source.Annotation == "") {
			return fmt.Errorf("%s: want one of folder and annotation", key)
		}
		if err := local(key, cmp.Or(source.Folder, source.Annotation)); err != nil {
			return err
		}
		if source.Annotation != "" && len(source.IDs) == 0 {
			return fmt.Errorf("%s: annotation without ids, want the ids of the labels", key)
		}
		seen := make(map[int]bool, len(source.IDs))
		for _, id := range source.IDs {
			if err := within(key+": ids", id, 0, math.MaxUint16); err != nil {
				return err
			}
			if seen[id] {
				return fmt.Errorf("%s: ids: %d is listed twice", key, id)
			}
			seen[id] = true
		}
		if len(source.Unlabelled) > 0 && len(source.IDs) == 0 {
			return fmt.Errorf("%s: unlabelled ids without ids, want the ids of the labels", key)
		}
		for _, id := range source.Unlabelled {
			if err := within(key+": unlabelled", id, 0, math.MaxUint16); err != nil {
				return err
			}
			if seen[id] {
				return fmt.Errorf("%s: unlabelled: %d is listed twice", key, id)
			}
			seen[id] = true
		}
		labels := len(s.Classes)
		if l.ReduceZeroLabel {
			labels++
		}
		if n := len(source.IDs); n > 0 && n != labels {
			return fmt.Errorf("%s: %d ids, want %d, one per label", key, n, labels)
		}
	}
	return nil
}

// maxClasses keeps labels within 16 bits.
const maxClasses = math.MaxUint16 - 1

func (s *Segmentation) checkClasses() error {
	if n := len(s.Classes); n > maxClasses {
		return fmt.Errorf("%d classes, want at most %d", n, maxClasses)
	}
	whose := map[string]int{}
	for i, class := range s.Classes {
		if len(class) == 0 { // the parser's result for a dash with nothing after it
			return fmt.Errorf("class %d (from 0) has no word", i)
		}
		for _, word := range class {
			if first, ok := whose[word]; ok {
				return fmt.Errorf("%q is a word of class %d and of class %d (from 0), want one class", word, first, i)
			}
			whose[word] = i
		}
	}
	return nil
}
