package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/verify"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

const verifyHelp = `
Reads all files of artefacts and reports what is wrong with them. A PATH is an
artefact (a folder that collect wrote, or a file with its manifest), an
unfinished collection, or a folder of these, such as caches.

  damaged     bytes differ from what was written (checksums), a file is cut
              short or missing, or values are NaN or infinite
  missing     nothing is there
  unfinished  a run has not ended: the same command resumes it
  stale       made from an artefact of which another version is among the
              paths, or from images that have changed since (with --data-path)
  unknown     no manifest says what is right: a file of another program
  sound       none of these

Files that a killed run left beside an artefact (.tmp files) belong to none:
they are named, do not change the exit status, and are removed by --repair. The
artefact that the run was replacing is still whole, or is the new one.

The artefacts that an artefact was made from are looked for among the paths;
those that are not there are "not checked". With --data-path the images of
collections are compared too: each file with its checksum from when it was read
or, without checksums (of older builds), by name and size ("same sizes"). Images
of another data set than that of --data-path are "not checked", and a note says
why; if that holds for all artefacts, --data-path is an error.

With --repair, damaged parts of what collect and registers wrote are computed
again, from the same --model and --data-path; without these, only .tmp files are
removed. Only bytes that match the checksums of the manifest are written, all
others stay untouched. A repair that was interrupted or killed resumes when the
same command is run again. For other artefacts, the command that makes them
again is printed.`

func newVerifyCommand(g *globalOptions) *cobra.Command {
	var opts verifyOptions
	cmd := &cobra.Command{
		Use:   "verify PATH...",
		Short: "Check artefacts for damage and stale inputs, and repair them",
		Long:  verifyHelp,
		Example: "clipnh verify caches\n" +
			"clipnh verify caches/photos --repair --model RN50x16.pt --data-path photos",
		Args:        cobra.ArbitraryArgs,
		Annotations: reporting(exitStatus(exitMissing, exitStale, exitInterrupted)),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.given = cmd.Flags().Changed
			if err := opts.validate(args); err != nil {
				return usageError{err}
			}
			return runVerify(cmd.Context(), opts, args, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// verifyOptions is everything the verify command can be told, except paths.
type verifyOptions struct {
	model, dataset, dataPath string
	batch                    int
	given                    givenFlags
	repair                   bool
}

func (o *verifyOptions) addFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.repair, "repair", false, "compute damaged parts of collections again")
	modelFlag(fs, &o.model)
	fs.StringVarP(&o.dataPath, "data-path", "d", "", "`PATH` of the images that collections were made from")
	fs.StringVar(&o.dataset, "dataset", "", "layout of --data-path: `KIND` such as imagenet_val or images, or a config of segment (default that of each artefact)")
	fs.IntVar(&o.batch, "batch-size", 8, "with --repair, run `N` images at a time through the tower")
}

func (o *verifyOptions) validate(paths []string) error {
	switch {
	case len(paths) == 0:
		return errors.New("no PATH given: want artefacts or folders of them")
	case o.model != "" && o.dataPath == "":
		return errors.New("--model needs --data-path, the images of the collections to repair")
	case !o.repair && o.model != "":
		return errors.New("--model needs --repair")
	case o.dataset != "" && filepath.Ext(o.dataset) == "" && !slices.Contains(slices.Concat(dataset.Kinds(), configs.Segmentations()), o.dataset):
		return fmt.Errorf("--dataset %q: want %s, or of segmentations the path of a .yaml file or one of %s",
			o.dataset, strings.Join(dataset.Kinds(), ", "), strings.Join(configs.Segmentations(), ", "))
	case o.batch < 1 || o.batch > maxBatch:
		return fmt.Errorf("--batch-size %d: want 1 to %d", o.batch, maxBatch)
	}
	return o.given.refuseIn(
		rule{!o.repair, "without --repair", []string{"batch-size"}},
		rule{o.dataPath == "", "without --data-path", []string{"dataset"}})
}

func runVerify(ctx context.Context, opts verifyOptions, paths []string, g *globalOptions) error {
	result, err := verify.Run(ctx, verify.Options{
		Remake: remakeHint, Paths: paths, DataKind: opts.dataset, DataPath: opts.dataPath,
		Repair: opts.repair, Model: opts.model, BatchSize: opts.batch, Store: g.files, Threads: g.workers(),
	}, g.printer)
	if err != nil {
		return err
	}
	if g.json {
		err = g.printer.JSON(result)
	} else {
		err = printVerify(result, g)
	}
	if err != nil {
		return err
	}
	if err := verdict(result); err != nil {
		return err
	}
	return opts.unchecked(result)
}

// unchecked returns an error if images were given to compare artefacts with, and none could be:
// the data path is not that of any, or cannot be read. Why is said before.
func (o *verifyOptions) unchecked(result *verify.Result) error {
	left := 0
	for _, a := range result.Artefacts {
		switch a.Images {
		case verify.NotChecked:
			left++
		case "":
		default:
			return nil
		}
	}
	if left == 0 || o.dataPath == "" {
		return nil
	}
	return fmt.Errorf("the images of none of %s could be checked: %s", quantity.Of(left, "artefact"), strings.Join(result.Unchecked, "; "))
}

func printVerify(result *verify.Result, g *globalOptions) error {
	t := ui.NewTable(ui.Left("path"), ui.Left("holds"), ui.Right("size"), ui.Left("state"), ui.Left("made from"), ui.Left("images"))
	for _, a := range result.Artefacts {
		var from []string
		for _, p := range a.Parents {
			from = append(from, p.Role+" "+p.State)
		}
		t.Row(a.Path, a.Kind, ui.FormatBytes(a.Bytes), a.State, strings.Join(from, ", "), a.Images)
	}
	for _, a := range result.Artefacts {
		for _, p := range a.Repaired {
			g.printer.Note("%s, repaired", problemText(p))
		}
		for _, p := range a.Problems {
			if a.State == verify.StateUnknown {
				g.printer.Note("%s", problemText(p))
			} else {
				g.printer.Warn("%s", problemText(p))
			}
		}
		if a.Hint != "" {
			g.printer.Hint(a.Hint)
		}
	}
	return g.printer.Table(t)
}

func problemText(p verify.Problem) string {
	text := p.Text
	if p.Chunk != nil {
		text = fmt.Sprintf("chunk %d: %s", *p.Chunk, text)
	}
	if strings.Contains(text, p.File) {
		return text
	}
	return p.File + ": " + text
}

// errUnfinished is an artefact that is there in part.
var errUnfinished error = unfinished{}

type unfinished struct{}

func (unfinished) Error() string        { return "unfinished" }
func (unfinished) Is(target error) bool { return target == cache.ErrMissing }

// verdict returns the error of artefacts that are damaged, missing, unfinished or stale: it
// counts all of them, and is what the gravest are.
func verdict(result *verify.Result) error {
	bad, gravest := 0, error(nil)
	var counts []string
	for _, of := range []struct {
		state string
		err   error
	}{
		{verify.StateStale, cache.ErrStale}, {verify.StateUnfinished, errUnfinished},
		{verify.StateMissing, cache.ErrMissing}, {verify.StateDamaged, cache.ErrDamaged},
	} {
		if n := result.Counts[of.state]; n > 0 {
			bad, gravest = bad+n, of.err
			counts = slices.Insert(counts, 0, fmt.Sprintf("%d %v", n, of.err))
		}
	}
	switch len(counts) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%d of %s: %w", bad, quantity.Of(len(result.Artefacts), "artefact"), gravest)
	}
	err := fmt.Errorf("%d of %s: %s", bad, quantity.Of(len(result.Artefacts), "artefact"), strings.Join(counts, ", "))
	return verdictError{err, gravest}
}

// verdictError is what artefacts of several states come to.
type verdictError struct {
	error
	gravest error
}

func (e verdictError) Unwrap() error { return e.gravest }
