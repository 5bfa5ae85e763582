package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/heat"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/pipeline/segment"
	"github.com/clipnh/clipnh/internal/quantity"
)

// SegmentQuestion says how to label an image.
type SegmentQuestion struct {
	Classes []string // two or more, with | between the words of one
	NoSink  bool     // keep the last location, as for small grids
}

// parse splits classes into words.
func (q SegmentQuestion) parse() ([]configs.Class, error) {
	if len(q.Classes) < 2 || len(q.Classes) > maxTexts {
		return nil, fmt.Errorf("number of classes %d, want 2 to %d", len(q.Classes), maxTexts)
	}
	var classes []configs.Class
	var words []string
	for _, text := range q.Classes {
		var class configs.Class
		for word := range strings.SplitSeq(text, "|") {
			word = strings.TrimSpace(word)
			if err := checkText("class", word); err != nil {
				return nil, err
			}
			if slices.Contains(words, word) {
				return nil, fmt.Errorf("class %q is given twice", word)
			}
			class, words = append(class, word), append(words, word)
		}
		classes = append(classes, class)
	}
	if len(words) > maxTexts {
		return nil, fmt.Errorf("%s, want at most %d", quantity.Of(len(words), "word"), maxTexts)
	}
	return classes, nil
}

// SegmentImage labels the pixels of an image of the collection, Segment those of one that
// is sent.
func (l *Live) SegmentImage(ctx context.Context, image int, q SegmentQuestion) (*Segmented, error) {
	if err := l.need(ctx, false, Model, Vocab, Components, Images, Scores); err != nil {
		return nil, err
	}
	if err := l.checkImage(image); err != nil {
		return nil, err
	}
	file, err := l.file(image)
	if err != nil {
		return nil, err
	}
	return l.segment(ctx, file, q)
}

// Segment labels the pixels of an image that is sent.
func (l *Live) Segment(ctx context.Context, name string, data []byte, q SegmentQuestion) (*Segmented, error) {
	return l.segment(ctx, &imageprep.File{Path: name, Size: int64(len(data)), Bytes: data}, q)
}

func (l *Live) segment(ctx context.Context, file *imageprep.File, q SegmentQuestion) (*Segmented, error) {
	classes, err := q.parse()
	if err != nil {
		return nil, err
	}
	if err := l.need(ctx, false, Model, Vocab, Components); err != nil {
		return nil, err
	}
	leave, err := l.tower.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if l.segmenter == nil {
		o := segment.Options{
			Artefacts: l.o.Artefacts, NeuronLayer: l.from.PairsLayer(), Threads: l.o.Threads, Scenes: segment.Scenes{Images: l.o.Images},
			Heat: segment.Heat{PCsPath: l.o.PCsPath, SimBlock: -1, Methods: []heat.Method{heat.ByPairs}, Setup: segmentSetup()},
		}
		if l.segmenter, err = segment.Open(o, l.model, l.say); err != nil {
			return nil, because(ErrInternal, err)
		}
	}
	rows, err := l.embed(ctx, segment.Words(classes))
	if err != nil {
		return nil, err
	}
	labels, err := l.segmenter.Label(ctx, file, classes, rows, !q.NoSink)
	if err != nil {
		return nil, err
	}
	s := &Segmented{Width: labels.Width, Height: labels.Height}
	for i, c := range classes {
		colour := labels.Colours[i]
		at := slices.IndexFunc(labels.Shares, func(s segment.ClassShare) bool { return s.Name == c[0] })
		s.Classes = append(s.Classes, ClassShare{c[0], fmt.Sprintf("#%02x%02x%02x", colour.R, colour.G, colour.B), labels.Shares[at].Share})
	}
	var png bytes.Buffer
	if err := labels.WritePNG(&png); err != nil {
		return nil, errors.Join(ErrInternal, err)
	}
	s.PNG = png.Bytes()
	return s, nil
}

// segmentSetup has the defaults of the segment command.
func segmentSetup() *configs.Segmentation {
	return &configs.Segmentation{Sink: true, LongerSide: 2048, Pairs: 20000, Block: -1, LogitScale: 40}
}
