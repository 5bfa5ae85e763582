package dataset

import (
	"fmt"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// classesFactor is what reading a table of classes may allocate in all for each
// of its bytes.
const classesFactor = 64

func FuzzParseClasses(f *testing.F) {
	f.Add("n01\tcat\nn02\tdog")
	f.Add("n01\tcat\nn01\tdog")
	f.Add("n01\n\x1b[2J\tx\ty")
	f.Add("../n01\t/etc\n\t\n")
	f.Fuzz(func(t *testing.T, table string) {
		lines := strings.Split(table, "\n")
		var labels map[string]int
		var names []string
		if !testutil.Parsed(t, testutil.Multiple(len(table), classesFactor), func() (err error) {
			labels, names, err = parseClasses(lines)
			return err
		}, "line ") {
			return
		}
		if len(labels) != len(lines) || len(names) != len(lines) {
			t.Fatalf("%d labels and %d names of %d lines", len(labels), len(names), len(lines))
		}
		for folder, label := range labels {
			if lines[label] != folder+"\t"+names[label] {
				t.Errorf("line %d is %q, read as folder %q of class %q", label+1, lines[label], folder, names[label])
			}
		}
	})
}

// TestMemory reads a table of many classes, and annotations of many images and
// masks.
func TestMemory(t *testing.T) {
	const n = 20_000
	var table, images, masks strings.Builder
	for i := range n {
		fmt.Fprintf(&table, "%d\tx\n", i)
		fmt.Fprintf(&images, `,{"image_id":%d,"file_name":"%d","height":1,"width":1}`, i, i)
		fmt.Fprintf(&masks, `,{"image_id":%d,"category_id":2,"segmentation":0}`, i)
	}
	lines := strings.Split(strings.TrimSuffix(table.String(), "\n"), "\n")
	if !testutil.Parsed(t, testutil.Multiple(table.Len(), classesFactor), func() error { _, _, err := parseClasses(lines); return err }) {
		t.Error("the table was not read")
	}
	file := fmt.Sprintf(`{"images":[%s],"annos_segmentation":[%s]}`, images.String()[1:], masks.String()[1:])
	if !testutil.Parsed(t, testutil.Multiple(len(file), indexFactor), func() error {
		_, err := newIndexer(t.Context(), strings.NewReader(file), detailIDs).index()
		return err
	}) {
		t.Error("the annotations were not read")
	}
}
