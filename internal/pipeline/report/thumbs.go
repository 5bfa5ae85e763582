package report

import (
	"cmp"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"slices"

	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/ui"
)

// Measures of sheets of thumbnails.
const (
	thumbSize    = report.ThumbSize
	sheetColumns = 8
	sheetRows    = 8
)

// shownIn are the images that some unit of columns shows, ascending.
func (b *base) shownIn(all ...*columns) []int32 {
	is := make([]bool, b.images)
	for _, c := range all {
		for _, h := range []hits{c.strongest, c.weakest, c.quantiles} {
			for _, image := range h.images {
				is[image] = true
			}
		}
	}
	var images []int32
	for i, shown := range is {
		if shown {
			images = append(images, int32(i))
		}
	}
	return images
}

// drawThumbs draws thumbnails of the images that some unit shows: the middle square of
// each. One that cannot be read is named, and has a grey square.
func (b *base) drawThumbs(ctx context.Context, images []int32) error {
	if b.items == nil {
		return nil
	}
	each := sheetColumns * sheetRows
	t := &report.Thumbs{Size: thumbSize, Columns: sheetColumns, Rows: sheetRows, Sheets: (len(images) + each - 1) / each, Of: report.Indices(images, b.images)}
	progress := b.say.Progress()
	progress.Start(int64(len(images)), ui.Images, "report: thumbnails")
	defer progress.Done()
	for sheet := range t.Sheets {
		if err := ctx.Err(); err != nil {
			return err
		}
		of := images[sheet*each : min(len(images), (sheet+1)*each)]
		file := fmt.Sprintf("thumbs/%03d.jpg", sheet)
		if b.folder.has(file) { // drawn by an unfinished run, whose comparisons are lost
			if err := b.compare(ctx, of); err != nil {
				return err
			}
		} else {
			drawn, err := b.sheet(of)
			if err != nil {
				return err
			}
			err = b.folder.writeFile(file, func(w io.Writer) error {
				return jpeg.Encode(w, drawn, &jpeg.Options{Quality: report.ThumbQuality})
			})
			if err != nil {
				return err
			}
		}
		progress.Add(int64(len(of)))
	}
	b.overview.Thumbs = t
	return nil
}

// compare compares images with what they were when they were collected.
func (b *base) compare(ctx context.Context, images []int32) error {
	items := make([]dataset.Item, len(images))
	for i, image := range images {
		items[i] = *b.items[b.names[image]]
	}
	return b.recorded.CompareFiles(ctx, items, b.Threads, ui.Discard)
}

// sheet draws the thumbnails of some images.
func (b *base) sheet(images []int32) (image.Image, error) {
	rows := (len(images) + sheetColumns - 1) / sheetColumns
	out := image.NewRGBA(image.Rect(0, 0, sheetColumns*thumbSize, rows*thumbSize))
	for i := range out.Pix {
		out.Pix[i] = 0xcc | byte(i%4/3*0xff)
	}
	failed, fit := make([]error, len(images)), model.FitOf(b.from)
	b.team().For(len(images), func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			var f *imageprep.File
			var img *imageprep.RGB
			if f, failed[i] = b.items[b.names[images[i]]].Load(); failed[i] != nil {
				continue
			}
			if failed[i] = b.recorded.Compare(b.names[images[i]], f); failed[i] != nil {
				continue
			}
			if img, failed[i] = f.Decode(b.Images); failed[i] != nil {
				continue
			}
			square := imageprep.Square(img, thumbSize, fit)
			x0, y0 := i%sheetColumns*thumbSize, i/sheetColumns*thumbSize
			for y := range thumbSize {
				for x := range thumbSize {
					p := out.Pix[out.PixOffset(x0+x, y0+y):]
					copy(p[:3], square.Pix[3*(y*thumbSize+x):][:3])
					p[3] = 0xff
				}
			}
		}
	})
	for i, err := range failed {
		if err != nil && source.Stops(err, b.Strict) {
			return nil, err
		}
		if err != nil {
			b.say.Skip(err)
			b.skip(Skipped{Name: b.names[images[i]], Reason: source.Reason(err, b.items[b.names[images[i]]].Path)})
		}
	}
	return out, nil
}

// skip notes an image that could not be read.
func (b *base) skip(s Skipped) {
	at, found := slices.BinarySearchFunc(b.result.Skipped, s, func(a, b Skipped) int { return cmp.Compare(a.Name, b.Name) })
	if !found {
		b.result.Skipped = slices.Insert(b.result.Skipped, at, s)
	}
}
