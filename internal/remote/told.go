package remote

import (
	"encoding/xml"
	"io"
	"net/http"
	"regexp"

	"github.com/clipnh/clipnh/internal/foreign"
)

// mostTold bounds what is read of an answer that says what is wrong, in bytes.
const mostTold = 16 << 10

// told is what an S3 service says is wrong with a request, as far as it says it.
type told struct {
	code, message string
	region        string // where the bucket is
}

var (
	codeText   = regexp.MustCompile(`^[A-Za-z0-9.]{1,64}$`)
	regionText = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
)

// toldBy reads what an answer says.
func toldBy(r *http.Response, body io.Reader) (t told) {
	if region := r.Header.Get("X-Amz-Bucket-Region"); regionText.MatchString(region) {
		t.region = region
	}
	data, err := io.ReadAll(io.LimitReader(body, mostTold))
	if err != nil {
		return t
	}
	var found struct {
		XMLName               xml.Name `xml:"Error"`
		Code, Message, Region string
	}
	if xml.Unmarshal(data, &found) != nil || !codeText.MatchString(found.Code) {
		return t
	}
	t.code, t.message = found.Code, found.Message
	if t.region == "" && regionText.MatchString(found.Region) {
		t.region = found.Region
	}
	return t
}

// String is what follows the status.
func (t told) String() string {
	switch {
	case t.code == "":
		return ""
	case t.message == "":
		return ", " + t.code
	}
	return ", " + t.code + ": " + foreign.Quote(t.message)
}
