package site

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// vendored is uPlot 1.6.32 as npm has it, by SHA-256.
var vendored = map[string]string{
	"web/vendor/uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
	"web/vendor/uPlot.min.css":     "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
	"web/vendor/uPlot.LICENSE":     "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}

// TestVendored holds that what others wrote is what they published.
func TestVendored(t *testing.T) {
	found := 0
	err := fs.WalkDir(os.DirFS("."), "web/vendor", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		found++
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(content)); got != vendored[path] {
			t.Errorf("%s: SHA-256 %s, want %q", path, got, vendored[path])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found != len(vendored) {
		t.Errorf("%d files below web/vendor, want %d", found, len(vendored))
	}
}

// TestFiles holds that the page and the files that it names belong together, and that
// nothing in them is inline or comes from elsewhere.
func TestFiles(t *testing.T) {
	files, err := Files(`<b>"A" & B</b>`)
	if err != nil {
		t.Fatal(err)
	}
	page := string(files[IndexName])
	if !strings.Contains(page, "<title>&lt;b&gt;&#34;A&#34; &amp; B&lt;/b&gt;</title>") {
		t.Errorf("the title is not escaped: %.300s", page)
	}
	named := map[string]bool{IndexName: true, "uPlot.LICENSE": true}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"#][^"]*)"`).FindAllStringSubmatch(page, -1) {
		named[m[1]] = true
		if files[m[1]] == nil {
			t.Errorf("the page names %s, which is not among the files", m[1])
		}
	}
	for name, content := range files {
		if !named[name] {
			t.Errorf("no page names %s", name)
		}
		if len(content) == 0 {
			t.Errorf("%s is empty", name)
		}
	}
	for _, inline := range []string{`<style`, ` style=`, `<script>`, ` onclick`, ` onload`, `javascript:`, `http:`, `https:`} {
		if strings.Contains(page, inline) {
			t.Errorf("the page has %s", inline)
		}
	}
	if css := files["style.css"]; bytes.Contains(css, []byte("url(")) || bytes.Contains(css, []byte("@import")) {
		t.Error("the style sheet loads something")
	}
}

// TestIndex holds that only the explorer's page is live.
func TestIndex(t *testing.T) {
	const mark = `<meta name="clipnh-live" content="1">`
	for _, live := range []bool{false, true} {
		page, err := Index("A", live)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Contains(page, []byte(mark)); got != live {
			t.Errorf("live %v: page has the mark: %v", live, got)
		}
	}
}

// TestTexts holds that no module turns a text into markup or code.
func TestTexts(t *testing.T) {
	forbidden := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|createContextualFragment|setAttribute\("style"|https?://`)
	for _, path := range modules(t) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(content), "\n") {
			if m := forbidden.FindString(line); m != "" && !strings.Contains(line, "http://www.w3.org/2000/svg") {
				t.Errorf("%s:%d: %s", path, i+1, m)
			}
		}
		if n := bytes.Count(content, []byte("\n")); n > 400 {
			t.Errorf("%s: %d lines, want at most 400", path, n)
		}
	}
}
