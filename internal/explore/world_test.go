package explore

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/live"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/testutil"
)

const indexPage = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta name=\"clipnh-live\" content=\"0\"><title>a report</title></head><body></body></html>\n"

// markup is a name that would be one if a page took it for that.
const markup = `<img src=x onerror=alert(1)>"'&`

// folder writes a small report of the golden images and returns it.
func folder(t testing.TB) (dir, scores string) {
	t.Helper()
	dir, scores = t.TempDir(), pipelinetest.GoldenScores(t)
	write := func(name, text string) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	data := func(name string, v any) {
		var text strings.Builder
		if err := report.Write(&text, name, v); err != nil {
			t.Fatal(err)
		}
		write(report.FileOf(name), text.String())
	}
	a, err := artefact.Reader{}.Collection(scores, nil, artefact.KindScores)
	if err != nil {
		t.Fatal(err)
	}
	names, err := artefact.ImageNames(a)
	if err != nil {
		t.Fatal(err)
	}
	from := artefact.OriginOf(a)
	groups := make([]int32, len(names))
	for i := range groups {
		groups[i] = int32(i%3) - 1
	}
	o := report.Overview{Format: report.Format, Title: markup, Model: report.ModelFacts{Weights: from.Weights, Tensors: from.Tensors}}
	o.Data.Groups, o.Data.Classes = []string{markup, "b"}, []string{"c"}
	data(report.OverviewName, o)
	index := report.Index{}
	index.Pairs.Norm = report.Floats(make([]float32, 4*256))
	data(report.IndexName, index)
	data(report.ImagesName, report.Images{Names: names, Groups: report.Indices(groups, 2)})
	classes, err := artefact.FileHash(testutil.Golden("text/zeroshot.npy"))
	if err != nil {
		t.Fatal(err)
	}
	mark, err := json.Marshal(report.Mark{
		Format: report.Format, Tool: report.Tool, State: report.Complete,
		Inputs: []report.Input{
			{Kind: artefact.KindScores, Path: scores, SHA256: a.Hash()}, {Kind: artefact.KindEmbeddings, Path: testutil.Golden("text/zeroshot.npy"), SHA256: classes},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	write(report.MarkFile, string(mark))
	write("index.html", indexPage)
	write("app.js", "1;\n")
	write("style.css", "a{}\n")
	write("thumbs/000.jpg", "not quite")
	write("LICENSE", "of uPlot")
	write(".hidden.js", "secret")
	write("notes.pem", "secret")
	return dir, scores
}

// served is a running server.
type served struct {
	*Server
	url    string
	client *http.Client
}

// answersOf are answers about the folder's collection, loaded.
func answersOf(t testing.TB, r *Report) Answers {
	t.Helper()
	o, err := r.Inputs(Paths{}, live.Options{Threads: 2, Data: pipelinetest.LabelledFolder(t), ModelPath: pipelinetest.TinyModel(), Edit: func(e live.EditCommand) string { return "by " + e.By }}, t.Errorf)
	if err != nil {
		t.Fatal(err)
	}
	l, err := r.Open(t.Context(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	if err := l.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

func opened(t testing.TB, dir string) *Report {
	t.Helper()
	r, err := OpenReport(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// serve serves a folder on a free port until the test ends.
func serve(t testing.TB, dir, token string) *served {
	t.Helper()
	r := opened(t, dir)
	return serveAnswers(t, r, answersOf(t, r), token)
}

// serveAnswers serves a report with its answers.
func serveAnswers(t testing.TB, r *Report, l Answers, token string) *served {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{Report: r, Live: l, Token: token}, listener, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var group par.Group
	group.Go(func() {
		if err := s.Serve(ctx, listener); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); group.Wait() })
	client := &http.Client{
		Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(client.CloseIdleConnections)
	return &served{s, strings.TrimSuffix(s.Address(), "/"), client}
}

// An exchange is a request and what it must lead to.
type exchange struct {
	method, path string
	header       map[string]string // Host included
	body         string
	status       int
	want         string // in the body, or in the Location of a redirect
}

// do sends a request, and checks what every answer has.
func (s *served) do(t testing.TB, x exchange) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), x.method, s.url+x.path, strings.NewReader(x.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range x.header {
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	answer, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	what := x.method + " " + x.path
	if x.status != 0 && answer.StatusCode != x.status {
		t.Errorf("%s %v: %d %.200s, want %d", what, x.header, answer.StatusCode, body, x.status)
	}
	text := string(body) + answer.Header.Get("Location")
	if !strings.Contains(text, x.want) {
		t.Errorf("%s %v: %.300s, want %q", what, x.header, text, x.want)
	}
	for name, value := range headers {
		if answer.Header.Get(name) != value {
			t.Errorf("%s: %s %q, want %q", what, name, answer.Header.Get(name), value)
		}
	}
	for _, name := range []string{"Set-Cookie", "Access-Control-Allow-Origin"} {
		if answer.Header.Get(name) != "" {
			t.Errorf("%s: has %s", what, name)
		}
	}
	if strings.Contains(text, "secret") || strings.Contains(text, "root:") {
		t.Errorf("%s: gives a file away: %.200s", what, text)
	}
	if answer.StatusCode >= 400 && x.method != http.MethodHead {
		var f failure
		if err := json.Unmarshal(body, &f); err != nil || f.Error == "" || f.Kind == "" || !strings.HasPrefix(answer.Header.Get("Content-Type"), "application/json") {
			t.Errorf("%s: %d without a reason: %.200s", what, answer.StatusCode, body)
		}
	}
	return answer, string(body)
}
