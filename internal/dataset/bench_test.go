package dataset

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// BenchmarkLoad lists many small images and reads all of them, from files, from archives, and
// from an archive at an address.
func BenchmarkLoad(b *testing.B) {
	const images = 20_000
	folder := b.TempDir()
	data := make([]byte, 9000)
	copy(data, "\xff\xd8\xff")
	for i := range images {
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%05d.jpg", i)), data[:5000+i%4000], 0o600); err != nil {
			b.Fatal(err)
		}
	}
	dir := b.TempDir()
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	for _, form := range []string{"files", "photos.tar", "photos.tar.gz", "photos.zip", "http"} {
		path := folder
		switch form {
		case "files":
		case "http":
			path = server.URL + "/photos.tar"
		default:
			path = filepath.Join(dir, form)
			testutil.Pack(b, folder, path, "")
		}
		b.Run(form, func(b *testing.B) {
			for b.Loop() {
				d, err := Open(b.Context(), Options{Kind: Images, Path: path})
				if err != nil {
					b.Fatal(err)
				}
				sure(d.Fingerprint())
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
