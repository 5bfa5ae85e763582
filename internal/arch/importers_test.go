package arch

// importers says which packages may import an outside module, or the packages
// of it whose path begins so. Tests may too, as they compare with other
// implementations.
var importers = map[string][]string{
	"codeberg.org/go-fonts/liberation":  {"internal/canvas"},
	"github.com/chewxy/hm":              {"internal/clip"},
	"github.com/ebitengine/purego":      {"internal/ort"}, // makes a program dynamic
	"github.com/nlpodyssey/gopickle":    {"internal/ptfile"},
	"github.com/rivo/uniseg":            {"internal/ui"},
	"github.com/parquet-go/parquet-go":  {"internal/parquet", "internal/testutil"}, // the format; tests write with it
	"github.com/klauspost/compress":     {"internal/parquet"},
	"github.com/minio/minio-go/v7":      {"internal/remote"},
	"github.com/schollz/progressbar/v3": {"internal/ui"},
	"github.com/spf13/cobra":            {"cmd/clipnh"},
	"github.com/spf13/pflag":            {"cmd/clipnh"},
	"golang.org/x/image":                {"internal/canvas", "internal/imageprep"},
	"golang.org/x/sys":                  {"internal/cache", "internal/kernel", "internal/kernel/cpu", "internal/mapping", "internal/ort", "internal/pipe", "internal/submit"},
	"golang.org/x/term":                 {"internal/ui"},
	"golang.org/x/text":                 {"internal/bpe", "internal/dataset"},
	"google.golang.org/protobuf":        {"internal/onnx"},
	"gonum.org/v1/gonum":                {"internal/cka", "internal/lowrank", "internal/textspan", "internal/trend"},
	"gonum.org/v1/plot":                 {"internal/plot"},
	"go.yaml.in/yaml/v3":                {"configs", "internal/project"},
	"gorgonia.org/gorgonia":             {"internal/clip"},
	"gorgonia.org/tensor":               {"internal/clip"},
}
