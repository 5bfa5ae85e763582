// Command _generate writes the assembly of package kernel and its Go declarations to the
// parent folder.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
)

// sources are the generated files of amd64 by name: NAME_amd64.s and NAME_stubs_amd64.go.
var sources = []struct {
	name string
	emit func(*build.Context)
}{
	{"tile", tiles},
	{"tile_pairs", pairTiles},
	{"winograd", winograd},
	{"exp", exps},
	{"matrix", matrices},
	{"norm", norms},
	{"pool", pools},
}

func main() {
	for _, s := range sources {
		if err := write("..", s.name, s.emit); err != nil {
			fmt.Fprintf(os.Stderr, "generate %s: %v\n", s.name, err)
			os.Exit(1)
		}
	}
	for _, s := range neonSources {
		if err := writeNEON(s.pkg, s.name, s.emit); err != nil {
			fmt.Fprintf(os.Stderr, "generate %s for arm64: %v\n", s.name, err)
			os.Exit(1)
		}
	}
}

// write emits one assembly file and its declarations.
func write(dir, name string, emit func(*build.Context)) error {
	ctx := build.NewContext()
	ctx.ConstraintExpr("amd64")
	ctx.ConstraintExpr("!noasm")
	emit(ctx)
	file, err := ctx.Result()
	if err != nil {
		return err
	}
	if err := pass.Compile.Execute(file); err != nil {
		return err
	}
	cfg := printer.Config{Name: "internal/kernel/_generate", Pkg: "kernel"}
	for _, out := range []struct {
		suffix string
		p      printer.Printer
	}{
		{"_amd64.s", printer.NewGoAsm(cfg)},
		{"_stubs_amd64.go", printer.NewStubs(cfg)},
	} {
		text, err := out.p.Print(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name+out.suffix), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
