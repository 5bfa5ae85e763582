package retrieve

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/canvas"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/origin"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/pipeline/figure"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/quantity"
	"github.com/clipnh/clipnh/internal/ui"
)

// renderer is the part of Retrieve that makes images.
type renderer struct {
	Options
	say   ui.Reporter
	team  par.Team
	data  *dataset.Dataset
	items map[string]*dataset.Item // by name
	tower clip.PairTower           // nil: no heat maps
	model *model.Model             // of a tower that is not the source's, or nil

	fit      imageprep.Fit    // of images to squares, as for the model
	recorded *source.Recorded // of the images of the scores; nil of a model's

	madeFolder bool // by this run, SaveDir

	stored  map[int]bool    // images that are in the folder that all units share
	failed  map[string]bool // images that could not be read
	skipped []source.Skipped
}

// A shown image is one on a sheet.
type shown struct {
	err  error
	crop canvas.Image // the square that the model sees
	// Of a tower, at every location of its last map:
	activation []float32 // of the neuron, [T-1]
	attention  []float32 // of every head, [H,T-1]: what it weighs tokens by in scores
}

// newDrawing opens the images and, where the source has no tower and there is a
// model, its tower.
func (o Options) newDrawing(ctx context.Context, src *source.Source, say ui.Reporter) (d *renderer, err error) {
	d = &renderer{Options: o, say: say, team: par.NewTeam(o.Threads), stored: map[int]bool{}, failed: map[string]bool{}}
	if d.data, err = source.OpenAs(ctx, o.Data, src.Artefact); err != nil {
		return nil, err
	}
	if err := source.PrepareBeside(&d.Images, d.Asked, d.Artefacts, src.Artefact); err != nil {
		return nil, err
	}
	d.fit = model.FitOf(src.Origin)
	if src.Tower != nil {
		d.tower, err = src.PairTower()
		return d, err
	}
	if o.Model == "" {
		return d, nil
	}
	if d.model, err = model.OpenFor(ctx, o.Model, o.Details, src.Origin); err != nil {
		return nil, err
	}
	if len(o.Texts) == 0 { // else the model that embedded them has been told of
		d.model.Tell(say)
	}
	if err = d.openTower(src); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// openTower makes the tower of the model, which must be that of the scores.
func (d *renderer) openTower(src *source.Source) (err error) {
	m := d.model
	if err := m.WantOf(d.ScoresPath, src.Origin); err != nil {
		return err
	}
	pairs, err := m.PairsOf(src.Origin)
	if err != nil {
		return err
	}
	if pairs.Neurons != src.Neurons || src.Heads != 0 && pairs.Heads != src.Heads {
		return fmt.Errorf("%s: %s and %s, want those of %s, %d and %d", d.Model, quantity.Of(pairs.Heads, "head"), quantity.Of(pairs.Neurons, "neuron"), d.ScoresPath, src.Heads, src.Neurons)
	}
	if block := src.Origin.Block; block != "" && block != origin.LastBlock {
		err := fmt.Errorf("%s: %w: made with block %s, but heat maps are of the last block", d.ScoresPath, cache.ErrStale, block)
		return hint.With(err, "leave out {model}: sheets are then drawn without heat maps")
	}
	// Planned as for collecting, so that its maps are those of the scores.
	options := clip.ImageOptions{Batch: max(min(d.BatchSize, src.Images), 2), Threads: d.Threads, Precision: d.Precision}
	d.tower, err = clip.NewPairTower(pairs, options)
	return err
}

// close also removes the folders that nothing was written to.
func (d *renderer) close() {
	os.Remove(filepath.Join(d.SaveDir, storedFolder))
	if d.madeFolder {
		os.Remove(d.SaveDir)
	}
	if d.model != nil {
		d.model.Close()
	}
}

// draw writes, for every neuron, the images that it and its pairs are strongest
// on, and a sheet with the neuron's images and below them those
// of its strongest pairs; where there is a model, also one with heat maps for
// each of these units. It completes result with their paths, and returns the
// images that could not be read.
func (d *renderer) draw(ctx context.Context, result *Result) ([]source.Skipped, error) {
	if err := d.locate(ctx, result); err != nil {
		return nil, err
	}
	if d.tower == nil && d.Model == "" {
		d.say.Note("heat maps are left out: they need {model}")
	}
	progress := d.say.Progress()
	total := 0
	for _, n := range result.Neurons {
		total += len(n.images())
	}
	progress.Start(int64(total), ui.Images, "sheets")
	defer progress.Done()
	for i := range result.Neurons {
		if err := d.neuron(ctx, &result.Neurons[i], result.Images, progress); err != nil {
			return d.skipped, err
		}
	}
	progress.Done()
	return d.skipped, nameOthers(d.SaveDir, result, d.say)
}

// images are the images that the neuron or one of its pairs is strongest on,
// ascending.
func (n *Neuron) images() []int {
	var images []int
	for _, u := range n.Units {
		for _, t := range u.Top {
			images = append(images, t.Image)
		}
	}
	slices.Sort(images)
	return slices.Compact(images)
}

// drawGroup is how many images are in memory at a time.
const drawGroup = 16

// neuron makes the images of one neuron.
func (d *renderer) neuron(ctx context.Context, n *Neuron, of int, progress ui.Progress) error {
	onSheet := n.Units[:min(1+d.SheetHeads, len(n.Units))]
	uses, sheet := map[int][]*Hit{}, map[int]*shown{} // by image
	for i := range n.Units {
		u := &n.Units[i]
		folder := unitFolder(d.SaveDir, n.index, u.head)
		if d.Copies || i == 0 || d.tower != nil && i < len(onSheet) {
			if err := os.MkdirAll(folder, 0o777); err != nil {
				return err
			}
		}
		for j := range u.Top {
			t := &u.Top[j]
			if t.Path = storedPath(d.SaveDir, t.Image, t.Name); d.Copies {
				t.Path = filepath.Join(folder, fmt.Sprintf("%d_%d.png", t.Rank-1, t.Image))
			}
			uses[t.Image] = append(uses[t.Image], t)
			if i < len(onSheet) {
				sheet[t.Image] = &shown{}
			}
		}
	}
	for group := range slices.Chunk(n.images(), drawGroup) {
		if err := d.group(ctx, group, uses, sheet, n.index); err != nil {
			return err
		}
		progress.Add(int64(len(group)))
	}
	if err := ctx.Err(); err != nil { // sheets take seconds
		return err
	}
	folder := neuronFolder(d.SaveDir, n.index)
	n.Sheet = filepath.Join(folder, sheetFile)
	if err := saveCanvas(ctx, d.Store, n.Sheet, contactSheet(n.Neuron, onSheet, sheet, of)); err != nil {
		return err
	}
	if d.tower != nil {
		if err := d.heatSheets(ctx, onSheet, n.index, sheet); err != nil {
			return err
		}
	}
	return d.tidy(n)
}

// heatSheets draws one for each of some units.
func (d *renderer) heatSheets(ctx context.Context, units []Unit, neuron int, images map[int]*shown) error {
	errs := make([]error, len(units))
	d.team.For(len(units), func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			if errs[i] = ctx.Err(); errs[i] != nil {
				return
			}
			u := &units[i]
			u.Heat = filepath.Join(unitFolder(d.SaveDir, neuron, u.head), heatFile)
			errs[i] = saveCanvas(ctx, d.Store, u.Heat, heatSheet(*u, images, d.tower.Config().Grid(), productText(d.tower)))
		}
	})
	return firstOf(errs)
}

// tidy removes what an earlier run left in the neuron's folders, and takes back
// the paths of images that could not be read.
func (d *renderer) tidy(n *Neuron) error {
	for i := range n.Units {
		u := &n.Units[i]
		written := []string{n.Sheet, u.Heat}
		for j := range u.Top {
			if t := &u.Top[j]; d.failed[t.Name] {
				t.Path = ""
			} else {
				written = append(written, t.Path)
			}
		}
		if err := removeOlder(unitFolder(d.SaveDir, n.index, u.head), written); err != nil {
			return err
		}
	}
	return nil
}

// group reads some images, writes those that are not written yet, and fills in those on
// the sheet.
func (d *renderer) group(ctx context.Context, images []int, uses map[int][]*Hit, sheet map[int]*shown, neuron int) error {
	read := make([]shown, len(images))
	files := make([]bytes.Buffer, len(images)) // the copies
	pixels := make([][]float32, len(images))   // for the tower
	d.team.For(len(images), func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			use := uses[images[i]]
			file, err := d.items[use[0].Name].Load()
			var img *imageprep.RGB
			if err == nil {
				err = d.recorded.Compare(use[0].Name, file)
			}
			if err == nil {
				img, err = file.Decode(d.Images)
			}
			if err != nil {
				read[i].err = err
				continue
			}
			if sheet[images[i]] != nil {
				read[i].crop = asImage(imageprep.Square(img, figure.ThumbSide, d.fit))
				if d.tower != nil {
					pixels[i] = make([]float32, d.tower.ImageLen())
					if read[i].err = imageprep.PreprocessFile(pixels[i], file, d.tower.Config().Input(), d.Images); read[i].err != nil {
						continue
					}
				}
			}
			if !d.stored[images[i]] {
				read[i].err = d.encode(&files[i], img)
			}
		}
	})
	if err := writeCopies(ctx, d.Store, images, files, uses); err != nil {
		return err
	}
	if !d.Copies {
		for i, image := range images {
			d.stored[image] = d.stored[image] || files[i].Len() > 0
		}
	}
	for i, image := range images {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := read[i].err; err != nil {
			if err := d.skip(uses[image][0].Name, err); err != nil {
				return err
			}
		}
		if s := sheet[image]; s != nil {
			*s = read[i]
			if pixels[i] != nil {
				if err := d.look(s, pixels[i], neuron); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// skip takes down that an image cannot be read, though it could be when scores
// were made of it. To a strict run that is an error, and so is a server that fails.
func (d *renderer) skip(name string, err error) error {
	if source.Stops(err, d.Strict) {
		return err
	}
	if !d.failed[name] {
		d.failed[name] = true
		d.say.Skip(err)
		d.skipped = append(d.skipped, source.Skipped{Name: name, Reason: source.Reason(err, d.items[name].Path)})
	}
	return nil
}

// look fills in what the tower makes of an image.
func (d *renderer) look(s *shown, pixels []float32, neuron int) error {
	T, pairs, out := d.tower.Config().Tokens(), d.tower.Pairs(), d.tower.Room(1)
	out.Features, out.Scores = nil, nil
	if err := d.tower.Run(pixels, out); err != nil {
		return err
	}
	position, neurons, weights := d.tower.Position(), d.tower.Neurons(out), d.tower.Weights(out)
	for t := 1; t < T; t++ {
		x := neurons[t*pairs.Neurons+neuron]
		if position != nil {
			x -= position[t*pairs.Neurons+neuron]
		}
		s.activation = append(s.activation, x)
	}
	for h := range pairs.Heads {
		s.attention = append(s.attention, weights[h*T+1:(h+1)*T]...)
	}
	return nil
}

// maps returns, for a head or all of them, the neuron's activation, the
// attention (its mean over heads), and their product, each [T-1].
func (s *shown) maps(head int) [3][]float32 {
	n := len(s.activation)
	attention := make([]float32, n)
	if head != wholeNeuron {
		copy(attention, s.attention[head*n:])
	} else {
		heads := len(s.attention) / n
		for i, a := range s.attention {
			attention[i%n] += a / float32(heads)
		}
	}
	both := make([]float32, n)
	for i, a := range attention {
		both[i] = a * s.activation[i]
	}
	return [3][]float32{s.activation, attention, both}
}
