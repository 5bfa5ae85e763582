package jpeg

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestStrayMarkers puts every marker there is into a scan. None may leave the
// rest of the image grey.
func TestStrayMarkers(t *testing.T) {
	for _, name := range []string{"01_rgb_420_odd", "04_grey", "08_progressive_420"} {
		sound := goldens(t)[name]
		scan := bytes.LastIndex(sound, []byte("\xff\xda"))
		at := scan + (len(sound)-scan)/2
		for sound[at-1] == 0xff {
			at++
		}
		for code := 1; code < 0xff; code++ {
			_, err := Decode(slices.Concat(sound[:at], []byte{0xff, byte(code)}, sound[at:]))
			if want := fmt.Sprintf("jpeg: damaged scan: marker FF%02X after ", code); err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s: got error %v, want %s...", name, err, want)
			}
		}
	}
}

// scansAndRestarts is a sequential file of three scans with restart markers.
func scansAndRestarts(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "sweep", "enc_0006_20x16_41_11_11.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Decode(data); err != nil {
		t.Fatal(err)
	}
	return data
}

// TestMissingComponent leaves out the last scan of a sequential file that has
// one for each component.
func TestMissingComponent(t *testing.T) {
	data := scansAndRestarts(t)
	last := bytes.LastIndex(data, []byte("\xff\xda"))
	_, err := Decode(append(bytes.Clone(data[:last]), 0xff, mEOI))
	if !errors.Is(err, errIncomplete) {
		t.Errorf("got error %v, want one of a missing component", err)
	}
}

// TestRestartMarkers changes the restart markers of a file in turn: into the
// others, and into bytes of data.
func TestRestartMarkers(t *testing.T) {
	data := scansAndRestarts(t)
	found := 0
	for at := bytes.Index(data, []byte("\xff\xda")); at < len(data)-1; at++ {
		code := data[at+1]
		if data[at] != 0xff || code < mRST0 || code > mRST7 {
			continue
		}
		found++
		for other := byte(mRST0); other <= mRST7; other++ {
			bad := bytes.Clone(data)
			bad[at+1] = other
			if _, err := Decode(bad); (err == nil) != (other == code) || err != nil && !errors.Is(err, errDamaged) {
				t.Errorf("marker FF%02X for FF%02X: %v", other, code, err)
			}
		}
		if _, err := Decode(slices.Delete(bytes.Clone(data), at, at+2)); err == nil {
			t.Errorf("without the marker FF%02X at %d: no error", code, at)
		}
	}
	if found == 0 {
		t.Error("no restart markers in the file")
	}
}

// TestCheckComplete: a progressive file must have brought all bits of the low
// coefficients, and may leave out the others.
func TestCheckComplete(t *testing.T) {
	for _, test := range []struct {
		name  string
		from  int // the first coefficient that no scan brought
		low   int8
		wants string
	}{
		{"all", 64, 0, ""},
		{"without the high ones", smoothed, 0, ""},
		{"without one of the low ones", smoothed - 1, 0, "no scan completes coefficient 9 of component 5"},
		{"without a bit of the mean", 64, 1, "no scan completes coefficient 0 of component 5"},
	} {
		d := decoder{progressive: true, comps: []component{{id: 5, scanned: true}}}
		for k := test.from; k < 64; k++ {
			d.comps[0].known[k] = -1
		}
		d.comps[0].known[0] = test.low
		err := d.checkComplete()
		if test.wants == "" && err != nil || test.wants != "" && (err == nil || !strings.Contains(err.Error(), test.wants)) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.wants)
		}
	}
}
