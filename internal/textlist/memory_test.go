package textlist

import (
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestMemory reads lists of the shortest lines and of long ones: a fuzzer's small
// lists hide behind the constant.
func TestMemory(t *testing.T) {
	for name, list := range map[string]string{
		"short":  strings.Repeat("a\n", 1<<20),
		"long":   strings.Repeat(strings.Repeat("a", maxLine)+"\n", 64),
		"blank":  strings.Repeat("\n", 1<<20) + "a",
		"spaces": "a" + strings.Repeat(" ", 1<<20),
		"broken": strings.Repeat("\xff\n", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			read := func() error { _, err := Read(strings.NewReader(list)); return err }
			testutil.Parsed(t, testutil.Multiple(len(list), readFactor), read)
			t.Logf("%.1f bytes allocated for each of %d", float64(testutil.Allocated(func() { read() }))/float64(len(list)), len(list))
		})
	}
}
