package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// This file holds that an error which names an option is one of usage (exit status 2): what
// is at fault then is the option's value, for a fault of a file names the file. Hints may
// name options of any error.

// anOption is an option in a message, as packages below cmd write it.
var anOption = regexp.MustCompile(`\{[a-z][a-z0-9-]*\}`)

// notUsage are the errors that name an option although a file or the machine is at fault, by
// the folder and the beginning of the text.
var notUsage = []struct{ folder, text string }{
	{"internal/pipeline/evaluate", "accuracy needs "},                       // no error: a note of what is switched off
	{"internal/pipeline/evaluate", "%s: features and logits of %s take"},    // memory
	{"internal/pipeline/classify", "%s: label %s of image %s is not among"}, // the table's contents
	{"internal/pipeline/classify", "%s: class %s is not among"},             // the folder's
	{"internal/pipeline/audit", "%s: label %s of image %s is not among"},    // the table's contents
	{"internal/pipeline/audit", "{out} %s: a file, want a folder"},          // what is at the path
	{"internal/pipeline/audit", "{out} %s: %w: a folder that holds"},        // the same
	{"internal/pipeline/report", "{imagenet-zeroshot-path} %s: %w"},         // what the artefact holds
	{"internal/pipeline/collect", "%s: to compute it again, want {model}"},  // of an artefact that is damaged
}

// plainErrors returns the texts of errors in a file that name an option and are not made by
// package usage.
func plainErrors(f *ast.File) []string {
	var found []string
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, ok := sel.X.(*ast.Ident)
		if !ok || fmt.Sprintf("%s.%s", pkg.Name, sel.Sel.Name) != "fmt.Errorf" && fmt.Sprintf("%s.%s", pkg.Name, sel.Sel.Name) != "errors.New" {
			return true
		}
		ast.Inspect(call.Args[0], func(n ast.Node) bool {
			if s, ok := n.(*ast.BasicLit); ok && s.Kind == token.STRING && anOption.MatchString(s.Value) {
				found = append(found, strings.Trim(s.Value, "\"`"))
			}
			return true
		})
		return true
	})
	return found
}

func TestErrorsOfOptionsAreUsage(t *testing.T) {
	needed := map[int]bool{}
	eachSource(t, func(name string, f *ast.File) {
		if !strings.HasPrefix(name, "internal/") {
			return
		}
		for _, text := range plainErrors(f) {
			at := slices.IndexFunc(notUsage, func(e struct{ folder, text string }) bool {
				return e.folder == path.Dir(name) && strings.HasPrefix(text, e.text)
			})
			if at < 0 {
				t.Errorf("%s: the error %q names an option, but is not one of usage: want usage.Errorf, or a line in notUsage", name, text)
			}
			needed[at] = true
		}
	})
	for i, e := range notUsage {
		if !needed[i] {
			t.Errorf("%s: no error begins with %q any more", e.folder, e.text)
		}
	}
}
