// Package headmap finds the images to which heads of a vision transformer add most along
// texts, and where in them heads read what they add; see attribution.Heads.
package headmap

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"github.com/clipnh/clipnh/internal/attribution"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/figure"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/unit"
	"github.com/clipnh/clipnh/internal/usage"
)

// Options says which heads to look at, along which texts, and what to show.
type Options struct {
	source.Options // a model and images

	Heads     []string // such as l10h3, or l10 for all heads of a layer together
	Texts     []string // none: the size of what heads add
	Vocab     string
	Templates []textlist.Template
	Top       int    // images of a head and a text
	SaveDir   string // for sheets; may be empty
	Store     *cache.Store
	Threads   int
}

// Result is what was found.
type Result struct {
	Images   int              `json:"images"` // that were compared
	Rows     int              `json:"rows"`   // of places
	Cols     int              `json:"cols"`
	Heads    []Head           `json:"heads"` // in the order in which they were named
	Skipped  []source.Skipped `json:"skipped"`
	Rounding *source.Rounding `json:"precision_error,omitempty"` // of a model in reduced precision
}

// Head is a head, or all heads of a layer together.
type Head struct {
	Head  string `json:"head"` // such as l10h3, or l10
	Maps  []Map  `json:"maps"` // one for each text, in their order
	Sheet string `json:"sheet,omitempty"`

	split *attribution.Heads
}

// Map is a text and the images to which the head adds most along it; without texts, to which
// it adds most.
type Map struct {
	Text string `json:"text,omitempty"`
	Top  []Hit  `json:"top"` // by descending part
}

// Hit is an image.
type Hit struct {
	Rank  int    `json:"rank"`  // from 1
	Image int    `json:"image"` // its place among the images that could be read
	Name  string `json:"name"`
	// Part is what the head adds to the image's feature, r.text with the text's embedding, a
	// unit vector, or without texts its norm. Of a text, the class token and the places sum to it.
	Part       float64   `json:"part"`
	ClassToken float64   `json:"class_token"` // what the head reads of the class token, as of places
	Places     []float64 `json:"places"`      // [rows·cols]
}

// sheetMaker is what sheets say of who made them, so that no others are ever replaced.
const sheetMaker = "clipnh retrieve"

// Run looks at all images. Of equal parts the earlier image comes first. An image that cannot
// be read is named and left out. A result that comes with an error is whole, and lacks only
// sheets that could not be written.
func Run(ctx context.Context, o Options, say ui.Reporter) (*Result, error) {
	if err := source.WantOutside("{save-dir}", o.SaveDir, o.Data, o.Paths...); err != nil {
		return nil, err
	}
	data, err := source.ListImages(ctx, o.Paths, o.Data, o.Stride, o.Strict, say)
	if err != nil {
		return nil, err
	}
	m, err := model.OpenWith(ctx, o.Model, o.Details)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	m.Tell(say)
	l := &looker{o: o, say: say, team: par.NewTeam(o.Threads), crops: map[int]*crop{}}
	l.result = &Result{Rows: m.Config.Grid(), Cols: m.Config.Grid(), Skipped: source.Unlisted(data.Skipped)}
	found, err := l.find(m)
	if err != nil {
		return nil, err
	}
	var texts []float32
	if len(o.Texts) > 0 {
		from := model.TextOptions{Artefacts: o.Artefacts, Vocab: o.Vocab, Templates: o.Templates, Threads: o.Threads}
		if texts, err = from.Embeddings(ctx, m, o.Texts, "text", say); err != nil {
			return nil, err
		}
	}
	if err := l.prepare(m, found, texts); err != nil {
		return nil, err
	}
	if o.SaveDir != "" {
		if err := figure.CanWriteImages(l.sheets(), sheetMaker); err != nil {
			return nil, err
		}
	}
	if err := l.run(ctx, m, data); err != nil {
		return nil, err
	}
	if l.result.Images == 0 {
		return nil, errors.New("none of the images could be read")
	}
	if o.SaveDir == "" {
		return l.result, nil
	}
	return l.result, l.draw(ctx)
}

// named are the heads of one layer that a name stands for, count of them from first on.
type named struct{ layer, first, count int }

// find finds the heads that are asked for, each once.
func (l *looker) find(m *model.Model) ([]named, error) {
	if err := m.Require(clip.Residual); err != nil {
		return nil, usage.Errorf("{head-idxs}: %w: places are the tokens that heads of its layers read", err)
	}
	layers, heads := m.Config.Layered()
	all := unit.Layers{Heads: heads}
	var found []named
	for _, name := range l.o.Heads {
		first, count, err := all.FindHeads(name, layers*heads)
		if err != nil {
			return nil, usage.Errorf("{head-idxs}: %w", err)
		}
		n := named{first / heads, first % heads, count}
		if !slices.Contains(found, n) {
			found = append(found, n)
		}
	}
	return found, nil
}

// prepare prepares heads for the texts, [P,O].
func (l *looker) prepare(m *model.Model, found []named, texts []float32) error {
	tokens, err := m.Tokens()
	if err != nil {
		return err
	}
	_, heads := m.Config.Layered()
	for _, n := range found {
		h := Head{
			Head:  unit.Layers{Heads: heads}.HeadsName(n.layer*heads+n.first, n.count),
			split: attribution.NewHeads(tokens, n.layer, n.first, n.count, heads, texts),
		}
		for _, text := range l.o.Texts {
			h.Maps = append(h.Maps, Map{Text: text})
		}
		if len(l.o.Texts) == 0 {
			h.Maps = []Map{{}}
		}
		l.result.Heads = append(l.result.Heads, h)
	}
	return nil
}

// sheets are their paths, by head.
func (l *looker) sheets() []string {
	var paths []string
	for _, h := range l.result.Heads {
		paths = append(paths, filepath.Join(l.o.SaveDir, h.Head+".png"))
	}
	return paths
}

// run sends the images through the tower.
func (l *looker) run(ctx context.Context, m *model.Model, data *dataset.Dataset) error {
	// Planned for more than one image, whatever the batch: its size never changes a result.
	how := clip.ImageOptions{Batch: max(min(l.o.BatchSize, len(data.Items)), 2), Threads: l.o.Threads, Precision: l.o.Precision, Reads: true}
	tower, err := clip.NewImageTower(m.Checkpoint, how)
	if err != nil {
		return err
	}
	c, n := m.Config, max(min(l.o.BatchSize, len(data.Items)), 1)
	layers, _ := c.Layered()
	l.side, l.form, l.tokens = c.ImageSize, c.Form, c.Tokens()
	out := clip.Output{
		Features: make([]float32, n*c.OutDim), Reads: make([]float32, n*layers*c.Tokens()*c.TokenWidth()), Statistics: make([]float32, 2*n),
	}
	sizes, err := data.Sizes()
	if err != nil {
		return err
	}
	feed := source.NewFeed(ctx, data.Items, source.FeedOptions{
		Input: c.Input(), Batch: n, Threads: l.o.Threads, Images: l.o.Images, Strict: l.o.Strict,
		First: source.MeasureRounding(m.Checkpoint, tower, how, func(r *source.Rounding) { l.result.Rounding = r }),
	}, l.say)
	defer feed.Close()
	progress := l.say.Progress()
	progress.Start(int64(len(data.Items)), ui.Images, "retrieve")
	defer progress.Done()
	read := 0
	return feed.Next(ctx, len(data.Items), source.Visitor{
		Read: func(p source.Image) error {
			err := p.AsListed(sizes[read], source.RestoreHint)
			read++
			return err
		},
		Skip: func(s source.Skipped) { l.result.Skipped = append(l.result.Skipped, s) },
		Batch: func(items []dataset.Item, pixels []float32) error {
			run := out.First(len(items), n)
			if err := tower.Run(pixels, run); err != nil {
				return err
			}
			if err := l.batch(items, pixels, run); err != nil {
				return err
			}
			progress.Add(int64(len(items)))
			return nil
		},
	})
}
