// Package explore serves a report with live answers over HTTP: to this machine, or with a
// token to others.
//
// It only reads. Static files are those of the report's folder, by a short list of kinds,
// and links that lead out of it are not followed. A request must name this server as its
// host, which stops pages that give their name to this address, and come from its own pages,
// if it comes from a page at all. Every answer says that pages load nothing from elsewhere
// and that other sites may not load it. There are no cookies: a token is the first part of
// every path, so that whatever a page loads beside itself has it too.
package explore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// Options say what is served.
type Options struct {
	Report *Report
	Live   Answers
	Token  string              // that every path begins with; empty: none
	Spell  func(string) string // how messages name options; nil: as they are
}

// What a client may take.
const (
	headerTime  = 10 * time.Second
	readTime    = time.Minute     // of a request with its body
	answerTime  = 2 * time.Minute // of reading, answering and sending
	liveTime    = time.Minute     // of an answer
	idleTime    = time.Minute
	stopTime    = 2 * time.Second // for requests under way when the server stops
	maxHeader   = 16 << 10
	maxRequest  = 1 << 20 // bytes of a body of JSON
	maxUploads  = 4       // at a time
	connections = 512     // at a time
)

// A Server serves a report.
type Server struct {
	o       Options
	index   []byte
	base    string // first part of every path
	uploads chan struct{}
	say     ui.Reporter
	address net.Addr
}

// NewToken returns a token that cannot be guessed.
func NewToken() string { return rand.Text() }

// New makes a server of a report at the listener's address.
func New(o Options, listener net.Listener, say ui.Reporter) (*Server, error) {
	s := &Server{o: o, base: "/", uploads: make(chan struct{}, maxUploads), say: say, address: listener.Addr()}
	if o.Token != "" {
		s.base = "/" + o.Token + "/"
	}
	if s.o.Spell == nil {
		s.o.Spell = func(text string) string { return text }
	}
	var err error
	s.index, err = s.readIndex()
	return s, err
}

// Address is where the first page is.
func (s *Server) Address() string {
	host, port, err := net.SplitHostPort(s.address.String())
	if err != nil {
		return "http://" + s.address.String() + s.base
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		if host = "localhost"; ip != nil {
			if name, err := os.Hostname(); err == nil {
				host = name
			}
		}
	}
	return "http://" + net.JoinHostPort(host, port) + s.base
}

// Serve answers until ctx ends, and then stops: requests under way have a moment. It closes
// the listener.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	under, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	server := &http.Server{
		Handler: s.Handler(), BaseContext: func(net.Listener) context.Context { return under },
		ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: answerTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	var group par.Group
	var failed error
	stopped := make(chan struct{})
	group.Go(func() {
		defer close(stopped)
		if err := server.Serve(&bounded{Listener: listener, free: make(chan struct{}, connections)}); !errors.Is(err, http.ErrServerClosed) {
			failed = err
		}
	})
	select {
	case <-ctx.Done():
	case <-stopped:
	}
	grace, end := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer end()
	if err := server.Shutdown(grace); err != nil {
		cut() // what still runs is told to stop
		server.Close()
	}
	group.Wait()
	return failed
}

// bounded is a listener that has so many connections at a time.
type bounded struct {
	net.Listener
	free chan struct{}
}

func (b *bounded) Accept() (net.Conn, error) {
	b.free <- struct{}{}
	c, err := b.Listener.Accept()
	if err != nil {
		<-b.free
		return nil, err
	}
	return &counted{Conn: c, leave: func() { <-b.free }}, nil
}

// Listen opens a port of this machine for connections. An address that was not asked for is
// that of any free port where its own is taken; taken is then true.
func Listen(ctx context.Context, address string, given bool) (listener net.Listener, taken bool, err error) {
	var config net.ListenConfig
	listener, err = config.Listen(ctx, "tcp", address)
	if err == nil || given {
		return listener, false, err
	}
	host, _, splitErr := net.SplitHostPort(address)
	if splitErr != nil {
		return nil, false, err
	}
	listener, err = config.Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	return listener, true, err
}

// IsLoopback reports whether only this machine reaches an address such as 127.0.0.1:8080.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// CheckToken returns an error unless a token can be part of a path, and is not short.
func CheckToken(token string) error {
	const least = 8
	if len(token) < least || len(token) > 200 {
		return fmt.Errorf("%s, want %d to 200", quantity.Of(len(token), "character"), least)
	}
	if i := strings.IndexFunc(token, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	}); i >= 0 {
		return fmt.Errorf("it has %q, want letters, digits, - and _", token[i:i+1])
	}
	return nil
}
