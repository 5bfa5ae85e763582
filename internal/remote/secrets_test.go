package remote

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// withSecrets has the files and variables of a user looked for again.
func withSecrets(t *testing.T, netrc, token string) {
	t.Helper()
	home := t.TempDir()
	for name, value := range map[string]string{"HOME": home, "NETRC": "", "HF_TOKEN": "", "HF_HOME": "", "HF_TOKEN_PATH": "", "XDG_CACHE_HOME": "", "HF_HUB_DISABLE_IMPLICIT_TOKEN": ""} {
		t.Setenv(name, value)
	}
	for name, text := range map[string]string{".netrc": netrc, ".cache/huggingface/token": token} {
		if text == "" {
			continue
		}
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	known = sync.OnceValue(findSecrets)
	t.Cleanup(func() { known = sync.OnceValue(findSecrets) })
}

func TestNetrc(t *testing.T) {
	for _, test := range []struct {
		text, host, name string
		redirected       bool
		want             string // name:password; empty for none
		err              string
	}{
		{text: "machine h login me password pw", host: "H", want: "me:pw"},
		{text: "# mine\nmachine other login x password y\nmachine h\n\tpassword pw # a comment\n\tlogin me\r\n", host: "h", want: "me:pw"},
		{text: `machine h login "my name" password "a \"b\\ #c"`, host: "h", want: `my name:a "b\ #c`},
		{text: "machine h login me password pw#1", host: "h", want: "me:pw#1"},
		{text: "machine h login a password 1\nmachine h login b password 2", host: "h", want: "a:1"},
		{text: "machine h login a password 1\nmachine h login b password 2", host: "h", name: "b", want: "b:2"},
		{text: "machine h login a password 1", host: "h", name: "b"},
		{text: "machine h login a", host: "h"},
		{text: "machine h login a password 1", host: "sub.h"},
		{text: "machine h login a account x password 1\nmacdef init\nput machine h\nlogin\n\nmachine g login b password 2", host: "g", want: "b:2"},
		{text: "machine h login a password 1\ndefault login b password 2", host: "g", want: "b:2"},
		{text: "machine h login a password 1\ndefault login b password 2", host: "g", redirected: true},
		{text: "machine h login a password 1\ndefault login b password 2", host: "h", redirected: true, want: "a:1"},
		{text: "default login b password 2\nmachine h login a password 1", host: "h", want: "a:1"},
		{text: "machine h login a\ndefault login b password 2", host: "h"},
		{text: "machine h login a password 1\ndefault login d password 2", host: "h", name: "d"},
		{text: "", host: "h"},
		{text: "machine h login a passwd SECRET", err: "line 1: a word that is none of machine"},
		{text: "machine h\nlogin a password", err: "nothing behind the last password"},
		{text: "login a password SECRET", err: "line 1: login before a machine"},
		{text: "machine h\npassword \"SECRET", err: "line 2: a quote that does not end"},
	} {
		logins, err := parseNetrc(test.text)
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("%q: %v, want %s", test.text, err, test.err)
			}
			continue
		}
		got := ""
		if l, ok := loginFor(logins, test.host, test.name, !test.redirected); ok {
			got = l.name + ":" + l.password
		}
		if err != nil || got != test.want {
			t.Errorf("%q: %q, %v, want %q", test.text, got, err, test.want)
		}
	}
}

// TestSecrets: what the user has for a host is sent to it and to no other, also after redirects.
func TestSecrets(t *testing.T) {
	impatient(t)
	var seen []string // what each request said
	var mu sync.Mutex
	say := func(r *http.Request) string {
		mu.Lock()
		defer mu.Unlock()
		said := r.Header.Get("Authorization")
		if name, password, ok := r.BasicAuth(); ok {
			said = name + ":" + password
		}
		seen = append(seen, said)
		return said
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		say(r)
		serve(w, r, `"1"`)
	}))
	defer other.Close()
	elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch said := say(r); {
		case r.URL.Path == "/away.tar":
			http.Redirect(w, r, elsewhere+"/x.tar", http.StatusFound)
		case r.URL.Path == "/here.tar":
			http.Redirect(w, r, "/x.tar", http.StatusFound)
		case said == "":
			w.WriteHeader(http.StatusUnauthorized)
		default:
			serve(w, r, `"1"`)
		}
	}))
	defer server.Close()
	was := hub
	defer func() { hub = was }()
	for _, test := range []struct {
		name, netrc, token, path, user string
		hub                            bool
		set                            map[string]string
		want                           string // of all requests
		err, not, hint                 string
	}{
		{name: "netrc", netrc: "machine 127.0.0.1 login me password pw", path: "/x.tar", want: "me:pw"},
		{name: "before the host", netrc: "machine 127.0.0.1 login me password pw", path: "/x.tar", user: "you:yours@", want: "you:yours"},
		{name: "a name before the host", netrc: "machine 127.0.0.1 login me password pw\nmachine 127.0.0.1 login you password yours", path: "/x.tar", user: "you@", want: "you:yours"},
		{name: "a redirect here", netrc: "machine 127.0.0.1 login me password pw", path: "/here.tar", want: "me:pw|me:pw"},
		{name: "a redirect away", netrc: "machine 127.0.0.1 login me password pw\ndefault login all password x", path: "/away.tar", want: "me:pw|"},
		{name: "a redirect to a known host", netrc: "machine 127.0.0.1 login me password pw\nmachine localhost login you password yours", path: "/away.tar", want: "me:pw|you:yours"},
		{name: "none", path: "/x.tar", want: "", err: "401", hint: "an entry in ~/.netrc, or a name and a password"},
		{name: "damaged", netrc: "machine 127.0.0.1 passwd SECRET", path: "/x.tar", want: "", err: ".netrc: line 1: a word", hint: "~/.netrc"},
		{name: "a token", token: "hf_1\n", hub: true, path: "/x.tar", want: "Bearer hf_1"},
		{name: "a token of the environment", token: "hf_1", set: map[string]string{"HF_TOKEN": "hf_2"}, hub: true, path: "/x.tar", want: "Bearer hf_2"},
		{name: "a token that is not wanted", token: "hf_1", set: map[string]string{"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}, hub: true, path: "/x.tar", want: "", err: "401", hint: "HF_TOKEN"},
		{name: "a token elsewhere", token: "hf_1", path: "/x.tar", want: "", err: "401", hint: "~/.netrc"},
		{name: "a token redirected here", token: "hf_1", hub: true, path: "/here.tar", want: "Bearer hf_1|Bearer hf_1"},
		{name: "a token redirected away", token: "hf_1", hub: true, path: "/away.tar", want: "Bearer hf_1|"},
		{name: "another host's token", token: "SECRET of two words", path: "/x.tar", want: "", err: "401 Unauthorized", not: "token", hint: "~/.netrc"},
		{name: "neither", netrc: "passwd", token: "SECRET of two words", hub: true, path: "/x.tar", want: "", err: "not used: ", not: "\n", hint: "HF_TOKEN"},
		{name: "no token", token: "SECRET of two words", hub: true, path: "/x.tar", want: "", err: "token: not a token, want one word", hint: "HF_TOKEN"},
	} {
		t.Run(test.name, func(t *testing.T) {
			withSecrets(t, test.netrc, test.token)
			for name, value := range test.set {
				t.Setenv(name, value)
			}
			hub = was
			if test.hub {
				hub = server.URL
			}
			seen = nil
			_, err := Open(context.Background(), strings.Replace(server.URL, "://", "://"+test.user, 1)+test.path)
			if got := strings.Join(seen, "|"); got != test.want {
				t.Errorf("said %q, want %q", got, test.want)
			}
			if test.err == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var h interface{ Hint() string }
			if err == nil || !strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), "SECRET") || test.not != "" && strings.Contains(err.Error(), test.not) || !errors.As(err, &h) || !strings.Contains(h.Hint(), test.hint) {
				t.Errorf("%v, want %s and the hint %s", err, test.err, test.hint)
			}
		})
	}
}

func FuzzNetrc(f *testing.F) {
	f.Add("machine h login \"a\\\"b\" password pw\nmacdef x\n\ndefault login a password b")
	f.Fuzz(func(t *testing.T, text string) {
		logins, err := parseNetrc(text)
		if err != nil && logins != nil || len(logins) > len(text) {
			t.Error(len(logins), err)
		}
	})
}

// TestTokenFile: the file that a variable names counts before the one in a folder.
func TestTokenFile(t *testing.T) {
	withSecrets(t, "", "hf_default")
	for _, set := range []struct{ name, value, want string }{
		{"HF_HOME", t.TempDir(), "hf_of_home"},
		{"HF_TOKEN_PATH", filepath.Join(t.TempDir(), "mine"), "hf_of_path"},
	} {
		if before, err := findToken(); err != nil || before == set.want {
			t.Errorf("without %s: %q, %v", set.name, before, err)
		}
		t.Setenv(set.name, set.value)
		if err := os.WriteFile(tokenFile(), []byte(set.want+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := findToken(); err != nil || got != set.want {
			t.Errorf("%s: %q, %v, want %q", set.name, got, err, set.want)
		}
	}
}
