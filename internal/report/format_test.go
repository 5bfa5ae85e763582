package report

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/base64"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestFileIsReadAsWritten(t *testing.T) {
	want := Neuron{Neuron: 3, Name: "n3", Words: []Term{{Word: 2, Coefficient: -0.5}}, Strongest: Hits{Indices([]int32{4, 1}, 5), Floats([]float32{2.5, 0.25})}}
	var b bytes.Buffer
	if err := Write(&b, NeuronName(3), want); err != nil {
		t.Fatal(err)
	}
	if text := b.String(); !strings.HasPrefix(text, `clipnhData("n/3","`) || strings.Count(text, "\n") != 1 {
		t.Errorf("file is %q, want one line of a call", text)
	}
	var got Neuron
	if err := Read(bytes.NewReader(b.Bytes()), NeuronName(3), &got); err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := Write(&again, NeuronName(3), got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Error("a file that is read and written has other bytes")
	}
	images, err := got.Strongest.Images.Integers()
	if err != nil || !reflect.DeepEqual(images, []int32{4, 1}) {
		t.Errorf("images %v, %v; want 4, 1", images, err)
	}
	for name, damaged := range map[string]string{
		"other name":   strings.Replace(b.String(), "n/3", "n/4", 1),
		"cut":          b.String()[:b.Len()-9],
		"not the text": strings.Replace(b.String(), `","`, `","\"`, 1),
		"an escape":    strings.Replace(b.String(), `","`, `","\q`, 1),
		"empty":        "",
	} {
		if err := Read(strings.NewReader(damaged), NeuronName(3), &got); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := Write(&b, `x");alert("`, want); err == nil {
		t.Error("a name that ends the call: no error")
	}
}

func TestColumns(t *testing.T) {
	for _, c := range []struct {
		count int
		want  string
	}{{255, "u8"}, {256, "u16"}, {65535, "u16"}, {65536, "u24"}, {1 << 24, "u32"}} {
		indices := []int32{0, int32(c.count - 1), None}
		column := Indices(indices, c.count)
		got, err := column.Integers()
		if err != nil || column.Type != c.want || !reflect.DeepEqual(got, indices) {
			t.Errorf("%d: %v of %s, %v; want %v of %s", c.count, got, column.Type, err, indices, c.want)
		}
	}
	values := []float32{-3, 0.1, 1.7, 5}
	for name, column := range map[string]Column{"quantized": Quantized(values), "coarse": Coarse(values)} {
		got, err := column.Values()
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range got {
			if math.Abs(v-float64(values[i])) > column.Step/2*1.0001 {
				t.Errorf("%s: %g for %g, want within half of step %g", name, v, values[i], column.Step)
			}
		}
	}
	for _, equal := range [][]float32{{2, 2}, {0}} {
		if got, err := Quantized(equal).Values(); err != nil || got[0] != float64(equal[0]) {
			t.Errorf("equal numbers %v: %v, %v", equal, got, err)
		}
	}
	if _, err := (Column{Type: "u16", Data: []byte{1}}).Values(); err == nil {
		t.Error("half a number: no error")
	}
	if _, err := (Column{Type: "f64"}).Values(); err == nil {
		t.Error("unknown type: no error")
	}
}

// An input that is still where it was, seen from the report's folder, is found from any
// working folder; one that is not there has the path that it was given with.
func TestInputBesideTheFolder(t *testing.T) {
	base := t.TempDir()
	dir, scores := filepath.Join(base, "out", "report"), filepath.Join(base, "caches", "val")
	if err := os.MkdirAll(scores, 0o777); err != nil {
		t.Fatal(err)
	}
	m := Mark{Inputs: []Input{
		{Kind: "means", Path: "elsewhere/means"},
		{Kind: "scores", Path: "caches/val", Relative: "../../caches/val"},
		{Kind: "components", Path: "caches/pcs.npy", Relative: "../../caches/pcs.npy"},
	}}
	for kind, want := range map[string]string{"scores": scores, "components": filepath.FromSlash("caches/pcs.npy"), "means": filepath.FromSlash("elsewhere/means")} {
		if in, ok := m.Input(dir, kind); !ok || in.Path != want {
			t.Errorf("%s are at %q, %v; want %q", kind, in.Path, ok, want)
		}
	}
	if in, ok := m.Input(dir, "codes"); ok {
		t.Errorf("codes, which it was not made from, are at %q", in.Path)
	}
}

// Files of version 1, whose columns are in base64 within JSON in base64, can be read.
func TestOldFileIsRead(t *testing.T) {
	deflated := new(bytes.Buffer)
	w, _ := flate.NewWriter(deflated, 9)
	io.WriteString(w, `{"names":["a","b"],"labels":{"type":"u16","data":"AQD//w=="}}`)
	w.Close()
	old := `clipnhData("images","` + base64.StdEncoding.EncodeToString(deflated.Bytes()) + "\");\n"
	var got Images
	if err := Read(strings.NewReader(old), ImagesName, &got); err != nil {
		t.Fatal(err)
	}
	if labels, err := got.Labels.Integers(); err != nil || !reflect.DeepEqual(labels, []int32{1, None}) || got.Names[1] != "b" {
		t.Errorf("labels %v of %v, %v; want 1 and none", labels, got.Names, err)
	}
}

// Bytes of every value, at every place, are read as they were written, and make text that is
// one line and ends nothing.
func TestSevenBits(t *testing.T) {
	var all []byte
	for n := range 600 {
		all = append(all, byte(n), byte(n>>3*7))
		var b bytes.Buffer
		w := &sevenBits{w: bufio.NewWriter(&b)}
		if _, err := w.Write(all); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(strings.ReplaceAll(b.String(), `\\`, ""), `\"`, "")
		if strings.ContainsAny(text, "\x00\n\r\"") {
			t.Fatalf("text %q", text)
		}
		if got, err := fromSevenBits(b.String()); err != nil || !bytes.Equal(got, all) {
			t.Fatalf("%d bytes: %v, %v", len(all), got, err)
		}
	}
	for _, damaged := range []string{"a\n", "\"", `\`, `\x01`, "é"} {
		if _, err := fromSevenBits(damaged); err == nil {
			t.Errorf("%q: no error", damaged)
		}
	}
}

// Numbers are off by at most a factor of 1 ± 2⁻¹⁷ when they are shortened.
func TestShortened(t *testing.T) {
	values := []float32{0, 1, -1.0000001, 3.14159265, 1e-20, -12345.678, 65535.99}
	got, err := Shortened(values).Values()
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range got {
		want := float64(values[i])
		if math.Abs(v-want) > math.Abs(want)*0x1p-17 || math.Float32bits(float32(v))&0xff != 0 {
			t.Errorf("%g for %g", v, want)
		}
	}
}
