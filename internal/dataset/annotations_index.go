package dataset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/clipnh/clipnh/internal/foreign"
)

// maxValue is about how many bytes an image, an annotation or another member of a
// list in the file may take: many times what a mask of a large image does.
const maxValue = 16 << 20

// indexer reads a file of annotations.
type indexer struct {
	ctx   context.Context
	input *meter
	json  *json.Decoder
	kept  map[int]bool // ids of categories

	images map[int64]*marked // by image id
	names  map[string]int64  // image ids
	masks  map[int64][]mask  // by image id
}

func newIndexer(ctx context.Context, r io.Reader, ids []int) *indexer {
	input := &meter{r: r}
	x := &indexer{
		ctx: ctx, input: input, json: json.NewDecoder(input), kept: map[int]bool{},
		images: map[int64]*marked{}, names: map[string]int64{}, masks: map[int64][]mask{},
	}
	for _, id := range ids {
		x.kept[id] = true
	}
	return x
}

// meter is a reader that stops where a value is too long.
type meter struct {
	r    io.Reader
	left int
}

var errLongValue = fmt.Errorf("a value of more than %d MiB", maxValue>>20)

func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, errLongValue
	}
	n, err := m.r.Read(p[:min(len(p), m.left)])
	m.left -= n
	return n, err
}

// token reads the next token; delimiters must be as wanted.
func (x *indexer) token(want json.Delim) (json.Token, error) {
	if err := x.ctx.Err(); err != nil {
		return nil, err
	}
	x.input.left = maxValue
	t, err := x.json.Token()
	if err != nil {
		return nil, cutShort(err)
	}
	if d, ok := t.(json.Delim); want != 0 && (!ok || d != want) {
		found := fmt.Sprint(t)
		if text, ok := t.(string); ok {
			found = foreign.Quote(text)
		}
		return nil, fmt.Errorf("%s, want %v", found, want)
	}
	return t, nil
}

// decode reads the next value.
func (x *indexer) decode(v any) error {
	if err := x.ctx.Err(); err != nil {
		return err
	}
	x.input.left = maxValue
	return cutShort(x.json.Decode(v))
}

// cutShort names an early end, and shortens an error that quotes a long value.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	if err == nil {
		return nil
	}
	return foreign.Short(err)
}

// index reads the whole file and joins masks to images.
func (x *indexer) index() (map[string]*marked, error) {
	if _, err := x.token('{'); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for x.json.More() {
		key, err := x.token(0)
		if err != nil {
			return nil, err
		}
		read := x.skip
		switch key {
		case "images":
			read = func() error { return x.list(x.image) }
		case "annos_segmentation":
			read = func() error { return x.list(x.annotation) }
		default:
			if err := read(); err != nil {
				return nil, fmt.Errorf("%s: %w", foreign.Quote(fmt.Sprint(key)), err)
			}
			continue
		}
		if seen[key.(string)] {
			return nil, fmt.Errorf("a second list %q", key)
		}
		seen[key.(string)] = true
		if err := read(); err != nil {
			return nil, fmt.Errorf("%q: %w", key, err)
		}
	}
	if _, err := x.token('}'); err != nil {
		return nil, err
	}
	x.input.left = maxValue
	if _, err := x.json.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more text behind the end")
	}
	if len(x.images) == 0 || !seen["annos_segmentation"] {
		return nil, errors.New(`no lists "images" and "annos_segmentation", want both`)
	}
	return x.join()
}

// join gives the images their masks.
func (x *indexer) join() (map[string]*marked, error) {
	for _, id := range slices.Sorted(maps.Keys(x.masks)) {
		if x.images[id] == nil {
			return nil, fmt.Errorf("annotations of image %d, which is not listed", id)
		}
		x.images[id].masks = x.masks[id]
	}
	images := make(map[string]*marked, len(x.names))
	for name, id := range x.names {
		images[name] = x.images[id]
	}
	return images, nil
}

// list reads a list with member.
func (x *indexer) list(member func() error) error {
	if _, err := x.token('['); err != nil {
		return err
	}
	for x.json.More() {
		if err := member(); err != nil {
			return err
		}
	}
	_, err := x.token(']')
	return err
}

func (x *indexer) image() error {
	var v struct {
		ID     *int64 `json:"image_id"`
		Name   string `json:"file_name"`
		Width  int    `json:"width"`
		Height int    `json:"height"`
		Phase  string `json:"phase"`
	}
	if err := x.decode(&v); err != nil {
		return err
	}
	if v.ID == nil || v.Name == "" || v.Width < 1 || v.Height < 1 {
		return errors.New("an image without image_id, file_name, width or height")
	}
	if !isSceneName(v.Name) {
		return fmt.Errorf("%s, want the name of an image", foreign.Quote(v.Name))
	}
	if _, twice := x.names[v.Name]; twice || x.images[*v.ID] != nil {
		return fmt.Errorf("image %d, %s, is listed twice", *v.ID, foreign.Quote(v.Name))
	}
	x.names[v.Name] = *v.ID
	x.images[*v.ID] = &marked{w: v.Width, h: v.Height, phase: v.Phase}
	return nil
}

func (x *indexer) annotation() error {
	var v struct {
		Image    *int64   `json:"image_id"`
		Category *int     `json:"category_id"`
		Mask     *present `json:"segmentation"`
	}
	at := x.json.InputOffset()
	if err := x.decode(&v); err != nil {
		return err
	}
	if v.Image == nil || v.Category == nil || v.Mask == nil {
		return errors.New("an annotation without image_id, category_id or segmentation")
	}
	if !x.kept[*v.Category] {
		return nil
	}
	x.masks[*v.Image] = append(x.masks[*v.Image], mask{
		at: at, length: int(x.json.InputOffset() - at), category: uint16(*v.Category),
	})
	return nil
}

// present is a value of which only its being there counts.
type present struct{}

func (*present) UnmarshalJSON([]byte) error { return nil }

// skip reads over a value, in parts where it is a list or has keys.
func (x *indexer) skip() error {
	t, err := x.token(0)
	if err != nil {
		return err
	}
	open, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	for x.json.More() {
		if open == '{' {
			if _, err := x.token(0); err != nil {
				return err
			}
		}
		if err := x.decode(new(present)); err != nil {
			return err
		}
	}
	_, err = x.token(0)
	return err
}
