package model

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/bpe"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/ui"
)

// AddTexts adds to an origin what texts are embedded by: the embeddings, if their
// path is given, or else a tokenizer, templates and what d says of the text tower.
func AddTexts(o *origin.Origin, r artefact.Reader, embeddings string, facts artefact.Facts, vocab string, templates []textlist.Template, d Details) (err error) {
	if embeddings != "" {
		return r.AddRead(o, "embeddings", embeddings, facts, artefact.KindEmbeddings)
	}
	o.Prompts, err = PromptsOf(*o, vocab, templates, d)
	return err
}

// PromptsOf says what texts are embedded by for what has origin o, with a model of which d is
// known.
func PromptsOf(o origin.Origin, vocab string, templates []textlist.Template, d Details) (*origin.Prompts, error) {
	sum, err := artefact.FileHash(vocab)
	p := &origin.Prompts{Templates: templatesHash(templates), Vocab: sum}
	if o.Transformer == nil && d.Activation != clip.QuickGELU {
		p.Activation = d.Activation
	}
	return p, err
}

func templatesHash(templates []textlist.Template) string {
	if len(templates) == 0 {
		return ""
	}
	prompts := make([]string, len(templates))
	for i, t := range templates {
		prompts[i] = t.Fill("{}")
	}
	return cache.ListHash(prompts)
}

// TextOptions say where the embeddings of texts come from: a model's text tower, or a
// file.
type TextOptions struct {
	Artefacts artefact.Reader
	Vocab     string              // of texts that are to be embedded
	Templates []textlist.Template // that they are put into; none: the texts as they are
	Path      string              // instead: embeddings of the texts, [M,O]
	Threads   int
}

// Embeddings returns a unit vector per text, [texts,O]. A file must be of the model and
// of these texts, as far as it says so, and have a row for each; kind is what the texts
// are.
func (o TextOptions) Embeddings(ctx context.Context, m *Model, texts []string, kind string, say ui.Reporter) ([]float32, error) {
	if o.Path != "" {
		return o.read(m.TextFacts(), m.Config.OutDim, texts, kind, say)
	}
	e, err := NewEncoder(m.Checkpoint, o.Vocab, o.Threads, say)
	if err != nil {
		return nil, err
	}
	progress := say.Progress()
	progress.Start(int64(len(texts)), ui.Texts, "embed")
	defer progress.Done()
	rows, err := e.Embed(ctx, texts, o.Templates, func(n int) { progress.Add(int64(n)) })
	if err == nil {
		progress.Done()
		WarnOfEqual("", texts, rows, len(texts), say)
	}
	return rows, err
}

// Read is Embeddings of a file, of a model of which only an origin is known.
func (o TextOptions) Read(of origin.Origin, outDim int, texts []string, kind string, say ui.Reporter) ([]float32, error) {
	return o.read(artefact.OfModel(of), outDim, texts, kind, say)
}

func (o TextOptions) read(facts artefact.Facts, outDim int, texts []string, kind string, say ui.Reporter) ([]float32, error) {
	e, err := o.Artefacts.UnitEmbeddings(o.Path, facts.Texts(texts), outDim)
	if err != nil {
		return nil, err
	}
	if e.Texts != len(texts) {
		return nil, fmt.Errorf("%s: %s, want %d, one for each %s in their order", o.Path, quantity.Of(e.Texts, "row"), len(texts), kind)
	}
	WarnOfEqual(o.Path, texts, e.Rows, e.Texts, say)
	return e.Rows, nil
}

// Encoder turns texts into embeddings.
type Encoder struct {
	tower     *clip.TextTower
	tokenizer *bpe.Tokenizer
	say       ui.Reporter

	// Cut are the texts that were too long for the model's context, as far as texts
	// were embedded.
	Cut []CutText
}

// CutText is a text of which the model saw only the beginning.
type CutText struct {
	Text string `json:"text"`
	Lost int    `json:"tokens_lost"` // in the longest of its prompts
}

// NewEncoder opens the text tower of a checkpoint and the tokenizer of a vocabulary,
// which must be as large as the model's. It warns of texts that are cut, and of a model
// that may have been trained with another activation.
func NewEncoder(ck *clip.Checkpoint, vocab string, threads int, say ui.Reporter) (*Encoder, error) {
	if err := ck.RequireText(); err != nil {
		return nil, err // before the vocabulary, which fits no model without texts
	}
	tokenizer, err := bpe.Open(vocab)
	if err != nil {
		return nil, err
	}
	if got, want := tokenizer.Vocab(), ck.Config.VocabSize; got != want {
		return nil, fmt.Errorf("%s: a vocabulary of %s, want the model's of %d", vocab, quantity.Of(got, "token"), want)
	}
	tower, err := clip.NewTextTower(ck, threads)
	if err != nil {
		return nil, err
	}
	if ck.FromTraining() {
		say.Warn("%s: a training checkpoint, which does not tell its activation: texts are embedded with QuickGELU, as in OpenAI's models; "+
			"if it was trained with GELU, as open_clip trains models without \"-quickgelu\" in their names, their embeddings are wrong", ck.Path())
	}
	return &Encoder{tower: tower, tokenizer: tokenizer, say: say}, nil
}

// promptsPerCall bounds the memory that prompts and their features take. Many
// at a time share the beginnings of their templates.
const promptsPerCall = 1 << 14

// prompts are the token ids of a text in each template, or of the text itself if there
// is none. A text that is cut is added to e.Cut.
func (e *Encoder) prompts(text string, templates []textlist.Template) [][]int32 {
	filled := []string{text}
	if len(templates) > 0 {
		filled = filled[:0]
		for _, t := range templates {
			filled = append(filled, t.Fill(text))
		}
	}
	context, lost := e.tower.Config().ContextLength, 0
	prompts := make([][]int32, len(filled))
	for i, prompt := range filled {
		if prompts[i] = e.tokenizer.Encode(prompt, context); len(prompts[i]) == context {
			lost = max(lost, e.tokenizer.Length(prompt)-context)
		}
	}
	if lost > 0 {
		e.Cut = append(e.Cut, CutText{text, lost})
	}
	return prompts
}

// warnCut names the first few of the texts that were cut among texts.
func (e *Encoder) warnCut(cut []CutText, texts int) {
	const most = 3
	if len(cut) == 0 {
		return
	}
	var named []string
	for _, c := range cut[:min(len(cut), most)] {
		named = append(named, fmt.Sprintf("%s lost %s", foreign.Quote(c.Text), quantity.Of(c.Lost, "token")))
	}
	if more := len(cut) - most; more > 0 {
		named = append(named, fmt.Sprintf("and %d more", more))
	}
	e.say.Warn("%d of %s cut to the model's context of %s: %s",
		len(cut), ui.Texts.Count(int64(texts)), quantity.Of(e.tower.Config().ContextLength, "token"), strings.Join(named, ", "))
}

// Embed returns a unit vector per text, [texts,O]; see Embed. progress is
// told how many texts are done.
func (e *Encoder) Embed(ctx context.Context, texts []string, templates []textlist.Template, progress func(texts int)) ([]float32, error) {
	config, each := e.tower.Config(), max(1, len(templates))
	rows := make([]float32, len(texts)*config.OutDim)
	group := max(1, promptsPerCall/each)
	before := len(e.Cut)
	for lo := 0; lo < len(texts); lo += group {
		hi := min(lo+group, len(texts))
		prompts := make([][]int32, 0, (hi-lo)*each)
		for _, text := range texts[lo:hi] {
			prompts = append(prompts, e.prompts(text, templates)...)
		}
		features := make([]float32, len(prompts)*config.OutDim)
		done, told := 0, 0
		err := e.tower.Encode(ctx, features, prompts, func(n int) {
			done += n
			progress(done/each - told)
			told = done / each
		})
		if err != nil {
			return nil, err
		}
		for i, text := range texts[lo:hi] {
			row := rows[(lo+i)*config.OutDim:][:config.OutDim]
			if !meanDirection(row, features[i*each*config.OutDim:][:each*config.OutDim]) {
				return nil, fmt.Errorf("text %q: its embedding has no direction (zero or not finite)", text)
			}
		}
	}
	e.warnCut(e.Cut[before:], len(texts))
	return rows, nil
}

// meanDirection writes to dst [O] the unit vector along the mean of the unit
// vectors of rows [n,O], in float64. It reports false where there is none.
func meanDirection(dst, rows []float32) bool {
	mean := make([]float64, len(dst))
	for ; len(rows) > 0; rows = rows[len(dst):] {
		n := decomp.Norm(rows[:len(dst)])
		if !(n > 0) || math.IsInf(n, 1) {
			return false
		}
		for o := range mean {
			mean[o] += float64(rows[o]) / n
		}
	}
	sum := 0.0
	for _, x := range mean {
		sum += x * x
	}
	if !(sum > 0) {
		return false
	}
	for o, x := range mean {
		dst[o] = float32(x / math.Sqrt(sum))
	}
	return true
}
