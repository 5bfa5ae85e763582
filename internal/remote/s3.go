package remote

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
	sign "github.com/minio/minio-go/v7/pkg/signer"
)

// A signer makes requests for objects of a bucket.
type signer struct {
	bucket, region string
	endpoint       *url.URL // of another service than Amazon's; nil: Amazon's
	who            *credentials.Credentials
}

// identity finds who asks, as the tools of the ecosystem do: by the environment, the file of
// credentials, and the machine that the program runs on. It is asked once.
var identity = sync.OnceValue(func() *credentials.Credentials {
	providers := []credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}}
	if !strings.EqualFold(os.Getenv("AWS_EC2_METADATA_DISABLED"), "true") {
		providers = append(providers, &credentials.IAM{Client: &http.Client{Timeout: 2 * time.Second}})
	}
	return credentials.NewChainCredentials(providers)
})

func newSigner(bucket string) (*signer, error) {
	s := &signer{bucket: bucket, region: cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), "us-east-1"), who: identity()}
	if at := cmp.Or(os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL")); at != "" {
		u, err := url.Parse(at)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("AWS_ENDPOINT_URL %q, want https://HOST", at)
		}
		s.endpoint = u
	}
	return s, nil
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

// sign signs a request. Without credentials it stays as it is, for buckets that anybody may
// read.
func (s *signer) sign(r *http.Request) error {
	who, err := s.who.GetWithContext(&credentials.CredContext{Client: http.DefaultClient})
	if err != nil {
		return errors.Join(errors.New("credentials for s3"), err)
	}
	if who.AccessKeyID == "" || who.SecretAccessKey == "" {
		return nil
	}
	// The SHA-256 of no bytes.
	r.Header.Set("X-Amz-Content-Sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
	*r = *sign.SignV4(*r, who.AccessKeyID, who.SecretAccessKey, who.SessionToken, s.region)
	return nil
}
