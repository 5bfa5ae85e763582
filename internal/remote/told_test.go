package remote

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestTold: what an S3 service says is wrong is in the error, and its region in the hint.
func TestTold(t *testing.T) {
	impatient(t)
	const malformed = "<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>%s</Message><Region>%s</Region><StringToSign>hidden</StringToSign></Error>"
	for _, tt := range []struct {
		status       int
		region, body string
		want, hint   string
	}{
		{403, "", fmt.Sprintf(malformed, "SignatureDoesNotMatch", "The request signature we calculated does not match.", ""), `not allowed: the server answers 403 Forbidden, SignatureDoesNotMatch: "The request signature we calculated does not match."`, "AWS_ACCESS_KEY_ID"},
		{403, "", fmt.Sprintf(malformed, "InvalidAccessKeyId", "", ""), "not allowed: the server answers 403 Forbidden, InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"},
		{404, "", fmt.Sprintf(malformed, "NoSuchBucket", "no", ""), `nothing is there: the server answers 404 Not Found, NoSuchBucket: "no"`, ""},
		{400, "", fmt.Sprintf(malformed, "AuthorizationHeaderMalformed", "expecting 'eu-west-1'", "eu-west-1"), `the server answers 400 Bad Request, AuthorizationHeaderMalformed: "expecting 'eu-west-1'"`, "set AWS_REGION to eu-west-1"},
		{301, "ap-south-1", fmt.Sprintf(malformed, "PermanentRedirect", "elsewhere", ""), `the server answers 301 Moved Permanently, PermanentRedirect: "elsewhere"`, "set AWS_REGION to ap-south-1"},
		{301, "a\tb", "", "the server answers 301 Moved Permanently", "the bucket may be in another region"},
		{403, "", fmt.Sprintf(malformed, "A B\x1b[1m", "m", ""), "not allowed: the server answers 403 Forbidden", "AWS_ACCESS_KEY_ID"},
		{403, "", fmt.Sprintf(malformed, "Code", strings.Repeat("m", 2*mostTold), ""), "not allowed: the server answers 403 Forbidden", "AWS_ACCESS_KEY_ID"},
		{403, "", "<html>hidden</html>", "not allowed: the server answers 403 Forbidden", "AWS_ACCESS_KEY_ID"},
		{503, "", fmt.Sprintf(malformed, "SlowDown", "less", ""), `the server answers 503 Service Unavailable, SlowDown: "less", at the last of 8 tries`, ""},
	} {
		at := server(t, func(w http.ResponseWriter, r *http.Request) {
			if tt.region != "" {
				w.Header().Set("X-Amz-Bucket-Region", tt.region)
			}
			w.WriteHeader(tt.status)
			fmt.Fprint(w, tt.body)
		})
		withProfiles(t, "", "[default]\naws_access_key_id=x\naws_secret_access_key=y\n")
		a, err := findAsking()
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		o := &Object{Address: "s3://b/k", ctx: t.Context(), url: u, s3: &signer{bucket: "b", region: "r", who: a.who, profile: a.profile}}
		_, err = o.look(t.Context(), nil)
		var h interface{ Hint() string }
		if err == nil || err.Error() != tt.want || tt.hint != "" && (!errors.As(err, &h) || !strings.Contains(h.Hint(), tt.hint)) {
			t.Errorf("%d: %v, want %s with the hint %s", tt.status, err, tt.want, tt.hint)
		}
	}
}

// FuzzTold: whatever a service says, no more is taken of it than names and a quoted text.
func FuzzTold(f *testing.F) {
	f.Add("<Error><Code>A</Code><Message>m</Message><Region>r</Region></Error>", "eu-west-1")
	f.Fuzz(func(t *testing.T, body, region string) {
		got := toldBy(&http.Response{Header: http.Header{"X-Amz-Bucket-Region": {region}}}, strings.NewReader(body))
		if text := got.String() + got.region; len(text) > 2000 || strings.ContainsAny(text, "\n\r\x1b") {
			t.Errorf("%q", text)
		}
	})
}
