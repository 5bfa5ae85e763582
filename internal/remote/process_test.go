//go:build unix

package remote

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/foreign"
)

func TestSplitCommand(t *testing.T) {
	for _, tt := range []struct {
		command string
		escapes bool
		want    []string
	}{
		{"/opt/cp.sh", true, []string{"/opt/cp.sh"}},
		{"  a  b\tc ", true, []string{"a", "b", "c"}},
		{`"/opt/my tools/cp" --role "two words" 'it"s'`, true, []string{"/opt/my tools/cp", "--role", "two words", `it"s`}},
		{`a\ b c\"d "e\"f\g" 'h\i' "" x""y`, true, []string{"a b", `c"d`, `e"f\g`, `h\i`, "", "xy"}},
		{`"C:\Program Files\cp.exe" C:\x`, false, []string{`C:\Program Files\cp.exe`, `C:\x`}},
		{"a $HOME `b` | c > d; e", true, []string{"a", "$HOME", "`b`", "|", "c", ">", "d;", "e"}},
	} {
		if got, err := splitCommand(tt.command, tt.escapes); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, %v, want %q", tt.command, got, err, tt.want)
		}
	}
	for command, want := range map[string]string{`a "b`: `a quote " that is not closed`, `a 'b`: "a quote ' that", `a\`: "a backslash at its end"} {
		if words, err := splitCommand(command, true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v, want %s", command, words, err, want)
		}
	}
}

// TestProcess: credentials come from a command, once until they expire, and an error of it is
// not tried again.
func TestProcess(t *testing.T) {
	impatient(t)
	defer func(was time.Duration) { processTime = was }(processTime)
	dir := filepath.Join(t.TempDir(), "my tools")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	runs := filepath.Join(dir, "runs")
	var requests atomic.Int64
	var who atomic.Value
	at := server(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		who.Store(r.Header.Get("Authorization"))
		serve(w, r, `"1"`)
	})
	at = at[:strings.LastIndexByte(at, '/')]
	const keys = `"AccessKeyId": "processkey", "SecretAccessKey": "hidden"`
	later := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for _, tt := range []struct{ name, script, want string }{
		{"keys", `echo '{"Version": 1, ` + keys + `}'`, ""},
		{"expiring", `echo '{"Version": 1, ` + keys + `, "SessionToken": "t", "Expiration": "` + later + `", "AccountId": "1"}'`, ""},
		{"argument", `[ "$1" = "two words" ] && echo '{"Version": 1, ` + keys + `}'`, ""},
		{"expired", `echo '{"Version": 1, ` + keys + `, "Expiration": "2020-01-01T00:00:00Z"}'`, "it prints credentials that have expired, at 2020-01-01T00:00:00Z"},
		{"no time", `echo '{"Version": 1, ` + keys + `, "Expiration": "hidden"}'`, "it prints an Expiration that is not a time"},
		{"version", `echo '{"Version": 2, ` + keys + `}'`, "it prints Version 2, want 1"},
		{"no version", `echo '{` + keys + `}'`, "it prints no Version"},
		{"no key", `echo '{"Version": 1, "AccessKeyId": "x"}'`, "it prints no SecretAccessKey"},
		{"no JSON", `echo hidden`, "it does not print the JSON object"},
		{"two", `echo '{"Version": 1, ` + keys + `} x'`, "it does not print the JSON object"},
		{"failing", `echo first >&2; echo sign in again >&2; exit 3`, `exit status 3, and it says "sign in again"`},
		{"long", `head -c 100000 /dev/zero`, "it prints more than 64 KiB"},
		{"slow", `sleep 30`, "it has not ended after 100ms"},
	} {
		path := filepath.Join(dir, tt.name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\necho run >>\""+runs+"\"\n"+tt.script+"\n"), 0o777); err != nil {
			t.Fatal(err)
		}
		processTime = time.Minute
		if tt.name == "slow" {
			processTime = 100 * time.Millisecond
		}
		withProfiles(t, "[default]\ncredential_process = \""+path+"\" 'two words'\nendpoint_url = "+at+"\n", "")
		a, err := findAsking()
		if err != nil {
			t.Fatal(err)
		}
		s := &signer{bucket: "b", region: "r", who: a.who, profile: a.profile}
		if s.endpoint, err = a.profile.service(); err != nil {
			t.Fatal(err)
		}
		os.Remove(runs)
		requests.Store(0)
		for range 2 {
			o := &Object{Address: "s3://b/k", ctx: t.Context(), url: s.address("k"), s3: s}
			_, err = o.look(t.Context(), nil)
		}
		told, _ := os.ReadFile(runs)
		n := strings.Count(string(told), "run")
		if tt.want == "" {
			if err != nil || n != 1 || requests.Load() != 2 || !strings.Contains(who.Load().(string), "processkey") {
				t.Errorf("%s: %v after %d runs, %d requests of %v", tt.name, err, n, requests.Load(), who.Load())
			}
			continue
		}
		want := "profile default: credential_process " + foreign.Quote(path) + ": "
		if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "tries") || strings.Contains(err.Error(), "hidden") || n > 2 || requests.Load() > 0 || !errors.Is(err, ErrFailed) {
			t.Errorf("%s: %v after %d runs, %d requests, want %s", tt.name, err, n, requests.Load(), tt.want)
		}
	}
	withProfiles(t, "[default]\ncredential_process = 'x\n", "")
	if _, err := findAsking(); err == nil || !strings.Contains(err.Error(), "credential_process: a quote ' that is not closed") {
		t.Error(err)
	}
}
