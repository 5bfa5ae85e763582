package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/words"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/textlist"
	"github.com/clipnh/clipnh/internal/ui"
)

const embedHelp = `
Turns texts into unit vectors in the space that images and texts share. Each
text is put into every template ("a photo of a {}."), each prompt is encoded and
normalised, and the mean of the prompts, normalised again, is the text's
embedding. With --use-templates=false texts are encoded as they are, which takes
an 80th of the time with CLIP's 80 templates.

Reads a checkpoint (--model), the merges file of its tokenizer (--vocab; for
OpenAI's models bpe_simple_vocab_16e6.txt.gz), and a list of texts: --lines, one
per line, or one of
  IN   the 1000 ImageNet classes, as curated for CLIP
  PC   the 59 classes of PASCAL Context
  30k  the word list of the paper ("clipnh fetch words"), or that of --lines
If the lines are FOLDER<TAB>NAME, as in the classes.txt of a data set, the names
are used. Lists in JSON, numbered or in quotes are read too, with a note that
says how. Templates are the 80 of CLIP's zero-shot protocol, or --templates.

Writes one row per text, [M,O] float32, as .npy for NumPy or .pt for torch.load,
with a manifest (.json).`

func newEmbedCommand(g *globalOptions) *cobra.Command {
	var opts embedOptions
	cmd := &cobra.Command{
		Use:   "embed --model FILE --vocab FILE --embeddings-save-path FILE",
		Short: "Embed class names or words as unit vectors",
		Long:  embedHelp,
		Example: "clipnh embed --model RN50x16.pt --vocab bpe_simple_vocab_16e6.txt.gz \\\n" +
			"  --classnames IN --embeddings-save-path caches/IN_embed.npy",
		Args:        noArgs,
		Annotations: exitStatus(exitStale, exitInterrupted),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runEmbed(cmd.Context(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// embedOptions is everything the embed command can be told.
type embedOptions struct {
	model, vocab, savePath string
	classnames, lines      string
	text, templates        textList
	useTemplates           bool
	details                model.Details
	restart                bool // discard what was made from something else
}

func (o *embedOptions) addFlags(fs *pflag.FlagSet) {
	modelFlag(fs, &o.model)
	detailFlags(fs, &o.details)
	vocabFlag(fs, &o.vocab)
	textsFlag(fs, &o.text, "text", "", "what to embed"+textsHelp, nil)
	fs.StringVar(&o.classnames, "classnames", "", "`SET` of texts: IN, PC or 30k (default IN, unless --text or --lines is given)")
	choices(fs, "classnames", "IN", "PC", "30k")
	fs.StringVar(&o.lines, "lines", "", "`FILE` of texts, one per line, or the name of a fetched list, such as words; - is standard input")
	takesAsset(fs, "lines", configs.AssetWords)
	templatesFlag(fs, &o.templates, "text")
	fs.BoolVar(&o.useTemplates, "use-templates", true, "put texts into templates; =false encodes them as they are")
	fs.StringVarP(&o.savePath, "embeddings-save-path", "o", "", "`FILE` to write, .npy or .pt")
	fs.BoolVar(&o.restart, "restart", false, "discard what is at --embeddings-save-path, even if it was made from something else")
}

func (o *embedOptions) validate() error {
	err := require("--model", o.model, "--vocab", o.vocab, "--embeddings-save-path", o.savePath)
	if err != nil {
		return err
	}
	if err := checkDetails(o.details); err != nil {
		return err
	}
	if !artefact.IsEmbeddings(o.savePath) {
		return fmt.Errorf("--embeddings-save-path %s: want a .npy or .pt file", o.savePath)
	}
	if err := cmp.Or(o.text.check(), o.templates.check()); err != nil {
		return err
	}
	if o.text.given() && (o.lines != "" || o.classnames != "") {
		return errors.New("--text, --lines and --classnames: want one of them")
	}
	switch o.classnames {
	case "", "30k":
	case "IN", "PC":
		if o.lines != "" {
			return fmt.Errorf("--classnames %s and --lines: want one of them", o.classnames)
		}
	default:
		return hinted{fmt.Errorf("--classnames %q: want IN, PC or 30k", o.classnames), "texts of your own: --lines FILE, or --text \"a dog,a cat\""}
	}
	if !o.useTemplates && o.templates.given() {
		return errors.New("--templates and --use-templates=false: want one of them")
	}
	return nil
}

func runEmbed(ctx context.Context, opts embedOptions, g *globalOptions) error {
	texts, err := opts.texts(ctx, g)
	if err != nil {
		return err
	}
	templates, err := opts.prompts(g)
	if err != nil {
		return err
	}
	result, err := words.Embed(ctx, words.EmbedOptions{
		Model: opts.model, Vocab: opts.vocab, Texts: texts, Templates: templates,
		SavePath: opts.savePath, Writer: g.writer(opts.restart), Threads: g.workers(), Details: opts.details,
	}, g.printer)
	if err != nil {
		return err
	}
	if g.json {
		return g.printer.JSON(result)
	}
	t := ui.NewTable(ui.Left("path"), ui.Right("texts"), ui.Right("prompts"), ui.Right("dimensions"))
	t.Row(result.Path, fmt.Sprint(result.Texts), fmt.Sprint(result.Prompts), fmt.Sprint(result.OutDim))
	return g.printer.Table(t)
}

func (o *embedOptions) texts(ctx context.Context, g *globalOptions) ([]string, error) {
	switch {
	case o.text.given():
		return o.text.readOnce(&g.texts)
	case o.lines != "":
		texts, err := g.texts.lines("lines", o.lines)
		sayEqual(texts, o.lines, g.printer)
		return texts, err
	case o.classnames == "30k":
		path, err := locate(ctx, "words")
		if err != nil {
			return nil, fmt.Errorf("--classnames 30k: %w", err)
		}
		return readTexts(path, g.printer)
	case o.classnames == "PC":
		return configs.PascalContext59(), nil
	}
	return configs.ImageNetClasses(), nil
}

// sayEqual notes texts that are there twice: lists of classes have such, and other lists by mistake.
func sayEqual(texts []string, path string, say ui.Reporter) {
	at, again, first := map[string]int{}, 0, ""
	for i, text := range texts {
		if earlier, ok := at[text]; !ok {
			at[text] = i
		} else if again++; again == 1 {
			first = fmt.Sprintf("text %d is text %d again, %s", i+1, earlier+1, foreign.Quote(text))
		}
	}
	switch {
	case again == 1:
		say.Note("--lines %s: %s", path, first)
	case again > 1:
		say.Note("--lines %s: %s, and %d more of its texts %s there before; each has its row", path, first, again-1, quantity.Is(again-1))
	}
}

// prompts returns the templates, none with --use-templates=false.
func (o *embedOptions) prompts(g *globalOptions) ([]textlist.Template, error) {
	switch {
	case !o.useTemplates:
		return nil, nil
	case !o.templates.given():
		return textlist.ParseTemplates(configs.ImageNetTemplates())
	}
	sources, err := o.templates.sources(&g.texts)
	if err != nil {
		return nil, err
	}
	var all []textlist.Template
	for _, s := range sources {
		templates, err := textlist.ParseTemplates(s.texts)
		if err != nil && s.path == "" {
			return nil, usageError{fmt.Errorf("--templates: %w", err)}
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", s.path, err)
		}
		all = append(all, templates...)
	}
	return all, nil
}
