package evaluate

import (
	"context"
	"errors"
	"fmt"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/textspan"
	"github.com/clipnh/clipnh/internal/ui"
	"github.com/clipnh/clipnh/internal/usage"
)

// TextSpanOptions says which heads are to be spanned by which texts. Heads are at
// Options.ScoresPath; accuracies need the other parts of the features too.
type TextSpanOptions struct {
	source.Options
	EmbeddingsPath string   // of the texts, [M,O]; their lengths count
	Texts          []string // [M]
	TextsPath      string   // where Texts are from

	TextsPerHead int  // at most: a head whose outputs vary along fewer has fewer
	FitTexts     bool // no head needs to have as many
	LastLayers   int  // whose heads are spanned
	Rank         int  // of the span of a head's outputs that texts are projected onto, at most
	FitRank      bool // no head's outputs need to have such a rank

	SpansPath    string // .txt or .json; may be empty
	ClassesPath  string // class embeddings; may be empty
	FeaturesPath string // of the features with the heads rebuilt, .npy; may be empty
	Writer       artefact.Writer
	Threads      int
}

// TextSpanResult is the texts of every head, and how well the model classifies with heads
// rebuilt from them.
type TextSpanResult struct {
	artefact.TextSpans
	Images       int         `json:"images"`
	TextsPerHead int         `json:"texts_per_head"`
	LastLayers   int         `json:"num_of_last_layers"`
	Rank         int         `json:"w_ov_rank"`
	Path         string      `json:"path,omitempty"`
	Evaluation   *Evaluation `json:"evaluation,omitempty"`
}

// TextSpan finds the texts that span the outputs of each head of the last layers, and
// measures zero-shot accuracy with these heads rebuilt from their texts: with all else kept,
// and, as the authors' script does, with the heads of earlier layers at their means. A result
// that comes with an error is whole, and lacks only the paths of what could not be written.
// See package textspan.
func TextSpan(ctx context.Context, o TextSpanOptions, say ui.Reporter) (*TextSpanResult, error) {
	if err := artefact.Apart(o.SpansPath, o.FeaturesPath); err != nil {
		return nil, err
	}
	if err := artefact.MakeFolders(o.SpansPath, o.FeaturesPath); err != nil {
		return nil, err
	}
	o.FirstOrder = true
	src, err := source.Open(ctx, o.Options, o.Threads, say)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	s := &spanner{TextSpanOptions: o, src: src, team: par.NewTeam(o.Threads)}
	if err := s.open(); err != nil {
		return nil, err
	}
	if err := o.Writer.MayReplace(o.SpansPath, artefact.KindTextSpans, s.spansFrom); err != nil {
		return nil, err
	}
	if s.means, err = readMeans(ctx, src, say); err != nil {
		return nil, err
	}
	if err := s.find(ctx, say); err != nil {
		return nil, err
	}
	if err := s.reached(say); err != nil {
		return nil, err
	}
	result := &TextSpanResult{
		TextSpans: s.named(), Images: src.FirstOrder.Images, TextsPerHead: o.TextsPerHead, LastLayers: o.LastLayers, Rank: o.Rank, Path: o.SpansPath,
	}
	var unwritten error
	if o.ClassesPath != "" || o.FeaturesPath != "" {
		e, err := evaluate(ctx, src, s.variants(), evaluateOptions{
			artefacts: o.Artefacts, writer: o.Writer, stage: "rebuild", classesPath: o.ClassesPath, data: o.Data, featuresPath: o.FeaturesPath, origin: s.from, threads: o.Threads,
		}, say)
		if e == nil {
			return nil, err
		}
		result.Evaluation, unwritten = e, err
		if e.Labelled {
			result.Accuracy = &e.Variants[0].Top1
			result.Published = &e.Variants[len(e.Variants)-1].Top1
		}
	}
	if o.SpansPath != "" {
		if err := result.Save(o.Writer.Store, o.SpansPath, s.spansFrom); err != nil {
			result.Path = ""
			unwritten = errors.Join(unwritten, err)
		}
	}
	return result, unwritten
}

// spanner is a TextSpan under way.
type spanner struct {
	TextSpanOptions
	src   *source.Source
	team  par.Team
	texts *artefact.Embeddings
	means *partMeans
	spans []*textspan.Span // of the heads of the last layers

	from, spansFrom origin.Origin // of the features, and of the spans with their accuracy
}

// open reads the texts and checks what was asked for.
func (s *spanner) open() error {
	f := s.src.FirstOrder
	if s.LastLayers > f.Layers {
		return usage.Errorf("{num-of-last-layers} %d: %s has %s", s.LastLayers, f.Heads.Path, quantity.Of(f.Layers, "layer"))
	}
	if !f.Whole() && (s.ClassesPath != "" || s.FeaturesPath != "") {
		return usage.Errorf("%s: heads alone, which do not sum to the features: want the MLPs of the same images in {parts}", f.Heads.Path)
	}
	if err := artefact.CheckSpanTexts(s.SpansPath, s.Texts); err != nil {
		return err
	}
	var err error
	facts := artefact.OfModel(s.src.Origin).Texts(s.Texts)
	if s.texts, err = s.Artefacts.Embeddings(s.EmbeddingsPath, facts, f.OutDim); err != nil {
		return err
	}
	if n := s.texts.Texts; n != len(s.Texts) {
		return fmt.Errorf("%s: embeddings of %s, but %s has %d", s.EmbeddingsPath, quantity.Of(n, "text"), s.TextsPath, len(s.Texts))
	}
	switch {
	case s.TextsPerHead > len(s.Texts) && !s.FitTexts:
		return usage.Errorf("{texts-per-head} %d: %s has %s, want at most that many", s.TextsPerHead, s.TextsPath, ui.Texts.Count(int64(len(s.Texts))))
	case s.TextsPerHead > f.OutDim && !s.FitTexts:
		return usage.Errorf("{texts-per-head} %d: the outputs of heads have %s, want at most that many", s.TextsPerHead, quantity.Of(f.OutDim, "dimension"))
	case s.TextsPerHead > s.Rank && !s.FitTexts:
		return usage.Errorf("{texts-per-head} %d: texts are projected onto {w-ov-rank} %d vectors, want at most that many", s.TextsPerHead, s.Rank)
	case s.Rank > f.OutDim && !s.FitRank:
		return usage.Errorf("{w-ov-rank} %d: the outputs of heads have %s, want at most that many", s.Rank, quantity.Of(f.OutDim, "dimension"))
	}
	s.from = s.src.Origin.Own()
	s.from.Mode, s.from.Texts = "textspan", cache.ListHash(s.Texts)
	s.from.TextSpan = &origin.TextSpan{Texts: s.TextsPerHead, Layers: s.LastLayers, Rank: s.Rank}
	if f.Heads.Artefact == nil {
		if err := artefact.AddParent(&s.from, "contributions", f.Heads.Path, nil); err != nil {
			return err
		}
	}
	for _, p := range []*artefact.Parts{f.MLPs, f.Class} {
		if p == nil {
			continue
		}
		if err := artefact.AddAnother(&s.from, "parts", p.Path, p.Artefact); err != nil {
			return err
		}
	}
	if err := artefact.AddParent(&s.from, "embeddings", s.EmbeddingsPath, s.texts.Artefact); err != nil {
		return err
	}
	s.spansFrom = s.from.Own()
	if s.ClassesPath == "" {
		return nil
	}
	return s.Artefacts.AddRead(&s.spansFrom, "classes", s.ClassesPath, artefact.OfModel(s.src.Origin), artefact.KindEmbeddings)
}

// spanImages is how many images' outputs are added to the moments at a time.
const spanImages = 128

// find finds the texts of all heads of the last layers, one layer after the other: the
// moments of a head take O·O numbers.
func (s *spanner) find(ctx context.Context, say ui.Reporter) error {
	f := s.src.FirstOrder
	H, O := f.LayerHeads, f.OutDim
	progress := say.Progress()
	progress.Start(int64(s.LastLayers)*int64(H), ui.Heads, "textspan")
	defer progress.Done()
	rows := make([]float32, min(spanImages, f.Images)*H*O)
	options := textspan.Options{Texts: s.TextsPerHead, Rank: s.Rank, Rounding: textspan.Float32}
	if f.Heads.Half() {
		options.Rounding = textspan.Float16
	}
	for l := f.Layers - s.LastLayers; l < f.Layers; l++ {
		moments := make([]*textspan.Moments, H)
		for h := range moments {
			moments[h] = textspan.NewMoments(s.means.heads[(l*H+h)*O:][:O])
		}
		for lo := 0; lo < f.Images; lo += spanImages {
			if err := ctx.Err(); err != nil {
				return err
			}
			n := min(spanImages, f.Images-lo)
			if err := f.Heads.Read(rows, lo, n, l*H*O, (l+1)*H*O); err != nil {
				return err
			}
			s.team.For(H, func(lo, hi, _ int) {
				for h := lo; h < hi; h++ {
					moments[h].Add(rows[h*O:], n, H*O)
				}
			})
			progress.Add(int64(H*(lo+n)/f.Images - H*lo/f.Images)) // of the layer's heads, as of its images
		}
		spans, errs := make([]*textspan.Span, H), make([]error, H)
		s.team.For(H, func(lo, hi, _ int) {
			for h := lo; h < hi; h++ {
				if errs[h] = ctx.Err(); errs[h] != nil {
					continue
				}
				spans[h], errs[h] = textspan.Find(moments[h], s.texts.Rows, options)
				if errs[h] != nil {
					errs[h] = fmt.Errorf("%s: %s: %w", f.Heads.Path, f.HeadLayers().Head(l*H+h), errs[h])
				}
			}
		})
		if err := errors.Join(errs...); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
		s.spans = append(s.spans, spans...)
	}
	return nil
}

// reached returns an error if more texts were asked for than any head has, and notes a rank
// that no head has: the published scripts ask for 80 of heads that are 64 wide.
func (s *spanner) reached(say ui.Reporter) error {
	texts, rank := 0, 0
	for _, span := range s.spans {
		texts, rank = max(texts, len(span.Texts)), max(rank, span.Rank)
	}
	if texts < s.TextsPerHead && !s.FitTexts {
		return usage.Errorf("{texts-per-head} %d: no head of %s varies along more than %s, want at most that many", s.TextsPerHead, s.src.FirstOrder.Heads.Path, ui.Texts.Count(int64(texts)))
	}
	if rank < s.Rank && !s.FitRank {
		say.Note("{w-ov-rank} %d: no head of %s has a rank above %d, which is used", s.Rank, s.src.FirstOrder.Heads.Path, rank)
	}
	return nil
}

// first is the number of the first head that is spanned.
func (s *spanner) first() int {
	return (s.src.FirstOrder.Layers - s.LastLayers) * s.src.FirstOrder.LayerHeads
}

// named are the spans with the texts themselves.
func (s *spanner) named() artefact.TextSpans {
	f := s.src.FirstOrder
	t := artefact.TextSpans{Heads: make([]artefact.HeadSpan, len(s.spans))}
	distinct := map[int]bool{}
	for i, span := range s.spans {
		h := s.first() + i
		head := artefact.HeadSpan{
			Head: f.HeadLayers().Head(h), Layer: h / f.LayerHeads, Index: h % f.LayerHeads, Rank: span.Rank, Texts: make([]artefact.SpanText, len(span.Texts)),
		}
		for k, text := range span.Texts {
			head.Texts[k] = artefact.SpanText{Index: text, Text: s.Texts[text], Explained: span.Explained[k]}
			distinct[text] = true
		}
		t.Heads[i] = head
	}
	t.Distinct = len(distinct)
	return t
}

// variants are the features with the heads rebuilt; last, as the authors' script does, with
// all earlier heads at their means.
func (s *spanner) variants() []variant {
	f := s.src.FirstOrder
	earlier := f.Layers - s.LastLayers
	all := []variant{{VariantScore{Variant: "rebuilt"}, s.rebuilt(replacement{})}}
	if earlier > 0 {
		name := "rebuilt, " + layersName(earlier-1) + " ablated"
		all = append(all, variant{VariantScore{Variant: name}, s.rebuilt(replacement{layers: earlier})})
	}
	return all
}

// rebuilt returns the features with the heads rebuilt, and others replaced by their means.
func (s *spanner) rebuilt(r replacement) func(dst []float32, b source.Batch, w *workspace) error {
	m := s.means
	O, each, first := m.of.OutDim, len(m.heads), s.first()
	return func(dst []float32, b source.Batch, w *workspace) error {
		w.team.For(b.Parts.Images, func(lo, hi, _ int) {
			sum, centred, row := make([]float64, O), make([]float64, O), make([]float32, O)
			for i := lo; i < hi; i++ {
				to := dst[i*O : (i+1)*O]
				m.feature(to, sum, b.Parts, i, r)
				for at, span := range s.spans {
					h := first + at
					own := b.Parts.Heads[i*each+h*O:][:O]
					span.Rebuild(row, own, m.heads[h*O:][:O], centred)
					for o, x := range row {
						sum[o] += float64(x) - float64(own[o])
					}
				}
				for o, x := range sum {
					to[o] = float32(x)
				}
			}
		})
		return nil
	}
}
