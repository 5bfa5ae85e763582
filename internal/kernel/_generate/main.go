// Command _generate writes the assembly of package kernel, and of packages beside it, and its
// Go declarations.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
)

// sources are the generated files of amd64 by package and name: NAME_amd64.s and
// NAME_stubs_amd64.go.
var sources = []struct {
	pkg, name string
	emit      func(*build.Context)
}{
	{"kernel", "tile", tiles},
	{"kernel", "tile_pairs", pairTiles},
	{"kernel", "winograd", winograd},
	{"kernel", "exp", exps},
	{"kernel", "matrix", matrices},
	{"kernel", "norm", norms},
	{"kernel", "pool", pools},
	{"kernel", "pick", picks},
	{"double", "double", doubles},
	{"float16", "widen", widen},
}

func main() {
	for _, s := range sources {
		if err := write(s.pkg, s.name, s.emit); err != nil {
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

// write emits one assembly file of a package and its declarations.
func write(pkg, name string, emit func(*build.Context)) error {
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
	cfg := printer.Config{Name: "internal/kernel/_generate", Pkg: pkg}
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
		if err := os.WriteFile(filepath.Join("../..", pkg, name+out.suffix), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
