package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/internal/manual"
	"github.com/clipnh/clipnh/internal/ui"
)

const docsHelp = `
Writes a page for each command, with the same content as its help: Markdown into
--markdown-path, man pages into --man-path. With --check nothing is written; the
exit status is 1 if a page differs from what would be written, or belongs to no
command.`

func newDocsCommand(g *globalOptions) *cobra.Command {
	var opts docsOptions
	cmd := &cobra.Command{
		Use:         "docs",
		Short:       "Write the documentation pages of the commands",
		Long:        docsHelp,
		Example:     "clipnh docs --markdown-path docs/commands --man-path man",
		Hidden:      true, // for developers
		Args:        noArgs,
		Annotations: exitStatus(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := opts.validate(); err != nil {
				return usageError{err}
			}
			return runDocs(cmd.Root(), opts, g)
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// docsOptions is everything the docs command can be told.
type docsOptions struct {
	markdownPath, manPath string
	check                 bool
}

func (o *docsOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.markdownPath, "markdown-path", "", "`DIR` for Markdown")
	fs.StringVar(&o.manPath, "man-path", "", "`DIR` for man pages")
	fs.BoolVar(&o.check, "check", false, "compare with the pages that are there, and write nothing")
}

func (o *docsOptions) validate() error {
	if o.markdownPath == "" && o.manPath == "" {
		return errors.New("want --markdown-path or --man-path")
	}
	return nil
}

func runDocs(root *cobra.Command, opts docsOptions, g *globalOptions) error {
	written := []docsWritten{}
	for _, out := range []struct {
		dir   string
		pages []manual.File
	}{
		{opts.markdownPath, pages(root, manual.Markdown)},
		{opts.manPath, pages(root, manual.Roff)},
	} {
		if out.dir == "" {
			continue
		}
		do := func() error { return manual.Write(g.files, out.dir, out.pages) }
		if opts.check {
			do = func() error { return manual.Check(out.dir, out.pages) }
		}
		if err := do(); errors.Is(err, manual.ErrOutdated) {
			return hinted{err, "run \"make docs\" and commit what it writes; remove a page that belongs to no command"}
		} else if err != nil {
			return err
		}
		written = append(written, docsWritten{out.dir, len(out.pages)})
	}
	if g.json {
		return g.printer.JSON(docsResult{written})
	}
	t := ui.NewTable(ui.Left("path"), ui.Right("pages"))
	for _, w := range written {
		t.Row(w.Path, fmt.Sprint(w.Pages))
	}
	return g.printer.Table(t)
}

// docsResult is the result as JSON.
type docsResult struct {
	Folders []docsWritten `json:"folders"`
}

// docsWritten is a folder whose pages were written, or compared.
type docsWritten struct {
	Path  string `json:"path"`
	Pages int    `json:"pages"`
}
