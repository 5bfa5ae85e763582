//go:build browser

package site

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// These tests drive Chromium; scripts/test-browser.sh runs them and sets the environment:
// CLIPNH_CHROMIUM, CLIPNH_AXE (axe.min.js), CLIPNH_BIN (the program), CLIPNH_DEMO (a folder
// in which the example was run).

// patience bounds a step. The machine of a check may be busy.
const patience = 60 * time.Second

// A browser is a page of Chromium whose errors and requests are watched.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	faults []string
	origin string // from which more than files may come; empty: files only
}

func environment(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Fatalf("%s is not set; run make test-browser", name)
	}
	return v
}

func newBrowser(t *testing.T, origin string) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(environment(t, "CLIPNH_CHROMIUM")), chromedp.NoSandbox, chromedp.WindowSize(1400, 900))
	allocator, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	b := &browser{t: t, origin: origin}
	b.ctx, cancel = chromedp.NewContext(allocator, chromedp.WithListener(b.watch))
	t.Cleanup(cancel)
	// The first command starts Chromium, whose life is that of the context.
	if _, err := chromedp.Call(b.ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(b.ctx, log.Enable, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	return b
}

// watch keeps what must not happen.
func (b *browser) watch(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			b.faults = append(b.faults, fmt.Sprintf("console: %s", e.Args[0].Value))
		}
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, fmt.Sprintf("exception: %s %s", e.ExceptionDetails.Text, e.ExceptionDetails.Exception.Description))
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			b.faults = append(b.faults, fmt.Sprintf("log: %s %s", e.Entry.Text, e.Entry.URL))
		}
	case *page.EventJavascriptDialogOpening:
		b.faults = append(b.faults, "a dialog opened: "+e.Message)
	case *network.EventRequestWillBeSent:
		url := e.Request.URL
		local := strings.HasPrefix(url, "file:") || strings.HasPrefix(url, "blob:") || b.origin != "" && strings.HasPrefix(url, b.origin)
		if !local {
			b.faults = append(b.faults, "a request leaves: "+url)
		}
	}
}

// done fails the test if anything happened that must not.
func (b *browser) done() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		b.t.Error(f)
	}
	b.faults = nil
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	b.check(chromedp.Do(ctx, steps...))
}

// check stops the test at an error, and says what the page shows.
func (b *browser) check(err error) {
	b.t.Helper()
	if err == nil {
		return
	}
	at, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("location.hash + ' ' + document.getElementById('main')?.innerText.slice(0, 300)"))
	b.t.Fatalf("%v, at %s; %v", err, at, b.faults)
}

// value evaluates an expression, which may be a promise.
func value[T any](b *browser, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise, chromedp.EvalAsValue))
	b.check(err)
	return v
}

// until waits for an expression to be true.
func (b *browser) until(expression string) {
	b.t.Helper()
	for end := time.Now().Add(patience); !value[bool](b, "Boolean("+expression+")"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			b.check(fmt.Errorf("not within %v: %s", patience, expression))
		}
	}
}

const settled = `document.querySelector('main')?.getAttribute('aria-busy') === 'false'`

// at is whether the page of an address is shown.
func at(path string) string {
	return fmt.Sprintf("%s && document.getElementById('main').dataset.path === %q", settled, path)
}

// open loads a page afresh.
func (b *browser) open(address, route string) {
	b.t.Helper()
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(address+"#/"+route))
	b.until(settled)
}

// visit goes to a page from within.
func (b *browser) visit(route string) {
	b.t.Helper()
	value[bool](b, fmt.Sprintf(`(() => {
		const main = document.getElementById('main');
		const old = location.hash;
		main.setAttribute('aria-busy', 'true');
		location.hash = %q;
		if (location.hash === old) main.setAttribute('aria-busy', 'false');
		return true;
	})()`, "#/"+route))
	b.until(settled)
}

// screen sets width and theme.
func (b *browser) screen(width int64, theme string) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, 900))
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}})
	b.check(err)
}

// text is what an element shows.
func (b *browser) text(selector string) string {
	b.t.Helper()
	return value[string](b, fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector))
}

// axe returns what axe-core finds on the page, a line each.
func (b *browser) axe() []string {
	b.t.Helper()
	source, err := os.ReadFile(environment(b.t, "CLIPNH_AXE"))
	if err != nil {
		b.t.Fatal(err)
	}
	if !value[bool](b, "'axe' in globalThis") {
		value[int](b, string(source)+";0")
	}
	return value[[]string](b, `axe.run(document, {resultTypes: ['violations'], preload: false}).then((r) => r.violations.flatMap((v) =>
		v.nodes.slice(0, 3).map((n) => v.id + ': ' + n.html.slice(0, 160) + ' ' + (n.any[0]?.message ?? n.all[0]?.message ?? ''))))`)
}

// clipnh runs the program in the folder of the example and reads its JSON.
func clipnh[T any](t *testing.T, arguments ...string) T {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), environment(t, "CLIPNH_BIN"), append(arguments, "--json", "--quiet")...)
	cmd.Dir = environment(t, "CLIPNH_DEMO")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	var v T
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	return v
}

// demoReport is the address of the example's report, with every part.
func demoReport(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(environment(t, "CLIPNH_DEMO"), "report-full", IndexName))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	return "file://" + path
}
