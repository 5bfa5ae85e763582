package dataset

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/quantity"
)

// mostClasses bounds the places of classes that numbers give.
const mostClasses = 1_000_000

// A said is what a column, or a file for each image, says of the classes of images.
type said struct {
	texts []string // of each image; empty where nothing is said
	where func(i int) string
	names []string // of the classes, where the texts are numbers; nil if nothing says them
}

// labels returns the label of each image, and the names of the classes. Where all texts are
// numbers, they are the classes' places, from 0, and the names those of a classes.txt at
// table if there is one, else those of s, else the numbers. Other texts are the classes' names, or what
// stands for them in a classes.txt, and their places those in sorted order.
func (s *said) labels(ctx context.Context, table, root string) (labels []int, names []string, err error) {
	labels = make([]int, len(s.texts))
	most, numbers := -1, true
	var tooLarge error // unless the texts turn out to be names
	distinct := map[string]bool{}
	for i, text := range s.texts {
		if labels[i] = Unlabelled; text == "" {
			continue
		}
		distinct[text] = true
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			numbers = false
			continue
		}
		if n >= mostClasses {
			if tooLarge == nil {
				tooLarge = fmt.Errorf("%s: class %d, want at most %d", s.where(i), n, mostClasses-1)
			}
			continue
		}
		labels[i], most = int(n), max(most, int(n))
	}
	if !numbers {
		if err := s.whole(distinct); err != nil {
			return nil, nil, err
		}
	}
	if !numbers || len(distinct) == 0 {
		of, names, err := classLabels(ctx, table, root, slices.Sorted(maps.Keys(distinct)))
		if err != nil {
			return nil, nil, err
		}
		for i, text := range s.texts {
			if labels[i] = Unlabelled; text != "" {
				labels[i] = of[text]
			}
		}
		return labels, names, nil
	}
	if tooLarge != nil {
		return nil, nil, tooLarge
	}
	if table != "" {
		if _, names, err = classLabels(ctx, table, root, nil); err != nil {
			return nil, nil, err
		}
		if most >= len(names) {
			at := slices.Index(labels, most)
			return nil, nil, fmt.Errorf("%s: class %d, but %s has %s, from 0", s.where(at), most, table, quantity.Of(len(names), "class"))
		}
		if s.names != nil && len(s.names) != len(names) {
			return nil, nil, fmt.Errorf("%s has %s, but %s names %d", table, quantity.Of(len(names), "class"), root, len(s.names))
		}
		return labels, names, nil
	}
	if s.names != nil {
		if most >= len(s.names) {
			at := slices.Index(labels, most)
			return nil, nil, fmt.Errorf("%s: class %d, but there are names of %s, from 0", s.where(at), most, quantity.Of(len(s.names), "class"))
		}
		return labels, s.names, nil
	}
	for n := range most + 1 {
		names = append(names, strconv.Itoa(n))
	}
	return labels, names, nil
}

// whole returns an error where all texts are numbers, and some of them no places of classes:
// in the order of texts, as names, "10.0" comes before "2.0".
func (s *said) whole(distinct map[string]bool) error {
	for text := range distinct {
		if _, err := strconv.ParseFloat(text, 64); err != nil || !strings.ContainsAny(text[:1], "+-.0123456789") {
			return nil
		}
	}
	for i, text := range s.texts {
		if _, err := strconv.ParseUint(text, 10, 32); err != nil && text != "" {
			return hinted{
				fmt.Errorf("%s: class %s, want a whole number from 0, or names", s.where(i), foreign.Quote(text)),
				"leave out images without a label, or use \"{dataset} images\"",
			}
		}
	}
	return nil
}

// oneLine checks what is said of an image.
func oneLine(text string) error {
	const longest = 1000
	if len(text) > longest || !isLine(text) {
		return fmt.Errorf("%s, want the name or number of a class", foreign.Quote(text))
	}
	return nil
}
