package explore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/live"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
)

const get, post, head = http.MethodGet, http.MethodPost, http.MethodHead

// TestStatic: files of the report are served, and pages' addresses lead to them.
func TestStatic(t *testing.T) {
	dir, _ := folder(t)
	s := serve(t, dir, "")
	for _, x := range []exchange{
		{get, "/", nil, "", 200, liveMeta},
		{get, "/index.html", nil, "", 200, liveMeta},
		{head, "/", nil, "", 200, ""},
		{get, "/app.js", nil, "", 200, "1;"},
		{get, "/app.js?v=2", nil, "", 200, "1;"},
		{get, "/data/overview.js", nil, "", 200, `clipnhData("overview"`},
		{get, "/thumbs/000.jpg", map[string]string{"Range": "bytes=0-2"}, "", 206, "not"},
		{get, "/LICENSE", nil, "", 200, "uPlot"},
		{get, "/report.json", nil, "", 200, `"clipnh report"`},
		{get, "/p/h21n624", nil, "", 307, "/#/p/h21n624"},
		{get, "/s?q=a+yellow%20car&sort=score", nil, "", 307, "/#/s?q=a+yellow+car&sort=score"},
		{get, "/i/a%20b/c%3Fd%0D%0Ax.jpg", nil, "", 307, "/#/i/a%20b/c%3Fd%0D%0Ax.jpg"},
		{get, "/about", nil, "", 307, "/#/about"},
		{get, "/list/mine", nil, "", 307, "/#/list/mine"},
		{get, "/nothing.js", nil, "", 404, "no such file"},
		{get, "/thumbs", nil, "", 404, "no such file"},
		{get, "/thumbs/", nil, "", 404, "no such file"},
		{get, "/notes.pem", nil, "", 404, "no such file"},
		{get, "/.hidden.js", nil, "", 404, "no such file"},
		{post, "/", nil, "", 405, "want GET or HEAD"},
		{"PUT", "/app.js", nil, "x", 405, `"PUT\": want GET`},
		{"DELETE", "/p/h1n1", nil, "", 405, "want GET"},
		{"TRACE", "/app.js", nil, "", 405, "want GET"},
	} {
		s.do(t, x)
	}
	for path, kind := range map[string]string{"/": "text/html; charset=utf-8", "/app.js": "text/javascript; charset=utf-8", "/thumbs/000.jpg": "image/jpeg", "/LICENSE": "text/plain; charset=utf-8"} {
		if answer, _ := s.do(t, exchange{get, path, nil, "", 200, ""}); answer.Header.Get("Content-Type") != kind {
			t.Errorf("%s: %s, want %s", path, answer.Header.Get("Content-Type"), kind)
		}
	}
}

// TestPathsStayInside sends .. in all its forms, and links, as a path that no client cleans.
func TestPathsStayInside(t *testing.T) {
	dir, _ := folder(t)
	outside := t.TempDir()
	for path, text := range map[string]string{filepath.Join(outside, "s.js"): "secret", filepath.Join(filepath.Dir(dir), "s.js"): "secret"} {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(path)
	}
	for link, to := range map[string]string{
		"out.js": filepath.Join(outside, "s.js"), "up.js": "../s.js", "dir": outside, "round": ".", "hid.js": ".hidden.js", "loop.js": "loop.js", "in.js": "app.js",
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Skip(err)
		}
	}
	s := serve(t, dir, "")
	address := strings.TrimPrefix(s.url, "http://")
	for _, path := range []string{
		"/../s.js", "/data/../../s.js", "/%2e%2e/s.js", "/%2e%2e%2fs.js", "/..%2fs.js", "/..%5cs.js", `/..\s.js`, "/data/..%2f..%2fs.js", "/./s.js", "//s.js",
		"/data//../../s.js", "/....//s.js", "/%252e%252e/s.js", "/..;/s.js", "/s.js%00.js", "/../../../../../../etc/passwd", "/%c0%ae%c0%ae/s.js", "/c:/s.js",
		"/out.js", "/up.js", "/dir/s.js", "/round/../s.js", "/loop.js", "/api/../s.js", "/api/..%2fs.js", "/api/image/../../s.js",
		"/http://" + address + "/../s.js", "/data/n/" + strings.Repeat("../", 100) + "etc/passwd",
	} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, address)
		body, err := io.ReadAll(c)
		c.Close()
		if text := string(body); err != nil || strings.Contains(text, "secret") || strings.Contains(text, "root:") || !strings.HasPrefix(text, "HTTP/1.1 40") {
			t.Errorf("%s: %.300q, %v", path, text, err)
		}
	}
	s.do(t, exchange{get, "/in.js", nil, "", 200, "1;"}) // a link within
	// A link to a hidden file leads within the folder, so it is the user's word that counts.
}

// TestOtherSites: another site's pages get nothing, nor does a name that was given to this
// address.
func TestOtherSites(t *testing.T) {
	dir, _ := folder(t)
	s := serve(t, dir, "")
	port := s.url[strings.LastIndexByte(s.url, ':'):]
	for host, ok := range map[string]bool{
		"127.0.0.1" + port: true, "localhost" + port: true, "[::1]" + port: true, "LocalHost" + port: true, "127.0.0.1": false, "localhost:1": false, "evil.example" + port: false, "127.0.0.1.evil.example" + port: false,
		"localhost.evil.example" + port: false, "10.0.0.1" + port: false, "localhost" + port + "@evil": false, "0.0.0.0" + port: false, "[::]" + port: false, "2130706433" + port: false,
	} {
		for _, path := range []string{"/", "/app.js", "/api/live"} {
			x := exchange{get, path, map[string]string{"Host": host}, "", 200, ""}
			if !ok {
				x.status = 421
				if strings.ContainsAny(host, "@") {
					x.status = 0
				}
			}
			if answer, _ := s.do(t, x); !ok && answer.StatusCode < 400 {
				t.Errorf("host %s: %d", host, answer.StatusCode)
			}
		}
	}
	toggle := `{"off": ["h0n1"]}`
	own, json := strings.TrimPrefix(s.url, "http://"), "application/json"
	for _, test := range []struct {
		header map[string]string
		ok     bool
	}{
		{map[string]string{"Origin": "http://" + own, "Content-Type": json}, true},
		{map[string]string{"Sec-Fetch-Site": "same-origin", "Content-Type": json}, true},
		{map[string]string{"Sec-Fetch-Site": "none", "Content-Type": json}, true},
		{map[string]string{"Content-Type": json + "; charset=utf-8"}, true},
		{map[string]string{"Origin": "http://evil.example", "Content-Type": json}, false},
		{map[string]string{"Origin": "null", "Content-Type": json}, false},
		{map[string]string{"Origin": "", "Content-Type": json}, false},
		{map[string]string{"Origin": "http://localhost:1", "Content-Type": json}, false},
		{map[string]string{"Origin": "file://" + own, "Content-Type": json}, false},
		{map[string]string{"Origin": "http://" + own + ".evil.example", "Content-Type": json}, false},
		{map[string]string{"Sec-Fetch-Site": "cross-site", "Content-Type": json}, false},
		{map[string]string{"Sec-Fetch-Site": "same-site", "Content-Type": json}, false},
		{map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Content-Type": json}, false},
	} {
		x := exchange{post, "/api/toggle", test.header, toggle, 200, ""}
		if !test.ok {
			x.status, x.want = 403, "page of another site"
		}
		s.do(t, x)
	}
	s.do(t, exchange{post, "/api/toggle", map[string]string{"Content-Type": "text/plain"}, toggle, 415, "want Content-Type"})
	s.do(t, exchange{post, "/api/toggle", nil, toggle, 415, "want Content-Type"})
	s.do(t, exchange{get, "/p/h1n1", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, "", 307, "/#/p/h1n1"})
	s.do(t, exchange{get, "/data/overview.js", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, "", 403, "another site"})
	s.do(t, exchange{"OPTIONS", "/api/toggle", map[string]string{"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}, "", 403, ""})
}

// TestToken: nothing is answered without it.
func TestToken(t *testing.T) {
	dir, _ := folder(t)
	token := NewToken()
	s := serve(t, dir, token)
	if err := CheckToken(token); err != nil || !strings.HasSuffix(s.Address(), "/"+token+"/") {
		t.Errorf("address %s: %v", s.Address(), err)
	}
	s.url = strings.TrimSuffix(s.url, "/"+token)
	base := "/" + token
	for _, x := range []exchange{
		{get, base + "/", nil, "", 200, liveMeta}, {get, base, nil, "", 307, base + "/"}, {get, base + "/app.js", nil, "", 200, "1;"}, {get, base + "/api/live", nil, "", 200, `"toggle"`},
		{get, base + "/p/h1n1", nil, "", 307, base + "/#/p/h1n1"}, {get, "/?token=" + token, nil, "", 307, base + "/"},
		{get, "/api/live", map[string]string{"Authorization": "Bearer " + token}, "", 200, `"toggle"`},
		{get, "/", nil, "", 401, "want the token"}, {get, "/app.js", nil, "", 401, "want the token"}, {get, "/api/live", nil, "", 401, "want the token"},
		{get, "/" + token[:len(token)-1] + "/app.js", nil, "", 401, "want the token"}, {get, "/" + strings.ToLower(token) + "/app.js", nil, "", 401, "want the token"},
		{get, "/?token=", nil, "", 401, "want the token"}, {get, "/?token=a&token=" + token, nil, "", 401, "want the token"},
		{get, "/api/live", map[string]string{"Authorization": "Bearer "}, "", 401, "want the token"},
		{post, "/api/toggle?token=" + token, map[string]string{"Content-Type": "application/json"}, "{}", 401, "want the token"},
		{get, base + "/../app.js", nil, "", 404, ""}, {get, base + "/", map[string]string{"Host": "evil.example"}, "", 421, ""},
	} {
		s.do(t, x)
	}
	for _, bad := range []string{"", "short", "with/slash", "with space", "ümlautümlaut", strings.Repeat("a", 201)} {
		if CheckToken(bad) == nil {
			t.Errorf("token %q is taken", bad)
		}
	}
}

// TestManyRequests: 10,000 at 64 at once, and no goroutine is left when the server stops.
func TestManyRequests(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("requests", func(t *testing.T) {
		dir, _ := folder(t)
		s := serve(t, dir, "")
		n := 10_000
		if testing.Short() {
			n = 1000
		}
		kinds := []exchange{
			{get, "/", nil, "", 200, liveMeta}, {get, "/app.js", nil, "", 200, "1;"}, {get, "/api/live", nil, "", 200, `"toggle"`}, {get, "/p/h1n1", nil, "", 307, "#/p/h1n1"},
			{post, "/api/toggle", map[string]string{"Content-Type": "application/json"}, `{"off":["h1n7","n9"]}`, 0, ""}, {get, "/api/scores?unit=h0n5", nil, "", 0, ""},
			{get, "/nothing", nil, "", 404, ""}, {get, "/", map[string]string{"Host": "evil"}, "", 421, ""},
		}
		var next, answered, busy atomic.Int64
		var group par.Group
		for range 64 {
			group.Go(func() {
				for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
					switch answer, body := s.do(t, kinds[i%int64(len(kinds))]); {
					case answer.StatusCode == 429:
						busy.Add(1)
					case answer.StatusCode >= 500:
						t.Errorf("%d: %s", answer.StatusCode, body)
					default:
						answered.Add(1)
					}
				}
			})
		}
		group.Wait()
		t.Logf("%d answered, %d told to come back", answered.Load(), busy.Load())
		if answered.Load() < int64(n)*3/4 {
			t.Errorf("%d of %d answered", answered.Load(), n)
		}
	})
	for range 100 {
		if runtime.NumGoroutine() <= before+2 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	stacks := make([]byte, 1<<16)
	t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
}

// TestSlowClients: clients that send nothing, or read nothing, do not keep others waiting,
// and the server stops in spite of them.
func TestSlowClients(t *testing.T) {
	dir, _ := folder(t)
	s := serve(t, dir, "")
	address := strings.TrimPrefix(s.url, "http://")
	for i := range 100 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		switch i % 3 {
		case 0:
			fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\n", address) // no end
		case 1:
			fmt.Fprintf(c, "POST /api/drop HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000000\r\n\r\nabc", address)
		}
	}
	start := time.Now()
	s.do(t, exchange{get, "/api/live", nil, "", 200, `"toggle"`})
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("an answer took %v beside slow clients", took)
	}
	// Some of the uploads hold their places; what comes on top is told so.
	s.do(t, exchange{post, "/api/drop", nil, "x", 429, "try again"})
}

// TestSecondServer: a port that is taken is an error if it was asked for, else another one is
// used.
func TestSecondServer(t *testing.T) {
	first, taken, err := Listen(t.Context(), "127.0.0.1:0", true)
	if err != nil || taken {
		t.Fatal(err)
	}
	defer first.Close()
	if _, _, err := Listen(t.Context(), first.Addr().String(), true); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("two servers: %v", err)
	}
	second, taken, err := Listen(t.Context(), first.Addr().String(), false)
	if err != nil || !taken || second.Addr().String() == first.Addr().String() {
		t.Fatalf("%v, %v", second, err)
	}
	second.Close()
	if _, _, err := Listen(t.Context(), "nonsense", false); err == nil {
		t.Error("an address that is none")
	}
	for address, want := range map[string]bool{"127.0.0.1:1": true, "127.8.9.1:1": true, "[::1]:1": true, "localhost:1": true, "0.0.0.0:1": false, "[::]:1": false, "192.168.0.1:1": false, "host:1": false, "x": false} {
		if IsLoopback(address) != want {
			t.Errorf("%s: loopback %v", address, !want)
		}
	}
}

// TestStops: a request under way ends when the server stops.
func TestStops(t *testing.T) {
	dir, _ := folder(t)
	r := opened(t, dir)
	o, err := r.Inputs(Paths{}, live.Options{Threads: 1}, t.Errorf)
	if err != nil {
		t.Fatal(err)
	}
	l, err := r.Open(t.Context(), o, pipelinetest.Silent()) // nothing is loaded
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	listener, _, err := Listen(t.Context(), "127.0.0.1:0", true)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{Report: r, Live: l}, listener, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var group par.Group
	group.Go(func() {
		if err := s.Serve(ctx, listener); err != nil {
			t.Error(err)
		}
	})
	c, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /api/scores?unit=h0n1 HTTP/1.1\r\nHost: %s\r\n\r\n", listener.Addr())
	time.Sleep(100 * time.Millisecond)
	start := time.Now()
	stop()
	group.Wait()
	if took := time.Since(start); took > 2*stopTime {
		t.Errorf("it took %v to stop", took)
	}
	if _, err := bufio.NewReader(c).ReadString('\n'); err != nil && !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", listener.Addr().String()); err == nil {
		t.Error("it still listens")
	}
}
