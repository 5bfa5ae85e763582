package dataset

import (
	"os"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// tableFactor is what reading a table may allocate in all for each of its bytes.
const tableFactor = 128

// FuzzReadTable holds that any bytes give labels of distinct images, or an
// error of one line.
func FuzzReadTable(f *testing.F) {
	refined, err := os.ReadFile(testutil.Golden("shift/refined_train.csv"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(refined))
	f.Add("\ufeffimage,year,yellow\r\n\"a, \"\"b\"\".jpg\",1991,yes\r\nb.jpg,,\r\n")
	f.Add("image,Class\na,3_9\nb,x\n")
	f.Add("image;year\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		var l *Labels
		if testutil.Parsed(t, testutil.Multiple(len(text), tableFactor), func() (err error) {
			l, err = readLabels(strings.NewReader(text), TableOptions{Image: "image", Labels: []string{"yellow"}, LabelOptional: map[string]bool{"yellow": true}})
			return err
		}) {
			seen := map[string]bool{}
			for _, k := range l.Known {
				if k.Image == "" || seen[k.Image] || len(k.Answers) != len(l.Names) {
					t.Errorf("row %+v", k)
				}
				seen[k.Image] = true
			}
		}
		first, second, _ := strings.Cut(text, "\n")
		for _, class := range []string{first, second} {
			if class, colour, err := parseRefined(class, 196); err == nil && (class < 0 || class >= 196 || colour < 0) {
				t.Errorf("class %d, colour %d", class, colour)
			}
		}
	})
}
