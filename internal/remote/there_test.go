package remote

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
)

// TestThere: only what the server says is not there is not there. A server that fails is asked as
// often as for bytes, and is an error then.
func TestThere(t *testing.T) {
	impatient(t)
	var fail atomic.Int64 // how many requests
	var how atomic.Value
	o, err := Open(t.Context(), server(t, func(w http.ResponseWriter, r *http.Request) {
		if fail.Add(-1) >= 0 {
			how.Load().(func(http.ResponseWriter, *http.Request))(w, r)
			return
		}
		serve(w, r, `"1"`)
	}))
	if err != nil {
		t.Fatal(err)
	}
	answer := func(status int) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }
	}
	drop := func(w http.ResponseWriter, r *http.Request) { hijacked(w).Close() }
	whole := func(w http.ResponseWriter, r *http.Request) { w.Write(content[:10]) }
	lie := func(w http.ResponseWriter, r *http.Request) { part(w, r, len(content)+7, 1, 0) }
	for _, tt := range []struct {
		name  string
		how   func(http.ResponseWriter, *http.Request)
		times int64
		there bool
		want  error
	}{
		{"503 but once", answer(503), mostTries - 1, true, nil}, {"503", answer(503), mostTries, false, ErrFailed}, {"429", answer(429), mostTries, false, ErrFailed},
		{"dropped but once", drop, mostTries - 1, true, nil}, {"dropped", drop, 100, false, ErrFailed}, // the transport repeats some by itself

		{"lies but once", lie, mostTries - 1, true, nil}, {"lies", lie, mostTries, false, ErrFailed}, {"lies", lie, mostTries, false, ErrChanged},
		{"401", answer(401), 1, false, ErrRefused}, {"403", answer(403), 1, false, ErrRefused}, {"400", answer(400), 1, false, ErrFailed}, {"whole", whole, 1, false, ErrFailed},
		{"404", answer(404), 1, false, nil}, {"410", answer(410), 1, false, nil},
	} {
		how.Store(tt.how)
		fail.Store(tt.times)
		there, err := o.There()
		if there != tt.there || !errors.Is(err, tt.want) || fail.Load() > 0 && tt.times < 100 {
			t.Errorf("%s: %v, %v, %d tries left, want %v, %v", tt.name, there, err, fail.Load(), tt.there, tt.want)
		}
		if tt.want == nil || tt.times == 1 {
			continue
		}
		// And so of bytes, of which a dropped answer is not the end.
		fail.Store(tt.times)
		if n, err := o.ReadAt(make([]byte, 10), 3*blockBytes); n != 0 || !errors.Is(err, tt.want) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %d bytes, %v, want %v", tt.name, n, err, tt.want)
		}
	}
	if got, err := readAll(o); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestSilent: a host that never answered is tried less often: its address may be wrong.
func TestSilent(t *testing.T) {
	impatient(t)
	var tries atomic.Int64
	at := server(t, func(w http.ResponseWriter, r *http.Request) { tries.Add(1); hijacked(w).Close() })
	if _, err := Open(t.Context(), at); !errors.Is(err, ErrFailed) || tries.Load() != silentTries {
		t.Errorf("%v after %d tries, want %d", err, tries.Load(), silentTries)
	}
}
