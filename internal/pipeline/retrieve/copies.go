package retrieve

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/clipnh/clipnh/internal/cache"
	"github.com/clipnh/clipnh/internal/canvas"
	"github.com/clipnh/clipnh/internal/foreign"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/par"
)

// writeCopies writes the files of some images, empty ones aside, once to each of the
// places where they are wanted. It writes many at a time: for a single one, the disk
// takes as long to say that it is safe as for all of them.
func writeCopies(ctx context.Context, store *cache.Store, images []int, files []bytes.Buffer, uses map[int][]*Hit) error {
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
				err := write(ctx, store, path, files[i].Bytes())
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

func saveCanvas(ctx context.Context, store *cache.Store, path string, c *canvas.Canvas) error {
	var file bytes.Buffer
	if err := c.WritePNG(&file, retrieveMaker); err != nil {
		return err
	}
	return write(ctx, store, path, file.Bytes())
}

// Another run that writes into the same folder has the lock of a file for as long as the disk
// takes to keep it.
const (
	patience = 30 * time.Second // in all, of a file
	pause    = 20 * time.Millisecond
)

// mostFolders is how often the folder of a file is made.
const mostFolders = 10

// write writes a file, and makes its folder. Runs for different units share a folder and the images
// in it: a file that another one is writing is taken as it is if it has these bytes, and else waited
// for; and one that ends removes a folder that is empty.
func write(ctx context.Context, store *cache.Store, path string, data []byte) error {
	made := 0
	for waited := time.Duration(0); ; waited += pause {
		err := store.WriteFile(path, func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		})
		if errors.Is(err, fs.ErrNotExist) && made < mostFolders {
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				return err
			}
			made++
			continue
		}
		if !errors.Is(err, cache.ErrLocked) || waited >= patience {
			return err
		}
		if there, e := foreign.ReadFile(path, int64(len(data))); e == nil && bytes.Equal(there, data) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// encode writes an image, shrunk where it is larger than CopySide.
func (d *renderer) encode(to io.Writer, img *imageprep.RGB) error {
	if long := max(img.W, img.H); d.CopySide > 0 && long > d.CopySide {
		w, h := max(1, img.W*d.CopySide/long), max(1, img.H*d.CopySide/long)
		img = imageprep.Resize(img, w, h, imageprep.Bicubic)
	}
	return asImage(img).WritePNG(to, retrieveMaker)
}
