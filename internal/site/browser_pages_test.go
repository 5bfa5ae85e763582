//go:build browser

package site

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/clipnh/clipnh/internal/npy"
)

// shown is how pages write a number.
func shown(v float64, digits int) string { return shownAmong([]float64{v}, v, digits) }

// shownAmong is how pages write one of several numbers that are of even length.
func shownAmong(all []float64, v float64, digits int) string {
	most := 0.0
	for _, x := range all {
		most = max(most, math.Abs(x))
	}
	_, exponent, _ := strings.Cut(strconv.FormatFloat(most, 'e', digits-1, 64), "e")
	power, err := strconv.Atoi(exponent)
	if err != nil {
		return err.Error()
	}
	return strings.Replace(strconv.FormatFloat(v, 'f', max(digits-1-power, 0), 64), "-", "−", 1)
}

type showRecord struct {
	Norms     struct{ Mean, Largest float64 }
	Strongest []struct {
		Name  string
		Score float64
	}
}

// TestReport goes through the example's report as a reader does, and compares what is shown
// with what the command line says.
func TestReport(t *testing.T) {
	b := newBrowser(t, "")
	b.open(demoReport(t), "")
	if got := b.text("main"); !strings.Contains(got, "4,096 parts") || !strings.Contains(got, "512 neurons") {
		t.Errorf("first page: %.300s", got)
	}

	// The key "/" goes to the search field.
	b.do(chromedp.KeyEvent("/"))
	b.until("document.activeElement.id === 'search'")
	value[string](b, "document.getElementById('search').value = ''")
	b.do(chromedp.SendKeys(chromedp.CSS("#search"), "yellow\r"))
	b.until(at("s") + " && document.querySelectorAll('.virtual .card').length > 3")
	words := value[[]string](b, "[...document.querySelectorAll('.virtual .card .card-words')].map((c) => c.innerText)")
	// The pairs that are about it and that the model uses come first, those that are not it last.
	if units := value[[]string](b, "[...document.querySelectorAll('.virtual .card')].slice(0, 5).map((c) => c.dataset.unit)"); !slices.Contains(units, "h3n149") {
		t.Errorf("search for yellow found %v first, want h3n149 among them", units)
	}
	if got := value[string](b, "document.querySelector('.text-link a').hash"); got != "#/t?q=yellow" {
		t.Errorf("search for yellow leads to %q, want the text", got)
	}
	value[bool](b, "(scrollTo(0, document.body.scrollHeight), true)")
	b.until("document.querySelector('.virtual .row:last-child').getAttribute('aria-posinset') === document.querySelector('.virtual .row').getAttribute('aria-setsize')")
	if last := value[string](b, "document.querySelector('.virtual .row:last-child .card-words').innerText"); !strings.Contains(last, "not ") {
		t.Errorf("search for yellow found %q last", last)
	}
	for _, w := range words {
		if !strings.Contains(w, "yellow") {
			t.Errorf("search for yellow found %q", w)
		}
	}
	if got := b.text(".result-count"); !strings.HasSuffix(got, "of 4,096 pairs") || strings.HasPrefix(got, "4,096") {
		t.Errorf("count %q", got)
	}

	// The example's groups have names that are no numbers: bars, and not a course over years.
	b.visit("t?q=yellow")
	b.until("document.querySelectorAll('svg.bars rect').length === 10")
	if got := value[[]string](b, "[...document.querySelector('svg.bars g').querySelectorAll('text')].map((t) => t.firstChild.data)"); len(got) != 2 || got[0] != "yellow|golden" || got[1] != "0.619" {
		t.Errorf("groups near yellow begin with %q, want yellow|golden 0.619", got)
	}
	b.visit("s?q=yellow")

	value[string](b, "document.getElementById('search-words').value = ''")
	b.do(chromedp.SendKeys(chromedp.CSS("#search-words"), "h3n149"))
	b.until("document.querySelectorAll('.virtual .card').length === 1")
	b.do(chromedp.Click(chromedp.CSS(".virtual .card a.unit")))
	b.until(at("p/h3n149"))
	want := clipnh[showRecord](t, "show", "h3n149", "--scores", "caches/val", "--top", "12")
	facts := b.text(".facts")
	for _, number := range []string{shown(want.Norms.Mean, 4), shown(want.Norms.Largest, 4)} {
		if !strings.Contains(facts, number) {
			t.Errorf("facts %q lack %s", facts, number)
		}
	}
	values := value[[]string](b, "[...document.querySelectorAll('.images-two .wall:not(.small) .value')].map((v) => v.innerText)")
	links := value[[]string](b, "[...document.querySelectorAll('.images-two .wall:not(.small) a.thumb')].map((a) => decodeURIComponent(a.hash.slice(4)))")
	var scores []float64
	for _, image := range want.Strongest {
		scores = append(scores, image.Score)
	}
	for i, image := range want.Strongest {
		score := shownAmong(scores, image.Score, 3)
		if i >= len(values) || i >= len(links) || values[i] != score || links[i] != image.Name {
			t.Fatalf("image %d of h3n149: page has %q %q, show has %s %s", i, values, links, score, image.Name)
		}
	}

	// Pin it, keep it for a comparison, and compare it with another.
	b.do(chromedp.KeyEvent("p"))
	b.until("document.querySelector('h1 .pin').getAttribute('aria-pressed') === 'true'")
	b.do(chromedp.KeyEvent("c"))
	b.visit("p/h6n375")
	b.do(chromedp.KeyEvent("c"))
	b.until(at("c"))
	if got := b.text("h1"); got != "h3n149 and h6n375" {
		t.Errorf("comparison is headed %q", got)
	}
	b.visit("list/pins")
	if got := b.text(".pinned"); !strings.Contains(got, "h3n149") {
		t.Errorf("pinned units: %q", got)
	}
	b.do(chromedp.KeyEvent("?"))
	b.until("document.querySelector('dialog').open")
	b.do(chromedp.Click(chromedp.CSS("dialog button")))

	// Focus follows, and j goes on.
	b.visit("p/h0n0")
	if got := value[string](b, "document.activeElement.tagName"); got != "H1" {
		t.Errorf("the focus is on %s after a page is opened, want H1", got)
	}
	b.do(chromedp.KeyEvent("j"))
	b.until(at("p/h0n1"))
	b.visit("nowhere")
	if got := b.text("[role=alert]"); !strings.Contains(got, "nowhere") {
		t.Errorf("unknown page: %q", got)
	}
	b.done()
}

// kinds has an address of each kind of page of the example.
func kinds(t *testing.T) map[string]string {
	t.Helper()
	show := clipnh[showRecord](t, "show", "h3n149", "--scores", "caches/val")
	return map[string]string{
		"overview": "", "search": "s?q=yellow", "pair": "p/h3n149", "neuron": "n/149", "heads": "h", "head": "h/3", "images": "i",
		"image": "i/" + show.Strongest[0].Name, "texts": "t", "text": "t?q=yellow", "compare": "c?a=h3n149&b=h6n375", "moved": "m",
		"list": "list/pins", "about": "about", "unknown": "nowhere",
	}
}

// TestFewLabels: of fewer labels than a page has room for, each pair has its own numbers.
func TestFewLabels(t *testing.T) {
	demo, dir := environment(t, "CLIPNH_DEMO"), t.TempDir()
	data, scores, report := filepath.Join(dir, "data"), filepath.Join(dir, "scores"), filepath.Join(dir, "report")
	folders, err := filepath.Glob(filepath.Join(demo, "imagenet", "val", "n*"))
	if err != nil || len(folders) < 3 {
		t.Fatalf("%d folders in %s, %v", len(folders), demo, err)
	}
	for i, folder := range folders[:3] {
		if err := os.CopyFS(filepath.Join(data, fmt.Sprint("label", i)), os.DirFS(folder)); err != nil {
			t.Fatal(err)
		}
	}
	model := filepath.Join(demo, "tiny-clip.pt")
	for _, args := range [][]string{
		{"collect", "--model", model, "--save-path", scores}, {"report", "--scores", scores, "--out", report},
	} {
		cmd := exec.CommandContext(t.Context(), environment(t, "CLIPNH_BIN"), append(args, "--data-path", data, "--dataset", "imagenet_val")...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args[0], err, out)
		}
	}
	all, shape, err := npy.ReadFloat32(filepath.Join(scores, "scores.npy"))
	if err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadFile(filepath.Join(scores, "images.txt"))
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, "")
	b.open("file://"+filepath.ToSlash(filepath.Join(report, "index.html")), "")
	H, C := shape[1], shape[2]
	for _, pair := range [][2]int{{0, 149}, {3, 149}, {H - 1, C - 1}} {
		unit := fmt.Sprintf("h%dn%d", pair[0], pair[1])
		b.visit("p/" + unit)
		got := value[[][]any](b, fmt.Sprintf("[...document.querySelectorAll('svg.bars[aria-label=\"mean scores of %s by label\"] g')].map((g) => [g.querySelector('title').textContent, g.querySelector('text.value').textContent])", unit))
		sums, counts := map[string]float64{}, map[string]float64{}
		for i, name := range strings.Fields(string(names)) {
			label := strings.Split(name, "/")[0]
			sums[label] += float64(all[(i*H+pair[0])*C+pair[1]])
			counts[label]++
		}
		if len(got) != 3 || len(counts) != 3 {
			t.Fatalf("%s: bars %v, want one of each of %v", unit, got, counts)
		}
		for _, bar := range got {
			label := bar[0].(string)
			mean, err := strconv.ParseFloat(strings.Replace(bar[1].(string), "−", "-", 1), 64)
			if want := sums[label] / counts[label]; err != nil || math.Abs(mean-want) > 0.02*math.Abs(want)+0.01 {
				t.Errorf("%s: mean score of %s is shown as %v, want %g", unit, label, bar[1], want)
			}
		}
	}
	b.done()
}

// TestRestOfFeature: of a vision transformer the pairs are a part of the feature, and the bar of
// what is left of it says so.
func TestRestOfFeature(t *testing.T) {
	golden := func(name string) string { return filepath.Join("..", "testutil", "testdata", "golden_vit", name) }
	dir := t.TempDir()
	scores, dir := filepath.Join(dir, "scores"), filepath.Join(dir, "report")
	for _, args := range [][]string{
		{"collect", "--model", golden("vit_sd32.pt"), "--vit-heads", "4", "--activation", "gelu", "--neuron-layer", "2", "--save-path", scores},
		{"report", "--scores", scores, "--imagenet-zeroshot-path", golden("texts.npy"), "--model", golden("vit_sd32.pt"), "--out", dir},
	} {
		cmd := exec.CommandContext(t.Context(), environment(t, "CLIPNH_BIN"), append(args, "--data-path", golden("images"), "--dataset", "images")...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args[0], err, out)
		}
	}
	b := newBrowser(t, "")
	b.open("file://"+filepath.ToSlash(filepath.Join(dir, "index.html")), "i/00.png")
	b.until("document.querySelectorAll('svg.waterfall').length === 2")
	if got := value[string](b, "[...document.querySelectorAll('svg.waterfall')].at(-1).textContent"); !strings.Contains(got, "rest of the feature") || strings.Contains(got, "constant") {
		t.Errorf("parts of the logit: %q", got)
	}

	// What pages say is true of layers: no pool is spoken of, and pairs are named as they are.
	pool := []string{"mean token", "last layer", "last step", "h3n149", "exactly the sum of what all pairs", "constant of the weights"}
	for page, want := range map[string][]string{
		"about": {"class token", "MLP in layer 2", "a part of the feature"}, "h/0": {"neurons of layer 2", "goes to the class token"}, "h": {"those of layer 2"}, "": {"128 neurons of layer 2", "8 heads"},
	} {
		b.visit(page)
		b.until("document.querySelector('main h1')")
		text := b.text("main") + value[string](b, "[...document.querySelectorAll('input')].map((i) => i.placeholder).join(' ')")
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("page %q does not say %q: %.600s", page, w, text)
			}
		}
		for _, w := range pool {
			if strings.Contains(text, w) {
				t.Errorf("page %q says %q", page, w)
			}
		}
		b.looks("layers-" + strings.ReplaceAll(page, "/", "-"))
	}

	// Heads that an address gives, by number as the map does or by name, are named as pages name them.
	for given, want := range map[string]struct {
		chosen string
		heads  []string
	}{
		"2-5": {"heads l3h2 to l4h1", []string{"l3h2", "l3h3", "l4h0", "l4h1"}}, "l3h2-L4h1": {"heads l3h2 to l4h1", []string{"l3h2", "l3h3", "l4h0", "l4h1"}},
		"0,l4h3": {"heads l3h0, l4h3", []string{"l3h0", "l4h3"}}, "5": {"l4h1", []string{"l4h1"}}, "l4h1": {"l4h1", []string{"l4h1"}}, "l2h0,x": {"all heads", nil},
	} {
		b.visit("s?sort=norm&head=" + given)
		b.until("document.querySelectorAll('.virtual .card').length > 3")
		if got := value[string](b, "document.querySelectorAll('.search-form select')[1].selectedOptions[0].text"); got != want.chosen {
			t.Errorf("head=%s is shown as %q, want %q", given, got, want.chosen)
		}
		found := value[[]string](b, "[...document.querySelectorAll('.virtual .card')].map((c) => c.dataset.unit.split('n')[0])")
		if want.heads != nil && slices.ContainsFunc(found, func(head string) bool { return !slices.Contains(want.heads, head) }) {
			t.Errorf("head=%s finds pairs of %v, want those of %v", given, found, want.heads)
		}
		pairs := 128 * len(want.heads)
		if want.heads == nil {
			pairs = 128 * 8
		}
		if got := b.text(".result-count"); !strings.HasPrefix(strings.ReplaceAll(got, ",", ""), fmt.Sprintf("%d of 1024 pairs", pairs)) {
			t.Errorf("head=%s: %q, want %d", given, got, pairs)
		}
	}
	b.done()
}

// TestAccessible lets axe-core look at every kind of page, wide and narrow, light and dark,
// and holds that no page is wider than its window. With CLIPNH_SCREENSHOTS, a folder, it
// also writes what each looks like.
func TestAccessible(t *testing.T) {
	b := newBrowser(t, "")
	address := demoReport(t)
	shots := os.Getenv("CLIPNH_SCREENSHOTS")
	for _, width := range []int64{1400, 400} {
		for _, theme := range []string{"light", "dark"} {
			b.screen(width, theme)
			b.open(address, "")
			for kind, route := range kinds(t) {
				b.visit(route)
				b.do(chromedp.WaitReady(chromedp.CSS("h1")))
				for _, v := range b.axe() {
					t.Errorf("%s, %d pixels, %s: %s", kind, width, theme, v)
				}
				if over := value[int](b, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
					t.Errorf("%s: %d pixels wider than %d", kind, over, width)
				}
				if shots != "" && kind != "unknown" {
					shot := chromedp.FullScreenshot(100)
					if kind == "search" { // as long as there are pairs
						shot = chromedp.CaptureScreenshot()
					}
					b.shoot(shot, filepath.Join(shots, fmt.Sprintf("%s-%d-%s.png", kind, width, theme)))
				}
			}
		}
	}
	b.done()
}

// uneven finds lists, tables and rows of cards whose numbers have not all as many decimals, of one
// kind of number each.
const uneven = `[...document.querySelectorAll(".wall, ul.near, svg.bars, .cards, .virtual, tbody")].flatMap((box) => {
	const kinds = new Map();
	const add = (kind, text) => /\d/.test(text) && !/[e→]/.test(text) && kinds.set(kind, [...(kinds.get(kind) || []), text]);
	for (const v of box.querySelectorAll(".value")) add("value", v.textContent);
	for (const v of box.querySelectorAll(".card-values span")) add(v.firstChild.data, v.querySelector("b").textContent);
	for (const v of box.querySelectorAll("td.number")) add(v.cellIndex, v.textContent);
	return [...kinds].filter(([, texts]) => new Set(texts.map((t) => (/\.(\d+)/.exec(t)?.[1] ?? "").length)).size > 1).map(([kind, texts]) => kind + ": " + texts.join(" "));
})`

// looks lets axe-core look at the page that is shown, wide and narrow, light and dark, and holds
// that it is no wider than its window; see TestAccessible.
func (b *browser) looks(kind string) {
	b.t.Helper()
	for _, list := range value[[]string](b, uneven) {
		b.t.Errorf("%s: numbers of uneven length: %s", kind, list)
	}
	for _, width := range []int64{1280, 420} {
		for _, theme := range []string{"light", "dark"} {
			b.screen(width, theme)
			for _, v := range b.axe() {
				b.t.Errorf("%s, %d pixels, %s: %s", kind, width, theme, v)
			}
			if over := value[int](b, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
				b.t.Errorf("%s: %d pixels wider than %d", kind, over, width)
			}
			if shots := os.Getenv("CLIPNH_SCREENSHOTS"); shots != "" {
				b.shoot(chromedp.FullScreenshot(100), filepath.Join(shots, fmt.Sprintf("%s-%d-%s.png", kind, width, theme)))
			}
		}
	}
	b.screen(1280, "light")
}

// shoot writes a picture of the page.
func (b *browser) shoot(shot chromedp.Action[[]byte], path string) {
	b.t.Helper()
	image, err := chromedp.Run(b.ctx, shot)
	b.check(err)
	if err := os.WriteFile(path, image, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// TestMarkup holds that names are texts, whatever is in them.
func TestMarkup(t *testing.T) {
	const evil = `<img src=x onerror=alert(1)>"'&</script><b>`
	dir := t.TempDir()
	f := fixture{heads: 2, neurons: 8, images: 40, words: 50, neuronFiles: []int{0, 1},
		name:  func(i int) string { return fmt.Sprintf("%s/%d?#%%.jpg", evil, i) },
		class: func(i int) string { return fmt.Sprintf("%s class %d", evil, i) },
		word:  func(i int) string { return fmt.Sprintf("%s word %d", evil, i) },
	}
	f.write(t, dir)
	b := newBrowser(t, "")
	b.open("file://"+filepath.Join(dir, IndexName), "")
	image := value[string](b, `'i/' + `+strconv.Quote(f.name(3))+`.split('/').map(encodeURIComponent).join('/')`)
	word := value[string](b, `'t?' + new URLSearchParams({q: `+strconv.Quote(f.word(3))+`})`)
	for _, route := range []string{"", "s?q=word", "p/h0n0", "n/0", "h/1", "i", image, "t", word, "c?a=h0n0&b=h1n1", "about"} {
		b.visit(route)
		if got := value[int](b, "document.querySelectorAll('img, main b b, main script').length"); got != 0 {
			t.Errorf("%s: %d elements out of names", route, got)
		}
		if got := b.text("main"); strings.Contains(got, "cannot be shown") {
			t.Errorf("%s: %.300s", route, got)
		}
	}
	b.visit(image)
	if got := b.text("h1"); got != f.name(3) {
		t.Errorf("name of an image is shown as %q, want %q", got, f.name(3))
	}
	b.done()
}
