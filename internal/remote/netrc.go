package remote

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
)

// mostNetrc bounds a file of names and passwords, in bytes.
const mostNetrc = 1 << 20

// A login is an entry of such a file.
type login struct {
	machine        string // empty of "default"
	name, password string
}

// readNetrc reads the file of names and passwords that NETRC names, or ~/.netrc, as curl and git
// do. Its errors have nothing of what is in it.
func readNetrc() ([]login, error) {
	path := os.Getenv("NETRC")
	home, _ := os.UserHomeDir() // without one there is no file but the one that is named
	names := []string{".netrc"}
	if runtime.GOOS == "windows" {
		names = append(names, "_netrc")
	}
	for _, name := range names {
		if path == "" && home != "" {
			at := filepath.Join(home, name)
			if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) {
				path = at
			}
		}
	}
	if path == "" || path == os.DevNull {
		return nil, nil
	}
	data, err := foreign.ReadFile(path, mostNetrc)
	if err != nil {
		return nil, err
	}
	logins, err := parseNetrc(string(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return logins, nil
}

// parseNetrc reads entries: "machine HOST login NAME password WORD", over one line or several, in
// any order behind the host; "default" in place of "machine HOST"; "account WORD", which is not used; "macdef NAME"
// and the lines behind it until one is empty; and comments. Words may be in double quotes, with backslashes.
func parseNetrc(text string) (logins []login, err error) {
	var to *string
	what := ""
	macro := false
	for number, line := range strings.Split(text, "\n") {
		if macro {
			macro = strings.TrimSpace(line) != ""
			continue
		}
		for rest := line; ; {
			var word string
			var quoted, ok bool
			if word, rest, quoted, ok = netrcWord(rest); !ok {
				return nil, fmt.Errorf("line %d: a quote that does not end", number+1)
			}
			if word == "" && !quoted {
				break
			}
			if to == nil && !quoted && strings.HasPrefix(word, "#") {
				break
			}
			if to != nil {
				*to, to = word, nil
				if what == "macdef" {
					macro = true
					break
				}
				continue
			}
			if len(logins) == 0 && slices.Contains([]string{"login", "password", "account"}, word) {
				return nil, fmt.Errorf("line %d: %s before a machine", number+1, word)
			}
			switch what = word; word {
			case "machine":
				logins = append(logins, login{})
				to = &logins[len(logins)-1].machine
			case "default":
				logins = append(logins, login{})
			case "login":
				to = &logins[len(logins)-1].name
			case "password":
				to = &logins[len(logins)-1].password
			case "account", "macdef":
				to = new(string)
			default: // which may be a part of a password
				return nil, fmt.Errorf("line %d: a word that is none of machine, default, login, password, account and macdef", number+1)
			}
		}
	}
	if to != nil {
		return nil, fmt.Errorf("nothing behind the last %s", what)
	}
	return logins, nil
}

// netrcWord takes the first word of a line. ok is false if it is in quotes that do not end.
func netrcWord(line string) (word, rest string, quoted, ok bool) {
	line = strings.TrimLeft(line, " \t\r")
	if !strings.HasPrefix(line, `"`) {
		end := strings.IndexAny(line, " \t\r")
		if end < 0 {
			end = len(line)
		}
		return line[:end], line[end:], false, true
	}
	var b strings.Builder
	for i := 1; i < len(line); i++ {
		switch c := line[i]; {
		case c == '"':
			return b.String(), line[i+1:], true, true
		case c == '\\' && i+1 < len(line):
			i++
			switch line[i] {
			case 'n':
				b.WriteByte('\n')
			case 'r':
				b.WriteByte('\r')
			case 't':
				b.WriteByte('\t')
			default:
				b.WriteByte(line[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", "", true, false
}

// loginFor is the first entry of a host that has a password, and the name, if one is given. That of
// "default" counts where the host has no entry, not even one without a password, unless anyHost is
// false.
func loginFor(logins []login, host, name string, anyHost bool) (login, bool) {
	own := slices.ContainsFunc(logins, func(l login) bool { return l.machine != "" && strings.EqualFold(l.machine, host) })
	if !own && !anyHost {
		return login{}, false
	}
	for _, l := range logins {
		matches := l.machine == "" // of "default"
		if own {
			matches = l.machine != "" && strings.EqualFold(l.machine, host)
		}
		if matches && l.password != "" && (name == "" || l.name == name) {
			return l, true
		}
	}
	return login{}, false
}
