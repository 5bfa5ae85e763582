package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/canvas"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/par"
	"github.com/clipnh/clipnh/internal/ui"
)

// drawing is the part of Retrieve that makes pictures.
type drawing struct {
	RetrieveOptions
	say   Reporter
	team  par.Team
	paths map[string]string // of pictures' files, by name
	tower *clip.ImageTower  // nil: no heat maps

	failed  map[string]bool // pictures that could not be read
	skipped []Skipped
}

// A shown picture is one on a sheet.
type shown struct {
	err  error
	crop canvas.Picture // the square that the model sees
	// Of a tower, at every location of its last map:
	activation []float32 // of the neuron, [T-1]
	attention  []float32 // of every head, [H,T-1]
}

// draw writes, for every neuron, copies of the pictures that it and its pairs
// are strongest on, a sheet with the neuron's pictures and below them those of
// its strongest pairs, and, where there is a model, another with heat maps over
// them. It completes result with their paths, and returns the pictures that
// could not be read.
func (o RetrieveOptions) draw(ctx context.Context, src *source, result *RetrieveResult, say Reporter) ([]Skipped, error) {
	d := &drawing{RetrieveOptions: o, say: say, team: par.NewTeam(o.Threads), tower: src.tower, failed: map[string]bool{}}
	if err := d.locate(ctx, result); err != nil {
		return nil, err
	}
	switch {
	case d.tower == nil && o.Model == "":
		say.Note("heat maps are left out: they need --model")
	case d.tower == nil:
		m, err := openModel(ctx, o.Model)
		if err != nil {
			return nil, err
		}
		defer m.Close()
		if err := sameWeights(o.Model, m.sha256, o.ScoresPath, src.origin.Weights); err != nil {
			return nil, err
		}
		if c := m.Config; c.Neurons() != src.neurons || src.heads != 0 && c.Heads() != src.heads {
			return nil, fmt.Errorf("%s: %d heads and %d neurons, want those of %s, %d and %d", o.Model, c.Heads(), c.Neurons(), o.ScoresPath, src.heads, src.neurons)
		}
		// Planned as for collecting, so that its maps are those of the scores.
		options := clip.ImageOptions{Batch: max(o.BatchSize, 2), Threads: o.Threads, Precision: o.Precision}
		if d.tower, err = clip.NewImageTower(m.Checkpoint, options); err != nil {
			return nil, err
		}
	}
	progress := say.Progress()
	progress.Start(int64(len(result.Neurons)), ui.Neurons, "sheets")
	defer progress.Done()
	for i := range result.Neurons {
		if err := d.neuron(ctx, &result.Neurons[i], result.Images); err != nil {
			return d.skipped, err
		}
		progress.Add(1)
	}
	return d.skipped, nil
}

// locate finds the files of the pictures by their names.
func (d *drawing) locate(ctx context.Context, result *RetrieveResult) error {
	data, err := dataset.Open(ctx, d.Data)
	if err != nil {
		return err
	}
	d.paths = map[string]string{}
	for _, item := range data.Items {
		d.paths[item.Name] = item.Path
	}
	for _, n := range result.Neurons {
		for _, u := range n.Units {
			for _, t := range u.Top {
				if d.paths[t.Name] == "" {
					err := fmt.Errorf("%s: picture %s of %s is not there", d.Data.Path, t.Name, d.ScoresPath)
					return hinted{err, "give the --dataset and --data-path that the scores are of"}
				}
			}
		}
	}
	if d.ScoresPath == "" || IsDense(d.ScoresPath) {
		return nil
	}
	a, err := cache.Open(d.ScoresPath)
	if err != nil {
		return err
	}
	from := a.Manifest.Origin
	if from.Images != "" && data.Stride(max(from.Stride, 1)).Fingerprint() != from.Images {
		d.say.Warn("%s: not quite the pictures that %s was made of: names or sizes differ", d.Data.Path, d.ScoresPath)
	}
	return nil
}

// drawGroup is how many pictures are in memory at a time.
const drawGroup = 16

// neuron makes the pictures of one neuron.
func (d *drawing) neuron(ctx context.Context, n *RetrievedNeuron, of int) error {
	onSheet := n.Units[:min(1+d.SheetHeads, len(n.Units))]
	uses := map[int][]*Retrieved{} // by picture
	written := map[string][]string{}
	sheet := map[int]*shown{}
	var images []int
	for i := range n.Units {
		u := &n.Units[i]
		folder := unitFolder(d.SaveDir, n.index, u.head)
		if err := os.MkdirAll(folder, 0o777); err != nil {
			return err
		}
		for j := range u.Top {
			t := &u.Top[j]
			if uses[t.Image] == nil {
				images = append(images, t.Image)
			}
			uses[t.Image] = append(uses[t.Image], t)
			t.Path = filepath.Join(folder, fmt.Sprintf("%d_%d.png", t.Rank, t.Image))
			written[folder] = append(written[folder], t.Path)
			if i < len(onSheet) && sheet[t.Image] == nil {
				sheet[t.Image] = &shown{}
			}
		}
	}
	slices.Sort(images)
	for group := range slices.Chunk(images, drawGroup) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := d.group(group, uses, sheet, n.index); err != nil {
			return err
		}
	}
	for i := range n.Units {
		for j := range n.Units[i].Top {
			if t := &n.Units[i].Top[j]; d.failed[t.Name] {
				folder := filepath.Dir(t.Path)
				written[folder] = slices.DeleteFunc(written[folder], func(path string) bool { return path == t.Path })
				t.Path = ""
			}
		}
	}
	folder := neuronFolder(d.SaveDir, n.index)
	n.Sheet = filepath.Join(folder, sheetFile)
	written[folder] = append(written[folder], n.Sheet)
	if err := saveCanvas(n.Sheet, contactSheet(n.Neuron, onSheet, sheet, of)); err != nil {
		return err
	}
	if d.tower != nil {
		n.Heat = filepath.Join(folder, heatFile)
		written[folder] = append(written[folder], n.Heat)
		if err := saveCanvas(n.Heat, heatSheet(n.Neuron, onSheet, sheet, d.tower.Config().Grid())); err != nil {
			return err
		}
	}
	for folder, paths := range written {
		if err := removeOlder(folder, paths); err != nil {
			return err
		}
	}
	return nil
}

func saveCanvas(path string, c *canvas.Canvas) error {
	return cache.WriteFile(path, func(w io.Writer) error { return c.WritePNG(w, retrieveMaker) })
}

// group reads some pictures, copies them, and fills in those on the sheet.
func (d *drawing) group(images []int, uses map[int][]*Retrieved, sheet map[int]*shown, neuron int) error {
	errs := make([]error, len(images)) // of writing
	read := make([]shown, len(images))
	pixels := make([][]float32, len(images)) // for the tower
	d.team.For(len(images), func(lo, hi, _ int) {
		for i := lo; i < hi; i++ {
			use := uses[images[i]]
			img, err := imageprep.ReadFile(d.paths[use[0].Name], d.Images)
			if err != nil {
				read[i].err = err
				continue
			}
			if sheet[images[i]] != nil {
				read[i].crop = asPicture(imageprep.Square(img, thumbSide))
				if d.tower != nil {
					pixels[i] = make([]float32, d.tower.PictureLen())
					imageprep.PreprocessRGB(pixels[i], img, d.tower.Config().ImageSize)
				}
			}
			errs[i] = d.copies(img, use)
		}
	})
	for i, image := range images {
		if err := errs[i]; err != nil {
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

// skip takes down that a picture cannot be read, though it could be when scores
// were made of it. To a strict run that is an error.
func (d *drawing) skip(name string, err error) error {
	if d.Strict {
		return err
	}
	if !d.failed[name] {
		d.failed[name] = true
		d.say.Warn("skipped: %v", err)
		d.skipped = append(d.skipped, Skipped{Name: name, Reason: reason(err, d.paths[name])})
	}
	return nil
}

// copies writes a picture to each of the places where it is wanted.
func (d *drawing) copies(img *imageprep.RGB, use []*Retrieved) error {
	if long := max(img.W, img.H); d.CopySide > 0 && long > d.CopySide {
		w, h := max(1, img.W*d.CopySide/long), max(1, img.H*d.CopySide/long)
		img = imageprep.Resize(img, w, h, imageprep.Bicubic)
	}
	var file bytes.Buffer
	if err := asPicture(img).WritePNG(&file, retrieveMaker); err != nil {
		return err
	}
	for _, t := range use {
		err := cache.WriteFile(t.Path, func(w io.Writer) error {
			_, err := w.Write(file.Bytes())
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func asPicture(img *imageprep.RGB) canvas.Picture {
	return canvas.Picture{Pix: img.Pix, W: img.W, H: img.H}
}

// look fills in what the tower makes of a picture.
func (d *drawing) look(s *shown, pixels []float32, neuron int) error {
	c := d.tower.Config()
	H, T, C := c.Heads(), c.Tokens(), c.Neurons()
	out := clip.Output{Tokens: make([]float32, T*C), Attention: make([]float32, H*T)}
	if err := d.tower.Run(pixels, out); err != nil {
		return err
	}
	position := d.tower.Position()
	for t := 1; t < T; t++ {
		s.activation = append(s.activation, out.Tokens[t*C+neuron]-position[t*C+neuron])
	}
	for h := range H {
		s.attention = append(s.attention, out.Attention[h*T+1:(h+1)*T]...)
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
