package remote

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/clipnh/clipnh/internal/foreign"
)

// mostProfiles bounds the files of profiles, in bytes.
const mostProfiles = 1 << 20

// A profile is what ~/.aws/config and ~/.aws/credentials, or the files that the environment
// names in their place, say under a name. The second file counts more than the first.
type profile struct {
	name     string // "default" if the environment names none
	named    bool   // by the environment
	there    bool   // in one of the files
	set      map[string]string
	endpoint string // of s3 alone, by a section of services
}

// profileOf reads the profile that the environment chooses.
func profileOf() (*profile, error) {
	name := os.Getenv("AWS_PROFILE")
	p := &profile{name: cmp.Or(name, "default"), named: name != "", set: map[string]string{}}
	home, _ := os.UserHomeDir() // without one there are no files but those that are named
	var config sections
	for _, f := range []struct{ path, file, prefix string }{
		{os.Getenv("AWS_CONFIG_FILE"), "config", "profile "}, {os.Getenv("AWS_SHARED_CREDENTIALS_FILE"), "credentials", ""},
	} {
		path := f.path
		if path == "" && home != "" {
			path = filepath.Join(home, ".aws", f.file)
		}
		if path == "" || path == os.DevNull {
			continue
		}
		found, err := readSections(path)
		if err != nil {
			return nil, err
		}
		if f.prefix != "" {
			config = found
		}
		for _, title := range []string{p.name, f.prefix + p.name} {
			if title == p.name && f.prefix != "" && p.name != "default" {
				continue // in the config file only the default is named so
			}
			for key, value := range found[title] {
				p.there, p.set[key] = true, value
			}
			p.there = p.there || found[title] != nil
		}
	}
	if p.named && !p.there {
		return nil, hinted{fmt.Errorf("AWS_PROFILE %s: no such profile in the files of AWS's tools", foreign.Quote(p.name)),
			"a profile is a section [profile NAME] of ~/.aws/config or [NAME] of ~/.aws/credentials; AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name other files"}
	}
	if services := p.set["services"]; services != "" {
		s, ok := config["services "+services]
		if !ok {
			return nil, fmt.Errorf("profile %s: services %s, of which there is no section [services %s]", p.name, foreign.Quote(services), foreign.Name(services))
		}
		p.endpoint = s["s3.endpoint_url"]
	}
	return p, nil
}

// region is where buckets are.
func (p *profile) region() string {
	return cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), p.set["region"], "us-east-1")
}

// service is the endpoint of another service than Amazon's; nil if there is none.
func (p *profile) service() (*url.URL, error) {
	choices := []struct{ from, at string }{
		{"AWS_ENDPOINT_URL_S3", os.Getenv("AWS_ENDPOINT_URL_S3")}, {"AWS_ENDPOINT_URL", os.Getenv("AWS_ENDPOINT_URL")},
		{"endpoint_url of s3 in [services " + p.set["services"] + "]", p.endpoint},
		{"endpoint_url of the profile " + p.name, p.set["endpoint_url"]},
	}
	if strings.EqualFold(os.Getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true") {
		return nil, nil
	}
	for _, c := range choices {
		if c.at == "" {
			continue
		}
		u, err := url.Parse(c.at)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("%s %q, want https://HOST", c.from, c.at)
		}
		return u, nil
	}
	return nil, nil
}

// exported is the advice where a profile's credentials cannot be found here.
func (p *profile) exported(err error) error {
	return hinted{fmt.Errorf("profile %s: %w", p.name, err),
		fmt.Sprintf("set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN: \"AWS_PROFILE=%s aws configure export-credentials\" prints what to", p.name)}
}

// identity finds who asks, as the tools of the ecosystem do: by the environment, the profile,
// and the machine or the pod that the program runs on.
func (p *profile) identity() (*credentials.Credentials, error) {
	v, err := (&credentials.EnvAWS{}).RetrieveWithCredContext(nil)
	switch {
	case err != nil:
	case v.AccessKeyID != "" && v.SecretAccessKey == "":
		return nil, errors.New("AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not, want both")
	case v.AccessKeyID == "" && v.SecretAccessKey != "":
		return nil, errors.New("AWS_SECRET_ACCESS_KEY is set, and AWS_ACCESS_KEY_ID is not, want both")
	case v.AccessKeyID != "":
		return credentials.NewStaticV4(v.AccessKeyID, v.SecretAccessKey, v.SessionToken), nil
	}
	id, secret := p.set["aws_access_key_id"], p.set["aws_secret_access_key"]
	has := func(keys ...string) string {
		for _, key := range keys {
			if p.set[key] != "" {
				return key
			}
		}
		return ""
	}
	assumed := has("role_arn", "source_profile", "credential_source", "web_identity_token_file")
	switch {
	case assumed != "":
		return nil, p.exported(fmt.Errorf("it has %s, a role to be assumed, which clipnh does not do", assumed))
	case id != "" && secret != "":
		return credentials.NewStaticV4(id, secret, p.set["aws_session_token"]), nil
	case id != "" || secret != "":
		return nil, fmt.Errorf("profile %s: only one of aws_access_key_id and aws_secret_access_key, want both", p.name)
	case has("sso_session", "sso_start_url", "sso_role_name", "sso_account_id") == "" && has("credential_process") != "":
		run, err := newProcess(p.set["credential_process"])
		if err != nil {
			return nil, p.exported(err)
		}
		return credentials.New(run), nil
	case has("sso_session", "sso_start_url", "sso_role_name", "sso_account_id") != "":
		return credentials.New(&credentials.FileAWSCredentials{Profile: p.name}), nil
	}
	pod := cmp.Or(os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"), os.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"), os.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
	var providers []credentials.Provider
	if pod != "" || !strings.EqualFold(os.Getenv("AWS_EC2_METADATA_DISABLED"), "true") {
		providers = append(providers, &credentials.IAM{Client: &http.Client{Timeout: 2 * time.Second}})
	}
	return credentials.NewChainCredentials(providers), nil // which has none where no provider has
}

// asking is who asks where. It is found once.
type asking struct {
	profile *profile
	who     *credentials.Credentials
}

var asked = sync.OnceValues(findAsking)

func findAsking() (*asking, error) {
	p, err := profileOf()
	if err != nil {
		return nil, err
	}
	who, err := p.identity()
	if err != nil {
		return nil, err
	}
	return &asking{p, who}, nil
}

// sections are the sections of a file by their titles, spaces in which are single. Keys are in
// lower case; a key that is indented below another one has its name and a dot before it.
type sections map[string]map[string]string

// readSections reads a file of profiles; of one that is not there, there are none.
func readSections(path string) (sections, error) {
	data, err := foreign.ReadFile(path, mostProfiles)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s, err := parseSections(string(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// parseSections reads the text of a file of profiles. Its errors quote nothing, since lines may
// be secret.
func parseSections(text string) (sections, error) {
	found := sections{}
	var in map[string]string
	above := "" // the key that indented lines are below
	for i, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
		line = strings.TrimRight(line, " \t\r")
		bare := strings.TrimLeft(line, " \t")
		if bare == "" || bare[0] == '#' || bare[0] == ';' {
			continue
		}
		if bare[0] == '[' {
			title, rest, ok := strings.Cut(bare[1:], "]")
			if rest = strings.TrimSpace(rest); !ok || rest != "" && rest[0] != '#' && rest[0] != ';' {
				return nil, fmt.Errorf("line %d: want [SECTION]", i+1)
			}
			title = strings.Join(strings.Fields(strings.NewReplacer(`"`, " ", `'`, " ").Replace(title)), " ")
			if found[title] == nil {
				found[title] = map[string]string{}
			}
			in, above = found[title], ""
			continue
		}
		key, value, ok := strings.Cut(bare, "=")
		key, value = strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)
		nested := len(bare) < len(line) && above != ""
		switch {
		case !ok && nested: // a value that goes on
			continue
		case !ok || key == "":
			return nil, fmt.Errorf("line %d: want KEY = VALUE or [SECTION]", i+1)
		case in == nil:
			return nil, fmt.Errorf("line %d: want a [SECTION] before it", i+1)
		}
		for _, mark := range []string{" #", " ;", "\t#", "\t;"} {
			value, _, _ = strings.Cut(value, mark)
		}
		value = strings.TrimSpace(value)
		if nested {
			key = above + "." + key
		} else if above = ""; value == "" {
			above = key
		}
		in[key] = value
	}
	return found, nil
}
