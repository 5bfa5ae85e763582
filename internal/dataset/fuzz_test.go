package dataset

import (
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
