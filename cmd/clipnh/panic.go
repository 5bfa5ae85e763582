package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"

	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/ui"
)

// debugVariable is the variable of the environment that, set to anything, has internal
// errors print their trace.
const debugVariable = "CLIPNH_DEBUG"

// reportPanic prints a panic that reached the top, and returns the exit code. What is
// printed is one line, or one JSON document:
//
//	clipnh: internal error index out of range [5] at internal/omp/sweep.go:12 (report this: 1a2b3c4d)
//
// The number stands for the calls that led to the panic. It is the same for one fault
// of one build, whatever the input and the number of threads. With CLIPNH_DEBUG set the
// trace comes first.
//
// What the runtime of Go gives up on itself does not get here, since it cannot be
// recovered from: no memory left, a stack that overflows, a map written by two
// goroutines. It prints "fatal error: " with a trace, and exits with status 2. A fault in
// a mapped file is an error (mapping.Catch).
func reportPanic(p *ui.Printer, fault *par.Panic, asJSON bool) int {
	if os.Getenv(debugVariable) != "" {
		p.Trace(fault.Error())
	}
	message := "internal error " + oneLine(fmt.Sprint(fault.Value))
	if len(fault.Stack) > 0 {
		message += " at " + place(fault.Stack[0])
	}
	return failure{
		Message: message, Status: exitInternal, Kind: kindInternal, Hint: "report this: " + faultNumber(fault.Stack),
	}.print(p, asJSON)
}

// oneLine returns text on one line, cut to a length that a person reads.
func oneLine(text string) string {
	const limit = 200 // bytes
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "..."
	}
	return text
}

// place returns the file and line of a call, the file from the module's root or, of
// other modules, with its package.
func place(f runtime.Frame) string {
	pkg := f.Function
	if i := strings.IndexByte(pkg[strings.LastIndexByte(pkg, '/')+1:], '.'); i >= 0 {
		pkg = pkg[:strings.LastIndexByte(pkg, '/')+1+i]
	}
	if pkg == "main" {
		pkg = modulePath + "/cmd/clipnh"
	}
	return fmt.Sprintf("%s:%d", path.Join(strings.TrimPrefix(pkg, modulePath+"/"), filepath.Base(f.File)), f.Line)
}

// modulePath is the path of this module.
const modulePath = "github.com/clipnh/clipnh"

// faultNumber returns eight hexadecimal digits that stand for the functions of a stack.
// Those of package par are left out: they differ by the worker that the panic was in.
func faultNumber(stack []runtime.Frame) string {
	h := sha256.New()
	for _, f := range stack {
		if !strings.HasPrefix(f.Function, parPackage+".") {
			fmt.Fprintln(h, f.Function)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:4])
}

var parPackage = reflect.TypeFor[par.Panic]().PkgPath()
