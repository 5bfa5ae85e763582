package submit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/clipnh/clipnh/internal/usage"
)

func someWork() Work {
	return Work{Program: "/opt/clipnh", Command: "collect", Flags: []string{"--model=/m.pt"}, Save: "/data/Scores of 2024.npy", Shards: 8, CPUs: 4, Memory: "4G", Retries: 2, Pause: time.Second}
}

func someJobs() Kubernetes {
	return Kubernetes{Work: someWork(), Image: "registry/clipnh:1", Volumes: []Volume{{"photos", "/data"}}, Deadline: time.Hour}
}

// TestRefused checks that values which a scheduler would read otherwise are refused.
func TestRefused(t *testing.T) {
	for want, change := range map[string]func(*Slurm){
		"{shards} 0":                 func(s *Slurm) { s.Shards = 0 },
		"{shards} 70000":             func(s *Slurm) { s.Shards = 70000 },
		"{fan-in} 1":                 func(s *Slurm) { s.FanIn = 1 },
		"{fan-in} -1":                func(s *Slurm) { s.FanIn = -1 },
		"{fan-in} 2 with {merge}":    func(s *Slurm) { s.FanIn, s.NoMerge = 2, true },
		"{time} \"abc\"":             func(s *Slurm) { s.Time = "abc" },
		"{time} \"1-\"":              func(s *Slurm) { s.Time = "1-" },
		"{time} \"1:2:3:4\"":         func(s *Slurm) { s.Time = "1:2:3:4" },
		"{time} \"8h\"":              func(s *Slurm) { s.Time = "8h" },
		"{mem} \"x\"":                func(s *Slurm) { s.Memory = "x" },
		"{mem} \"4Gi\"":              func(s *Slurm) { s.Memory = "4Gi" },
		"{mem} \"1.5G\"":             func(s *Slurm) { s.Memory = "1.5G" },
		"want {time}":                func(s *Slurm) { s.Options = []string{"--time=60"} },
		"{parallel} 9":               func(s *Slurm) { s.Parallel = 9 },
		"{cpus} 0":                   func(s *Slurm) { s.CPUs = 0 },
		"{retries} -1":               func(s *Slurm) { s.Retries = -1 },
		"{retry-after} 0s":           func(s *Slurm) { s.Pause = 0 },
		"{name} \"A b\"":             func(s *Slurm) { s.Name = "A b" },
		"{mem} \"4G\\n#SBATCH\"":     func(s *Slurm) { s.Memory = "4G\n#SBATCH" },
		"{time} \"1 2\"":             func(s *Slurm) { s.Time = "1 2" },
		"{partition} \"-x\"":         func(s *Slurm) { s.Partition = "-x" },
		"{tasks} \"0\"":              func(s *Slurm) { s.Tasks = "0" },
		"{tasks} \"3,7-9\"":          func(s *Slurm) { s.Tasks = "3,7-9" },
		"{tasks} \"5-3\"":            func(s *Slurm) { s.Tasks = "5-3" },
		"{tasks} \"1-8%2\"":          func(s *Slurm) { s.Tasks = "1-8%2" },
		"{sbatch} \"account=lab\"":   func(s *Slurm) { s.Options = []string{"account=lab"} },
		"{sbatch} \"--comment=a b\"": func(s *Slurm) { s.Options = []string{"--comment=a b"} },
		"clipnh sets --array itself": func(s *Slurm) { s.Options = []string{"--array=1-2"} },
		"no control characters":      func(s *Slurm) { s.Flags = []string{"--classes=a\nb"} },
	} {
		s := Slurm{Work: someWork(), Folder: "/home", Time: "08:00:00"}
		if _, err := s.Scripts(); err != nil {
			t.Fatal(err)
		}
		change(&s)
		if _, err := s.Scripts(); !errors.Is(err, usage.Err) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	for want, change := range map[string]func(*Kubernetes){
		"{image} is missing":                func(k *Kubernetes) { k.Image = "" },
		"{image} \"a b\"":                   func(k *Kubernetes) { k.Image = "a b" },
		"{volume} is missing":               func(k *Kubernetes) { k.Volumes = nil },
		"{mem} \"x\"":                       func(k *Kubernetes) { k.Memory = "x" },
		"{mem} \"4ki\"":                     func(k *Kubernetes) { k.Memory = "4ki" },
		"{mem} \"400m\"":                    func(k *Kubernetes) { k.Memory = "400m" },
		"{mem} \"4GB\"":                     func(k *Kubernetes) { k.Memory = "4GB" },
		"{deadline} 1s":                     func(k *Kubernetes) { k.Deadline = time.Second },
		"want a path in one of the volumes": func(k *Kubernetes) { k.Save = "/data/../etc/scores" },
		"/database/scores":                  func(k *Kubernetes) { k.Save = "/database/scores" },
		"{queue} \"a\\nb\"":                 func(k *Kubernetes) { k.Queue = "a\nb" },
	} {
		k := someJobs()
		if _, err := k.Scripts(); err != nil {
			t.Fatal(err)
		}
		change(&k)
		if _, err := k.Scripts(); !errors.Is(err, usage.Err) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	for _, text := range []string{"", "photos", "photos:data", "Photos:/data", "photos:/", "photos:/data/", "photos:/a:ro", ":/data"} {
		if v, err := ParseVolume(text); !errors.Is(err, usage.Err) {
			t.Errorf("volume %q: %v, %v", text, v, err)
		}
	}
}

// TestArray checks the lines that Slurm reads.
func TestArray(t *testing.T) {
	s := Slurm{Work: someWork(), Folder: "/home", Time: "1-00:00:00", Partition: "long", Options: []string{"--account=lab"}}
	s.Parallel = 3
	scripts, err := s.Scripts()
	if err != nil {
		t.Fatal(err)
	}
	for i, lines := range [][]string{
		{"--array=1-8%3", "--job-name=clipnh-scores-of-2024", "--cpus-per-task=4", "--mem=4G", "--time=1-00:00:00", "--partition=long", "--account=lab", "--requeue", "--signal=B:USR1@120"},
		{"--job-name=clipnh-scores-of-2024-merge", "--cpus-per-task=2", "--partition=long", "--account=lab", "--kill-on-invalid-dep=yes", "--requeue"},
	} {
		header, _, _ := strings.Cut(scripts[i].Text, "\n\n")
		for _, line := range lines {
			if !strings.Contains(header, "\n#SBATCH "+line) {
				t.Errorf("%s: no %s in\n%s", scripts[i].Name, line, header)
			}
		}
	}
	if strings.Contains(scripts[1].Text, "--array") {
		t.Error("the merge is an array too")
	}
	s.NoMerge = true
	if scripts, err = s.Scripts(); err != nil || len(scripts) != 1 {
		t.Errorf("%d scripts without a merge (%v)", len(scripts), err)
	}
}

// fakeProgram puts a script of a shell on PATH, before others.
func fakeProgram(t *testing.T, name, text string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text), 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	t.Chdir(dir)
	return dir
}

func TestSubmitSlurm(t *testing.T) {
	dir := fakeProgram(t, "sbatch", `cat >/dev/null; echo "$*" >>lines; echo "$((40 + $(wc -l <lines)));cluster"`)
	s := Slurm{Work: someWork(), Folder: dir, Time: "60"}
	jobs, err := s.Submit(context.Background())
	if want := "[{collect 41} {merge 42}]"; err != nil || fmt.Sprint(jobs) != want {
		t.Errorf("%v (%v), want %s", jobs, err, want)
	}
	lines, err := os.ReadFile("lines")
	if want := "--parsable\n--parsable --dependency=afterok:41\n"; err != nil || string(lines) != want {
		t.Errorf("%q (%v), want %q", lines, err, want)
	}

	fakeProgram(t, "sbatch", `case $* in *dependency*) echo "sbatch: error: no such thing" >&2; exit 1 ;; esac; echo 41`)
	jobs, err = s.Submit(context.Background())
	var h interface{ Hint() string }
	if len(jobs) != 1 || err == nil || !strings.Contains(err.Error(), "submitted 41, and failed to submit the next job, merge: ") || !strings.Contains(err.Error(), "no such thing") || !errors.As(err, &h) || !strings.Contains(h.Hint(), "scancel 41") {
		t.Errorf("%v, %v", jobs, err)
	}
	fakeProgram(t, "sbatch", "echo Submitted batch job 7")
	if _, err = s.Submit(context.Background()); err == nil || !strings.Contains(err.Error(), "want the number of a job") {
		t.Errorf("error %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err = s.Submit(context.Background()); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "no program sbatch on PATH") {
		t.Errorf("error %v", err)
	}
}

func TestSubmitKubernetes(t *testing.T) {
	fakeProgram(t, "kubectl", `echo "$*" >lines; cat >text; echo job.batch/clipnh-scores-of-2024 created; echo job.batch/clipnh-scores-of-2024-merge created`)
	k := someJobs()
	k.Namespace = "lab"
	jobs, err := k.Submit(context.Background())
	if want := "[{collect clipnh-scores-of-2024} {merge clipnh-scores-of-2024-merge}]"; err != nil || fmt.Sprint(jobs) != want {
		t.Errorf("%v (%v), want %s", jobs, err, want)
	}
	scripts, err := k.Scripts()
	if err != nil {
		t.Fatal(err)
	}
	line, err := os.ReadFile("lines")
	if want := "apply --filename - --namespace lab\n"; err != nil || string(line) != want {
		t.Errorf("%q (%v), want %q", line, err, want)
	}
	if text, err := os.ReadFile("text"); err != nil || string(text) != scripts[0].Text {
		t.Errorf("%q (%v), want the jobs", text, err)
	}
	fakeProgram(t, "kubectl", "cat >/dev/null; echo job.batch/clipnh-scores-of-2024 unchanged")
	if _, err = k.Submit(context.Background()); err == nil || !strings.Contains(err.Error(), "there is a job of this name already") {
		t.Errorf("error %v", err)
	}
}

// TestNotation checks that times and sizes are taken as schedulers write them.
func TestNotation(t *testing.T) {
	for _, at := range []string{"60", "90:30", "08:00:00", "2-12", "2-12:30", "2-12:30:15", "UNLIMITED", ""} {
		s := Slurm{Work: someWork(), Folder: "/home", Time: at}
		if _, err := s.Scripts(); err != nil {
			t.Error(err)
		}
	}
	for _, size := range []string{"4000", "4G", "512M", "1t", "0"} {
		s := Slurm{Work: someWork(), Folder: "/home"}
		if s.Memory = size; s.check() != nil {
			t.Error(s.check())
		}
	}
	for _, size := range []string{"4Gi", "4G", "512Mi", "1.5Gi", ".5Gi", "4096Ki", "128974848", "129e6", "129E6", "1k"} {
		k := someJobs()
		if k.Memory = size; k.check() != nil {
			t.Error(k.check())
		}
	}
}
