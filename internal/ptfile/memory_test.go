package ptfile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/testutil"
)

// TestMemoryOfStructure opens files whose structure is large, of what costs most
// for a byte of it: a fuzzer's small files hide behind the constant.
func TestMemoryOfStructure(t *testing.T) {
	const n = 40_000
	files := map[string]string{
		"legacy dicts": legacyOf(strings.Repeat("}", n), "]", ""),
	}
	for name, p := range map[string]struct{ once, again string }{
		"dicts":            {"", "}"},
		"lists":            {"", "]"},
		"tuples":           {"", ")"},
		"marks":            {"", "(t"},
		"memoised dicts":   {"", "}\x94"},
		"memo":             {"N", "\x94"},
		"copies":           {"N", "2"},
		"entries":          {"", "}NNs"},
		"ordered dicts":    {"ccollections\nOrderedDict\nq\x00", "h\x00)R"},
		"integers":         {"", "K\x01"},
		"long integers":    {"", "\x8a\x01\x05"},
		"short strings":    {"", "U\x01a"},
		"classes":          {"", "ctorch\nSize\n"},
		"nested tuples":    {"N", "\x85\x94"},
		"list of nothing":  {"]", "Na"},
		"storages":         {float32s + "q\x00", "(U\x07storageh\x00U\x010U\x03cpuK\x06tQ"},
		"tensors":          {rebuild + "q\x01" + reference(float32s, "0", 6) + "q\x02", "h\x01(h\x02K\x00))tR"},
		"sets":             {"", "\x8f"},
		"memoised sets":    {"", "\x8f\x94"},
		"set of numbers":   {"", "\x8f(K\x01\x90"},
		"frozen sets":      {"", "(\x91"},
		"empty bytes":      {"", "C\x00"},
		"objects":          {"cargparse\nNamespace\nq\x00", "h\x00)\x81"},
		"default dicts":    {"ccollections\ndefaultdict\nq\x00", "h\x00)R"},
		"classes left out": {"", "cdatetime\nd\n"},
		"module of nobody": {someModule + "q\x00", "h\x00"},
	} {
		files[name] = archiveOf(proto2 + p.once + strings.Repeat(p.again, n) + ".")
	}
	var header strings.Builder
	for i := range n / 4 {
		fmt.Fprintf(&header, `,"%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`, i)
	}
	files["safetensors"] = safetensorsOf("{"+header.String()[1:]+"}", "")
	files["safetensors' shape"] = safetensorsOf(`{"a":{"dtype":"U8","shape":[`+strings.Repeat("0,", n)+`0],"data_offsets":[0,0]}}`, "")
	var records []entry
	for i := range n / 4 {
		records = append(records, entry{name: fmt.Sprint(i)})
	}
	files["zip directory"] = zipFile(records...)

	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			open := func() error { _, err := parseString(file); return err }
			testutil.Parsed(t, testutil.Multiple(len(file), memoryFactor), open)
			t.Logf("%.1f bytes allocated for each of %d", float64(testutil.Allocated(func() { open() }))/float64(len(file)), len(file))
		})
	}
}
