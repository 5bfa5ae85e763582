package search

import (
	"context"
	"fmt"
	"image"
	"io"
	"path"
	"path/filepath"
	"strings"

	"github.com/clipnh/clipnh/internal/canvas"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/figure"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/ui"
)

const (
	sheetMaker = "clipnh search"
	sheetFile  = "sheet.png"
)

// drawing draws what was found.
type drawing struct {
	*Options
	say   ui.Reporter
	path  string
	items map[string]*dataset.Item // by name

	fit      imageprep.Fit    // of images to squares, as for the model
	recorded *source.Recorded // of the images of the scores; nil of a model's
}

// newDrawing finds the files of the images by their names.
func (o *Options) newDrawing(ctx context.Context, src *source.Source, say ui.Reporter) (*drawing, error) {
	d := &drawing{Options: o, say: say, path: filepath.Join(o.SaveDir, sheetFile), fit: model.FitOf(src.Origin)}
	if err := source.PrepareAsCollected(&o.Images, src.Artefact); err != nil {
		return nil, err
	}
	items := src.Items
	if src.Tower == nil {
		data, err := source.OpenAs(ctx, o.Data, src.Artefact)
		if err != nil {
			return nil, err
		}
		if err := source.NameOtherImages(ctx, data, o.Data.Path, src.Artefact, o.ScoresPath, o.Strict, say); err != nil {
			return nil, err
		}
		items = data.Items
		if d.recorded, err = source.RecordedImages(src.Artefact, o.ScoresPath, data, o.Strict); err != nil {
			return nil, err
		}
	}
	d.items = dataset.ByName(items)
	return d, figure.CanWriteImages([]string{d.path}, sheetMaker)
}

// draw writes the sheet. An image that cannot be read any more is named, and drawn as
// unreadable.
func (d *drawing) draw(ctx context.Context, result *Result) error {
	cells := 0
	for _, q := range result.Queries {
		cells = max(cells, len(q.Top))
		for _, hit := range q.Top {
			if d.items[hit.Name] == nil {
				return source.NotFound(d.Data, hit.Name, d.ScoresPath)
			}
		}
	}
	row := figure.NewFonts().RowHeight(3)
	text := fmt.Sprintf("Of %s those that are most like a text or another image, by the cosine of features, or those that a unit contributes most to, "+
		"by the norm of its contribution, bias share included.", ui.Images.Count(int64(result.Images)))
	g := figure.NewGrid("Search", text, len(result.Queries), cells, row)
	for i, q := range result.Queries {
		g.Fill(image.Rect(figure.Margin, g.At(i).Y-figure.CellGap, g.Bounds().Max.X-figure.Margin, g.At(i).Y-figure.CellGap+1), canvas.Faint)
		at := g.At(i)
		for _, line := range queryLines(g.Bold, &q) {
			g.Text(g.Bold, at, line, canvas.Ink)
			at.Y += g.Bold.Height() + 2
		}
		g.Text(g.Plain, at, q.Kind, canvas.Grey)
		thumbs, errs := d.thumbs(q.Top)
		if err := ctx.Err(); err != nil {
			return err
		}
		for j, hit := range q.Top {
			if errs[j] != nil {
				if source.Stops(errs[j], d.Strict) {
					return errs[j]
				}
				d.say.Skip(errs[j])
				result.Skipped = append(result.Skipped, source.Skipped{Name: hit.Name, Reason: source.Reason(errs[j], d.items[hit.Name].Path)})
			}
			g.Thumb(g.Cell(i, j), thumbs[j], errs[j])
			g.Caption(g.Cell(i, j), append(g.NameLines(hit.Name), q.ValueText(hit))...)
		}
	}
	result.Changed = d.recorded.Tell(d.say)
	if err := figure.WriteImage(d.Store, d.path, func(w io.Writer) error { return g.WritePNG(w, sheetMaker) }); err != nil {
		return err
	}
	result.Sheet = d.path
	return nil
}

// queryLines are what a row is of: the words of a text, the folders and the file of an image,
// or a unit, in at most four lines.
func queryLines(f *canvas.Font, q *Query) []string {
	const room, most = figure.HeadWidth - 24, 4
	lines := f.Wrap(q.Query, room)
	if q.Kind == imageQuery {
		folder, file := path.Split(q.Query)
		if lines = []string{file}; folder != "" {
			lines = []string{folder, file}
		}
	}
	if len(lines) > most {
		lines = append(lines[:most-1], strings.Join(lines[most-1:], " "))
	}
	for i, line := range lines {
		lines[i] = f.CutMiddle(line, room)
		if q.Kind == textQuery {
			lines[i] = f.Cut(line, room)
		}
	}
	return lines
}

// thumbs reads the images of a row.
func (d *drawing) thumbs(hits []Hit) ([]canvas.Image, []error) {
	thumbs, errs := make([]canvas.Image, len(hits)), make([]error, len(hits))
	par.NewTeam(d.Threads).For(len(hits), func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			file, err := d.items[hits[i].Name].Load()
			var img *imageprep.RGB
			if err == nil {
				err = d.recorded.Compare(hits[i].Name, file)
			}
			if err == nil {
				img, err = file.Decode(d.Images)
			}
			if errs[i] = err; err == nil {
				square := imageprep.Square(img, figure.ThumbSide, d.fit)
				thumbs[i] = canvas.Image{Pix: square.Pix, W: square.W, H: square.H}
			}
		}
	})
	return thumbs, errs
}

// ValueText is a hit's value, with its measure.
func (q *Query) ValueText(hit Hit) string {
	if q.Measure == Cosine {
		return fmt.Sprintf("cosine %.4f", hit.Value)
	}
	return fmt.Sprintf("norm %#.4g", hit.Value)
}
