package configs

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

func TestAssets(t *testing.T) {
	named := map[string]Asset{}
	for _, a := range Assets() {
		named[a.Name] = a
		if a.Licence == "" || a.Source == "" || !strings.HasPrefix(a.URL, "https://") || !strings.HasSuffix(a.URL, "/"+a.File) {
			t.Errorf("%s: %+v: want a licence, a source and an https URL that ends in the file's name", a.Name, a)
		}
		switch {
		case strings.Contains(a.URL, "openaipublic"): // the folder name is the hash
			if !strings.Contains(a.URL, "/"+a.SHA256+"/") {
				t.Errorf("%s: SHA-256 %s is not in %s", a.Name, a.SHA256, a.URL)
			}
		case strings.Contains(a.URL, "open_clip"): // the file name ends in the first digits of the hash
			if !strings.HasSuffix(a.File, "-"+a.SHA256[:8]+".pt") {
				t.Errorf("%s: SHA-256 %s does not begin as %s ends", a.Name, a.SHA256, a.File)
			}
		}
	}
	for _, m := range Models() {
		if a, ok := named[m.Name]; !ok || a.Kind != AssetModel {
			t.Errorf("%s has a configuration but no weights: %+v", m.Name, a)
		}
	}
	for _, m := range Transformers()[:4] { // OpenAI published these
		if a := named[m.Name]; a.Kind != AssetModel || !strings.Contains(a.URL, "openaipublic") || a.Size == 0 {
			t.Errorf("%s has a configuration but no weights of OpenAI's: %+v", m.Name, a)
		}
	}
	for name, want := range map[string]string{"RN50x16": "quick_gelu", "RN50-cc12m": "quick_gelu", "ViT-L-14-336": "quick_gelu", "ViT-B-16-laion400m": "gelu", "vocab": ""} {
		if got := named[name].Activation; got != want {
			t.Errorf("%s: activation %q, want %q", name, got, want)
		}
	}
	for _, a := range Assets() { // so that no fetched model is guessed
		if (a.Kind == AssetModel) != (a.Activation != "") {
			t.Errorf("%s of kind %s: activation %q", a.Name, a.Kind, a.Activation)
		}
	}
	for _, m := range Transformers() {
		openAI, published := m.Activations[OpenAI], named[m.Name].Activation
		if len(m.Activations) == 0 || openAI != published || m.Activations[LAION2B] != "" && m.Activations[LAION2B] != "gelu" {
			t.Errorf("%s: activations %v, want %q of OpenAI's", m.Name, m.Activations, published)
		}
	}
	for name, kind := range map[string]string{"ViT-B-16-laion400m": AssetModel, "ViT-L-14-laion400m": AssetModel, "vocab": AssetVocab, "words": AssetWords, "RN50-cc12m": AssetModel, "RN101-yfcc15m": AssetModel} {
		if named[name].Kind != kind {
			t.Errorf("%s: %+v, want kind %s", name, named[name], kind)
		}
	}
}

func TestParseAssetsRefuses(t *testing.T) {
	good := Asset{Name: "a", Kind: AssetModel, File: "a.pt", URL: "https://files.example/a.pt", SHA256: strings.Repeat("0a", 32)}
	table := func(change func(*Asset)) string {
		bad := good
		change(&bad)
		data, err := json.Marshal([]Asset{{Name: "b", Kind: AssetWords, File: "b.txt", URL: "http://files.example/b", SHA256: strings.Repeat("1", 64)}, bad})
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if all, err := ParseAssets([]byte(table(func(*Asset) {}))); err != nil || !reflect.DeepEqual(all[1], good) {
		t.Errorf("a good table gave %+v, %v", all, err)
	}
	for name, tt := range map[string]struct{ table, want string }{
		"not JSON":          {"names", "byte 0: invalid character"},
		"cut off":           {`[{"name": "a"`, "unexpected EOF"},
		"not an array":      {`{"name": "a"}`, "cannot unmarshal object"},
		"two documents":     {"[] []", "text after the table"},
		"unknown field":     {`[{"path": "a"}]`, `unknown field "path"`},
		"too large":         {strings.Repeat(" ", MaxAssetsTable+1), "want at most"},
		"name with a slash": {table(func(a *Asset) { a.Name = "a/b" }), `entry 2: name "a/b"`},
		"name twice":        {table(func(a *Asset) { a.Name = "B" }), "entry 2: name b is listed twice"},
		"file twice":        {table(func(a *Asset) { a.File = "b.TXT" }), "entry 2: file b.txt is listed twice"},
		"unknown kind":      {table(func(a *Asset) { a.Kind = "data" }), `kind "data": want model, vocab, words`},
		"file above":        {table(func(a *Asset) { a.File = "../a.pt" }), `file "../a.pt"`},
		"hidden file":       {table(func(a *Asset) { a.File = ".a" }), `file ".a"`},
		"short hash":        {table(func(a *Asset) { a.SHA256 = "455df137" }), `sha256 "455df137"`},
		"capital hash":      {table(func(a *Asset) { a.SHA256 = strings.Repeat("A", 64) }), "want 64 hex digits"},
		"activation":        {table(func(a *Asset) { a.Activation = "relu" }), `activation "relu": want quick_gelu or gelu`},
		"of a list":         {table(func(a *Asset) { a.Kind, a.Activation = AssetWords, "gelu" }), `activation "gelu": want quick_gelu or gelu, of a model`},
		"negative size":     {table(func(a *Asset) { a.Size = -1 }), "size -1"},
		"file URL":          {table(func(a *Asset) { a.URL = "file:///etc/passwd" }), "want http or https"},
		"no host":           {table(func(a *Asset) { a.URL = "https:a" }), "want http or https"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParseAssets([]byte(tt.table)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// assetsFactor is how many bytes in total reading a table may allocate for each of
// its bytes; empty objects cost most.
const assetsFactor = 256

func FuzzParseAssets(f *testing.F) {
	f.Add(assetsTable)
	f.Add([]byte("[]"))
	f.Add([]byte(`[{"name": "a", "kind": "model", "file": "../../a", "url": "http://[::1]:80/a", "size": 1e3, "sha256": ""}]`))
	f.Add([]byte(`[{"name": "a", "size": 9223372036854775808}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var all []Asset
		if !testutil.Parsed(t, testutil.Multiple(len(data), assetsFactor), func() (err error) {
			all, err = ParseAssets(data)
			return err
		}) {
			return
		}
		again, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		if same, err := ParseAssets(again); err != nil || len(all) > 0 && !reflect.DeepEqual(same, all) {
			t.Fatalf("written and read again: %+v, %v, want %+v", same, err, all)
		}
	})
}
