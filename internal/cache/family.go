package cache

import (
	"fmt"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/kernel/cpu"
)

// Values that two families of kernels compute of the same inputs differ in the last
// bits. So each chunk and each file says which family computed it: a name of
// cpu.Level, or several, with commas between them, if a run of one family was resumed
// by another. It is empty where an older build did not say.

// Family is the family of kernels that this process computes with.
func Family() string { return cpu.Active().String() }

// UnknownFamily is that of work which an older build began.
const UnknownFamily = "unknown"

// Families splits the families of a chunk or file.
func Families(kernel string) []string {
	if kernel == "" {
		return nil
	}
	return strings.Split(kernel, ",")
}

// AddFamilies adds the families of more to those of kernel.
func AddFamilies(kernel, more string) string {
	all := append(Families(kernel), Families(more)...)
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ",")
}

// OtherFamilies returns the families of kernel, sorted, which are known and are not
// among those of next.
func OtherFamilies(kernel, next string) []string {
	known := Families(next)
	return slices.DeleteFunc(Families(AddFamilies(kernel, "")), func(f string) bool { return f == UnknownFamily || slices.Contains(known, f) })
}

// Families returns the families that computed an artefact.
func (m Manifest) Families() string {
	all := ""
	for _, p := range m.Payloads {
		all = AddFamilies(all, p.Families())
	}
	return all
}

// Families returns the families that computed a file.
func (p Payload) Families() string { return AddFamilies(p.Kernel, familiesOf(p.Chunks)) }

// familiesOf returns the families that computed chunks.
func familiesOf(chunks []Chunk) string {
	all, last := "", ""
	for _, c := range chunks {
		if c.Kernel != last { // most often all are alike
			all, last = AddFamilies(all, c.Kernel), c.Kernel
		}
	}
	return all
}

// checkFamilies bounds what a manifest may have for a name that messages repeat.
func checkFamilies(kernel string) error {
	const most = 64
	bad := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != ',' && r != '-' }
	if len(kernel) > most || strings.ContainsFunc(kernel, bad) {
		return fmt.Errorf("kernel %.40q, want the name of a family", kernel)
	}
	return nil
}
