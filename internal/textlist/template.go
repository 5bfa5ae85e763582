package textlist

import (
	"fmt"
	"strings"

	"github.com/clipnh/clipnh/internal/foreign"
)

// slot is the place of the class name in a template.
const slot = "{}"

// A Template is a prompt with one place for a class name, written {}.
type Template struct{ before, after string }

// ParseTemplate reads a prompt such as "a photo of a {}.".
func ParseTemplate(prompt string) (Template, error) {
	before, after, found := strings.Cut(prompt, slot)
	if !found || strings.Contains(after, slot) {
		return Template{}, fmt.Errorf("template %s: %d times %s, want it once",
			foreign.Quote(prompt), strings.Count(prompt, slot), slot)
	}
	return Template{before, after}, nil
}

// Fill puts name into its place.
func (t Template) Fill(name string) string { return t.before + name + t.after }

// ParseTemplates reads one template from each prompt; an error counts lines
// from one.
func ParseTemplates(prompts []string) ([]Template, error) {
	templates := make([]Template, len(prompts))
	for i, prompt := range prompts {
		template, err := ParseTemplate(prompt)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		templates[i] = template
	}
	return templates, nil
}
