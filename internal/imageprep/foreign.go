package imageprep

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// foreign is a kind of file that is found under an image's name and not decoded.
type foreign struct {
	name   string
	begins func(b []byte) bool
	hint   string
}

// brand recognises ISO media files by the brand in their first box.
func brand(brands ...string) func([]byte) bool {
	return func(b []byte) bool {
		return len(b) >= 12 && string(b[4:8]) == "ftyp" && slices.Contains(brands, string(b[8:12]))
	}
}

func anyPrefix(prefixes ...string) func([]byte) bool {
	return func(b []byte) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return bytes.HasPrefix(b, []byte(p)) })
	}
}

// dib reports whether b begins with a bitmap's information header of 40 bytes, one plane,
// which in a BMP file comes after the file header.
func dib(b []byte) bool {
	return len(b) >= 16 && string(b[:4]) == "\x28\x00\x00\x00" && string(b[12:14]) == "\x01\x00"
}

// page reports whether b begins as an HTML page.
func page(b []byte) bool {
	text := strings.ToLower(strings.TrimLeft(strings.TrimPrefix(string(b), "\xef\xbb\xbf"), " \t\r\n"))
	return strings.HasPrefix(text, "<!doctype html") || strings.HasPrefix(text, "<html")
}

var foreigners = []foreign{
	{"HEIC", brand("heic", "heix", "hevc", "hevx", "heim", "heis", "mif1", "msf1"), "convert it, with libheif's heif-dec: heif-dec photo.heic photo.png"},
	{"AVIF", brand("avif", "avis"), "convert it, with libavif's avifdec: avifdec photo.avif photo.png"},
	{"JPEG 2000", anyPrefix("\x00\x00\x00\x0cjP  \r\n\x87\n", "\xff\x4f\xff\x51"), "convert it, with OpenJPEG's opj_decompress: opj_decompress -i photo.jp2 -o photo.png"},
	{"JPEG XL", anyPrefix("\x00\x00\x00\x0cJXL \r\n\x87\n", "\xff\x0a"), "convert it, with libjxl's djxl: djxl photo.jxl photo.png"},
	{"Git LFS pointer", anyPrefix("version https://git-lfs.github.com/spec/"), `the image itself is not there: run "git lfs pull"`},
	{"BigTIFF", anyPrefix("II+\x00", "MM\x00+"), "convert it, with libtiff's tiffcp: tiffcp scan.tif small.tif"},
	{"bitmap without its file header (DIB)", dib, "convert it, with Pillow: python3 -c \"from PIL import Image; Image.open('picture.dib').save('picture.bmp')\""},
	{"PAM", anyPrefix("P7\n"), "convert it, with Netpbm's pamtopnm: pamtopnm picture.pam > picture.ppm"},
	{"HTML page", page, "a download has brought a page about the image: download it again"},
}

// foreignError is the error of a file of a known kind that is not decoded.
type foreignError struct{ kind *foreign }

func (e foreignError) Error() string {
	return fmt.Sprintf("%s, want %s", e.kind.name, wantFormats)
}

func (e foreignError) Hint() string { return e.kind.hint }

const wantFormats = "JPEG, PNG, WebP, GIF, BMP, TIFF or PNM"

// unknownFormat is the error of a file that begins with b, which no format does.
func unknownFormat(b []byte) error {
	for i := range foreigners {
		if foreigners[i].begins(b) {
			return foreignError{&foreigners[i]}
		}
	}
	return fmt.Errorf("unknown format beginning %q, want %s", b[:min(len(b), 12)], wantFormats)
}
