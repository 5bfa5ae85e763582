package explore

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// headers are those of every answer. Other sites can load none of them, also not as a
// script, which would tell them what the data files hold.
var headers = map[string]string{
	"Content-Security-Policy":      "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Resource-Policy": "same-origin",
}

// Handler answers all requests.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		if status, why := s.refused(r); status != 0 {
			s.fail(w, status, "refused", why)
			return
		}
		path, ok := s.withoutToken(w, r)
		if !ok {
			return
		}
		s.route(w, r, path)
	})
}

// refused returns a status and a reason for requests that are not for this server, or come
// from another site's page.
func (s *Server) refused(r *http.Request) (status int, why string) {
	if IsLoopback(s.address.String()) && !s.isOwnHost(r.Host) {
		return http.StatusMisdirectedRequest, "this server has another name: open the address that it printed"
	}
	if origin := r.Header.Get("Origin"); origin != "" || len(r.Header.Values("Origin")) > 0 {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) || u.Scheme != "http" && u.Scheme != "https" {
			return http.StatusForbidden, "asked for by a page of another site"
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return 0, ""
	}
	if r.Header.Get("Sec-Fetch-Mode") == "navigate" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		return 0, "" // a link to here
	}
	return http.StatusForbidden, "asked for by a page of another site"
}

// isOwnHost reports whether a host is a name of this machine for itself, with the port of
// this server.
func (s *Server) isOwnHost(host string) bool {
	_, own, err := net.SplitHostPort(s.address.String())
	if err != nil {
		return false
	}
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = strings.Trim(host, "[]"), "80"
	}
	return port == own && IsLoopback(net.JoinHostPort(name, port))
}

// withoutToken returns the path of a request below the base. A token may also be given as
// a header, or once as ?token=, which leads to the address that has it. A request without it
// is answered.
func (s *Server) withoutToken(w http.ResponseWriter, r *http.Request) (path string, ok bool) {
	path = strings.TrimPrefix(r.URL.Path, "/")
	if s.o.Token == "" {
		return path, true
	}
	first, rest, below := strings.Cut(path, "/")
	if s.isToken(first) {
		if !below {
			http.Redirect(w, r, s.base, http.StatusTemporaryRedirect)
			return "", false
		}
		return rest, true
	}
	if given, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); found && s.isToken(given) {
		return path, true
	}
	if q, err := url.ParseQuery(r.URL.RawQuery); err == nil && s.isToken(q.Get("token")) && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		http.Redirect(w, r, s.base, http.StatusTemporaryRedirect)
		return "", false
	}
	s.fail(w, http.StatusUnauthorized, "token", "want the token: open the address that the server printed")
	return "", false
}

func (s *Server) isToken(given string) bool {
	return subtle.ConstantTimeCompare([]byte(given), []byte(s.o.Token)) == 1
}
