package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/clipnh/clipnh/internal/foreign"
)

// mostProcess bounds what a credential_process may print, in bytes.
const mostProcess = 64 << 10

// processTime bounds how long it may take.
var processTime = time.Minute // a variable for tests

// A process has credentials from the command of credential_process, which is run without a shell
// and again once they have expired. Its errors are lasting.
type process struct {
	credentials.Expiry
	words []string
	known bool
	ends  bool // they expire
}

// newProcess splits a command into words.
func newProcess(command string) (*process, error) {
	words, err := splitCommand(command, os.PathSeparator != '\\')
	if err == nil && len(words) == 0 {
		err = errors.New("no command")
	}
	if err != nil {
		return nil, fmt.Errorf("credential_process: %w", err)
	}
	return &process{words: words}, nil
}

// splitCommand splits a command at blanks. As in a shell, blanks in quotes and, if escapes is set,
// behind a backslash belong to a word, and nothing else of a shell does. Errors quote nothing.
func splitCommand(command string, escapes bool) ([]string, error) {
	var words []string
	var word strings.Builder
	in, quote := false, rune(0)
	text := []rune(command)
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote == 0 && (c == ' ' || c == '\t'):
			if in {
				words = append(words, word.String())
				word.Reset()
			}
			in = false
			continue
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && escapes && quote != '\'' && i+1 < len(text) && (quote == 0 || text[i+1] == '"' || text[i+1] == '\\'):
			i++
			word.WriteRune(text[i])
		case c == '\\' && escapes && quote == 0:
			return nil, errors.New("a backslash at its end")
		default:
			word.WriteRune(c)
		}
		in = true
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote %c that is not closed", quote)
	}
	if in {
		words = append(words, word.String())
	}
	return words, nil
}

func (p *process) IsExpired() bool { return !p.known || p.ends && p.Expiry.IsExpired() }

func (p *process) Retrieve() (credentials.Value, error) { return p.RetrieveWithCredContext(nil) }

func (p *process) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	ctx := context.Background()
	if cc != nil && cc.Context != nil {
		ctx = cc.Context
	}
	v, err := p.run(ctx)
	if err != nil {
		return v, lasting{fmt.Errorf("credential_process %s: %w", foreign.Quote(p.words[0]), err)}
	}
	p.known, p.ends = true, !v.Expiration.IsZero()
	if p.ends {
		p.SetExpiration(v.Expiration, credentials.DefaultExpiryWindow)
	}
	return v, nil
}

func (p *process) run(ctx context.Context) (v credentials.Value, err error) {
	ctx, cancel := context.WithTimeout(ctx, processTime)
	defer cancel()
	out, said := &bounded{most: mostProcess}, &bounded{most: mostProcess, cut: true}
	cmd := exec.CommandContext(ctx, p.words[0], p.words[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = out, said, time.Second
	err = cmd.Run()
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return v, fmt.Errorf("it has not ended after %v", processTime)
	case out.over: // what the command says of a pipe that is closed is beside the point
		return v, fmt.Errorf("it prints more than %d KiB", mostProcess>>10)
	case err != nil:
		lines := strings.Split(strings.TrimSpace(string(said.text)), "\n")
		if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
			return v, fmt.Errorf("%w, and it says %s", err, foreign.Quote(last))
		}
		return v, err
	}
	return parseProcess(out.text, time.Now())
}

// parseProcess reads what a command prints. Errors quote nothing of it.
func parseProcess(text []byte, now time.Time) (v credentials.Value, err error) {
	var found struct {
		Version                                   *int
		AccessKeyID                               string `json:"AccessKeyId"`
		SecretAccessKey, SessionToken, Expiration string
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return v, errors.New("it does not print the JSON object that AWS's tools want")
	}
	missing := ""
	switch {
	case found.Version == nil:
		missing = "Version"
	case *found.Version != 1:
		return v, fmt.Errorf("it prints Version %d, want 1", *found.Version)
	case found.AccessKeyID == "":
		missing = "AccessKeyId"
	case found.SecretAccessKey == "":
		missing = "SecretAccessKey"
	}
	if missing != "" {
		return v, fmt.Errorf("it prints no %s", missing)
	}
	v = credentials.Value{AccessKeyID: found.AccessKeyID, SecretAccessKey: found.SecretAccessKey, SessionToken: found.SessionToken, SignerType: credentials.SignatureV4}
	if found.Expiration == "" {
		return v, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700"} {
		if v.Expiration, err = time.Parse(layout, found.Expiration); err == nil {
			break
		}
	}
	switch {
	case err != nil:
		return v, errors.New("it prints an Expiration that is not a time such as 2026-01-31T12:00:00Z")
	case !v.Expiration.After(now):
		return v, fmt.Errorf("it prints credentials that have expired, at %s", v.Expiration.Format(time.RFC3339))
	}
	return v, nil
}

var errTooLong = errors.New("too long")

// bounded keeps what is written, up to a number of bytes; more is an error, or is cut.
type bounded struct {
	text []byte
	most int
	cut  bool
	over bool // more was written, and not cut
}

func (b *bounded) Write(p []byte) (int, error) {
	left := b.most - len(b.text)
	if len(p) > left && !b.cut {
		b.over = true
		return 0, errTooLong
	}
	b.text = append(b.text, p[:min(len(p), max(left, 0))]...)
	return len(p), nil
}

// lasting is an error of credentials that is the same however often it is tried.
type lasting struct{ error }

func (l lasting) Unwrap() error { return l.error }

// isLasting reports whether an error of credentials does not pass by itself.
func isLasting(err error) bool {
	var l lasting
	return errors.As(err, &l) || errors.Is(err, os.ErrNotExist)
}
