package explore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/live"
	"github.com/clipnh/clipnh/internal/report"
)

// Answers are those to questions about the units of a report: its pairs, or its heads. Load reads
// what takes long, and Close closes it; see live.Live.
type Answers interface {
	Status() live.Status
	Text(ctx context.Context, text string) (any, error)
	Scores(ctx context.Context, unit string) (*live.PairScores, error)
	Image(ctx context.Context, image int, q live.Question) (any, error)
	Drop(ctx context.Context, name string, data []byte, unit string, q live.Question) (any, error)
	Toggle(ctx context.Context, r live.ToggleRequest) (*live.Toggle, error)
	Segment(ctx context.Context, name string, data []byte, q live.SegmentQuestion) (*live.Segmented, error)
	SegmentImage(ctx context.Context, image int, q live.SegmentQuestion) (*live.Segmented, error)
	Thumb(ctx context.Context, image, size int, changed bool) ([]byte, error)
	Load(ctx context.Context) error
	Close()
}

// An endpoint answers requests below api/.
type endpoint struct {
	method string
	below  bool // the path goes on
	answer func(s *Server, ctx context.Context, w http.ResponseWriter, r *http.Request, rest string) (any, error)
}

// endpoints by the first part of the path; what follows is rest.
var endpoints = map[string]endpoint{
	"live":    {http.MethodGet, false, (*Server).status},
	"text":    {http.MethodGet, false, (*Server).text},
	"scores":  {http.MethodGet, false, (*Server).scores},
	"image":   {http.MethodGet, true, (*Server).image},
	"thumb":   {http.MethodGet, true, (*Server).thumb},
	"toggle":  {http.MethodPost, false, (*Server).toggle},
	"drop":    {http.MethodPost, false, (*Server).drop},
	"segment": {http.MethodPost, false, (*Server).segment},
}

// A picture is an answer that is a JPEG and not JSON.
type picture []byte

// api answers a request for a path below api/.
func (s *Server) api(w http.ResponseWriter, r *http.Request, at string) {
	w.Header().Set("Cache-Control", "no-store")
	first, rest, _ := strings.Cut(at, "/")
	e, ok := endpoints[first]
	if !ok || rest != "" && !e.below {
		s.fail(w, http.StatusNotFound, "not found", "no such part of the interface")
		return
	}
	methods := []string{e.method}
	if e.method == http.MethodGet {
		methods = append(methods, http.MethodHead)
	}
	if !only(w, r, s, methods...) {
		return
	}
	ctx, done := context.WithTimeout(r.Context(), liveTime)
	defer done()
	var answer any
	var err error
	if fault := par.Catch(func() { answer, err = e.answer(s, ctx, w, r, rest) }); fault != nil {
		s.say.Warn("a fault of the program at api/%s: %v", first, fault)
		s.fail(w, http.StatusInternalServerError, "internal", "a fault of the program, which the terminal names")
		return
	}
	if p, ok := answer.(picture); ok && err == nil {
		s.picture(w, r, p)
		return
	}
	var text bytes.Buffer
	if err == nil {
		if err = json.NewEncoder(&text).Encode(answer); err != nil {
			err = errors.Join(live.ErrInternal, err)
		}
	}
	if err != nil {
		s.failed(w, r, ctx, err)
		return
	}
	w.Header().Set("Content-Type", types[".json"])
	w.Write(text.Bytes())
}

// picture sends a JPEG. As files of the report, it is asked for again each time, and sent again only
// if it is another one.
func (s *Server) picture(w http.ResponseWriter, r *http.Request, p picture) {
	sum := sha256.Sum256(p)
	w.Header().Set("Content-Type", types[".jpg"])
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", strconv.Quote(hex.EncodeToString(sum[:16])))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p))
}

// failure is what is sent where there is no answer.
type failure struct {
	Error string `json:"error"`
	Kind  string `json:"kind"`
}

// fail sends an error.
func (s *Server) fail(w http.ResponseWriter, status int, kind, message string) {
	text, err := json.Marshal(failure{s.o.Spell(message), kind})
	if err != nil {
		panic(err) // two texts
	}
	w.Header().Set("Content-Type", types[".json"])
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(append(text, '\n'))
}

// kinds are the statuses of errors. The first row that matches counts; no match is a
// mistake in the request.
var kinds = []struct {
	is     error
	status int
	kind   string
}{
	{live.ErrOff, http.StatusNotImplemented, "off"},
	{live.ErrLoading, http.StatusServiceUnavailable, "loading"},
	{live.ErrBusy, http.StatusTooManyRequests, "busy"},
	{live.ErrUnknown, http.StatusNotFound, "not found"},
	{live.ErrChanged, http.StatusConflict, "changed"},
	{live.ErrInternal, http.StatusInternalServerError, "internal"},
	{context.DeadlineExceeded, http.StatusGatewayTimeout, "timeout"},
	{context.Canceled, http.StatusServiceUnavailable, "stopped"},
	{errMedia, http.StatusUnsupportedMediaType, "type"},
}

// failed sends an error of an answer.
func (s *Server) failed(w http.ResponseWriter, r *http.Request, ctx context.Context, err error) {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		s.fail(w, http.StatusRequestEntityTooLarge, "too large", fmt.Sprintf("body of more than %d bytes", large.Limit))
		return
	case ctx.Err() != nil && r.Context().Err() == nil:
		err = fmt.Errorf("no answer within %v: %w", liveTime, ctx.Err())
	}
	for _, k := range kinds {
		if errors.Is(err, k.is) {
			if k.status == http.StatusServiceUnavailable || k.status == http.StatusTooManyRequests {
				w.Header().Set("Retry-After", "2")
			}
			s.fail(w, k.status, k.kind, err.Error())
			return
		}
	}
	s.fail(w, http.StatusBadRequest, "request", asRequested.Replace(err.Error()))
}

// asRequested has errors of what was asked for name its parameters, which are no options here.
var asRequested = strings.NewReplacer("{classes}", "classes", "{class}", "class", "{versus}", "versus", "{head-idxs}", "heads")

func (s *Server) status(_ context.Context, _ http.ResponseWriter, r *http.Request, _ string) (any, error) {
	if _, err := readParameters(r.URL.RawQuery, "token"); err != nil {
		return nil, err
	}
	status := s.o.Live.Status()
	for _, part := range []*live.Ability{&status.Text, &status.Image, &status.Drop, &status.Toggle, &status.Segment, &status.Scores, &status.Thumbs} {
		part.Reason = s.o.Spell(part.Reason)
	}
	return status, nil
}

func (s *Server) text(ctx context.Context, _ http.ResponseWriter, r *http.Request, _ string) (any, error) {
	p, err := readParameters(r.URL.RawQuery, "q")
	if err != nil {
		return nil, err
	}
	return s.o.Live.Text(ctx, p["q"])
}

func (s *Server) scores(ctx context.Context, _ http.ResponseWriter, r *http.Request, _ string) (any, error) {
	p, err := readParameters(r.URL.RawQuery, "unit")
	if err != nil {
		return nil, err
	}
	return s.o.Live.Scores(ctx, p["unit"])
}

func (s *Server) image(ctx context.Context, _ http.ResponseWriter, r *http.Request, rest string) (any, error) {
	image, err := readImage(rest)
	if err != nil {
		return nil, err
	}
	p, err := readParameters(r.URL.RawQuery, questionNames...)
	if err != nil {
		return nil, err
	}
	q, err := p.question()
	if err != nil {
		return nil, err
	}
	return s.o.Live.Image(ctx, image, q)
}

func (s *Server) thumb(ctx context.Context, _ http.ResponseWriter, r *http.Request, rest string) (any, error) {
	image, err := readImage(rest)
	if err != nil {
		return nil, err
	}
	p, err := readParameters(r.URL.RawQuery, "size", "changed")
	if err != nil {
		return nil, err
	}
	size, err := p.number("size", report.ThumbSize)
	if err != nil {
		return nil, err
	}
	changed, err := p.flag("changed", false)
	if err != nil {
		return nil, err
	}
	thumb, err := s.o.Live.Thumb(ctx, image, size, changed)
	return picture(thumb), err
}

var errMedia = errors.New("want Content-Type application/json")

func (s *Server) toggle(ctx context.Context, w http.ResponseWriter, r *http.Request, _ string) (any, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return nil, errMedia
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		return nil, err
	}
	one := "h21n624"
	if s.o.Report.OfHeads() {
		one = "l10h3"
	}
	q, err := readToggle(body, one)
	if err != nil {
		return nil, err
	}
	toggle, err := s.o.Live.Toggle(ctx, q)
	if err != nil {
		return nil, err
	}
	toggle.Reason = s.o.Spell(toggle.Reason)
	return toggle, nil
}

// upload reads an image that is sent. There is room for some at a time; leave must be
// called when the image is no longer needed.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) (data []byte, leave func(), err error) {
	select {
	case s.uploads <- struct{}{}:
	default:
		return nil, nil, fmt.Errorf("%d images are being looked at: try again in a moment (%w)", maxUploads, live.ErrBusy)
	}
	leave = func() { <-s.uploads }
	data, err = io.ReadAll(http.MaxBytesReader(w, r.Body, live.MaxUpload))
	if err == nil && len(data) == 0 {
		err = errors.New("empty body, want an image")
	}
	if err != nil {
		leave()
		return nil, nil, err
	}
	return data, leave, nil
}

// sent is what answers call an image that is sent.
const sent = "image"

func (s *Server) drop(ctx context.Context, w http.ResponseWriter, r *http.Request, _ string) (any, error) {
	p, err := readParameters(r.URL.RawQuery, append([]string{"unit"}, questionNames...)...)
	if err != nil {
		return nil, err
	}
	q, err := p.question()
	if err != nil {
		return nil, err
	}
	data, leave, err := s.upload(w, r)
	if err != nil {
		return nil, err
	}
	defer leave()
	return s.o.Live.Drop(ctx, sent, data, p["unit"], q)
}

func (s *Server) segment(ctx context.Context, w http.ResponseWriter, r *http.Request, _ string) (any, error) {
	p, err := readParameters(r.URL.RawQuery, "classes", "image", "sink")
	if err != nil {
		return nil, err
	}
	sink, err := p.flag("sink", true)
	if err != nil {
		return nil, err
	}
	q := live.SegmentQuestion{Classes: p.list("classes"), NoSink: !sink}
	if text, ok := p["image"]; ok {
		image, err := readImage(text)
		if err != nil {
			return nil, err
		}
		return s.o.Live.SegmentImage(ctx, image, q)
	}
	data, leave, err := s.upload(w, r)
	if err != nil {
		return nil, err
	}
	defer leave()
	return s.o.Live.Segment(ctx, sent, data, q)
}
