package dataset

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// synsets writes a meta.mat of classes with the numbers from 1.
func synsets(ids ...string) string {
	le := binary.LittleEndian
	element := func(kind uint32, data []byte) []byte {
		out := append(le.AppendUint32(le.AppendUint32(nil, kind), uint32(len(data))), data...)
		return append(out, make([]byte, -len(out)&7)...)
	}
	matrix := func(name string, class uint32, rows, columns int, parts ...[]byte) []byte {
		dims := le.AppendUint32(le.AppendUint32(nil, uint32(rows)), uint32(columns))
		body := slices.Concat(element(6, le.AppendUint64(nil, uint64(class))), element(5, dims), element(1, []byte(name)))
		return element(14, append(body, bytes.Join(parts, nil)...))
	}
	fields := make([]byte, 32)
	copy(fields, "ILSVRC2012_ID")
	copy(fields[16:], "WNID")
	parts := [][]byte{append(le.AppendUint32(nil, 4<<16|5), 16, 0, 0, 0), element(1, fields)}
	for i, id := range ids {
		parts = append(parts, matrix("", 6, 1, 1, element(9, le.AppendUint64(nil, math.Float64bits(float64(i+1))))), matrix("", 4, 1, len(id), element(16, []byte(id))))
	}
	head := append(bytes.Repeat([]byte{' '}, 124), 0, 1, 'I', 'M')
	copy(head, "MATLAB 5.0 MAT-file")
	return string(append(head, matrix("synsets", 2, len(ids), 1, parts...)...))
}

// TestDevkit labels flat images, in a folder and in an archive, by the devkit.
func TestDevkit(t *testing.T) {
	flat := images("val/ILSVRC2012_val_00000003.JPEG", "val/ILSVRC2012_val_00000001.JPEG", "val/ILSVRC2012_val_00000002.JPEG", "val/other.JPEG")
	meta := synsets("n00000002", "n00000001", "n00000009")
	for _, test := range []struct{ name, truth, meta, err string }{
		{"as published", "1\n3\n1\n", meta, ""},
		{"no number", "1\nx\n1\n", meta, `line 2: "x", want the number of a class of meta.mat`},
		{"no class", "1\n4\n1\n", meta, `line 2: "4", want the number of a class of meta.mat`},
		{"no meta.mat", "1\n", "", "meta.mat: no such file"},
		{"no id", "1\n", synsets("cat"), `meta.mat: synsets: 1: "cat", want a WordNet id`},
	} {
		for _, kit := range []string{"", "data/", devkitName + "/data/", "val/" + devkitName + "/data/"} {
			t.Run(fmt.Sprint(test.name, " ", kit), func(t *testing.T) {
				root := tree(t, with(flat, "README", "x"))
				if err := os.MkdirAll(filepath.Join(root, kit), 0o777); err != nil {
					t.Fatal(err)
				}
				for name, text := range map[string]string{groundTruthName: test.truth, synsetsName: test.meta} {
					if text == "" {
						continue
					}
					if err := os.WriteFile(filepath.Join(root, kit, name), []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				archive := filepath.Join(root, "val", "ILSVRC2012_img_val.tar")
				testutil.Pack(t, filepath.Join(tree(t, flat), "val"), archive, "")
				for prefix, path := range map[string]string{"": filepath.Join(root, "val"), filepath.Base(archive) + "!": archive} {
					d, err := Open(t.Context(), Options{Kind: ImageNetVal, Path: path})
					if test.err != "" {
						if bad := testutil.Line(err, test.err); bad != nil {
							t.Errorf("%s: %v", path, bad)
						}
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					var want []string
					for i, label := range []int{0, 1, 0} { // of n00000002 and n00000009
						want = append(want, fmt.Sprintf("%sILSVRC2012_val_%08d.JPEG=%d", prefix, i+1, label))
					}
					if !slices.Equal(listed(d), want) || !slices.Equal(d.Classes, []string{"n00000002", "n00000009"}) {
						t.Errorf("%q of %q, want %q", listed(d), d.Classes, want)
					}
					if len(d.Skipped) != 1 || d.Skipped[0].Reason != "no row in "+groundTruthName {
						t.Errorf("skipped %v, want the other image", d.Skipped)
					}
				}
			})
		}
	}
}

// TestLabelsAtAddress labels the flat images of an archive at an address by what is in its
// folder there.
func TestLabelsAtAddress(t *testing.T) {
	root := t.TempDir()
	flat := images("ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000002.JPEG")
	testutil.Pack(t, tree(t, flat), filepath.Join(root, "val.tar"), "")
	server := httptest.NewServer(http.FileServer(http.Dir(root)))
	defer server.Close()
	at := server.URL + "/val.tar"
	if _, err := Open(t.Context(), Options{Kind: ImageNetVal, Path: at}); testutil.Line(err, at, "2 images, but none in a folder of its class") != nil {
		t.Errorf("without labels: %v", err)
	}
	kit := map[string]string{groundTruthName: "2\n1\n", synsetsName: synsets("n00000002", "n00000001")}
	for _, beside := range []map[string]string{
		with(map[string]string{}, solutionName, "ImageId,PredictionString\nILSVRC2012_val_00000001,n00000001 1 1 1 1\nILSVRC2012_val_00000002,n00000002 1 1 1 1\n"),
		kit, placedIn("data/", kit), placedIn(devkitName+"/", kit), placedIn(devkitName+"/data/", kit),
	} {
		var written []string
		for name, text := range beside {
			path := filepath.Join(root, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			written = append(written, path)
		}
		d, err := Open(t.Context(), Options{Kind: ImageNetVal, Path: at})
		if err != nil {
			t.Fatalf("%v: %v", written, err)
		}
		if want := []string{"val.tar!ILSVRC2012_val_00000001.JPEG=0", "val.tar!ILSVRC2012_val_00000002.JPEG=1"}; !slices.Equal(listed(d), want) {
			t.Errorf("%v: %q, want %q", written, listed(d), want)
		}
		for _, path := range written {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func placedIn(folder string, files map[string]string) map[string]string {
	moved := map[string]string{}
	for name, text := range files {
		moved[folder+name] = text
	}
	return moved
}
