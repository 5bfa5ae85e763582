package arch

import (
	"go/ast"
	"strings"
	"testing"
)

// starters may start goroutines without package par: they catch panics themselves.
var starters = map[string]bool{
	"internal/remote/blocks.go":           true, // hands a panic over with the block
	"cmd/clipnh/status_signal_unix.go":    true, // prints a line
	"internal/pipeline/segment/scenes.go": true, // hands a panic over with the scene
}

// TestGoroutinesCarryPanics holds that goroutines are started with package par, whose
// panics reach the goroutine that waits; others would end the program with a trace.
func TestGoroutinesCarryPanics(t *testing.T) {
	found := map[string]bool{}
	eachSource(t, func(file string, f *ast.File) {
		if strings.HasPrefix(file, "internal/par/") {
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				found[file] = true
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name+"."+n.Sel.Name == "sync.WaitGroup" {
					found[file] = true
				}
			}
			return true
		})
	})
	for file := range found {
		if !starters[file] {
			t.Errorf("%s starts goroutines whose panics nobody gets: want par.Team, par.Group or par.Catch", file)
		}
	}
	for file := range starters {
		if !found[file] {
			t.Errorf("%s starts no goroutine: take it off the list", file)
		}
	}
}
