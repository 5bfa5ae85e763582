package explore

import (
	"net/url"
	"strings"
)

// escaped is a path as an address has it, part by part.
func escaped(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}

// cleanQuery is a query whose every name and value is escaped; empty where it cannot be
// read.
func cleanQuery(raw string) string {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return ""
	}
	q.Del("token")
	return q.Encode()
}
