package explore

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clipnh/clipnh/internal/artefact"
	"github.com/clipnh/clipnh/internal/dataset"
	"github.com/clipnh/clipnh/internal/pipeline/collect"
	"github.com/clipnh/clipnh/internal/pipeline/collecttest"
	"github.com/clipnh/clipnh/internal/pipeline/live"
	"github.com/clipnh/clipnh/internal/pipeline/pipelinetest"
	"github.com/clipnh/clipnh/internal/report"
	"github.com/clipnh/clipnh/internal/testutil"
)

// headsFolder makes the small report one of the heads of the golden vision transformer.
func headsFolder(t *testing.T, checkpoint string) string {
	t.Helper()
	dir, _ := folder(t)
	mark := report.Mark{Format: report.Format, Tool: report.Tool, State: report.Complete}
	for mode, kind := range map[string]string{collect.ModeHeads: artefact.KindHeads, collect.ModeMLPs: artefact.KindMLPs} {
		o := collecttest.GoldenViT(t, mode, mode)
		o.Model = checkpoint
		collecttest.Collect(t, o)
		a, err := artefact.Reader{}.Open(o.SavePath, nil, kind)
		if err != nil {
			t.Fatal(err)
		}
		mark.Inputs = append(mark.Inputs, report.Input{Kind: kind, Path: o.SavePath, SHA256: a.Hash()})
	}
	write := func(name string, v any) {
		var text strings.Builder
		if err := report.Write(&text, name, v); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(report.FileOf(name))), []byte(text.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write(report.OverviewName, report.Overview{Format: report.Format, Title: "heads"})
	write(report.ImagesName, report.Images{Names: []string{"00.png"}})
	if err := os.Remove(filepath.Join(dir, filepath.FromSlash(report.FileOf(report.IndexName)))); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(mark)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, report.MarkFile), text, 0o666); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestHeads: a report of heads has answers by heads, and says what is of pairs.
func TestHeads(t *testing.T) {
	checkpoint := pipelinetest.GoldenViTWithText(t)
	dir := headsFolder(t, checkpoint)
	r := opened(t, dir)
	o := live.Options{
		Threads: 2, Data: dataset.Options{Kind: dataset.Images, Path: testutil.GoldenViT("images")}, ModelPath: checkpoint, Vocab: testutil.Golden("text/toy_merges.txt.gz"),
		Edit: func(e live.EditCommand) string { return "by " + e.By },
	}
	o, err := r.Inputs(Paths{}, o, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Inputs(Paths{Components: "x.npy"}, o, t.Logf); err == nil || !strings.Contains(err.Error(), "components are of pairs") {
		t.Errorf("components: %v", err)
	}
	l, err := r.Open(t.Context(), o, pipelinetest.Silent())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	if err := l.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := serveAnswers(t, r, l, "")
	photo, err := os.ReadFile(testutil.GoldenViT("images/00.png"))
	if err != nil {
		t.Fatal(err)
	}
	asJSON := map[string]string{"Content-Type": "application/json"}
	for _, x := range []exchange{
		{get, "/api/live", nil, "", 200, `"segment":{"on":false,"reason":"of pairs only`},
		{get, "/api/image/3?classes=a,b&maps=2&list=1", nil, "", 200, `"head":"l`},
		{get, "/api/image/3?classes=a,b&off=l3h1", nil, "", 400, "api/toggle"},
		{get, "/api/image/3?classes=a,b&class=c", nil, "", 400, `class \"c\": not among the 2 classes`},
		{get, "/api/image/3?classes=a,b&class=a&versus=a", nil, "", 400, `class and versus are both`},
		{get, "/api/text?q=a+dog", nil, "", 200, `"deviation"`},
		{post, "/api/drop?classes=a,b&heads=l4h0", nil, string(photo), 200, `"head":"l4h0"`},
		{get, "/api/thumb/0", nil, "", 200, "\xff\xd8"}, {get, "/api/thumb/1", nil, "", 404, "image 1: want 0 to 0"},
		{get, "/h/l4h0", nil, "", 307, "/#/h/l4h0"},
		{get, "/p/l4h0", nil, "", 404, "no such file"},
		{post, "/api/toggle", map[string]string{"Content-Type": "application/json"}, `{"of": 1}`, 400, `l10h3`},
		{post, "/api/drop?unit=l4h0&classes=a,b", nil, string(photo), 400, "heads names heads"},
		{post, "/api/toggle", asJSON, `{"off": ["l4"], "by": "zero"}`, 200, `"off":["l4h0","l4h1","l4h2","l4h3"],"by":"zero"`},
		{get, "/api/scores?unit=l3h1", nil, "", 501, `"kind":"off"`},
		{post, "/api/segment?classes=a,b", nil, string(photo), 501, `"kind":"off"`},
		{get, "/", nil, "", 200, `content="0"`}, // pages of a build that had no live parts of heads
	} {
		s.do(t, x)
	}

	// Pages that have them are live.
	page := strings.Replace(indexPage, "<body>", "<body><a data-heads-live></a>", 1)
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte(page), 0o666); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if s, err := New(Options{Report: r, Live: l}, listener, pipelinetest.Silent()); err != nil || !strings.Contains(string(s.index), liveMeta) {
		t.Errorf("%v", err)
	}
}
