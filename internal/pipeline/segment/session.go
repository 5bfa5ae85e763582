package segment

import (
	"context"
	"errors"
	"image/color"
	"io"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/canvas"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/ui"
)

// A Session is what does not depend on the classes: an open model, its towers and the
// components of its pairs. It labels one image at a time, by the first of its methods.
type Session struct {
	o      *Options
	m      *model.Model
	say    ui.Reporter
	pcs    *artefact.Components // nil if the method takes no pairs
	towers clip.Windows
}

// Open opens components and packs the tower of m, which must stay open. The classes of o
// and its texts, scenes and output are not read.
func Open(o Options, m *model.Model, say ui.Reporter) (*Session, error) {
	o.Methods = o.Methods[:1]
	s := &Session{o: &o, m: m, say: say}
	var err error
	if s.pcs, err = o.components(m); err != nil {
		return nil, err
	}
	if s.towers, err = newWindows(m, &o); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close closes the components.
func (s *Session) Close() {
	if s.pcs != nil {
		s.pcs.Close()
	}
}

// Words are those of classes, whose embeddings Label takes.
func Words(classes []configs.Class) []string {
	words, _ := queries(classes, false)
	return words
}

// Labels are the classes of an image's pixels.
type Labels struct {
	Width, Height int
	Pixels        []uint16 // [height,width]
	Colours       []color.NRGBA
	Shares        []ClassShare // as in MethodShares
}

// errOneClass is returned for less than two classes.
var errOneClass = errors.New("want two classes or more")

// Label labels the pixels of an image, as Run does. embeddings are those of Words(classes),
// [P,O], unit vectors. sink takes the place of that of the settings.
func (s *Session) Label(ctx context.Context, file *imageprep.File, classes []configs.Class, embeddings []float32, sink bool) (*Labels, error) {
	if len(classes) < 2 {
		return nil, errOneClass
	}
	o, setup := *s.o, *s.o.Setup
	setup.Classes, setup.Sink, o.Setup = classes, sink, &setup
	words, class := queries(classes, false)
	result := &Result{}
	for _, c := range classes {
		result.Classes = append(result.Classes, c[0])
	}
	g := &segmenter{o: &o, result: result, say: s.say, team: par.NewTeam(o.Threads), class: class, towers: s.towers}
	if err := g.setSizes(s.m.Config); err != nil {
		return nil, err
	}
	sc := &sceneToRead{name: file.Path, item: dataset.Item{Path: file.Path}}
	if err := sc.read(sceneFiles{image: file}, &o, g.shorter); err != nil {
		return nil, err
	}
	text, err := g.centred(append([]float32{}, embeddings...), words, s.m.Config.OutDim)
	if err != nil {
		return nil, err
	}
	pairs, err := g.pairs(s.m, s.pcs, text)
	if err != nil {
		return nil, err
	}
	g.setHeat(text, pairs)
	given, err := g.label(ctx, sc)
	if err != nil {
		return nil, err
	}
	t := newTally(o.methodNames(), result)
	t.add(given, sc)
	return &Labels{Width: sc.width, Height: sc.height, Pixels: given[0], Colours: canvas.NamedPalette(result.Classes), Shares: t.finish().Shares[0].Classes}, nil
}

// WritePNG writes the numbers of the classes as the label maps of Run are written.
func (l *Labels) WritePNG(w io.Writer) error {
	return canvas.WriteNumbers(w, l.Pixels, l.Width, l.Colours, segmentMaker)
}
