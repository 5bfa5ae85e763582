package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/clipnh/clipnh/configs"
	"github.com/clipnh/clipnh/internal/asset"
	"github.com/clipnh/clipnh/internal/build"
	"github.com/clipnh/clipnh/internal/download"
	"github.com/clipnh/clipnh/internal/ui"
)

const fetchHelp = `
Downloads published files by name into a folder of the user, where the other
commands find them: --model RN50x16 then stands for the path of its file, and
--vocab is not needed. Without a name, it lists the files that can be fetched
and those that are already there. Models are OpenAI's ResNets and vision
transformers, and those that open_clip trained on yfcc15m, cc12m and laion400m;
vocab is the merges file of their tokenizer, words the word list of the paper.
LAION's models of laion2b, and H/14, g/14 and bigG/14, are not among them, since
their hashes could not be verified: they are used by the path of their file.

A file gets its name only when it is complete and its SHA-256 matches. An
interrupted download resumes, a few times by itself, later when the same command
is run again. A server that sends less than 4 KiB a second is given up. Without
a network, the message says where to put the file by hand. Two processes can
fetch the same file at the same time. HTTPS_PROXY, HTTP_PROXY and NO_PROXY are
respected.

Files are kept in the folder assets below $CLIPNH_HOME, or otherwise below
clipnh in $XDG_CACHE_HOME or ~/.cache (on macOS and Windows, in the system's
folder for caches). A file that you already have can be put there under its
published name; its checksum is compared before it is used. With --url, or with
CLIPNH_MIRROR in the environment (the URL of a folder), files come from another
server; the checksum stays the same.

To give names to files of your own, list them in assets.json, next to the folder
assets:
  [{"name": "mine", "kind": "model", "file": "mine.pt",
    "sha256": "64 hex digits", "url": "https://files.example/mine.pt"}]
The kinds are model, vocab and words; size (bytes), licence, source and, of a
model, activation (quick_gelu or gelu) may be added.`

func newFetchCommand(g *globalOptions) *cobra.Command {
	var opts fetchOptions
	cmd := &cobra.Command{
		Use:         "fetch [NAME...]",
		Short:       "Download models, the vocabulary and the word list by name",
		Long:        fetchHelp,
		Example:     "clipnh fetch RN50x16 vocab words",
		Args:        cobra.ArbitraryArgs,
		Annotations: exitStatus(exitInterrupted),
		RunE: func(cmd *cobra.Command, names []string) error {
			if err := opts.validate(names); err != nil {
				return usageError{err}
			}
			return runFetch(cmd.Context(), opts, names, g)
		},
		ValidArgsFunction: completeAssets(""),
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

// fetchOptions is everything the fetch command can be told.
type fetchOptions struct {
	url    string
	dryRun bool
}

func (o *fetchOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.url, "url", "", "fetch from `URL`: the file itself or, when it ends in a slash, a folder that holds the files")
	fs.BoolVar(&o.dryRun, "dry-run", false, "print what would be fetched, from where to where, and fetch nothing")
}

func (o *fetchOptions) validate(names []string) error {
	if o.url == "" {
		return nil
	}
	u, err := url.Parse(o.url)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("--url %s: want an http:// or https:// URL", o.url)
	case len(names) == 0:
		return errors.New("--url: want the name of a file to fetch")
	case len(names) > 1 && !strings.HasSuffix(o.url, "/"):
		return fmt.Errorf("--url %s: want a folder, ending in a slash, for several names", o.url)
	}
	return nil
}

func runFetch(ctx context.Context, opts fetchOptions, names []string, g *globalOptions) error {
	store, err := openStore()
	if err != nil {
		return err
	}
	store.Files = g.files
	if len(names) == 0 {
		return listAssets(store, store.Assets(), opts, g)
	}
	var wanted []configs.Asset
	for _, name := range names {
		a, ok := store.Find(name)
		if !ok {
			err := usageError{fmt.Errorf("%q: unknown name", name)}
			if advice := adviseName(store, "", name); advice != "" {
				return hinted{err, advice}
			}
			return hinted{err, `run "clipnh fetch" for a list of the names`}
		}
		wanted = append(wanted, a)
	}
	if opts.dryRun {
		return listAssets(store, wanted, opts, g)
	}
	client := download.NewClient("clipnh/" + build.Current().Version)
	results := []fetchedAsset{}
	for i, a := range wanted {
		f, err := store.Fetch(ctx, client, a, store.URL(a, opts.url), g.printer)
		if err != nil {
			return othersByHand(err, store, a, wanted[i+1:], opts.url)
		}
		results = append(results, fetchedAsset{a.Name, f.Path, f.Bytes, f.Kept, f.There, a.SHA256})
	}
	if g.json {
		return g.printer.JSON(fetchResult{results})
	}
	t := ui.NewTable(ui.Left("name"), ui.Right("size"), ui.Left("state"), ui.Left("path"))
	for _, r := range results {
		state := "fetched"
		switch {
		case r.There:
			state = "already there"
		case r.Kept > 0:
			state = "fetched, resumed after " + ui.FormatBytes(r.Kept)
		}
		t.Row(r.Name, ui.FormatBytes(r.Bytes), state, r.Path)
	}
	return g.printer.Table(t)
}

// othersByHand adds to the error of an asset that cannot be reached where to get the
// others, which were not tried.
func othersByHand(err error, store *asset.Store, failed configs.Asset, others []configs.Asset, from string) error {
	var h hinter
	byHand := func(a configs.Asset) string { return download.ByHand(store.URL(a, from), store.Path(a)) }
	if !errors.As(err, &h) || !strings.Contains(h.Hint(), byHand(failed)) {
		return err
	}
	hints := []string{h.Hint()}
	for _, a := range others {
		if state, _ := store.State(a); state != asset.Present {
			hints = append(hints, byHand(a))
		}
	}
	return hinted{err, strings.Join(hints, "\n")}
}

// fetchResult and assetList are results as JSON: of a fetch, and of a list or dry run.
type (
	fetchResult struct {
		Assets []fetchedAsset `json:"assets"`
	}
	assetList struct {
		Assets []listedAsset `json:"assets"`
	}
)

// fetchedAsset is an asset whose file is in place, its checksum compared.
type fetchedAsset struct {
	Name   string `json:"name"`
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`
	Kept   int64  `json:"bytes_of_earlier_runs"`
	There  bool   `json:"there_already"`
	SHA256 string `json:"sha256"`
}

// listedAsset is an asset and the state of its file.
type listedAsset struct {
	configs.Asset
	From  string      `json:"from"` // with --url or a mirror, not url
	Path  string      `json:"path"`
	State asset.State `json:"state"`
	Bytes int64       `json:"bytes"` // on disk
}

// listAssets prints the assets and their states or, in a dry run, what would be fetched.
func listAssets(store *asset.Store, all []configs.Asset, opts fetchOptions, g *globalOptions) error {
	list := make([]listedAsset, len(all))
	for i, a := range all {
		state, bytes := store.State(a)
		list[i] = listedAsset{a, store.URL(a, opts.url), store.Path(a), state, bytes}
	}
	if g.json {
		return g.printer.JSON(assetList{list})
	}
	t := ui.NewTable(ui.Left("name"), ui.Left("kind"), ui.Right("size"), ui.Left("state"), ui.Left("licence"), ui.Left("published by"))
	if opts.dryRun {
		t = ui.NewTable(ui.Left("name"), ui.Right("size"), ui.Left("state"), ui.Left("from"), ui.Left("to"))
	}
	for _, a := range list {
		size, state := "unknown", string(a.State)
		if a.Size > 0 {
			size = ui.FormatBytes(a.Size)
		}
		if a.State == asset.Partial {
			state += ", " + ui.FormatBytes(a.Bytes)
		}
		if opts.dryRun {
			t.Row(a.Name, size, state, a.From, a.Path)
		} else {
			t.Row(a.Name, a.Kind, size, state, a.Licence, a.Source)
		}
	}
	if !opts.dryRun {
		g.printer.Note("files are kept in %s", store.Dir)
	}
	return g.printer.Table(t)
}
