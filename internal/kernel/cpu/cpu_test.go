package cpu

import (
	"slices"
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		name string
		want Level
		err  string // "" for none
	}{
		{"", best(), ""},
		{"generic", Generic, ""},
		{best().String(), best(), ""},
		{"AVX512", best(), `CLIPNH_CPU="AVX512": unknown level, want one of generic, avx2, avx512, neon`},
		{"sse", best(), "unknown level"},
	} {
		got, err := choose(c.name)
		if got != c.want {
			t.Errorf("%q chooses %v, want %v", c.name, got, c.want)
		}
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%q: error %v, want %q", c.name, err, c.err)
		}
	}
	for l := range Level(len(names)) {
		if slices.Contains(Supported(), l) {
			if got, err := choose(l.String()); got != l || err != nil {
				t.Errorf("%v, which is supported: %v, %v", l, got, err)
			}
			continue
		}
		if got, err := choose(l.String()); got != best() || err == nil || !strings.Contains(err.Error(), unsupported+", want one of generic") {
			t.Errorf("%v, which is not supported: %v, %v", l, got, err)
		}
	}
	if ls := Supported(); ls[0] != Generic || ls[len(ls)-1] != best() {
		t.Errorf("supported levels are %v, want generic first and %v last", ls, best())
	}
}

func TestForce(t *testing.T) {
	was := Active()
	for _, l := range Supported() {
		restore := Force(l)
		if Active() != l {
			t.Errorf("forced %v, active is %v", l, Active())
		}
		restore()
	}
	if Active() != was {
		t.Errorf("level is %v after restoring, want %v", Active(), was)
	}
}
