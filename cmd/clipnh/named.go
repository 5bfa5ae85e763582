package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/asset"
	"github.com/clipnh/clipnh/internal/hint"
	"github.com/clipnh/clipnh/internal/imageprep"
	"github.com/clipnh/clipnh/internal/pipeline/model"
)

// This file lets flags take the name of a fetched file instead of a path. A command only
// marks such a flag (takesAsset); the value is a path when the command runs.

// The annotations of flags.
const (
	assetAnnotation   = "asset"   // the kind of the asset that the flag may name
	defaultAnnotation = "default" // the asset used when the flag is not given
	neededAnnotation  = "needed"  // flags of which one must be given for the default to be used
	exceptAnnotation  = "except"  // flags with which the default is not used
)

// takesAsset marks a flag whose value may be the name of a fetched asset of a kind.
func takesAsset(fs *pflag.FlagSet, flag, kind string) {
	annotate(fs, flag, assetAnnotation, kind)
}

// takesWords adds the flag of the list of words that describe units.
func takesWords(fs *pflag.FlagSet, path *string) {
	fs.StringVar(path, "text-descs-list-path", "", "`FILE` of words, one per line, or the name of a fetched list, such as words; - is standard input")
	takesAsset(fs, "text-descs-list-path", configs.AssetWords)
}

// defaultsToAsset marks a flag whose default is an asset, if that has been fetched.
func defaultsToAsset(fs *pflag.FlagSet, flag, name string) {
	annotate(fs, flag, defaultAnnotation, name)
}

// defaultNeeds limits the default of a flag to command lines with one of the others: without
// them, a file that happens to have been fetched changes nothing.
func defaultNeeds(fs *pflag.FlagSet, flag string, others ...string) {
	annotate(fs, flag, neededAnnotation, others...)
}

// defaultExcludes keeps the default of a flag from command lines with one of the others,
// which take its place.
func defaultExcludes(fs *pflag.FlagSet, flag string, others ...string) {
	annotate(fs, flag, exceptAnnotation, others...)
}

// hasDefault reports whether the default of f, if it has one, belongs to a command line.
func hasDefault(f *pflag.Flag, flags *pflag.FlagSet) bool {
	needed, except := f.Annotations[neededAnnotation], f.Annotations[exceptAnnotation]
	set := setFlags(flags)
	return (needed == nil || slices.ContainsFunc(needed, set)) && !slices.ContainsFunc(except, set)
}

func annotate(fs *pflag.FlagSet, flag, key string, values ...string) {
	if err := fs.SetAnnotation(flag, key, values); err != nil {
		panic(err) // no such flag
	}
}

// annotation returns the value of an annotation of a flag, empty unless it has one value.
func annotation(f *pflag.Flag, key string) string {
	if values := f.Annotations[key]; len(values) == 1 {
		return values[0]
	}
	return ""
}

// takesAssets reports whether a flag of cmd may name an asset.
func takesAssets(cmd *cobra.Command) bool {
	takes := false
	cmd.Flags().VisitAll(func(f *pflag.Flag) { takes = takes || annotation(f, assetAnnotation) != "" })
	return takes
}

// openStore opens the user's store of assets.
func openStore() (*asset.Store, error) {
	home, err := asset.Home()
	if err != nil {
		return nil, err
	}
	return asset.Open(home)
}

// locate returns the path of a fetched asset.
func locate(ctx context.Context, name string) (string, error) {
	store, err := openStore()
	if err != nil {
		return "", err
	}
	a, ok := store.Find(name)
	if !ok {
		panic("no such asset")
	}
	return store.Locate(ctx, a)
}

// publishedActivation finds a model by its hash in the table of assets. Where the user's own
// table cannot be read, the program's counts: what is not known is guessed, and that is said.
func publishedActivation(sha256 string) (name, activation string) {
	table := configs.Assets()
	if store, err := openStore(); err == nil {
		table = store.Assets()
	}
	for _, a := range table {
		if a.Kind == configs.AssetModel && a.SHA256 == sha256 {
			return a.Name, a.Activation
		}
	}
	return "", ""
}

// resolveAssets replaces names of assets in the values of flags by paths.
func resolveAssets(ctx context.Context, flags *pflag.FlagSet) error {
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		kind, value := annotation(f, assetAnnotation), f.Value.String()
		if failed != nil || kind == "" {
			return
		}
		var path string
		if value == "" {
			if !hasDefault(f, flags) {
				return
			}
			path, failed = fallback(ctx, f)
		} else {
			path, failed = resolveAsset(ctx, f.Name, kind, value)
		}
		if failed == nil && path != value {
			failed = f.Value.Set(path)
		}
	})
	return failed
}

func resolveAsset(ctx context.Context, flag, kind, value string) (string, error) {
	if _, err := os.Lstat(value); err == nil || isStdin(value) {
		return value, nil // the store is not needed
	}
	store, err := openStore()
	if err != nil {
		return "", err
	}
	path, known, err := store.Resolve(ctx, kind, value)
	if err != nil {
		return "", fmt.Errorf("--%s %s: %w", flag, value, err)
	}
	if !known && (!strings.ContainsAny(value, `./\`) || theirName.MatchString(value)) {
		if advice := adviseName(store, kind, value); advice != "" {
			return "", hinted{usageError{fmt.Errorf("--%s %s: no such file, and not the name of an asset", flag, value)}, advice}
		}
	}
	return path, nil
}

// fallback returns the path of the asset that is the default of a flag, empty if there is
// none.
func fallback(ctx context.Context, f *pflag.Flag) (string, error) {
	name := annotation(f, defaultAnnotation)
	if name == "" || f.Changed {
		return "", nil
	}
	store, err := openStore()
	if err != nil {
		return "", err
	}
	a, _ := store.Find(name)
	if state, _ := store.State(a); state == asset.Absent || state == asset.Partial {
		return "", nil
	}
	path, err := store.Locate(ctx, a)
	if err != nil {
		return "", fmt.Errorf("--%s: %w", f.Name, err)
	}
	return path, nil
}

// theirName matches the names of models as OpenAI and open_clip spell them, and unlike the names
// of files: ViT-B/32, ViT-L/14@336px.
var theirName = regexp.MustCompile(`(?i)^(RN\d+(x\d+)?|(EVA\d*-)?ViT-[a-z]+[-/]\d+)(@\d+(px)?)?([-_][\w-]*)?$`)

// ourName is a name with the signs that names of assets have: ViT-L-14-336 for ViT-L/14@336px.
func ourName(name string) string {
	return strings.TrimSuffix(strings.NewReplacer("/", "-", "@", "-").Replace(strings.ToLower(name)), "px")
}

// unfetched matches names of models that were published, and whose hash is not known.
var unfetched = regexp.MustCompile(`^vit-(h|g|bigg)-14|laion2b`)

// adviseName says what a name that is none of an asset may have meant; empty if that is not
// known.
func adviseName(store *asset.Store, kind, name string) string {
	if (kind == "" || kind == configs.AssetModel) && unfetched.MatchString(ourName(name)) {
		return "clipnh does not know the hash of this model, and does not fetch it: give the path of its file"
	}
	if meant := similarAssets(store, kind, name); len(meant) > 0 {
		return didYouMean(meant)
	}
	return ""
}

// similarAssets returns the assets of a kind, or of every kind if it is empty, that name
// may have meant: those at the smallest edit distance, if that is small.
func similarAssets(store *asset.Store, kind, name string) []string {
	const maxEdits = 2
	nearest := maxEdits
	var near []string
	for _, a := range store.Assets() {
		if kind != "" && a.Kind != kind {
			continue
		}
		switch d := hint.Edits(strings.ToLower(a.Name), ourName(name)); {
		case d < nearest:
			near, nearest = nil, d
			fallthrough
		case d == nearest:
			near = append(near, a.Name)
		}
	}
	return near
}

// adviseFetch adds to the error of a missing flag what to fetch for it.
func adviseFetch(err error, flags *pflag.FlagSet) error {
	var missing missingFlags
	if !errors.As(err, &missing) {
		return err
	}
	flags.VisitAll(func(f *pflag.Flag) {
		if name := annotation(f, defaultAnnotation); name != "" && slices.Contains(missing, "--"+f.Name) {
			err = hinted{err, fmt.Sprintf("run %q, then --%s is not needed", "clipnh fetch "+name, f.Name)}
		}
	})
	return err
}

// modelFlag adds --model, which most commands have; the reference calls it
// --model-name.
func modelFlag(fs *pflag.FlagSet, model *string) {
	fs.StringVarP(model, "model", "m", "", "`FILE` of CLIP weights, or the name of fetched weights, such as RN50x16")
	takesAsset(fs, "model", configs.AssetModel)
}

// vocabFlag adds --vocab, which every command that reads texts has.
func vocabFlag(fs *pflag.FlagSet, vocab *string) {
	fs.StringVar(vocab, "vocab", "", "merges `FILE` of the tokenizer, .txt or .txt.gz (default that of \"clipnh fetch vocab\")")
	takesAsset(fs, "vocab", configs.AssetVocab)
	defaultsToAsset(fs, "vocab", "vocab")
}

// detailFlags adds the flags that say of a model what its weights do not.
func detailFlags(fs *pflag.FlagSet, d *model.Details) {
	fs.Var(countFlag{&d.Heads}, "vit-heads", "`N` heads in each layer of a vision transformer (default that of config.json beside the file or of published models, or of width 64)")
	fs.StringVar(&d.Activation, "activation", "", "`NAME` quick_gelu (OpenAI's) or gelu, in the blocks of transformers (default that of fetched weights or of config.json beside the file, or a guess)")
	choices(fs, "activation", model.Activations()...)
}

// neuronLayerFlag adds the flag of commands that look at pairs of a model. byDefault says
// which layer else, in parentheses; empty: none.
func neuronLayerFlag(fs *pflag.FlagSet, layer **int, byDefault string) {
	fs.Var(layerFlag{layer}, "neuron-layer", "`LAYER` of a vision transformer whose neurons to look at through the heads of later layers, from 0"+byDefault)
}

// layerOfInputs is which layer counts by default in commands that take artefacts of one.
const layerOfInputs = " (default that of the scores or components, where they are given)"

// countFlag is a flag whose value is a number of things; 0, which is no value, until it is
// given.
type countFlag struct{ n *int }

func (f countFlag) Type() string { return "int" }

func (f countFlag) String() string {
	if f.n == nil || *f.n == 0 {
		return ""
	}
	return strconv.Itoa(*f.n)
}

func (f countFlag) unset() { *f.n = 0 }

func (f countFlag) Set(text string) (err error) {
	*f.n, err = strconv.Atoi(text)
	return err
}

// layersFlag is a flag whose value is one layer or several, as 9,10.
type layersFlag struct{ layers *[]int }

func (f layersFlag) Type() string { return "layers" }

func (f layersFlag) String() string {
	if f.layers == nil {
		return ""
	}
	var names []string
	for _, layer := range *f.layers {
		names = append(names, strconv.Itoa(layer))
	}
	return strings.Join(names, ",")
}

func (f layersFlag) unset() { *f.layers = nil }

func (f layersFlag) Set(text string) error {
	*f.layers = nil
	for _, word := range strings.Split(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 0 {
			return fmt.Errorf("want a layer, 0 or more, or several, as 9,10")
		}
		*f.layers = append(*f.layers, n)
	}
	return nil
}

// layerFlag is a flag whose value is a layer; nil until it is given.
type layerFlag struct{ layer **int }

func (f layerFlag) Type() string { return "int" }

func (f layerFlag) String() string {
	if f.layer == nil || *f.layer == nil {
		return ""
	}
	return strconv.Itoa(**f.layer)
}

func (f layerFlag) unset() { *f.layer = nil }

func (f layerFlag) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return fmt.Errorf("want a layer, 0 or more")
	}
	*f.layer = &n
	return nil
}

func checkDetails(d model.Details) error {
	if d.Heads < 0 {
		return fmt.Errorf("--vit-heads %d: want 1 or more", d.Heads)
	}
	if d.Activation != "" && !slices.Contains(model.Activations(), d.Activation) {
		return fmt.Errorf("--activation %q: want %s", d.Activation, strings.Join(model.Activations(), " or "))
	}
	switch {
	case (d.Mean == nil) != (d.Std == nil):
		return errors.New("--image-mean and --image-std: want both or none")
	case d.Mean != nil:
		if _, err := imageprep.NewChannels(*d.Mean, *d.Std); err != nil {
			return fmt.Errorf("--image-mean and --image-std: %w", err)
		}
	}
	return nil
}
