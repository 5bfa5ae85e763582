package remote

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/clipnh/clipnh/internal/foreign"
)

// This file says who asks, at http addresses that do not say it themselves: by an entry for the host
// in ~/.netrc, and at Hugging Face by the user's token.

// hub is where tokens of Hugging Face are sent, and nowhere else. A variable for tests.
var hub = "https://huggingface.co"

// mostToken bounds a token, in bytes.
const mostToken = 4 << 10

// secrets are what the user has for hosts.
type secrets struct {
	logins []login
	token  string // of Hugging Face; empty for none

	noLogins, noToken error // why they were not used
}

// known are these, found once.
var known = sync.OnceValue(findSecrets)

func findSecrets() *secrets {
	s := &secrets{}
	s.logins, s.noLogins = readNetrc()
	s.token, s.noToken = findToken()
	return s
}

// findToken finds the token of Hugging Face where its tools keep it.
func findToken() (string, error) {
	switch strings.ToLower(os.Getenv("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
	case "1", "true", "yes", "on":
		return "", nil
	}
	if token := strings.TrimSpace(os.Getenv("HF_TOKEN")); token != "" {
		if err := checkToken("HF_TOKEN", token); err != nil {
			return "", err
		}
		return token, nil
	}
	path := tokenFile()
	if path == "" {
		return "", nil
	}
	data, err := foreign.ReadFile(path, mostToken)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(data))
	if err := checkToken(path, token); err != nil {
		return "", err
	}
	return token, nil
}

// tokenFile is the file in which Hugging Face's tools keep a token, empty where there is no place for one.
func tokenFile() string {
	if path := os.Getenv("HF_TOKEN_PATH"); path != "" {
		return path
	}
	folder := os.Getenv("HF_HOME")
	if cache := os.Getenv("XDG_CACHE_HOME"); folder == "" && cache != "" {
		folder = filepath.Join(cache, "huggingface")
	}
	if home, err := os.UserHomeDir(); folder == "" && err == nil {
		folder = filepath.Join(home, ".cache", "huggingface")
	}
	if folder == "" {
		return ""
	}
	return filepath.Join(folder, "token")
}

// checkToken returns an error, without the token, unless it is one word.
func checkToken(from, token string) error {
	for i := range len(token) {
		if c := token[i]; c <= ' ' || c > '~' {
			return fmt.Errorf("%s: not a token, want one word", from)
		}
	}
	if len(token) > mostToken {
		return fmt.Errorf("%s: more than %d bytes", from, mostToken)
	}
	return nil
}

// authorize says who asks, if the address of a request does not and the user has something for its
// host. A redirected request gets what is for the host that it leads to, and nothing of another.
func (s *secrets) authorize(r *http.Request, redirected bool) {
	r.Header.Del("Authorization")
	name := ""
	if r.URL.User != nil {
		if _, has := r.URL.User.Password(); has {
			return
		}
		name = r.URL.User.Username()
	}
	if s.token != "" && name == "" && isHub(r.URL) {
		r.Header.Set("Authorization", "Bearer "+s.token)
		return
	}
	if l, ok := loginFor(s.logins, r.URL.Hostname(), name, !redirected); ok {
		r.SetBasicAuth(l.name, l.password)
	}
}

// unused is an error with why what the user has for a host was not used: a token is for the hub alone.
func (s *secrets) unused(err error, atHub bool) error {
	if s.noLogins != nil {
		err = fmt.Errorf("%w; not used: %w", err, s.noLogins)
	}
	if atHub && s.noToken != nil {
		err = fmt.Errorf("%w; not used: %w", err, s.noToken)
	}
	return err
}

// isHub reports whether requests to an address may have the token of Hugging Face.
func isHub(u *url.URL) bool { return strings.EqualFold(u.Scheme+"://"+u.Host, hub) }
