package remote

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// withProfiles sets up the files of profiles, and an environment that says nothing else.
func withProfiles(t *testing.T, config, secrets string) {
	dir := t.TempDir()
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION",
		"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
	} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("HOME", dir)
	t.Setenv("USERPROFILE", dir)
	if err := os.Mkdir(filepath.Join(dir, ".aws"), 0o777); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"config": config, "credentials": secrets} {
		if text == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, ".aws", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

const profiles = `# tools
[default]
region = eu-central-1   # near
output = json

[profile dev]
region=eu-west-9
aws_access_key_id = devkey
aws_secret_access_key = dev/secret+==
services = local
s3 =
    max_concurrent_requests = 20
    addressing_style = path

[ profile  "two words" ]
endpoint_url = https://objects.example
aws_access_key_id = config
aws_secret_access_key = config

[services local]
dynamodb =
  endpoint_url = http://127.0.0.1:1
s3 =
  endpoint_url = http://127.0.0.1:9000/at
`

// TestProfiles holds that region, endpoint and keys are found in the files of profiles, as the
// tools of AWS find them, and that the environment counts more.
func TestProfiles(t *testing.T) {
	for _, tt := range []struct {
		env                      map[string]string
		address, region, keyName string
	}{
		{nil, "https://b.s3.eu-central-1.amazonaws.com/k", "eu-central-1", ""},
		{map[string]string{"AWS_PROFILE": "dev"}, "http://127.0.0.1:9000/at/b/k", "eu-west-9", "devkey"},
		{map[string]string{"AWS_PROFILE": "dev", "AWS_REGION": "us-west-1", "AWS_ENDPOINT_URL": "https://other.example"}, "https://other.example/b/k", "us-west-1", "devkey"},
		{map[string]string{"AWS_PROFILE": "dev", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, "https://b.s3.eu-west-9.amazonaws.com/k", "eu-west-9", "devkey"},
		{map[string]string{"AWS_PROFILE": "dev", "AWS_ACCESS_KEY_ID": "env", "AWS_SECRET_ACCESS_KEY": "env"}, "http://127.0.0.1:9000/at/b/k", "eu-west-9", "env"},
		{map[string]string{"AWS_PROFILE": "two words"}, "https://objects.example/b/k", "us-east-1", "secrets"},
		{map[string]string{"AWS_PROFILE": "only"}, "https://b.s3.us-east-1.amazonaws.com/k", "us-east-1", "onlykey"},
	} {
		withProfiles(t, profiles, "[two words]\naws_access_key_id=secrets\naws_secret_access_key=secrets\n[only]\naws_access_key_id=onlykey\naws_secret_access_key=x\n")
		for name, value := range tt.env {
			t.Setenv(name, value)
		}
		a, err := findAsking()
		if err != nil {
			t.Errorf("%v: %v", tt.env, err)
			continue
		}
		s := &signer{bucket: "b", region: a.profile.region()}
		if s.endpoint, err = a.profile.service(); err != nil {
			t.Errorf("%v: %v", tt.env, err)
		}
		who, err := a.who.GetWithContext(&credentials.CredContext{Client: http.DefaultClient})
		if err != nil || who.AccessKeyID != tt.keyName || s.region != tt.region || s.address("k").String() != tt.address {
			t.Errorf("%v: %s %s %q, %v, want %s %s %q", tt.env, s.address("k"), s.region, who.AccessKeyID, err, tt.address, tt.region, tt.keyName)
		}
	}
}

// TestProfilesElsewhere reads files that the environment names.
func TestProfilesElsewhere(t *testing.T) {
	withProfiles(t, profiles, "")
	other := filepath.Join(t.TempDir(), "c")
	if err := os.WriteFile(other, []byte("[default]\r\nregion = ap-south-1\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{other: "ap-south-1", os.DevNull: "us-east-1", other + "x": "us-east-1"} {
		t.Setenv("AWS_CONFIG_FILE", path)
		if p, err := profileOf(); err != nil || p.region() != want {
			t.Errorf("%s: %+v, %v, want %s", path, p, err, want)
		}
	}
}

// TestProfilesRefused holds that a profile that cannot be used is an error that says what to
// do, and never one without credentials.
func TestProfilesRefused(t *testing.T) {
	for _, tt := range []struct{ config, name, want, hint string }{
		{"[profile r]\nrole_arn = arn:x\nsource_profile = default\n", "r", "profile r: it has role_arn, a role to be assumed", "AWS_PROFILE=r aws configure export-credentials"},
		{"[default]\nrole_arn = arn:x\ncredential_source = Environment\n", "", "profile default: it has role_arn", "export-credentials"},
		{"[profile half]\naws_access_key_id = x\n", "half", "only one of aws_access_key_id", ""},
		{"[profile a]\nregion = x\n", "b", `AWS_PROFILE "b": no such profile`, "[profile NAME]"},
		{"[b]\nregion = x\n", "b", `AWS_PROFILE "b": no such profile`, "[profile NAME]"},
		{"[profile a]\nservices = s\n", "a", `services "s", of which there is no section`, ""},
		{"[default]\nsecret\n", "", "config: line 2: want KEY = VALUE", ""},
		{"region = x\n", "", "config: line 1: want a [SECTION] before it", ""},
		{"[default\n", "", "config: line 1: want [SECTION]", ""},
		{"[default]\nx = " + strings.Repeat("y", mostProfiles), "", "more than 1 MiB", ""},
	} {
		withProfiles(t, tt.config, "")
		t.Setenv("AWS_PROFILE", tt.name)
		_, err := findAsking()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.40q: %v, want %s", tt.config, err, tt.want)
			continue
		}
		var h interface{ Hint() string }
		if tt.hint != "" && (!errors.As(err, &h) || !strings.Contains(h.Hint(), tt.hint)) {
			t.Errorf("%.40q: %v, want the hint %s", tt.config, err, tt.hint)
		}
	}
	for name, want := range map[string]string{
		"AWS_ACCESS_KEY_ID":     "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not, want both",
		"AWS_SECRET_ACCESS_KEY": "AWS_SECRET_ACCESS_KEY is set, and AWS_ACCESS_KEY_ID is not, want both",
	} {
		withProfiles(t, "", "[default]\naws_access_key_id=x\naws_secret_access_key=y\n")
		t.Setenv(name, "x")
		if _, err := findAsking(); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	// What an expired sign-in leaves is an error too.
	withProfiles(t, "[profile s]\nsso_session = x\nsso_account_id = 1\nsso_role_name = y\n[sso-session x]\nsso_region = eu-west-1\nsso_start_url = https://x\n", "")
	t.Setenv("AWS_PROFILE", "s")
	a, err := findAsking()
	if err != nil {
		t.Fatal(err)
	}
	r, _ := http.NewRequest(http.MethodGet, "http://127.0.0.1", nil)
	_, err = (&signer{who: a.who, profile: a.profile}).sign(r)
	if err == nil || !strings.Contains(err.Error(), "profile s: ") || r.Header.Get("Authorization") != "" {
		t.Errorf("%v, want an error of the profile s", err)
	}
}

// FuzzSections holds that any text is read or refused with its line, none of it quoted.
func FuzzSections(f *testing.F) {
	f.Add(profiles)
	f.Add("[a]\n x = 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		found, err := parseSections(text)
		if (found == nil) == (err == nil) {
			t.Errorf("%v, %v", found, err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "line ") {
			t.Error(err)
		}
	})
}
