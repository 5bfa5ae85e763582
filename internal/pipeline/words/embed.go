// Package words relates texts and components: texts as vectors, components as short
// sums of words, and the pairs whose component is nearest to a text.
package words

import (
	"context"
	"strings"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/ui"
)

// EmbedOptions says what to embed with what.
type EmbedOptions struct {
	Model, Vocab string
	Details      model.Details
	Texts        []string            // class names, or words
	Templates    []textlist.Template // none: the texts as they are
	SavePath     string              // IsEmbeddings
	Writer       artefact.Writer
	Threads      int
}

// EmbedResult is what Embed wrote.
type EmbedResult struct {
	Path    string `json:"path"`
	Texts   int    `json:"texts"`
	Prompts int    `json:"prompts"` // texts times templates
	OutDim  int    `json:"out_dim"`

	Cut []model.CutText `json:"cut,omitempty"` // texts too long for the model's context
}

// Embed writes one unit vector per text, [texts,O] float32: the mean over the
// templates of the prompts' unit embeddings, made a unit vector again.
func Embed(ctx context.Context, o EmbedOptions, say ui.Reporter) (*EmbedResult, error) {
	if err := artefact.MakeFolders(o.SavePath); err != nil {
		return nil, err
	}
	if err := o.Writer.Store.CanSave(o.SavePath, artefact.KindEmbeddings); err != nil {
		return nil, err
	}
	m, err := model.OpenWith(ctx, o.Model, o.Details)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	m.Tell(say)
	e, err := model.NewEncoder(m.Checkpoint, o.Vocab, o.Threads, say)
	if err != nil {
		return nil, err
	}
	from := origin.Origin{Model: m.Config.Name(), Texts: cache.ListHash(o.Texts), Transformer: m.Transformer(-1)}.WithWeights(m.Origin())
	if from.Prompts, err = model.PromptsOf(from, o.Vocab, o.Templates, o.Details); err != nil {
		return nil, err
	}
	if len(strings.Join(o.Texts, "")) <= origin.MaxTextList {
		from.TextList = o.Texts
	}
	if err := o.Writer.MayReplace(o.SavePath, artefact.KindEmbeddings, from); err != nil {
		return nil, err
	}
	progress := say.Progress()
	progress.Start(int64(len(o.Texts)), ui.Texts, "embed")
	defer progress.Done()
	err = o.Writer.SaveEmbeddings(o.SavePath, len(o.Texts), m.Config.OutDim, from, func() ([]float32, error) {
		return e.Embed(ctx, o.Texts, o.Templates, func(n int) { progress.Add(int64(n)) })
	})
	if err != nil {
		return nil, err
	}
	return &EmbedResult{o.SavePath, len(o.Texts), len(o.Texts) * max(1, len(o.Templates)), m.Config.OutDim, e.Cut}, nil
}
