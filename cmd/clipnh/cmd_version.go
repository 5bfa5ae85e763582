package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/clipnh/clipnh/internal/build"
	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/ui"
)

const versionHelp = `
Prints what the Go toolchain recorded when the program was built: the version,
the revision of the source and whether it had uncommitted changes, the Go
release and the platform. Also prints the level of vector instructions in use on
this machine (generic, avx2, avx512 or neon; CLIPNH_CPU selects a lower one).
What was not recorded is left out. With --json, the modules that the program is
built from are listed, with their checksums.`

func newVersionCommand(g *globalOptions) *cobra.Command {
	return &cobra.Command{
		Use:         "version",
		Short:       "Print which build of clipnh this is",
		Long:        versionHelp,
		Example:     "clipnh version --json",
		Args:        noArgs,
		Annotations: exitStatus(),
		RunE: func(*cobra.Command, []string) error {
			return runVersion(g)
		},
	}
}

func runVersion(g *globalOptions) error {
	b := build.Current()
	b.CPU = cpu.Active().String()
	if kernel.HasBFloat16() {
		b.CPU += " with bf16"
	}
	if g.json {
		return g.printer.JSON(b)
	}
	return g.printer.Table(buildTable(b))
}

func buildTable(b build.Info) *ui.Table {
	revision := b.Revision
	if b.Modified {
		revision += ", modified"
	}
	modules := ""
	if n := len(b.Modules); n > 0 {
		modules = fmt.Sprintf("%d (--json lists them)", n)
	}
	t := ui.NewTable(ui.Left(""), ui.Left(""))
	for _, row := range [][2]string{
		{"clipnh", b.Version},
		{"revision", revision},
		{"date", b.Time},
		{"go", b.Go},
		{"platform", b.Platform},
		{"tags", b.Tags},
		{"cpu", b.CPU},
		{"modules", modules},
	} {
		if row[1] != "" {
			t.Row(row[0], row[1])
		}
	}
	return t
}
