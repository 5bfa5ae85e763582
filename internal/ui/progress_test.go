package ui

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestJSONProgress(t *testing.T) {
	p, _, err, c := newTest()
	p.SetQuiet(true) // which is about people
	p.SetProgress(JSONProgress)
	progress := p.Progress()
	progress.Start(400, Images, "collect")
	c.advance(time.Second)
	progress.Add(50) // too early for a line
	c.advance(time.Second)
	p.Read(3000)
	progress.Read(1000)
	progress.Add(50)
	p.Skip(errors.New("a.jpg"))
	c.advance(6 * time.Second)
	progress.Add(300)
	progress.Done()
	progress.Done()
	want := `{"progress":{"task":"collect","unit":"images","done":0,"total":400,"skipped":0,"seconds":0,"rate":0,"bytes":0,"byte_rate":0,"seconds_left":null,"ended":false}}
{"progress":{"task":"collect","unit":"images","done":100,"total":400,"skipped":0,"seconds":2,"rate":50,"bytes":4000,"byte_rate":2000,"seconds_left":6,"ended":false}}
warning: skipped: a.jpg
{"progress":{"task":"collect","unit":"images","done":400,"total":400,"skipped":1,"seconds":8,"rate":50,"bytes":4000,"byte_rate":500,"seconds_left":0,"ended":false}}
{"progress":{"task":"collect","unit":"images","done":400,"total":400,"skipped":1,"seconds":8,"rate":50,"bytes":4000,"byte_rate":500,"seconds_left":0,"ended":true}}
`
	if err.String() != want {
		t.Errorf("%s\nwant\n%s", err, want)
	}
}

func TestNoProgress(t *testing.T) {
	p, _, err, _ := newTest()
	p.SetProgress(NoProgress)
	progress := p.Progress()
	progress.Start(1, Images, "collect")
	progress.Add(1)
	progress.Done()
	if err.Len() > 0 {
		t.Errorf("%q, want nothing", err)
	}
}

func TestSayProgress(t *testing.T) {
	p, _, err, c := newTest()
	c.advance(time.Second)
	p.SayProgress()
	p.WaitFor("the model")
	p.SayProgress()
	p.WaitFor("")
	progress := p.Progress()
	progress.Start(300, Images, "collect")
	p.SayProgress()
	c.advance(4 * time.Second)
	progress.Add(100)
	p.Skip(errors.New("a.jpg"))
	p.Read(8 << 20)
	p.SayProgress()
	progress.Done()
	p.SayProgress()
	want := []string{
		"note: no task has begun that counts what is done, 1.0 s after the start",
		"note: waiting for the model",
		"note: collect: 0 of 300 images in 0 ms",
		"warning: skipped: a.jpg",
		"note: collect: 100 of 300 images in 4.0 s (25 img/s), about 8.0 s left, 1 skipped, 8.0 MiB read (2.0 MiB/s)",
		"collect: 100 of 300 images in 4.0 s (25 img/s)",
		"note: no task is running that counts what is done; the last one: collect: 100 of 300 images in 4.0 s (25 img/s)",
	}
	if got := strings.Split(strings.TrimSpace(err.String()), "\n"); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%q, want %q", got, want)
	}
}
