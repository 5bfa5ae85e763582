package ui

import "testing"

// TestCSV: what a terminal could act on is an escape, as in tables; commas and quotes are as
// in CSV.
func TestCSV(t *testing.T) {
	p, out, _, _ := newTest()
	if err := p.CSV([][]string{{"image", "label"}, {"a\x1b[31m.jpg", `dog, "big"`}, {"a\nb", "ä"}}); err != nil {
		t.Fatal(err)
	}
	if want := "image,label\n" + `a\x1b[31m.jpg,"dog, ""big"""` + "\n" + `a\nb,ä` + "\n"; out.String() != want {
		t.Errorf("got %q, want %q", out, want)
	}
}
