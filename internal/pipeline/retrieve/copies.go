package retrieve

import (
	"bytes"
	"io"
	"sync"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/canvas"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/par"
)

// writeCopies writes the files of some images, empty ones aside, once to each of the
// places where they are wanted. It writes many at a time: for a single one, the disk
// takes as long to say that it is safe as for all of them.
func writeCopies(store *cache.Store, images []int, files []bytes.Buffer, uses map[int][]*Hit) error {
	var wg par.Group
	var mu sync.Mutex
	var errs []error
	for i, image := range images {
		if files[i].Len() == 0 {
			continue
		}
		places := map[string]bool{}
		for _, t := range uses[image] {
			places[t.Path] = true
		}
		for path := range places {
			wg.Go(func() {
				err := store.WriteFile(path, func(w io.Writer) error {
					_, err := w.Write(files[i].Bytes())
					return err
				})
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			})
		}
	}
	wg.Wait()
	return firstOf(errs)
}

// firstOf returns the first error that is not nil. Files that are written at the same
// time fail for the same reason, such as a full disk, which is said once.
func firstOf(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func asImage(img *imageprep.RGB) canvas.Image {
	return canvas.Image{Pix: img.Pix, W: img.W, H: img.H}
}

func saveCanvas(store *cache.Store, path string, c *canvas.Canvas) error {
	return store.WriteFile(path, func(w io.Writer) error { return c.WritePNG(w, retrieveMaker) })
}

// encode writes an image, shrunk where it is larger than CopySide.
func (d *renderer) encode(to io.Writer, img *imageprep.RGB) error {
	if long := max(img.W, img.H); d.CopySide > 0 && long > d.CopySide {
		w, h := max(1, img.W*d.CopySide/long), max(1, img.H*d.CopySide/long)
		img = imageprep.Resize(img, w, h, imageprep.Bicubic)
	}
	return asImage(img).WritePNG(to, retrieveMaker)
}
