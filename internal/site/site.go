// Package site is the pages of a report: HTML, a style sheet and one script, which show the
// data files of package report. They are static: a folder with them and the data opens from
// a disk and from any web host. The explorer serves the same files and marks the page live,
// by which the script shows what is computed on demand.
//
// The script is written as ES modules in web/src. Browsers refuse modules that are read from
// a disk, so they are bundled into web/app.js, one script of the classic kind, by "go
// generate". A test holds that the bundle is that of the modules.
//
// Texts come from strangers: names of images, classes, words. The modules make every text a
// text node or an attribute, and html/template escapes the title.
package site

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
)

//go:generate go test -run TestBundle -count=1 . -update

//go:embed web/app.js web/style.css web/favicon.svg web/vendor
var files embed.FS

//go:embed web/index.html.tmpl
var indexText string

var index = template.Must(template.New("index.html").Parse(indexText))

// IndexName is the page itself.
const IndexName = "index.html"

// sources maps the files of a site, without the page, to those embedded.
var sources = map[string]string{
	"app.js":        "web/app.js",
	"style.css":     "web/style.css",
	"favicon.svg":   "web/favicon.svg",
	"uplot.js":      "web/vendor/uPlot.iife.min.js",
	"uplot.css":     "web/vendor/uPlot.min.css",
	"uPlot.LICENSE": "web/vendor/uPlot.LICENSE",
}

// Files returns the files of a static site by name, the page included. Title is the name of
// the report.
func Files(title string) (map[string][]byte, error) {
	page, err := Index(title, false)
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{IndexName: page}
	for name, source := range sources {
		if all[name], err = fs.ReadFile(files, source); err != nil {
			return nil, fmt.Errorf("file %s of the site: %w", name, err)
		}
	}
	return all, nil
}

// Index returns the page. A live one asks the server for what is computed on demand.
func Index(title string, live bool) ([]byte, error) {
	var page bytes.Buffer
	err := index.Execute(&page, struct {
		Title string
		Live  bool
	}{title, live})
	if err != nil {
		return nil, fmt.Errorf("page of the site: %w", err)
	}
	return page.Bytes(), nil
}
