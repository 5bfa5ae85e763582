// Package search ranks images by what they have in common with a text or with another
// image, or by what a unit adds to them.
package search

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/lowrank"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/ui"
)

// Options says which images to search, and for what.
type Options struct {
	source.Options // with ScoresPath, a Model is for texts and example images only

	Texts     []string
	Vocab     string
	Templates []textlist.Template // that texts are put into
	Examples  []string            // images: by their name in a collection, or files
	Units     []string            // pairs, neurons and heads: h3n149, n149, h3
	Top       int                 // images of a query
	SaveDir   string              // for a sheet; may be empty
	Store     *cache.Store
	Threads   int
}

// Result is what was found.
type Result struct {
	Images   int              `json:"images"`  // that were searched
	Queries  []Query          `json:"queries"` // texts, then images, then units, as they were given
	Sheet    string           `json:"sheet,omitempty"`
	Skipped  []source.Skipped `json:"skipped"`
	Changed  []string         `json:"changed,omitempty"`         // images on the sheet that were other ones when the scores were collected
	Rounding *source.Rounding `json:"precision_error,omitempty"` // of a model in reduced precision
}

// Query is what was searched for, and the images that are most like it.
type Query struct {
	Kind    string `json:"kind"`  // text, image or unit
	Query   string `json:"query"` // the text, the image's name, or the unit
	Measure string `json:"measure"`
	Top     []Hit  `json:"top"` // by descending value; of equal ones the earlier image comes first
}

// The measures: of a text or an image the cosine of its vector and the image's feature; of a
// unit the norm of its contribution, not centred, bias share included, as retrieve has it.
const (
	Cosine = "cosine"
	Norm   = "norm"
)

// The kinds of queries.
const (
	textQuery  = "text"
	imageQuery = "image"
	unitQuery  = "unit"
)

// Hit is an image and its place in the ranking.
type Hit struct {
	Rank  int     `json:"rank"`  // from 1
	Image int     `json:"image"` // its row in the scores: its place among the images that could be read
	Name  string  `json:"name"`
	Value float32 `json:"value"` // of the query's measure
}

// Run ranks images by each query, in one pass over them. The feature of an image is the sum
// over pairs, also where a model sees it, so a collection ranks images as its model does. An
// image that cannot be read is named and left out. A result that comes with an error is
// whole, and lacks only the sheet.
func Run(ctx context.Context, o Options, say ui.Reporter) (*Result, error) {
	from := o.Options
	if o.ScoresPath != "" {
		from.Model = ""
		if !artefact.IsDense(o.ScoresPath) {
			from.Data.Path = "" // rows have names; labels are not needed
		}
	}
	from.FeaturesOnly = len(o.Units) == 0
	if err := source.WantOutside("{save-dir}", o.SaveDir, o.Data, o.Paths...); err != nil {
		return nil, err
	}
	src, err := source.Open(ctx, from, o.Threads, say)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	src.TellBlock(len(o.Texts) > 0, say)
	s := &searcher{o: &o, src: src, team: par.NewTeam(o.Threads), keep: max(min(o.Top, src.Images), 1)}
	if s.units, err = findUnits(o.Units, src, s.team, say); err != nil {
		return nil, err
	}
	var d *drawing
	if o.SaveDir != "" { // what is wrong with it is known before images are looked at
		if d, err = o.newDrawing(ctx, src, say); err != nil {
			return nil, err
		}
	}
	if s.o.Examples, err = src.ExpandNames(s.o.Examples); err != nil {
		return nil, err
	}
	if err := s.openQueries(ctx, say); err != nil {
		return nil, err
	}
	s.top = lowrank.NewTail(len(s.queries), s.keep)
	progress := say.Progress()
	progress.Start(int64(src.Images), ui.Images, "search")
	err = src.Each(ctx, func(b source.Batch) error {
		if err := s.batch(b); err != nil {
			return err
		}
		progress.Add(int64(len(b.Names)))
		return nil
	})
	progress.Done()
	if err == nil && len(s.names) == 0 {
		err = errors.New("none of the images could be read")
	}
	if err != nil {
		return nil, err
	}
	result := &Result{
		Images: len(s.names), Queries: s.result(), Rounding: src.Rounding,
		Skipped: append(append([]source.Skipped{}, src.Skipped...), src.Unlisted...),
	}
	if d == nil {
		return result, nil
	}
	return result, d.draw(ctx, result)
}

// searcher ranks images. Its memory does not grow with their number, but for their names.
type searcher struct {
	o    *Options
	src  *source.Source
	team par.Team

	queries []Query
	vectors []float32 // of texts and example images, unit vectors, [queries of these,O]
	units   []ranked  // the queries that follow

	keep  int
	top   lowrank.Tail
	names []string // of the images seen

	features []float32 // [B,O]
	values   []float64 // [B,queries]
}

// batch puts the images of a batch in their places.
func (s *searcher) batch(b source.Batch) error {
	n, O, Q := len(b.Names), s.src.OutDim, len(s.queries)
	if len(s.features) < n*O {
		s.features, s.values = make([]float32, n*O), make([]float64, n*Q)
	}
	vectors := len(s.vectors) / O
	if vectors > 0 {
		b.Features(s.features[:n*O], s.team)
	}
	failed := make([]bool, n)
	s.team.For(n, func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			row := s.values[i*Q : (i+1)*Q]
			if vectors > 0 {
				failed[i] = !cosines(row[:vectors], s.features[i*O:(i+1)*O], s.vectors)
			}
			for j := range s.units {
				row[vectors+j] = s.units[j].norm(b.Scores[i*s.src.Heads*s.src.Neurons:][:s.src.Heads*s.src.Neurons])
			}
		}
	})
	seen := len(s.names)
	for i, name := range b.Names {
		if failed[i] {
			return fmt.Errorf("%s: the image's feature has no direction (zero or not finite)", foreign.Name(name))
		}
		for q, value := range s.values[i*Q : (i+1)*Q] {
			if value-value != 0 {
				return fmt.Errorf("%s: the %s of %s is %g, want a finite one", foreign.Name(name), s.queries[q].Measure, foreign.Quote(s.queries[q].Query), value)
			}
			s.top.Insert(q, s.keep, seen+i, seen+i, float32(value))
		}
	}
	s.names = append(s.names, b.Names...)
	return nil
}

// result lists what was found.
func (s *searcher) result() []Query {
	queries := slices.Clone(s.queries)
	for q := range queries {
		for rank := range min(s.keep, len(s.names)) {
			at := q*s.keep + rank
			image := int(s.top.Images[at])
			queries[q].Top = append(queries[q].Top, Hit{Rank: rank + 1, Image: image, Name: s.names[image], Value: s.top.Scores[at]})
		}
	}
	return queries
}

// openQueries makes vectors of texts and example images, and lists the queries.
func (s *searcher) openQueries(ctx context.Context, say ui.Reporter) error {
	var err error
	if s.vectors, err = s.embedTexts(ctx, say); err != nil {
		return err
	}
	for _, text := range s.o.Texts {
		s.queries = append(s.queries, Query{Kind: textQuery, Query: text, Measure: Cosine})
	}
	examples, err := s.seeExamples(ctx, say)
	if err != nil {
		return err
	}
	s.vectors = append(s.vectors, examples...)
	for _, name := range s.o.Examples {
		s.queries = append(s.queries, Query{Kind: imageQuery, Query: name, Measure: Cosine})
	}
	for _, u := range s.units {
		s.queries = append(s.queries, Query{Kind: unitQuery, Query: u.name, Measure: Norm})
	}
	return nil
}

// embedTexts returns a unit vector for each text.
func (s *searcher) embedTexts(ctx context.Context, say ui.Reporter) ([]float32, error) {
	if len(s.o.Texts) == 0 {
		return nil, nil
	}
	from := model.TextOptions{Artefacts: s.o.Artefacts, Vocab: s.o.Vocab, Templates: s.o.Templates, Threads: s.o.Threads}
	if s.src.Model != nil {
		return from.Embeddings(ctx, s.src.Model, s.o.Texts, "text", say)
	}
	m, err := model.OpenFor(ctx, s.o.Model, s.o.Details, s.src.Origin)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if !s.seesFiles() { // else it is told of when they are seen
		m.Tell(say)
	}
	if err := m.WantFor(s.o.Artefacts, s.o.ScoresPath, s.src.Origin, s.src.OutDim); err != nil {
		return nil, err
	}
	return from.Embeddings(ctx, m, s.o.Texts, "text", say)
}
