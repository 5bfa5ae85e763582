package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/asset"
	"github.com/clipnh/clipnh/internal/project"
)

var (
	yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")
	// ownImages puts files of the demo in the place of a reader's own, and lets nothing be
	// downloaded or served.
	ownImages = strings.NewReplacer("~/.cache/clip/", "", "photos/1.jpg", "photos/DEMO_test_00000001.JPEG",
		"clipnh fetch ", "clipnh fetch --dry-run ", "explore report --open", "explore report --check")
)

// ownImagesLines are the command lines of the blocks of a text.
func ownImagesLines(text string) []string {
	var lines []string
	for line := range strings.Lines(joinedLine.ReplaceAllString(text, "")) {
		if code, ok := strings.CutPrefix(line, blockIndent+"clipnh "); ok {
			code, _, _ = strings.Cut("clipnh "+strings.TrimSpace(code), "  #")
			lines = append(lines, unitsOfDemo.Replace(ownImages.Replace(code)))
		}
	}
	return lines
}

// TestOwnImages does with the demo's files what README and docs/your-images.md say that a
// reader does with photos and a fetched model.
func TestOwnImages(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/your-images.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## Your own images\n")
	section, _, _ = strings.Cut(section, "\n## ")
	file := yamlBlock.FindStringSubmatch(string(page))
	if file == nil {
		t.Fatal("docs/your-images.md has no project file")
	}
	for name, tt := range map[string]struct {
		text, project string
		least         int
	}{
		"README.md": {section, "", 5}, "docs/your-images.md": {string(page), file[1], 10},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Chdir(dir)
			layExamples(t)
			t.Setenv(asset.HomeVariable, filepath.Join(dir, "home"))
			t.Setenv(asset.MirrorVariable, "http://127.0.0.1:1/") // refuses
			fetchAll(t, filepath.Join(dir, "home", "assets"))
			if tt.project != "" {
				writeLines(t, project.Name, strings.Split(strings.TrimSpace(tt.project), "\n")...)
			}
			lines := ownImagesLines(tt.text)
			if len(lines) < tt.least {
				t.Errorf("only %d command lines", len(lines))
			}
			for _, line := range lines {
				runExample(t, line, exitDone)
			}
		})
	}
}
