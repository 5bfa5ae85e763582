//go:build unix

package submit

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// awkward are values that a shell, Slurm or Kubernetes could take for something else.
var awkward = []string{"--a=it's", `--b="$HOME" $(id) ${X} $$ \`, "--c=%j `id`; exit 3", "--d=", "--e=ä 犬", "--f=#SBATCH --array=1"}

// A world is a folder with programs that stand for clipnh, scontrol and sleep, which say in
// the file said that they were called.
type world struct{ dir string }

func newWorld(t *testing.T) world {
	t.Helper()
	w := world{t.TempDir()}
	w.program(t, "sleep", "exit 0")
	w.program(t, "scontrol", `echo "scontrol $*" >>"$SAID"`)
	// Ends with the first status that is left in the file statuses, the last again and again.
	w.program(t, "clipnh", `echo "clipnh" >>"$SAID"; printf '%s\n' "$@" >args
read -r status rest <statuses
[ -z "$rest" ] || echo "$rest" >statuses
case $status in
KILL) kill -KILL $$ ;;
WAIT) trap 'echo "clipnh says how far" >>"$SAID"' USR1; trap 'echo "clipnh was told" >>"$SAID"; exit 130' TERM; echo ready >>"$SAID"; while :; do /bin/sleep 0.05; done ;;
esac
exit "$status"`)
	return w
}

func (w world) program(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o777); err != nil {
		t.Fatal(err)
	}
}

func (w world) work() Work {
	return Work{Program: filepath.Join(w.dir, "clipnh"), Command: "collect", Flags: awkward, Save: filepath.Join(w.dir, "scores"), Shards: 4, CPUs: 8, Memory: "4G", Retries: 5, Pause: time.Second}
}

func (w world) slurm(t *testing.T, s Slurm) []Script {
	t.Helper()
	s.Folder, s.Time = w.dir, "60"
	scripts, err := s.Scripts()
	if err != nil {
		t.Fatal(err)
	}
	return scripts
}

// start starts a script, whose program is to end with statuses.
func (w world) start(t *testing.T, script, statuses string, env ...string) *exec.Cmd {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, "statuses"), []byte(statuses+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh")
	cmd.Stdin, cmd.Stderr, cmd.Dir = strings.NewReader(script), &strings.Builder{}, w.dir
	cmd.Env = append([]string{"PATH=" + w.dir + ":/usr/bin:/bin", "SAID=" + filepath.Join(w.dir, "said")}, env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// ends waits for a script, and returns its exit status and what was called, in one line.
func (w world) ends(t *testing.T, cmd *exec.Cmd) (status int, said string) {
	t.Helper()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), strings.Join(strings.Fields(w.read(t, "said")), " ")
}

func (w world) read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(data)
}

// array is what Slurm says to a task.
func array(id, min, max, step, count int) []string {
	return []string{
		fmt.Sprintf("SLURM_ARRAY_TASK_ID=%d", id), fmt.Sprintf("SLURM_ARRAY_TASK_MIN=%d", min), fmt.Sprintf("SLURM_ARRAY_TASK_MAX=%d", max),
		fmt.Sprintf("SLURM_ARRAY_TASK_STEP=%d", step), fmt.Sprintf("SLURM_ARRAY_TASK_COUNT=%d", count), "SLURM_ARRAY_JOB_ID=77", "SLURM_JOB_ID=80", "SLURMD_NODENAME=ant",
	}
}

// TestShardOfTask checks which shard a task makes, and that an array of another size makes
// none.
func TestShardOfTask(t *testing.T) {
	for _, tt := range []struct {
		name  string
		tasks string
		env   []string
		shard string // empty: refused
		said  string
	}{
		{"the first", "", array(1, 1, 4, 1, 4), "1/4", ""},
		{"the last", "", array(4, 1, 4, 1, 4), "4/4", ""},
		{"from 0", "", array(2, 0, 3, 1, 4), "3/4", ""},
		{"in steps", "", array(15, 5, 20, 5, 4), "3/4", ""},
		{"too many", "", array(3, 1, 8, 1, 8), "", "an array of 8 tasks, 1 to 8, want 4"},
		{"too few", "", array(2, 1, 3, 1, 3), "", "an array of 3 tasks, 1 to 3, want 4"},
		{"with a gap", "", array(2, 1, 4, 1, 3), "", "an array of 3 tasks, 1 to 4, want 4"},
		{"with wide gaps", "", array(9, 1, 9, 1, 4), "", "an array of 4 tasks, 1 to 9, want 4"},
		{"some, by number", "2,4", array(4, 2, 4, 2, 2), "4/4", ""},
		{"a number that there is not", "2,4", array(5, 5, 5, 1, 1), "", "task 5, want 1 to 4"},
		{"no array", "", nil, "", "give this script to sbatch"},
	} {
		w := newWorld(t)
		script := w.slurm(t, Slurm{Work: w.work(), Tasks: tt.tasks})[0].Text
		cmd := w.start(t, script, "0", tt.env...)
		status, _ := w.ends(t, cmd)
		if said := fmt.Sprint(cmd.Stderr); !strings.Contains(said, tt.said) {
			t.Errorf("%s: %q, want %q", tt.name, said, tt.said)
		}
		args := w.read(t, "args")
		if tt.shard == "" {
			if status != 2 || args != "" {
				t.Errorf("%s: exit status %d, run with %q, want 2 and no run", tt.name, status, args)
			}
			continue
		}
		want := strings.Join(slices.Concat([]string{"collect", "--shard", tt.shard}, awkward), "\n") + "\n"
		if status != 0 || args != want {
			t.Errorf("%s: exit status %d, arguments\n%s, want\n%s", tt.name, status, args, want)
		}
	}
}

// TestRetries checks what is retried, where, and how often.
func TestRetries(t *testing.T) {
	const again = "scontrol requeue 77_2"
	for _, tt := range []struct {
		name, statuses, restarts string
		want                     int
		said                     string
	}{
		{"done", "0", "", 0, "clipnh"},
		{"images were skipped", "3", "", 0, "clipnh"},
		{"wrong usage", "2", "", 2, "clipnh"},
		{"missing", "10", "", 10, "clipnh"},
		{"stale", "11", "", 11, "clipnh"},
		{"an internal error", "70", "", 70, "clipnh"},
		{"failed once", "1 0", "", 0, "clipnh clipnh"},
		{"killed twice", "KILL KILL 0", "", 0, "clipnh clipnh clipnh"},
		{"failed again and again", "1", "", 1, "clipnh clipnh clipnh " + again},
		{"failed again after a requeue", "1", "SLURM_RESTART_COUNT=4", 1, "clipnh clipnh clipnh " + again},
		{"failed too often", "1", "SLURM_RESTART_COUNT=5", 1, "clipnh clipnh clipnh"},
		{"missing at last", "1 10", "", 10, "clipnh clipnh"},
	} {
		w := newWorld(t)
		script := w.slurm(t, Slurm{Work: w.work()})[0].Text
		status, said := w.ends(t, w.start(t, script, tt.statuses, append(array(2, 1, 4, 1, 4), tt.restarts)...))
		if status != tt.want || said != tt.said {
			t.Errorf("%s: exit status %d, %q, want %d, %q", tt.name, status, said, tt.want, tt.said)
		}
	}
}

// TestRequeueThatFails has a task without scontrol: it ends with its own status.
func TestRequeueThatFails(t *testing.T) {
	w := newWorld(t)
	w.program(t, "scontrol", "exit 1")
	cmd := w.start(t, w.slurm(t, Slurm{Work: w.work()})[0].Text, "1", array(2, 1, 4, 1, 4)...)
	if status, said := w.ends(t, cmd); status != 1 || said != "clipnh clipnh clipnh" || strings.Contains(fmt.Sprint(cmd.Stderr), "requeued") {
		t.Errorf("exit status %d, %q, %s", status, said, cmd.Stderr)
	}
}

// TestSignals checks that the program is told, and what follows.
func TestSignals(t *testing.T) {
	for signal, want := range map[syscall.Signal]string{
		syscall.SIGTERM: "clipnh ready clipnh was told",
		syscall.SIGINT:  "clipnh ready clipnh was told",
		syscall.SIGUSR1: "clipnh ready clipnh says how far clipnh was told scontrol requeue 77_2",
	} {
		w := newWorld(t)
		cmd := w.start(t, w.slurm(t, Slurm{Work: w.work()})[0].Text, "WAIT", array(2, 1, 4, 1, 4)...)
		for until := time.Now().Add(20 * time.Second); !strings.Contains(w.read(t, "said"), "ready"); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatal("the program does not begin")
			}
		}
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if status, said := w.ends(t, cmd); status != 130 || said != want {
			t.Errorf("%v: exit status %d, %q, want 130, %q", signal, status, said, want)
		}
	}
}

// TestNotOnTheNode has machines that lack the program or a folder.
func TestNotOnTheNode(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(w *world, work *Work)
		status int
		said   string
	}{
		{"no program", func(w *world, work *Work) { work.Program = filepath.Join(w.dir, "nothing") }, 127, "hint: submit again with --program"},
		{"a folder for a program", func(w *world, work *Work) { work.Program = w.dir }, 127, "on ant"},
		{"no folder to write to", func(w *world, work *Work) { work.Save = filepath.Join(w.dir, "nowhere", "scores") }, 10, "a disk that all nodes share"},
	} {
		w := newWorld(t)
		work := w.work()
		tt.change(&w, &work)
		for _, script := range w.slurm(t, Slurm{Work: work}) {
			cmd := w.start(t, script.Text, "0", array(2, 1, 4, 1, 4)...)
			if status, said := w.ends(t, cmd); status != tt.status || said != "" || !strings.Contains(fmt.Sprint(cmd.Stderr), tt.said) {
				t.Errorf("%s: %s: exit status %d, %q, %s, want %d and %q", tt.name, script.Name, status, said, cmd.Stderr, tt.status, tt.said)
			}
		}
	}
}

// TestSubmitted hands scripts to an sbatch that takes so many: each job waits for the one before,
// and of a failure it says what was submitted.
func TestSubmitted(t *testing.T) {
	w := newWorld(t)
	t.Setenv("PATH", w.dir+":/usr/bin:/bin")
	w.program(t, "sbatch", `echo "$*" >>lines; cat >/dev/null
n=$(wc -l <lines)
[ "$n" -lt 3 ] || { echo "sbatch: error: no more" >&2; exit 1; }
echo "$((40 + n));ant"`)
	work := w.work()
	work.List = []string{"data", "list"}
	jobs, err := (Slurm{Work: work, Folder: w.dir, Time: "60"}).Submit(t.Context())
	var h interface{ Hint() string }
	if len(jobs) != 2 || err == nil || !strings.Contains(err.Error(), "submitted 41, 42, and failed to submit the next job, merge: ") || !errors.As(err, &h) || !strings.Contains(h.Hint(), "scancel 41 42") {
		t.Errorf("%v, %v", jobs, err)
	}
	if got := w.read(t, "lines"); got != "--parsable\n--parsable --dependency=afterok:41\n--parsable --dependency=afterok:42\n" {
		t.Errorf("lines %q", got)
	}
}

// TestTree checks the jobs of shards that are merged in a tree, by a list that is kept first.
func TestTree(t *testing.T) {
	w := newWorld(t)
	work := w.work()
	work.Shards, work.FanIn, work.List = 10, 4, []string{"data", "list", "--save-path=it's.listing"}
	scripts := w.slurm(t, Slurm{Work: work})
	var names, lines []string
	for _, s := range scripts {
		names, lines = append(names, s.Name), append(lines, strings.TrimPrefix(strings.Join(s.Submit, " "), "sbatch --parsable"))
	}
	if got := strings.Join(names, " "); got != "list collect parts merge" {
		t.Errorf("scripts %s", got)
	}
	if got := strings.Join(lines, ","); got != ", --dependency=afterok:LIST, --dependency=afterok:ARRAY, --dependency=afterok:PARTS" {
		t.Errorf("lines %s", got)
	}
	run := func(script string, env []string) string {
		t.Helper()
		cmd := w.start(t, script, "0", env...)
		if status, _ := w.ends(t, cmd); status != 0 {
			t.Errorf("exit status %d, %s", status, cmd.Stderr)
		}
		return strings.Join(strings.Split(strings.TrimSuffix(w.read(t, "args"), "\n"), "\n"), " ")
	}
	if got := run(scripts[0].Text, []string{"SLURM_JOB_ID=80"}); got != "data list --save-path=it's.listing" {
		t.Error(got)
	}
	for n, want := range []string{"1-3/10", "4-6/10", "7-10/10"} {
		if got, want := run(scripts[2].Text, array(n+1, 1, 3, 1, 3)), "merge --shards "+want+" --save-path="+work.Save+" --threads=2"; got != want {
			t.Errorf("part %d: %q, want %q", n+1, got, want)
		}
	}
	if got := run(scripts[3].Text, []string{"SLURM_JOB_ID=80"}); got != "merge --save-path="+work.Save+" --threads=2" {
		t.Error(got)
	}
	for shards, want := range map[int][]string{3: {"", "2-3/3"}, 5: {"", "2-3/5", "4-5/5"}, 7: {"", "2-3/7", "4-5/7", "6-7/7"}} {
		work.Shards, work.FanIn = shards, 2
		scripts := w.slurm(t, Slurm{Work: work})
		for n, numbers := range want {
			if err := os.RemoveAll(filepath.Join(w.dir, "args")); err != nil {
				t.Fatal(err)
			}
			cmd := w.start(t, scripts[2].Text, "0", array(n+1, 1, len(want), 1, len(want))...)
			if status, said := w.ends(t, cmd); status != 0 || numbers == "" && !strings.Contains(fmt.Sprint(cmd.Stderr), "shard 1 is a part by itself") {
				t.Errorf("%d shards, part %d: exit status %d, %q, %s", shards, n+1, status, said, cmd.Stderr)
			}
			args, _ := os.ReadFile(filepath.Join(w.dir, "args"))
			if got := strings.Join(strings.Split(string(args), "\n"), " "); (numbers == "") != (got == "") || !strings.Contains(got, numbers) {
				t.Errorf("%d shards, part %d: %q, want %q", shards, n+1, got, numbers)
			}
		}
	}
	work.Shards = 10
	for fanIn, parts := range map[int]int{0: 0, 5: 2, 9: 2, 10: 0, 16: 0, 2: 5} {
		work.FanIn = fanIn
		if got := work.parts(); got != parts {
			t.Errorf("fan-in %d: %d parts, want %d", fanIn, got, parts)
		}
	}
}

// TestMergeTask checks the job that merges.
func TestMergeTask(t *testing.T) {
	for statuses, want := range map[string]struct {
		status int
		said   string
	}{
		"0": {0, "clipnh"}, "3": {0, "clipnh"}, "10": {10, "clipnh"}, "1": {1, "clipnh clipnh clipnh scontrol requeue 80"},
	} {
		w := newWorld(t)
		status, said := w.ends(t, w.start(t, w.slurm(t, Slurm{Work: w.work()})[1].Text, statuses, "SLURM_JOB_ID=80"))
		if status != want.status || said != want.said {
			t.Errorf("statuses %s: exit status %d, %q, want %d, %q", statuses, status, said, want.status, want.said)
		}
		if args, want := w.read(t, "args"), "merge\n--save-path="+w.work().Save+"\n--threads=2\n"; args != want {
			t.Errorf("arguments %q, want %q", args, want)
		}
	}
}
