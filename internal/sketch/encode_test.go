package sketch

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/testutil"
)

func TestWriteThenRead(t *testing.T) {
	s := New(30)
	s.Add(scores(200, 30, 1), par.NewTeam(2))
	data := encoded(t, s)
	again, err := Read(bytes.NewReader(data), 30)
	if err != nil || !reflect.DeepEqual(again, s) {
		t.Fatalf("other contents, %v", err)
	}
	if err := Check(bytes.NewReader(data)); err != nil {
		t.Error(err)
	}
	for n := 0; n < len(data); n += 1 + n/64 {
		if _, err := Read(bytes.NewReader(data[:n]), 30); err == nil {
			t.Fatalf("the first %d of %d bytes are read", n, len(data))
		}
	}
}

// TestReadRefuses: what a file may say and must not be believed.
func TestReadRefuses(t *testing.T) {
	s := New(2)
	s.Add([]float32{1, -2, 3, -4}, par.NewTeam(1))
	good := encoded(t, s)
	unit := len(magic) + 16 // where the first unit begins
	cells := unit + 8*words
	for name, test := range map[string]struct {
		units int
		spoil func(b []byte) []byte
		want  string
	}{
		"another file":        {2, func(b []byte) []byte { b[0] = 'x'; return b }, `want "clipnhSK"`},
		"a later version":     {2, func(b []byte) []byte { b[8] = 9; return b }, "version 9, want 1"},
		"other units":         {3, func(b []byte) []byte { return b }, "2 units, want 3"},
		"no units":            {0, func(b []byte) []byte { b[12] = 0; return b }, "0 units and 2 images"},
		"too many images":     {2, func(b []byte) []byte { b[20] = 1; return b }, "images, want at most"},
		"more images":         {2, func(b []byte) []byte { b[16]++; return b }, "2 values, want those of 3 images"},
		"fewer images":        {2, func(b []byte) []byte { b[16]--; return b }, "values, want 1 or more, and 1 in all"},
		"many cells":          {2, func(b []byte) []byte { return append(b[:cells:cells], 0xff, 0x7f) }, "cells, want at most 401"},
		"a cell behind":       {2, func(b []byte) []byte { return append(b[:cells:cells], 1, 0xff, 0x7f, 1) }, "a cell after the last"},
		"an empty cell":       {2, func(b []byte) []byte { return append(b[:cells:cells], 1, 1, 0) }, "0 values, want 1 or more"},
		"an endless number":   {2, func(b []byte) []byte { return append(b[:cells:cells], bytes.Repeat([]byte{0xff}, 20)...) }, "overflow"},
		"a sum too large":     {2, func(b []byte) []byte { b[unit+8] = 1; return b }, "a sum that values in these cells cannot have"},
		"negative squares":    {2, func(b []byte) []byte { b[unit+8*4+7] = 0x80; return b }, "too small for the sum"},
		"more after the end":  {2, func(b []byte) []byte { return append(b, 0) }, "bytes after the end"},
		"nothing":             {2, func([]byte) []byte { return nil }, "header: unexpected EOF"},
		"units without bytes": {1 << 30, func(b []byte) []byte { b[12], b[15] = 0, 0x40; return b[:unit] }, "unit 0: unexpected EOF"},
	} {
		data := test.spoil(bytes.Clone(good))
		_, err := Read(bytes.NewReader(data), test.units)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
		if of := Check(bytes.NewReader(data)); name != "other units" && (of == nil || of.Error() != err.Error()) {
			t.Errorf("%s: Check says %v, and Read %v", name, of, err)
		}
	}
}

// readFactor is what reading may allocate in all for each byte: the shortest unit has 73 and
// becomes counts of all cells, for which memory is taken twice as it grows.
const readFactor = 256

// FuzzRead reads sets from any bytes: it does not panic, takes memory by what there is to
// read, and writes what it reads as it was.
func FuzzRead(f *testing.F) {
	s := New(3)
	s.Add(scores(10, 3, 2), par.NewTeam(1))
	data := encoded(f, s)
	f.Add(data, uint16(3))
	f.Add(data[:len(data)-1], uint16(3))
	f.Add(data[:24], uint16(3))
	f.Add(encoded(f, New(1)), uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, units uint16) {
		var found *Set
		if !testutil.Parsed(t, testutil.Multiple(len(data), readFactor), func() (err error) {
			found, err = Read(bytes.NewReader(data), int(units))
			return err
		}) {
			return
		}
		if err := Check(bytes.NewReader(data)); err != nil {
			t.Errorf("read, but Check says %v", err)
		}
		again, err := Read(bytes.NewReader(encoded(t, found)), int(units))
		if err != nil || !reflect.DeepEqual(again, found) {
			t.Errorf("written and read again: other contents, %v", err)
		}
		for u := range found.Units {
			found.Moments(u)
			if lo, hi := found.Quantile(u, 0), found.Quantile(u, 1); hi < lo {
				t.Errorf("unit %d: quantiles %g and %g", u, lo, hi)
			}
		}
	})
}
