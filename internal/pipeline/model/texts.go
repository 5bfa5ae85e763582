package model

import (
	"context"
	"fmt"
	"math"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/bpe"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/decomp"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/ui"
)

// AddTexts adds to an origin what texts are embedded by: the embeddings, if their
// path is given, or else a tokenizer and templates.
func AddTexts(o *origin.Origin, r artefact.Reader, embeddings string, facts artefact.Facts, vocab string, templates []textlist.Template) (err error) {
	if embeddings != "" {
		return r.AddRead(o, "embeddings", embeddings, facts, artefact.KindEmbeddings)
	}
	o.Prompts, err = PromptsOf(vocab, templates)
	return err
}

// PromptsOf says what texts are embedded by.
func PromptsOf(vocab string, templates []textlist.Template) (*origin.Prompts, error) {
	sum, err := artefact.FileHash(vocab)
	return &origin.Prompts{Templates: templatesHash(templates), Vocab: sum}, err
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

// Encoder turns texts into embeddings.
type Encoder struct {
	tower     *clip.TextTower
	tokenizer *bpe.Tokenizer
}

// NewEncoder opens the text tower of a checkpoint and the tokenizer of a vocabulary,
// which must be as large as the model's. It warns of a model that may have been trained
// with another activation.
func NewEncoder(ck *clip.Checkpoint, vocab string, threads int, say ui.Reporter) (*Encoder, error) {
	if err := ck.RequireText(); err != nil {
		return nil, err // before the vocabulary, which fits no model without texts
	}
	tokenizer, err := bpe.Open(vocab)
	if err != nil {
		return nil, err
	}
	if got, want := tokenizer.Vocab(), ck.Config.VocabSize; got != want {
		return nil, fmt.Errorf("%s: a vocabulary of %d tokens, want the model's of %d", vocab, got, want)
	}
	tower, err := clip.NewTextTower(ck, threads)
	if err != nil {
		return nil, err
	}
	if ck.FromTraining() {
		say.Warn("%s: a training checkpoint, which does not tell its activation: texts are embedded with QuickGELU, as in OpenAI's models; "+
			"if it was trained with GELU, as open_clip trains models without \"-quickgelu\" in their names, their embeddings are wrong", ck.Path())
	}
	return &Encoder{tower, tokenizer}, nil
}

// promptsPerCall bounds the memory that prompts and their features take. Many
// at a time share the beginnings of their templates.
const promptsPerCall = 1 << 14

// Embed returns a unit vector per text, [texts,O]; see Embed. progress is
// told how many texts are done.
func (e *Encoder) Embed(ctx context.Context, texts []string, templates []textlist.Template, progress func(texts int)) ([]float32, error) {
	config, each := e.tower.Config(), max(1, len(templates))
	rows := make([]float32, len(texts)*config.OutDim)
	group := max(1, promptsPerCall/each)
	for lo := 0; lo < len(texts); lo += group {
		hi := min(lo+group, len(texts))
		prompts := make([][]int32, 0, (hi-lo)*each)
		for _, text := range texts[lo:hi] {
			if len(templates) == 0 {
				prompts = append(prompts, e.tokenizer.Encode(text, config.ContextLength))
			}
			for _, t := range templates {
				prompts = append(prompts, e.tokenizer.Encode(t.Fill(text), config.ContextLength))
			}
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
