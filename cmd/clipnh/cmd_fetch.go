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
	"github.com/clipnh/clipnh/internal/download"
	"github.com/clipnh/clipnh/internal/ui"
)

const fetchHelp = `
Downloads published files by name into a folder of your own, where the other commands
find them: --model RN50x16 is then the same as the path of its file, and --vocab need
not be given. Without a name it lists what there is, and what is there already. Models
are OpenAI's ResNets and those that open_clip trained on yfcc15m and cc12m; vocab is the
merges file of their tokenizer, words the word list of the paper.

A file gets its name only when it is whole and its SHA-256 is that of the table. A
download that breaks off is taken up again where it stopped, by itself a few times, and
by the same command later. A server that sends less than 4 KiB a second is given up, and
without a network the message says where to save the file by hand. Two runs that want the
same file do not get in each other's way. Proxies are those of HTTPS_PROXY, HTTP_PROXY and
NO_PROXY.

Files lie in assets below $CLIPNH_HOME, else below clipnh in $XDG_CACHE_HOME or
~/.cache (on macOS and Windows in the system's folder for caches). A file that you have
already can be put there under its published name; its checksum is looked at before it
is used. With --url, or CLIPNH_MIRROR in the environment (a folder's URL), another
server is asked; the checksum stays the same.

Files of your own get names in a table, assets.json beside the folder assets:
  [{"name": "mine", "kind": "model", "file": "mine.pt", "sha256": "64 hex digits",
    "url": "https://files.example/mine.pt"}]
The kinds are model, vocab and words; size (bytes), licence and source may be added.`

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
	fs.BoolVar(&o.dryRun, "dry-run", false, "print what would be fetched, from where and to where, and fetch nothing")
}

func (o *fetchOptions) validate(names []string) error {
	if o.url == "" {
		return nil
	}
	u, err := url.Parse(o.url)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("--url %s: want http://... or https://...", o.url)
	case len(names) == 0:
		return errors.New("--url: want a name of what to fetch from there")
	case len(names) > 1 && !strings.HasSuffix(o.url, "/"):
		return fmt.Errorf("--url %s: for several names want a folder, which ends in a slash", o.url)
	}
	return nil
}

func runFetch(ctx context.Context, opts fetchOptions, names []string, g *globalOptions) error {
	store, err := openStore()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return listAssets(store, store.Assets(), opts, g)
	}
	var wanted []configs.Asset
	for _, name := range names {
		a, ok := store.Find(name)
		if !ok {
			err := usageError{fmt.Errorf("%q: nothing is known by that name", name)}
			if meant := similarAssets(store, "", name); len(meant) > 0 {
				return hinted{err, didYouMean(meant)}
			}
			return hinted{err, `run "clipnh fetch" for a list of the names`}
		}
		wanted = append(wanted, a)
	}
	if opts.dryRun {
		return listAssets(store, wanted, opts, g)
	}
	client := download.NewClient("clipnh/" + currentBuild().Version)
	results := []fetchedAsset{}
	for _, a := range wanted {
		f, err := store.Fetch(ctx, client, a, store.URL(a, opts.url), g.printer)
		if err != nil {
			return err
		}
		results = append(results, fetchedAsset{a.Name, f.Path, f.Bytes, f.Kept, f.There, a.SHA256})
	}
	if g.json {
		return g.printer.JSON(results)
	}
	t := ui.NewTable(ui.Left("name"), ui.Right("size"), ui.Left("state"), ui.Left("path"))
	for _, r := range results {
		state := "fetched"
		switch {
		case r.There:
			state = "there already"
		case r.Kept > 0:
			state = "fetched, " + ui.FormatBytes(r.Kept) + " of it before"
		}
		t.Row(r.Name, ui.FormatBytes(r.Bytes), state, r.Path)
	}
	return g.printer.Table(t)
}

// fetchedAsset is what became of an asset, its checksum being right.
type fetchedAsset struct {
	Name   string `json:"name"`
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`
	Kept   int64  `json:"bytes_of_earlier_runs"`
	There  bool   `json:"there_already"`
	SHA256 string `json:"sha256"`
}

// listedAsset is what is known of an asset.
type listedAsset struct {
	configs.Asset
	From  string      `json:"from"` // with --url or a mirror, not url
	Path  string      `json:"path"`
	State asset.State `json:"state"`
	Bytes int64       `json:"bytes"` // on disk
}

// listAssets prints what there is or, of a dry run, what would be done.
func listAssets(store *asset.Store, all []configs.Asset, opts fetchOptions, g *globalOptions) error {
	list := make([]listedAsset, len(all))
	for i, a := range all {
		state, bytes := store.State(a)
		list[i] = listedAsset{a, store.URL(a, opts.url), store.Path(a), state, bytes}
	}
	if g.json {
		return g.printer.JSON(list)
	}
	t := ui.NewTable(ui.Left("name"), ui.Left("kind"), ui.Right("size"), ui.Left("state"), ui.Left("licence"), ui.Left("published by"))
	if opts.dryRun {
		t = ui.NewTable(ui.Left("name"), ui.Right("size"), ui.Left("state"), ui.Left("from"), ui.Left("to"))
	}
	for _, a := range list {
		size, state := "not known", string(a.State)
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
