package dataset

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// bounds returns the number of pixels that are value, and the box around them.
func bounds(pix []uint16, w int, value uint16) (area, x0, y0, x1, y1 int) {
	x0, y0 = w, len(pix)/w
	for i, v := range pix {
		if v == value {
			area++
			x0, y0 = min(x0, i%w), min(y0, i/w)
			x1, y1 = max(x1, i%w+1), max(y1, i/w+1)
		}
	}
	return area, x0, y0, x1, y1
}

// Texts that pycocotools wrote, with what is known of their masks.
func TestRLEOfCOCO(t *testing.T) {
	for _, tt := range []struct {
		name, counts         string
		h, w                 int
		area, x0, y0, x1, y1 int
	}{
		{"mask[:50, 50:] of 100x100", "Xl4b1b1" + strings.Repeat("0", 98), 100, 100, 2500, 50, 0, 100, 50},
		{"none of 10x10", "T3", 10, 10, 0, 10, 10, 0, 0},
		{"all of 10x10", "0T3", 10, 10, 100, 0, 0, 10, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, err := json.Marshal(tt.counts)
			if err != nil {
				t.Fatal(err)
			}
			m := rle{Size: [2]int{tt.h, tt.w}, Counts: text}
			pix := make([]uint16, tt.h*tt.w)
			if err := m.paint(pix, 7); err != nil {
				t.Fatal(err)
			}
			area, x0, y0, x1, y1 := bounds(pix, tt.w, 7)
			if got, want := fmt.Sprint(area, x0, y0, x1, y1), fmt.Sprint(tt.area, tt.x0, tt.y0, tt.x1, tt.y1); got != want {
				t.Errorf("area and box %s, want %s", got, want)
			}
		})
	}
}

// Texts that pycocotools wrote of masks that are not at hand: that the runs add
// up to the size is a check of every digit.
func TestRLEOfCOCOAddsUp(t *testing.T) {
	for _, tt := range []struct {
		counts string
		h, w   int
	}{
		{"e`V39V9m1H5N10000000001O2O01O2M4K`ce3", 360, 640},
		{"nYW31n>2N2FNbA48Kf=?XBDe=m0OM3M4YOPB8_>L4JXao5", 480, 640},
		{`Q[]17mn06M3L3M3M3M3N2M3M2O2N100O100N20000O100O1000O100000001N10001N101N101N1O2N2N3K4K6G\Vkk0`, 1000, 1000},
		{"724;MG2MN16", 9, 5},
		{"b04500N2", 9, 5},
	} {
		text, err := json.Marshal(tt.counts)
		if err != nil {
			t.Fatal(err)
		}
		m := rle{Size: [2]int{tt.h, tt.w}, Counts: text}
		runs, err := m.runs()
		if err != nil {
			t.Errorf("%s: %v", tt.counts, err)
		}
		if packed := packRuns(runs); packed != tt.counts {
			t.Errorf("%s is written back as %s", tt.counts, packed)
		}
	}
}

// packRuns writes what unpackRuns reads.
func packRuns(runs []int) string {
	var text []byte
	for i, n := range runs {
		if i > 2 {
			n -= runs[i-2]
		}
		for {
			digit := n & 31
			n >>= 5
			last := n == 0 && digit&16 == 0 || n == -1 && digit&16 != 0
			if last {
				text = append(text, byte('0'+digit))
				break
			}
			text = append(text, byte('0'+(digit|32)))
		}
	}
	return string(text)
}

func TestRuns(t *testing.T) {
	for _, runs := range [][]int{{12}, {0, 12}, {3, 4, 5}, {1, 2, 0, 0, 9}, {0, 1, 2, 3, 4, 2}, {1, 10, 1}} {
		packed, _ := json.Marshal(packRuns(runs))
		plain, _ := json.Marshal(runs)
		for _, counts := range []json.RawMessage{packed, plain} {
			m := rle{Size: [2]int{3, 4}, Counts: counts}
			if got, err := m.runs(); err != nil || !slices.Equal(got, runs) {
				t.Errorf("%s: %v, %v, want %v", counts, got, err, runs)
			}
		}
	}
}

func TestRunsRefuse(t *testing.T) {
	for _, tt := range []struct{ name, counts, want string }{
		{"short", `"5"`, "runs of 5 pixels, want 12"},
		{"long", `"=0"`, "run 1 of 13 pixels after 0, want 12 in all"},
		{"long list", `[6, 7]`, "run 2 of 7 pixels after 6, want 12 in all"},
		{"negative", `[-1, 13]`, "run 1 of -1 pixels after 0, want 12 in all"},
		{"negative difference", `"111K"`, "run 4 of -4 pixels after 3, want 12 in all"},
		{"cut", `"5P"`, "counts end within a number"},
		{"many digits", `"PPPPPPPPPPPPP0"`, "number of more than 7 digits in counts"},
		{"no digit", `"5 7"`, `counts hold ' ', want characters from '0' to 'o'`},
		{"a number", `12`, "counts are neither a text nor a list of lengths"},
		{"none", ``, "counts are neither a text nor a list of lengths"},
		{"an empty text", `""`, "runs of 0 pixels, want 12"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := rle{Size: [2]int{3, 4}, Counts: json.RawMessage(tt.counts)}
			if _, err := m.runs(); err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}
