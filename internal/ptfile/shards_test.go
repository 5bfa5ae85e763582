package ptfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// shard is a safetensors file of one tensor [2].
func shard(name string, values ...float32) string {
	return safetensorsOf(fmt.Sprintf(`{%q:{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, name), floats(values...))
}

// writeShards writes files into a folder and returns the path of the index.
func writeShards(t *testing.T, index string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "model.safetensors.index.json")
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, []byte(index), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestShards(t *testing.T) {
	path := writeShards(t, `{"metadata": {"total_size": 40}, "weight_map": {"a": "m-2.safetensors", "b": "m-1.safetensors", "c": "m-3.bin"}}`, map[string]string{
		"m-1.safetensors": shard("b", 1, 2), "m-2.safetensors": shard("a", 3, 4), "m-3.bin": archiveOf(proto2 + dict("c", whole) + "."),
	})
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]float32{"a": {3, 4}, "b": {1, 2}, "c": {0, 1, 2, 3, 4, 5}} {
		tensor, ok := f.Lookup(name)
		if !ok {
			t.Fatalf("no tensor %s among %v", name, f.Tensors())
		}
		if got := values(t, f, tensor); !slices.Equal(got, want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	dir := filepath.Dir(path)
	want := []string{path, filepath.Join(dir, "m-1.safetensors"), filepath.Join(dir, "m-2.safetensors"), filepath.Join(dir, "m-3.bin")}
	if !slices.Equal(f.Paths(), want) {
		t.Errorf("paths %v", f.Paths())
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestShardErrors(t *testing.T) {
	one := map[string]string{"m-1.safetensors": shard("b", 1, 2)}
	for name, tc := range map[string]struct{ index, want string }{
		"missing shard":      {`{"weight_map": {"a": "m-2.safetensors", "b": "m-1.safetensors"}}`, "m-2.safetensors: no such file"},
		"tensor not there":   {`{"weight_map": {"a": "m-1.safetensors", "b": "m-1.safetensors"}}`, "m-1.safetensors: no tensor a, which the index says it has"},
		"tensor not listed":  {`{"weight_map": {"b": "m-1.safetensors", "c": "m-1.safetensors"}}`, "no tensor c"},
		"other tensor":       {`{"weight_map": {"c": "m-1.safetensors"}}`, "no tensor c"},
		"path":               {`{"weight_map": {"b": "../m-1.safetensors"}}`, `b: shard "../m-1.safetensors", want the name of a file in the same folder`},
		"absolute path":      {`{"weight_map": {"b": "/etc/passwd"}}`, `shard "/etc/passwd"`},
		"the folder":         {`{"weight_map": {"b": ".."}}`, `shard ".."`},
		"the index itself":   {`{"weight_map": {"b": "model.safetensors.index.json"}}`, "model.safetensors.index.json: neither a torch nor"},
		"no map":             {`{"architectures": ["CLIPModel"]}`, `a JSON file without "weight_map"`},
		"broken":             {`{"weight_map": {`, "a JSON file, and no index of shards"},
		"map of no names":    {`{"weight_map": {"b": 3}}`, "a JSON file, and no index of shards"},
		"name with newlines": {`{"weight_map": {"b\n": "x/y"}}`, `"b\n": shard "x/y"`},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeShards(t, tc.index, one)
			f, err := Open(path)
			if err == nil {
				f.Close()
			}
			if bad := testutil.Line(err, path, tc.want); bad != nil {
				t.Error(bad)
			}
		})
	}
	path := writeShards(t, `{"weight_map": {"a": "m.bin"}}`, map[string]string{"m.bin": safetensorsOf(
		`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, "xy")})
	_, err := Open(path)
	if bad := testutil.Line(err, "m.bin: tensor b, which the index does not say it has"); bad != nil {
		t.Error(bad)
	}
	var h interface{ Hint() string }
	if !errors.As(err, &h) || !strings.Contains(h.Hint(), "download every file") {
		t.Errorf("no hint: %v", err)
	}
}

// FuzzIndex checks that every file that an index names is in the index's own folder.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"metadata": {"total_size": 8}, "weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"}}`))
	f.Add([]byte(`{"weight_map": {"": "", "b": "../x"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var shards map[string][]string
		if !testutil.Parsed(t, testutil.Multiple(len(data), memoryFactor), func() (err error) {
			shards, err = parseIndex(data)
			return err
		}) {
			return
		}
		for shard, names := range shards {
			if filepath.Base(shard) != shard || len(names) == 0 {
				t.Errorf("shard %q of %q", shard, names)
			}
		}
	})
}
