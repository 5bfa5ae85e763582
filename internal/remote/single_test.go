package remote

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// TestSingleOfServerWithoutRanges: an object that could never be read so is refused by the first
// answer, with advice, and not asked for again.
func TestSingleOfServerWithoutRanges(t *testing.T) {
	impatient(t)
	says := func(size int64) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		}
	}
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		want   string // empty: it is read
		hint   string
	}{
		{"small", func(w http.ResponseWriter, r *http.Request) { w.Write(content[:10]) }, "", ""},
		{"too large", says(mostWhole + 1), "67108865 bytes, want at most 67108864 from a server that does not give ranges", "leave it out of the list"},
		{"no length", func(w http.ResponseWriter, r *http.Request) { w.(http.Flusher).Flush() }, "want a Content-Length", "download it"},
	} {
		var requests atomic.Int64
		s := NewSingle(t.Context(), server(t, func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			test.answer(w, r)
		}))
		there, err := s.There()
		if test.want == "" {
			if data, e := s.ReadAll(100); !there || err != nil || e != nil || len(data) != 10 {
				t.Errorf("%s: there %v, %v; %d bytes, %v", test.name, there, err, len(data), e)
			}
			continue
		}
		var hint interface{ Hint() string }
		if there || !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), test.want) || !errors.As(err, &hint) || !strings.HasPrefix(hint.Hint(), test.hint) || requests.Load() != 1 {
			t.Errorf("%s: there %v, %v after %d requests, want %q after one, with a hint", test.name, there, err, requests.Load(), test.want)
		}
	}
}
