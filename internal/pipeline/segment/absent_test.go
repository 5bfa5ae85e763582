package segment

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/ui"
)

// TestAbsentClasses: label maps that have none of most of the last classes may be of others.
func TestAbsentClasses(t *testing.T) {
	for _, test := range []struct {
		classes, last int // the last class, from 1, that label maps have
		want          string
	}{
		{59, 20, `no label map has one of the last 39 of 59 classes, from "c20" on`}, // as VOC's
		{59, 59, ""}, {59, 40, ""}, {59, 0, ""}, {3, 1, "the last 2 of 3 classes"}, {2, 1, ""},
	} {
		r := &Result{Methods: []MethodScores{{}}}
		for c := range test.classes {
			s := ClassScore{Name: fmt.Sprintf("c%d", c)}
			if c == test.last-1 {
				s.Pixels = 7
			}
			r.Methods[0].Classes = append(r.Methods[0].Classes, s)
		}
		var said strings.Builder
		r.sayAbsent(ui.NewPrinter(new(strings.Builder), &said, time.Now))
		if got := said.String(); (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%d classes, the last found %d: said %q, want %q", test.classes, test.last, got, test.want)
		}
	}
	new(Result).sayAbsent(nil)
}
