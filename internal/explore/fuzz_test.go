package explore

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

// FuzzQuestion: no query is a fault, and lists are within what the query holds.
func FuzzQuestion(f *testing.F) {
	for _, seed := range []string{"classes=a,b&class=a&versus=b&off=h1n2,n3&by=zero&list=3&maps=1&unusual=true", "list=-1", "%zz", "a;b", "classes=,,", "unusual=2", "list=99999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		p, err := readParameters(raw, questionNames...)
		if err != nil {
			return
		}
		q, err := p.question()
		if err != nil {
			return
		}
		if len(q.Classes)+len(q.Off) > len(raw) || q.List < 0 || q.Maps < 0 {
			t.Errorf("%+v of %q", q, raw)
		}
	})
}

// FuzzToggle: no body is a fault.
func FuzzToggle(f *testing.F) {
	for _, seed := range []string{`{"off":["h1n2"],"by":"mean","image":null,"classes":null}`, `{"image":3}`, `[[[[`, `{"off":[1]}`, "\x00", `{} {}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := readToggle(body, "h1n2")
		if err == nil && len(r.Off)+len(r.Classes) > len(body) {
			t.Errorf("%+v of %q", r, body)
		}
	})
}

// FuzzPath: whatever is asked for, only files of the report are answered with, and no
// redirect leaves the server.
func FuzzPath(f *testing.F) {
	dir, _ := folder(f)
	listener, _, err := Listen(f.Context(), "127.0.0.1:0", true)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { listener.Close() })
	r := opened(f, dir)
	s, err := New(Options{Report: r, Live: answersOf(f, r)}, listener, pipelinetest.Silent())
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"app.js", "../s.js", "p//evil.example", "p/\r\nSet-Cookie: a", "/evil.example/p", "api/image/1", "api/thumb/1", "data/overview.js", "list/\x00", "i/ü"} {
		f.Add(seed, "q=1")
	}
	handler := s.Handler()
	f.Fuzz(func(t *testing.T, path, query string) {
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.URL = &url.URL{Path: "/" + path, RawQuery: query}
		request.Host = listener.Addr().String()
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		if to := answer.Header().Get("Location"); to != "" && (!strings.HasPrefix(to, "/#/") || strings.ContainsAny(to, "\r\n<\"")) {
			t.Errorf("%q: leads to %q", path, to)
		}
		if body := answer.Body.String(); strings.Contains(body, "secret") || answer.Header().Get("Content-Type") != types[".jpg"] && !utf8.ValidString(body) {
			t.Errorf("%q: %q", path, body)
		}
	})
}
