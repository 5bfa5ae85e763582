package main

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/pipeline/live"
)

const explorePage = "../../docs/explore.md"

// explorePart is a part of the interface: its address, what it answers, and with what.
type explorePart struct {
	title, text   string
	asked, answer any // types of a body of JSON, or nil, and of the answer
}

const exploreIntro = `# The explorer

` + "`clipnh explore DIR`" + ` shows a [report](report.md) in the browser and computes answers to your own questions: any text, your
own classes for an image, where each head finds a class in it, an image of yours, labels of pixels, and what the model says
without some pairs. The pages are those of the report's folder; live answers come from the interface below, which scripts may
use too.

    clipnh explore report --model RN50x16 --data-path photos --open

[` + "`clipnh explore`" + `](commands/explore.md) has the flags.

## What is served, and to whom

- The explorer listens on 127.0.0.1, port 8316 or another free one, and answers only requests that name this machine
  as their host. Requests from pages of other sites are refused, and other sites cannot load the data files.
- With ` + "`--listen`" + ` other machines can reach it. Then the first part of every address is a token (` + "`--token`" + `, or a random
  one), which the printed address contains. Scripts may send it as ` + "`Authorization: Bearer TOKEN`" + ` instead. Traffic is not
  encrypted: use a tunnel, such as ssh's, on networks that you do not trust.
- Only files of the report's folder are served, by a list of allowed kinds, and thumbnails of its images. Links that lead
  out of it are not followed. Nothing is written, and images that are sent are not kept. There are no cookies.
- ` + "`/p/h21n624`" + ` and similar addresses redirect to the page behind ` + "`#`" + `.
- Limits: 10 s and 16 KiB for the headers of a request, 1 MiB for a body of JSON, 32 MiB and ` + "`--max-pixels`" + ` for an image, one
  minute for an answer. One request at a time uses the model; 16 may wait for it, and 32 for the scores. Four images may
  be sent at a time. As many thumbnails as ` + "`--threads`" + `, at most four, are drawn at a time, each with its image in
  memory; 64 may wait.

## Pictures

A report keeps thumbnails of the images that some unit shows. The explorer draws those of all others, and sharper ones for
the pages of images, where it has the images: by ` + "`--data-path`" + `, a folder, archive, list or address as elsewhere, or where
the report was made from. They are drawn as those of the report, and need neither the model nor the scores. The images must
be those of the collection, or, where it is gone, of the report, by their names and sizes. One whose bytes have changed
since it was collected is drawn as it is now and marked; one that cannot be read says why. Without the images, pages say
what to do.

## Reports of heads

A [report of heads](report.md#heads) has the same parts but for labels of pixels and scores of pairs, which its pages leave out:
why an image has its class by heads, with a map of each; an image of yours; the heads that tell images apart by any text; and
heads that are switched off. ` + "`api/text`" + `, ` + "`api/image`" + ` and ` + "`api/drop`" + ` have answers of their own, which are below; in
` + "`api/image`" + ` and ` + "`api/drop`" + `, ` + "`list`" + ` is a number of heads, and there is no ` + "`off`" + `, ` + "`by`" + `, ` + "`unusual`" + ` and ` + "`unit`" + `. What is
without an answer says so with status 501. Classes that are taken where none are named, and accuracies, need
` + "`--imagenet-zeroshot-path`" + `, since a report of heads has no classes of its own. Pages that a build without these parts
wrote stay as they are: make the report again.

## Where inputs come from

A report records where its inputs were, with their hashes. The explorer looks for them there and uses them only if they
are still the same; a flag says where one is now. An input that is missing or has changed switches off what needs it, and
the page says why. If it was given by a flag, it is an error (exit status 11; ` + "`--force`" + ` uses it). ` + "`--check`" + ` prints what would
be live.

The scores are read once at the start. The features of all images and their products with the classes are kept in memory,
4 bytes per number and at most 1 GiB in all: 50,000 images of RN50x16 with 1,000 classes take 354 MB. Also kept are the
scores of the pairs that were switched off last (64 MiB), the embeddings of the last 4096 texts, the tower's results
for the last 16 images, and the thumbnails that were drawn last (32 MiB).

## Numbers

Pairs near a text are the same as in ` + "`clipnh retrieve`" + `, explanations as in ` + "`clipnh explain`" + `, accuracies as in
` + "`clipnh ablate`" + ` of these pairs with the means of the same collection, and labels of pixels as in ` + "`clipnh segment`" + ` with its
default settings; a test compares them. What is shown for an image without some pairs of a ResNet equals, up to rounding, what
` + "`clipnh explain`" + ` prints with the model that the ` + "`clipnh edit`" + ` line makes. In a vision transformer a pair has no weights of
its own: there is a line where neurons are off with all their pairs, and it takes more than these out, as ` + "`edit_note`" + `
says; by mean, a ` + "`clipnh collect`" + ` line before it collects mean activations. With s the score of a pair, m its mean score (0 by zero)
and v its direction,

    f' = f - sum of (s - m) v over the pairs that are off

is the feature without them. Of heads, what a head adds to an image takes the place of s v, and its mean over the images that of
m v, as in ` + "`clipnh ablate --mode heads`" + `; an image with the heads off has logits and no map. Lines for
` + "`clipnh edit`" + ` take heads out of one layer after the other, the last layer first. In a vision transformer later layers see it,
so that features differ from those on the page, as ` + "`edit_note`" + ` says; where means do not tell what heads give, there is a
line by zero only. See [the method](method.md) and [explain](explain.md).

## Interface

Answers are JSON, and thumbnails JPEG. An error is an object too, ` + "`{\"error\": \"...\", \"kind\": \"...\"}`" + `:

| status | kind | when |
|---:|---|---|
| 400 | request | the request is not valid |
| 401 | token | the token is missing or wrong |
| 403, 421 | refused | sent by another site's page, or to another host name |
| 404 | not found | no such image, file or part |
| 405 | method | the method is not allowed |
| 409 | changed | the image's bytes are not those that were collected |
| 413 | too large | the body is too large |
| 415 | type | a body of JSON needs ` + "`Content-Type: application/json`" + ` |
| 429 | busy | too many requests wait |
| 500 | internal | a fault of the program, or a file that cannot be read |
| 501 | off | this part is off; the message says why |
| 503 | loading, stopped | the scores are still being read, or the server stops |
| 504 | timeout | no answer within a minute |

A test writes this page from the types of the answers. Fields marked *optional* are left out if they are empty.
`

// exploreParts are in the order of the page.
var exploreParts = []explorePart{
	{"GET api/live", "What works, and why other parts do not.", nil, live.Status{}},
	{"GET api/text?q=TEXT", "Pairs and images near a text.", nil, live.Text{}},
	{"GET api/image/NUMBER", "Why an image of the collection has its class. The number is the row of the scores. Parameters, all optional: `classes`\n" +
		"(names separated by commas), `class`, `versus`, `off` (units), `by` (mean or zero), `list` and `maps` (how many; without\n" +
		"`maps`, there are no maps of pairs and heads), `heads` (heads whose maps are wanted, in place of the strongest, separated by\n" +
		"commas), `unusual` (true or false), as the flags of `clipnh explain` and `clipnh edit` have them. `explanation` has the fields\n" +
		"of [`clipnh explain --json`](json.md#explain): maps of pairs in `pairs`, those of heads in `head_maps`.", nil, live.Explained{}},
	{"POST api/drop", "The same of an image that is the body. Parameters: those of api/image, and `unit`, a pair. The answer is as above.", nil, nil},
	{"POST api/toggle", "Accuracy over the collection, and one image, without some pairs or heads. The body is JSON:", live.ToggleRequest{}, live.Toggle{}},
	{"POST api/segment", "Labels of pixels, of an image that is the body, or of the collection (`image`, its number). Parameters: `classes`, two or\n" +
		"more, with `|` between the words of one; `sink` (false for small grids, as `--no-sink`).", nil, live.Segmented{}},
	{"GET api/scores?unit=PAIR", "The scores of a pair on all images.", nil, live.PairScores{}},
	{"GET api/thumb/NUMBER", "A thumbnail of an image, by its number: a JPEG of the square that the model sees, also of images that have none in the\n" +
		"report. Parameters, both optional: `size` (pixels, 1 to 512; 96), `changed` (true: an image that has changed since it was\n" +
		"collected is drawn as it is now, in place of the error `changed`). The answer has an `ETag`.", nil, nil},
	{"Of heads: GET api/text?q=TEXT", "Heads by how far what they add along a text differs over the images, which is how textspan chooses texts, and the images nearest\n" +
		"to the text. What heads add is read again for each text, as factors where it is kept so; the last 256 answers are kept.", nil, live.HeadsText{}},
	{"Of heads: GET api/image/NUMBER, POST api/drop", "Why an image has its class, by heads. `explanation.head_maps` has the fields of those of\n" +
		"[`clipnh explain --json`](json.md#explain).", nil, live.HeadsExplained{}},
}

// TestExplorePage compares the page of the explorer with the types of its answers; -update
// writes it.
func TestExplorePage(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(exploreIntro)
	table := func(v any) {
		b.WriteString("\n| field | type | content |\n|---|---|---|\n")
		for _, f := range fieldsOf(t, "", reflect.TypeOf(v), nil) {
			if strings.HasPrefix(f.path, "explanation.") {
				continue // on the page of JSON
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.path, f.kind, f.comment)
		}
	}
	for _, p := range exploreParts {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n", p.title, p.text)
		if p.asked != nil {
			table(p.asked)
			b.WriteString("\nThe answer:\n")
		}
		if p.answer != nil {
			table(p.answer)
		}
	}
	was, err := os.ReadFile(explorePage)
	if *update {
		err = os.WriteFile(explorePage, b.Bytes(), 0o666)
	} else if err == nil && !bytes.Equal(was, b.Bytes()) {
		err = fmt.Errorf("%s is not what the types say: run this test with -update and read the difference", explorePage)
	}
	if err != nil {
		t.Error(err)
	}
}
