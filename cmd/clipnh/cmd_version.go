package main

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clipnh/clipnh/internal/kernel"
	"github.com/clipnh/clipnh/internal/kernel/cpu"
	"github.com/clipnh/clipnh/internal/ui"
)

const versionHelp = `
Prints what the Go toolchain recorded when the program was built: the version,
the revision of the source and whether it had uncommitted changes, the Go
release and the platform. Also prints the level of vector instructions in use on
this machine (generic, avx2 or avx512; CLIPNH_CPU selects a lower one). What was
not recorded is left out. With --json, the modules that the program is built
from are listed, with their checksums.`

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
	b := currentBuild()
	b.CPU = cpu.Active().String()
	if kernel.HasBFloat16() {
		b.CPU += " with bf16"
	}
	if g.json {
		return g.printer.JSON(b)
	}
	return g.printer.Table(b.table())
}

// currentBuild returns what is known about this program.
func currentBuild() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = new(debug.BuildInfo)
	}
	return describeBuild(info)
}

// build is what the toolchain recorded about this program; fields that it did not record
// are empty.
type build struct {
	Version  string `json:"version"` // of the module; "(devel)" if it has none
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"` // of the revision, RFC 3339
	Modified bool   `json:"modified"`       // uncommitted changes on top of the revision
	Go       string `json:"go,omitempty"`
	Platform string `json:"platform,omitempty"` // linux/amd64, GOAMD64=v1
	Tags     string `json:"tags,omitempty"`     // build tags
	CPU      string `json:"cpu,omitempty"`      // level of vector instructions on this machine

	Modules []module `json:"modules,omitempty"`
}

// module is another module that the program is built from.
type module struct {
	Path    string `json:"path"`
	Version string `json:"version"`
	Sum     string `json:"sum,omitempty"` // as in go.sum
}

func describeBuild(info *debug.BuildInfo) build {
	set := map[string]string{}
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	b := build{
		Version:  info.Main.Version,
		Revision: set["vcs.revision"],
		Time:     set["vcs.time"],
		Modified: set["vcs.modified"] == "true",
		Go:       info.GoVersion,
		Tags:     set["-tags"],
	}
	if b.Version == "" {
		b.Version = "(devel)"
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		b.Modules = append(b.Modules, module{m.Path, m.Version, m.Sum})
	}
	if set["GOOS"] != "" {
		b.Platform = set["GOOS"] + "/" + set["GOARCH"]
	}
	// The architecture's level, such as GOAMD64=v3, is a setting named after it.
	if level := "GO" + strings.ToUpper(set["GOARCH"]); set["GOARCH"] != "" && set[level] != "" {
		b.Platform += ", " + level + "=" + set[level]
	}
	return b
}

// name describes the build in a few words.
func (b build) name() string {
	words := []string{"clipnh", b.Version}
	if b.Revision != "" {
		words = append(words, b.Revision[:min(12, len(b.Revision))])
	}
	if b.Modified {
		words = append(words, "modified")
	}
	return strings.Join(words, " ")
}

func (b build) table() *ui.Table {
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
