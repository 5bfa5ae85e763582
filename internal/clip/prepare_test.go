package clip

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/testutil"
)

// TestPrepare finds how images are prepared, from flags, manifests and files beside the weights.
func TestPrepare(t *testing.T) {
	const (
		openCLIP     = "open_clip_config.json"
		transformers = "config.json"
		preprocessor = "preprocessor_config.json"
		processor    = "processor_config.json"

		model = `"model_cfg": {"vision_cfg": {"layers": 5, "width": 48, "head_width": 12, "patch_size": 8}}`
		other = `{"model_cfg": {"vision_cfg": {"layers": 12, "width": 768}}, "preprocess_cfg": {"mean": [0.1, 0.1, 0.1]}}`
		half  = `{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "size": 48, "crop_size": 48, "resample": 3}`
		timm  = `{"architecture": "resnet50_clip", "pretrained_cfg": {"input_size": [3, 48, 48], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "crop_pct": 1.0, "crop_mode": "squash", "interpolation": "bicubic"}}`
		clips = "mean 0.48145466,0.4578275,0.40821073, std 0.26862954,0.26130258,0.27577711"
		halfs = "mean 0.5,0.5,0.5, std 0.5,0.5,0.5"
	)
	prep := func(fields string) map[string]string {
		return map[string]string{openCLIP: "{" + model + `, "preprocess_cfg": {` + fields + "}}"}
	}
	numbers := func(x float32) *[3]float32 { return &[3]float32{x, x, x} }
	squash, shortest := imageprep.Squash, imageprep.Shortest
	for _, test := range []struct {
		name     string
		files    map[string]string
		details  Details
		channels string // and where they come from
		fit      string
		notes    []string
		err      string // of images
		hint     string
	}{
		{name: "nothing", channels: clips + " of ", fit: "shortest of "},
		{name: "open_clip's", files: prep(`"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "resize_mode": "squash"`), channels: halfs + " of " + openCLIP, fit: "squash of " + openCLIP},
		{name: "CLIP's, said", files: prep(`"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711], "interpolation": "bicubic"`), channels: clips + " of " + openCLIP, fit: "shortest of " + openCLIP},
		{name: "half of it", files: prep(`"mean": 0`), channels: "mean 0,0,0, std 0.26862954,0.26130258,0.27577711 of " + openCLIP, fit: "shortest of "},
		{name: "Hugging Face's", files: map[string]string{preprocessor: half}, channels: halfs + " of " + preprocessor, fit: "shortest of " + preprocessor},
		{name: "two that differ", files: map[string]string{openCLIP: prep(`"mean": [0, 0, 0], "std": [1, 1, 1], "resize_mode": "squash"`)[openCLIP], preprocessor: half}, channels: "mean 0,0,0, std 1,1,1 of " + openCLIP, fit: "squash of " + openCLIP,
			notes: []string{preprocessor + " says that channels of images have " + halfs + ": used mean 0,0,0", preprocessor + " says that images become squares by shortest: used squash"}},
		{name: "the user says", files: prep(`"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "resize_mode": "squash"`), details: Details{Mean: numbers(0), Std: numbers(1), Fit: &shortest}, channels: "mean 0,0,0, std 1,1,1 of {image-mean}", fit: "shortest of {image-resize}",
			notes: []string{openCLIP + " says that channels of images have " + halfs, openCLIP + " says that images become squares by squash: used shortest"}},
		{name: "a manifest", files: prep(`"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]`), details: Details{Recorded: &Recorded{From: "model.pt.json", Form: &imageprep.Form{Fit: squash}}}, channels: clips + " of model.pt.json", fit: "squash of model.pt.json",
			notes: []string{openCLIP + " says that channels of images have " + halfs + ": used " + clips}},
		{name: "a manifest that does not say", files: prep(`"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]`), details: Details{Recorded: &Recorded{From: "model.pt.json", Heads: 4, Activation: GELU}}, channels: halfs + " of " + openCLIP, fit: "shortest of "},
		{name: "of another model", files: map[string]string{openCLIP: other, preprocessor: half}, channels: clips + " of ", fit: "shortest of ",
			notes: []string{"not used: ", "not used: "}},
		{name: "Hugging Face's, newer", files: map[string]string{processor: `{"processor_class": "CLIPProcessor", "image_processor": ` + half + "}"}, channels: halfs + " of " + processor, fit: "shortest of " + processor},
		{name: "Hugging Face's, both", files: map[string]string{processor: `{"image_processor": ` + half + "}", preprocessor: `{"image_mean": 0, "do_center_crop": false, "size": {"height": 48, "width": 48}}`}, channels: halfs + " of " + processor, fit: "shortest of " + processor,
			notes: []string{preprocessor + " says that channels of images have mean 0,0,0, std 0.26862954,0.26130258,0.27577711: used " + halfs, preprocessor + " says that images become squares by squash: used shortest"}},
		{name: "Hugging Face's, older", files: map[string]string{processor: `{"processor_class": "CLIPProcessor"}`, preprocessor: half}, channels: halfs + " of " + preprocessor, fit: "shortest of " + preprocessor},
		{name: "timm's", files: map[string]string{transformers: timm}, channels: halfs + " of " + transformers, fit: "squash of " + transformers},
		{name: "timm's and others", files: map[string]string{transformers: timm, preprocessor: half, openCLIP: "{" + model + `, "preprocess_cfg": {"mean": 0}}`}, channels: "mean 0,0,0, std 0.26862954,0.26130258,0.27577711 of " + openCLIP, fit: "squash of " + transformers,
			notes: []string{transformers + " says that channels of images have " + halfs, preprocessor + " says that channels of images have " + halfs, preprocessor + " says that images become squares by shortest: used squash"}},
		{name: "timm's, cropped", files: map[string]string{transformers: strings.ReplaceAll(timm, `"crop_pct": 1.0`, `"crop_pct": 0.9`)}, channels: halfs + " of " + transformers, fit: "shortest of ",
			err: transformers + ": pretrained_cfg.crop_pct 0.9, want 1", hint: "say {image-resize} shortest"},
		{name: "longest", files: prep(`"resize_mode": "longest"`), channels: clips + " of ", fit: "shortest of ",
			err: openCLIP + `: preprocess_cfg.resize_mode "longest", want "shortest" or "squash"`, hint: "say {image-resize} shortest"},
		{name: "longest, all the same", files: prep(`"resize_mode": "longest"`), details: Details{Fit: &shortest}, channels: clips + " of ", fit: "shortest of {image-resize}", notes: []string{"not used: "}},
		{name: "another size", files: map[string]string{preprocessor: strings.ReplaceAll(half, "48", "224")}, channels: halfs + " of " + preprocessor, fit: "shortest of ",
			err: preprocessor + ": images of side 224, want 48 as in the weights", hint: "move it elsewhere"},
		{name: "no deviation", files: prep(`"std": [0, 0, 0]`), channels: clips + " of ", fit: "shortest of ", err: openCLIP + ": standard deviation 0,0,0, want", hint: "say {image-mean} and {image-std}"},
		{name: "cut off", files: map[string]string{preprocessor: half[:30]}, channels: clips + " of ", fit: "shortest of ", err: preprocessor + ": not as expected"},
		{name: "cut off, not needed", files: map[string]string{preprocessor: half[:30]}, details: Details{Mean: numbers(0), Std: numbers(1), Fit: &squash}, channels: "mean 0,0,0, std 1,1,1 of {image-mean}", fit: "squash of {image-resize}",
			notes: []string{"not used: ", "not used: "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			data, err := os.ReadFile(testutil.GoldenViT("vit_sd32.pt"))
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "model.pt")
			write(t, path, string(data))
			for name, text := range test.files {
				write(t, filepath.Join(dir, name), text)
			}
			d := test.details
			d.Heads, d.Activation = 4, GELU
			ck, err := OpenWith(path, d)
			if err != nil {
				t.Fatal(err)
			}
			defer ck.Close()
			if got := channelsText(ck.Config.Form.Channels) + " of " + ck.ChannelsFrom(); got != test.channels {
				t.Errorf("%s, want %s", got, test.channels)
			}
			if got := ck.Config.Form.Fit.String() + " of " + ck.FitFrom(); got != test.fit {
				t.Errorf("%s, want %s", got, test.fit)
			}
			notes := slices.DeleteFunc(ck.Notes(), func(note string) bool { return strings.Contains(note, "says the activation") })
			if !slices.EqualFunc(notes, test.notes, strings.HasPrefix) {
				t.Errorf("notes %q, want %q", notes, test.notes)
			}
			_, tower := NewImageTower(ck, ImageOptions{Batch: 1, Threads: 1})
			for _, err := range []error{ck.RequireImages(), tower} {
				if (err != nil) != (test.err != "") || err != nil && (testutil.Line(err, dir, test.err) != nil || !strings.Contains(hintOf(err), test.hint)) {
					t.Errorf("%v, hint %q, want %s", err, hintOf(err), test.err)
				}
			}
			if _, err := NewImageTower(ck, ImageOptions{Batch: 1, Threads: 1, Unfed: true}); err != nil {
				t.Error(err)
			}
			if name := ck.Config.Name(); name != "custom" {
				t.Error(name)
			}
		})
	}
	_, err := OpenWith(testutil.GoldenViT("vit_sd32.pt"), Details{Heads: 4, Recorded: &Recorded{From: "model.pt.json", FormError: os.ErrInvalid}})
	if testutil.Line(err, "model.pt.json: invalid argument") != nil {
		t.Error(err)
	}
	_, err = OpenWith(testutil.GoldenViT("vit_sd32.pt"), Details{Heads: 4, Mean: numbers(0.5)})
	if testutil.Line(err, "one of {image-mean} and {image-std} is given, want both") != nil {
		t.Error(err)
	}
}

// TestFormToKeep writes down how images are prepared where a reader could not know.
func TestFormToKeep(t *testing.T) {
	numbers := func(x float32) *[3]float32 { return &[3]float32{x, x, x} }
	mean, std := imageprep.Channels{}.Numbers()
	half := imageprep.Form{Channels: imageprep.Channels{Mean: *numbers(0.5), Std: *numbers(0.5)}}
	for _, test := range []struct {
		d    Details
		want *imageprep.Form
	}{
		{Details{}, nil},
		{Details{Mean: &mean, Std: &std}, &imageprep.Form{}},
		{Details{Mean: numbers(0.5), Std: numbers(0.5)}, &half},
		{Details{Recorded: &Recorded{From: "x", Form: &imageprep.Form{}}}, &imageprep.Form{}},
	} {
		test.d.Heads, test.d.Activation = 4, GELU
		ck, err := OpenWith(testutil.GoldenViT("vit_sd32.pt"), test.d)
		if err != nil {
			t.Fatal(err)
		}
		got := ck.FormToKeep()
		if (got == nil) != (test.want == nil) || got != nil && *got != *test.want {
			t.Errorf("%+v: %v, want %v", test.d, got, test.want)
		}
		ck.Close()
	}
}
