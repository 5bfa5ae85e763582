package imageprep

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestHugeFiles reads files with holes, which take no room on the disk: none is
// read further than it takes to see that it is no image.
func TestHugeFiles(t *testing.T) {
	for _, test := range []struct {
		name, head string
		size       int64
		want       string
	}{
		{"slide.tif", "", 200 << 30, `unknown format beginning "\x00\x00\x00\x00`},
		{"no picture.jpg", "some text", 2 << 20, `unknown format beginning "some text`},
		{"begins well.jpg", "\xff\xd8\xff\xe0", 200 << 30, "file of 214748364800 bytes, want at most 2147483648"},
		{"begins well.png", pngMagic, mostFile + 1, "file of 2147483649 bytes, want at most 2147483648"},
		{"photo.heic", "\x00\x00\x00\x18ftypheic", 1 << 40, "HEIC, want JPEG"},
	} {
		path := filepath.Join(t.TempDir(), test.name)
		if err := os.WriteFile(path, []byte(test.head), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, test.size); err != nil {
			t.Logf("%s: not tested, the file system holds no such file: %v", test.name, err)
			continue
		}
		if testutil.Parsed(t, testutil.Slack, func() error { return preprocess(nil, path) }, "read image: "+path+": "+test.want) {
			t.Errorf("%s: no error", test.name)
		}
		if testutil.Parsed(t, testutil.Slack, func() error { _, err := ReadLabels(path, Options{}); return err }, "read label map: "+path+": ") {
			t.Errorf("%s: no error from the label map", test.name)
		}
		f, err := Load(path)
		if err != nil || f.Size != test.size || len(f.Bytes) != headSize {
			t.Errorf("%s: %v; %d bytes read of %d, want %d of %d", test.name, err, len(f.Bytes), f.Size, headSize, test.size)
		}
	}
}

// TestLoad reads files of sizes around those at which it reads otherwise: what it
// has read is the file.
func TestLoad(t *testing.T) {
	for _, size := range []int{0, 1, headSize - 1, headSize, headSize + 1, mostForeign - 1, mostForeign, mostForeign + 1} {
		for _, magic := range []string{"", pngMagic} {
			want := make([]byte, size)
			for i := range want {
				want[i] = byte(i % 251)
			}
			copy(want, magic)
			path := filepath.Join(t.TempDir(), "picture")
			if err := os.WriteFile(path, want, 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := Load(path)
			if err != nil {
				t.Fatal(err)
			}
			if magic == "" && size > mostForeign {
				want = want[:headSize]
			}
			if f.Path != path || f.Size != int64(size) || !bytes.Equal(f.Bytes, want) {
				t.Errorf("%q, %d bytes: read %d of %d", magic, size, len(f.Bytes), f.Size)
			}
		}
	}
}

// TestNotRegular: what is no file is told by its path, and not opened.
func TestNotRegular(t *testing.T) {
	for _, path := range []string{t.TempDir(), os.DevNull} {
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "read image: "+path+": not a regular file") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestForeign: kinds of files that people have under an image's name are told
// by name, with what to do.
func TestForeign(t *testing.T) {
	for _, test := range []struct{ begins, name, hint string }{
		{"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "HEIC", "heif-dec"},
		{"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00", "HEIC", "heif-dec"},
		{"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00", "AVIF", "avifdec"},
		{"\x00\x00\x00\x0cjP  \r\n\x87\n\x00\x00", "JPEG 2000", "opj_decompress"},
		{"\xff\x4f\xff\x51\x00\x2f", "JPEG 2000", "opj_decompress"},
		{"\xff\x0a\x00\x10", "JPEG XL", "djxl"},
		{"\x28\x00\x00\x00\x04\x00\x00\x00\x04\x00\x00\x00\x01\x00\x18\x00", "bitmap without its file header (DIB)", "Pillow"},
		{"\x00\x00\x00\x0cJXL \r\n\x87\n\x00\x00", "JPEG XL", "djxl"},
		{"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer", "git lfs pull"},
		{"\n <!DOCTYPE HTML><title>Not found</title>", "HTML page", "download it again"},
		{"\xef\xbb\xbf<html lang=en>", "HTML page", "download it again"},
	} {
		_, err := Decode([]byte(test.begins), Options{})
		if err == nil || !strings.HasPrefix(err.Error(), test.name+", want JPEG, PNG") {
			t.Errorf("%q: error %v, want one of %s", test.begins, err, test.name)
			continue
		}
		var h interface{ Hint() string }
		if !errors.As(err, &h) || !strings.Contains(h.Hint(), test.hint) {
			t.Errorf("%q: want a hint with %s", test.begins, test.hint)
		}
	}
}
