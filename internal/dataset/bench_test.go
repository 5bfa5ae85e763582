package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// BenchmarkLoad lists a few thousand small images and reads all of them, from files and
// from archives.
func BenchmarkLoad(b *testing.B) {
	const images = 4000
	folder := b.TempDir()
	data := make([]byte, 9000)
	copy(data, "\xff\xd8\xff")
	for i := range images {
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%05d.jpg", i)), data[:5000+i%4000], 0o600); err != nil {
			b.Fatal(err)
		}
	}
	dir := b.TempDir()
	for _, form := range []string{"files", "photos.tar", "photos.tar.gz", "photos.zip"} {
		path := folder
		if form != "files" {
			path = filepath.Join(dir, form)
			testutil.Pack(b, folder, path, "")
		}
		b.Run(form, func(b *testing.B) {
			for b.Loop() {
				d, err := Open(b.Context(), Options{Kind: Images, Path: path})
				if err != nil {
					b.Fatal(err)
				}
				d.Fingerprint()
				for i := range d.Items {
					if _, err := d.Items[i].Load(); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/images, "µs/image")
		})
	}
}
