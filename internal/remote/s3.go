package remote

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7/pkg/credentials"
	sign "github.com/minio/minio-go/v7/pkg/signer"

	"github.com/clipnh/clipnh/internal/foreign"
)

// A signer makes requests for objects of a bucket.
type signer struct {
	bucket, region string
	endpoint       *url.URL // of another service than Amazon's; nil: Amazon's
	who            *credentials.Credentials
	profile        *profile
}

func newSigner(bucket string) (*signer, error) {
	asking, err := asked()
	if err != nil {
		return nil, err
	}
	s := &signer{bucket: bucket, region: asking.profile.region(), who: asking.who, profile: asking.profile}
	s.endpoint, err = asking.profile.service()
	return s, err
}

// address is where an object of the bucket is, by HTTP.
func (s *signer) address(key string) *url.URL {
	switch {
	case s.endpoint != nil:
		u := *s.endpoint
		u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/")+"/"+s.bucket+"/"+key, ""
		return &u
	case strings.Contains(s.bucket, "."): // no certificate is of such a host
		return &url.URL{Scheme: "https", Host: "s3." + s.region + ".amazonaws.com", Path: "/" + s.bucket + "/" + key}
	}
	return &url.URL{Scheme: "https", Host: s.bucket + ".s3." + s.region + ".amazonaws.com", Path: "/" + key}
}

// signedHeader is of signed requests only.
const signedHeader = "X-Amz-Content-Sha256"

// sign signs a request. Without credentials it stays as it is, for buckets that anybody may
// read, and signed is false.
func (s *signer) sign(r *http.Request) (signed bool, err error) {
	who, err := s.who.GetWithContext(&credentials.CredContext{Client: http.DefaultClient, Context: r.Context()})
	if err != nil {
		return false, s.profile.exported(foreign.Short(err))
	}
	if who.AccessKeyID == "" || who.SecretAccessKey == "" {
		return false, nil
	}
	// The SHA-256 of no bytes.
	r.Header.Set(signedHeader, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
	*r = *sign.SignV4(*r, who.AccessKeyID, who.SecretAccessKey, who.SessionToken, s.region)
	return true, nil
}
