package edit

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/clip"
	"github.com/clipnh/clipnh/internal/pipeline/model"
	"github.com/clipnh/clipnh/internal/pipeline/source"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestReadAgain holds that what edit wrote is read as what it was made of, without being told the
// activation and the heads again.
func TestReadAgain(t *testing.T) {
	write := func(from, file, remove string, d model.Details) string {
		path := filepath.Join(t.TempDir(), file)
		run(t, Options{Model: from, SavePath: path, Remove: []string{remove}, By: ByZero, Images: source.Options{Details: d}})
		return path
	}
	open := func(path string, d model.Details) (from string, notes []string) {
		t.Helper()
		m, err := model.OpenWith(context.Background(), path, d)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		s, err := model.Info(context.Background(), path, d) // reads it in its own way
		if err != nil || s.ActivationFrom != m.ActivationFrom() || s.HeadsFrom != m.HeadsFrom() || s.Activation != clip.ActivationName(m.Config.Activation) {
			t.Errorf("info: %+v, %v", s, err)
		}
		return strings.Join([]string{clip.ActivationName(m.Config.Activation), m.ActivationFrom(), m.HeadsFrom()}, " "), m.Notes()
	}
	transformer, resnet := testutil.GoldenViT("vit_sd32.pt"), testutil.Golden("model/tiny_sd_fp32.pt")
	for _, name := range clip.Activations() {
		for _, file := range []string{"edited.pt", "edited.safetensors"} {
			path := write(transformer, file, "l4h2", model.Details{Activation: name, Heads: 4})
			want := name + " " + file + ".json " + file + ".json"
			if got, notes := open(path, model.Details{}); got != want || notes != nil {
				t.Errorf("%s: %s, notes %q, want %s", file, got, notes, want)
			}
			again := write(path, "again.pt", "l3h0", model.Details{})
			if got, notes := open(again, model.Details{}); got != name+" again.pt.json again.pt.json" || notes != nil {
				t.Errorf("edited again: %s, notes %q", got, notes)
			}
		}
	}
	path := write(transformer, "edited.pt", "l4h2", model.Details{Activation: clip.GELU, Heads: 4})
	got, notes := open(path, model.Details{Activation: clip.QuickGELU, Heads: 2})
	if want := []string{`edited.pt.json says the activation "gelu": used quick_gelu`, "edited.pt.json says that layers have heads 4: used 2"}; !slices.Equal(notes, want) || got != "quick_gelu {activation} {vit-heads}" {
		t.Errorf("%s, notes %q, want %q", got, notes, want)
	}

	// The text tower of a ResNet.
	path = write(resnet, "edited.pt", "n3", model.Details{Activation: clip.GELU})
	if got, notes := open(path, model.Details{}); got != "gelu edited.pt.json " || notes != nil {
		t.Errorf("ResNet: %s, notes %q", got, notes)
	}
	path = write(resnet, "edited.pt", "n3", model.Details{})
	if got, notes := open(path, model.Details{Activation: clip.GELU}); got != "gelu {activation} " || notes != nil {
		t.Errorf("ResNet, by the user: %s, notes %q", got, notes)
	}

	// What was guessed is guessed again.
	path = write(transformer, "edited.pt", "l4h2", model.Details{Heads: 4})
	if got, notes := open(path, model.Details{}); got != "gelu guess edited.pt.json" || len(notes) != 1 || !strings.Contains(notes[0], "guessed the activation") {
		t.Errorf("guessed: %s, notes %q", got, notes)
	}

	// A manifest of other bytes says nothing.
	path = write(transformer, "edited.safetensors", "l4h2", model.Details{Activation: clip.GELU, Heads: 4})
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a, err := artefact.EditedCheckpoint(path)
	if err != nil || a == nil {
		t.Fatal(a, err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := model.OpenWith(context.Background(), path, model.Details{}); err == nil || !strings.Contains(err.Error(), "how many heads") {
		t.Errorf("other bytes: %v", err)
	}
}
