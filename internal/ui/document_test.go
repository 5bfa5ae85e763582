package ui

import (
	"io"
	"math"
	"strings"
	"testing"
	"time"
)

// A document in parts is that of JSON in one.
func TestDocument(t *testing.T) {
	type item struct {
		Name string `json:"name"`
		Map  []int  `json:"map"`
	}
	type head struct {
		Model string `json:"model"`
	}
	type tail struct {
		Images  int      `json:"images_explained"`
		Skipped []string `json:"skipped"`
	}
	all := []item{{"a\nb", []int{1, 2}}, {"c", []int{}}, {"d", nil}}
	for n := range len(all) + 1 {
		var parts, whole strings.Builder
		p := NewPrinter(&parts, io.Discard, time.Now)
		d := p.Document(head{"m"}, "images")
		for _, x := range all[:n] {
			if err := d.Item(x); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Close(tail{n, []string{}}); err != nil {
			t.Fatal(err)
		}
		err := NewPrinter(&whole, io.Discard, time.Now).JSON(struct {
			head
			Images []item `json:"images"`
			tail
		}{head{"m"}, append([]item{}, all[:n]...), tail{n, []string{}}})
		if err != nil {
			t.Fatal(err)
		}
		if parts.String() != whole.String() {
			t.Errorf("%d items: %s\nwant %s", n, parts.String(), whole.String())
		}
	}
}

// Before the first item nothing is written, nor of one that cannot be.
func TestDocumentBegins(t *testing.T) {
	var out strings.Builder
	d := NewPrinter(&out, io.Discard, time.Now).Document(struct{ A int }{1}, "items")
	if err := d.Item(math.NaN()); err == nil {
		t.Error("NaN was written")
	}
	if out.Len() > 0 || d.Begun() {
		t.Errorf("wrote %q", out.String())
	}
	if err := d.Item(2); err != nil || !d.Begun() {
		t.Error(err)
	}
}
