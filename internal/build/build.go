// Package build says which build of the program this is, from what the Go
// toolchain stored in it.
package build

import (
	"runtime/debug"
	"strings"
)

// Current returns what is known about this program.
func Current() Info {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = new(debug.BuildInfo)
	}
	return Describe(info)
}

// Info is what the toolchain recorded about this program; fields that it did not record
// are empty.
type Info struct {
	Version  string `json:"version"` // of the module; "(devel)" if it has none
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"` // of the revision, RFC 3339
	Modified bool   `json:"modified"`       // uncommitted changes on top of the revision
	Go       string `json:"go,omitempty"`
	Platform string `json:"platform,omitempty"` // linux/amd64, GOAMD64=v1
	Tags     string `json:"tags,omitempty"`     // build tags
	CPU      string `json:"cpu,omitempty"`      // level of vector instructions on this machine

	Modules []Module `json:"modules,omitempty"`
}

// Module is another module that the program is built from.
type Module struct {
	Path    string `json:"path"`
	Version string `json:"version"`
	Sum     string `json:"sum,omitempty"` // as in go.sum
}

func Describe(info *debug.BuildInfo) Info {
	set := map[string]string{}
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	b := Info{
		Version:  info.Main.Version,
		Revision: set["vcs.revision"],
		Time:     set["vcs.time"],
		Modified: set["vcs.modified"] == "true",
		Go:       info.GoVersion,
		Tags:     set["-tags"],
	}
	if b.Version == "" {
		b.Version = "(devel)"
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		b.Modules = append(b.Modules, Module{m.Path, m.Version, m.Sum})
	}
	if set["GOOS"] != "" {
		b.Platform = set["GOOS"] + "/" + set["GOARCH"]
	}
	// The architecture's level, such as GOAMD64=v3, is a setting named after it.
	if level := "GO" + strings.ToUpper(set["GOARCH"]); set["GOARCH"] != "" && set[level] != "" {
		b.Platform += ", " + level + "=" + set[level]
	}
	return b
}

// name describes the build in a few words.
func (b Info) Name() string {
	words := []string{"clipnh", b.Version}
	if b.Revision != "" {
		words = append(words, b.Revision[:min(12, len(b.Revision))])
	}
	if b.Modified {
		words = append(words, "modified")
	}
	return strings.Join(words, " ")
}
