package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/asset"
	"github.com/clipnh/clipnh/internal/demo"
	"github.com/clipnh/clipnh/internal/project"
)

// exampleFiles are the names that help examples use, and what of the demo stands for each.
var exampleFiles = map[string]string{
	"RN50x16.pt": demo.Model, "RN50.pt": demo.Model, "bpe_simple_vocab_16e6.txt.gz": demo.Vocabulary, "30k.txt": demo.Words,
	"photos": "few", "photo.jpg": "VOC2010/JPEGImages/2010_000001.jpg", "datasets/imagenet": "imagenet", "VOCdevkit/VOC2010": "VOC2010",
	"cars": "stanford_cars", "cars_refined/refined_train.csv": demo.CarColours,
}

// exampleArtefacts are the command lines that make what the examples read.
var exampleArtefacts = []string{
	"collect --model RN50x16.pt --dataset images --data-path photos --save-path caches/june",
	"collect --model RN50x16.pt --dataset images --data-path photos --save-path caches/july",
	"collect --model RN50x16.pt --dataset imagenet_val --data-path imagenet --sample-stride 8 --save-path caches/val",
	"collect --model RN50x16.pt --dataset imagenet_val --data-path imagenet --sample-stride 8 --mode heads --save-path caches/heads",
	"svd --collect-save-path caches/june --out-save-path caches/pc0.npy --mean-save-path caches/means.npy --norm-save-path caches/norms.npy",
	"svd --mode n --collect-save-path caches/june --out-save-path caches/pc0_n.npy --norm-save-path caches/norms_n.npy",
	"embed --model RN50x16.pt --vocab bpe_simple_vocab_16e6.txt.gz --lines imagenet/classes.txt --embeddings-save-path caches/classes.npy --use-templates=false",
	"embed --model RN50x16.pt --vocab bpe_simple_vocab_16e6.txt.gz --lines 30k.txt --embeddings-save-path caches/30k_embed.npy --use-templates=false",
	"embed --model RN50x16.pt --vocab bpe_simple_vocab_16e6.txt.gz --lines 30k.txt --embeddings-save-path caches/words.npy --use-templates=false",
	"embed --model RN50x16.pt --vocab bpe_simple_vocab_16e6.txt.gz --lines names.txt --embeddings-save-path caches/names.npy",
	"sparse --pcs-path caches/pc0.npy --text-descs-list-path 30k.txt --text-descs-embeddings-path caches/30k_embed.npy --descriptions-save-path caches/text_descs.json --decomposition-save-path caches/codes.npz",
}

// exampleStatus is how examples end that do not end with exitDone here: nothing can be
// fetched, and the demo's data sets are smaller than the published ones. Those that take long are
// interrupted once they have checked what they were given.
var exampleStatus = map[string]int{
	"clipnh explore report --model": exitInterrupted, // serves until then
	"clipnh fetch":                  exitFailed,
	"clipnh data subset":            exitUsage,
	// No vision transformer of the published size is there.
	"clipnh edit --model ViT-B-32.pt":              exitFailed,
	"clipnh segment --model ViT-B-32.pt":           exitFailed,
	"clipnh explain photo.jpg --model ViT-B-32.pt": exitFailed,
	"clipnh retrieve --head-idxs l10h3":            exitFailed,

	"clipnh embed": exitInterrupted, // a thousand classes in eighty templates
	"clipnh demo":  exitInterrupted,
	"clipnh paper": exitInterrupted,

	// The demo's heads are one layer of them, with no MLPs after it.
	"clipnh textspan --scores caches/heads --text-descs": exitUsage,
	"clipnh textspan --scores caches/heads --parts":      exitMissing,
	"clipnh ablate --scores caches/heads":                exitMissing,
	"clipnh show l10h3 --scores caches/heads":            exitMissing,
}

func statusOfExample(line string) int {
	for begin, status := range exampleStatus {
		if strings.HasPrefix(line, begin) {
			return status
		}
	}
	return exitDone
}

// unitsOfDemo are units of the example's model in place of those of RN50x16, and an image of
// its own.
var unitsOfDemo = strings.NewReplacer("h12n624", "h3n149", "h21n624", "h2n149", "n624", "n149", "--neur-idxs 624", "--neur-idxs 149", ",h21 ", ",h2 ",
	"holiday/17.jpg", "DEMO_test_00000001.JPEG")

// TestExamplesRun runs every example of the help, where nothing has been fetched, where
// everything has, and where a project file sets every flag: what a user's folder happens to
// hold must not change how a command line that names its files ends.
func TestExamplesRun(t *testing.T) {
	if testing.Short() {
		t.Skip("runs every example three times")
	}
	t.Setenv(asset.MirrorVariable, "http://127.0.0.1:1/") // refuses
	dir := t.TempDir()
	t.Chdir(dir)
	layExamples(t)
	t.Setenv(asset.HomeVariable, filepath.Join(dir, "empty"))
	for _, line := range exampleArtefacts {
		runExample(t, "clipnh "+line, exitDone)
	}
	fetchAll(t, filepath.Join(dir, "full", "assets"))
	for _, home := range []string{"empty", "full", "project"} {
		t.Setenv(asset.HomeVariable, filepath.Join(dir, home))
		// What examples wrote with other values is not replaced.
		for _, path := range []string{project.Name, "edited.pt", "edited.pt.json", "dry.safetensors", "dry.safetensors.json"} {
			os.Remove(path)
		}
		if home == "project" {
			writeLines(t, project.Name, everythingSet()...)
			writeLines(t, "units.txt", "h3n149")
		}
		ran := 0
		for _, cmd := range everyCommand() {
			name := strings.TrimPrefix(cmd.CommandPath(), "clipnh ")
			for line := range strings.Lines(strings.ReplaceAll(cmd.Example, "\\\n", " ")) {
				if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
					t.Run(home+"/"+cmd.Name(), func(t *testing.T) {
						want := statusOfExample(line)
						if home == "project" && strings.HasSuffix(line, "--init") {
							want = exitFailed // the file is there
						}
						if err := os.RemoveAll("everything"); err != nil { // what the project file has written
							t.Fatal(err)
						}
						asked := unitsOfDemo.Replace(line)
						if home == "full" && !strings.Contains(asked, "--json") && !strings.Contains(asked, "--csv") && jsonResults[name] != nil {
							before, after, submitted := strings.Cut(asked, " -- ") // that of submit is before --
							if asked = before + " --json"; submitted {
								asked += " -- " + after
							}
						}
						printed := runExample(t, asked, want)
						if strings.Contains(asked, " --json") && len(printed) > 0 && name != "merge" {
							documentedFields(t, name, printed)
						}
					})
					ran++
				}
			}
		}
		if ran < 25 {
			t.Errorf("only %d examples", ran)
		}
	}
}

func runExample(t *testing.T, line string, want int) []byte {
	t.Helper()
	words, err := splitWords(line)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if want == exitInterrupted {
		cancel()
	}
	var stdout, stderr bytes.Buffer
	if code := run(ctx, words[1:], strings.NewReader(""), &stdout, &stderr); code != want {
		t.Errorf("%s: exit code %d, want %d\n%s", line, code, want, stderr.String())
	}
	return stdout.Bytes()
}

// layExamples writes the demo into the current folder under the names of the examples.
func layExamples(t *testing.T) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := demo.Layout(".")
	check(err)
	photos, err := filepath.Glob("imagenet/test/*")
	check(err)
	check(os.Mkdir("few", 0o777))
	rows := []string{"image,label,group"}
	for i, path := range photos[:40] {
		check(os.Symlink(filepath.Join("..", path), filepath.Join("few", filepath.Base(path))))
		rows = append(rows, filepath.Base(path)+[]string{",dog,grass", ",dog,snow", ",wolf,grass", ",wolf,snow"}[i%4])
	}
	writeLines(t, "groups.csv", rows...)
	for i := range rows {
		rows[i] = rows[i][:strings.LastIndexByte(rows[i], ',')]
	}
	writeLines(t, "labels.csv", rows...)
	writeLines(t, "fish.csv", strings.ReplaceAll(strings.Join(rows, "\n"), "dog", "fish"))
	writeLines(t, "names.txt", "dog", "wolf")
	check(os.WriteFile("VOC2010/ImageSets/SegmentationContext/val.txt", []byte("2010_000001\n"), 0o666))
	cars, err := filepath.Glob("stanford_cars/cars_train/*.jpg")
	check(err)
	for i, path := range cars {
		if i%12 > 0 {
			check(os.Remove(path))
		}
	}
	for name, path := range exampleFiles {
		check(os.MkdirAll(filepath.Dir(name), 0o777))
		at, err := filepath.Abs(path)
		check(err)
		check(os.Symlink(at, name))
	}
}

// fetchAll fills a store: files of the demo in the place of the published ones, noted as
// checked.
func fetchAll(t *testing.T, store string) {
	t.Helper()
	stand := map[string]string{configs.AssetModel: demo.Model, configs.AssetVocab: demo.Vocabulary, configs.AssetWords: demo.Words}
	if err := os.MkdirAll(store, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, a := range configs.Assets() {
		path := filepath.Join(store, a.File)
		if err := os.Link(stand[a.Kind], path); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range configs.Assets() { // after all links, which change the file's times
		path := filepath.Join(store, a.File)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		s := info.Sys().(*syscall.Stat_t)
		checked, err := json.Marshal(map[string]any{
			"sha256": a.SHA256, "size": info.Size(), "modified": info.ModTime().UnixNano(), "changed": s.Ctim.Nano(), "inode": s.Ino,
		})
		if err == nil {
			err = os.WriteFile(path+".checked", checked, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
