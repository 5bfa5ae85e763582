// Package device runs image towers outside of this program: as graphs in ONNX, which a
// helper program runs in ONNX Runtime on the processor or a graphics card. It finds both.
package device

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/clipnh/clipnh/internal/hint"
)

// Kind is a device that can be asked for.
type Kind struct {
	Name     string `json:"name"`
	Provider string `json:"provider"` // by ONNX Runtime's name
	Runs     string `json:"runs"`     // where it computes
}

// Kinds lists them.
func Kinds() []Kind {
	return []Kind{
		{"ort-cpu", "CPUExecutionProvider", "the processor"},
		{"cuda", "CUDAExecutionProvider", "NVIDIA's graphics cards"},
		{"webgpu", "WebGpuExecutionProvider", "graphics cards, by Vulkan, Metal or Direct3D"},
		{"coreml", "CoreMLExecutionProvider", "Apple's processors"},
		{"directml", "DmlExecutionProvider", "graphics cards on Windows"},
	}
}

// Names lists their names.
func Names() (names []string) {
	for _, k := range Kinds() {
		names = append(names, k.Name)
	}
	return names
}

// files are the names of what ONNX Runtime opens for a provider beyond its library, in the
// library's folder. The other providers are within the library.
func (k Kind) files(system string) []string {
	if k.Provider != "CUDAExecutionProvider" {
		return nil
	}
	switch system {
	case "windows":
		return []string{"onnxruntime_providers_shared.dll", "onnxruntime_providers_cuda.dll"}
	case "darwin":
		return nil
	}
	return []string{"libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"}
}

// lacking lists the files of a provider that are not where ONNX Runtime looks for them.
func (k Kind) lacking(library, system string) []string {
	folders := []string{filepath.Dir(library)}
	if target, err := filepath.EvalSymlinks(library); err == nil { // where some systems say that a library is
		folders = append(folders, filepath.Dir(target))
	}
	list := []string{}
	for _, name := range k.files(system) {
		if !slices.ContainsFunc(folders, func(folder string) bool { return isFile(filepath.Join(folder, name)) }) {
			list = append(list, filepath.Join(folders[0], name))
		}
	}
	return list
}

// unseen is what cannot be told of a device before a model is loaded on it.
func (k Kind) unseen() string {
	switch k.Name {
	case "ort-cpu":
		return ""
	case "cuda":
		return "whether there is a card, and whether the libraries of CUDA and cuDNN are found, shows when a model is loaded"
	case "directml":
		return "whether there is a card, and whether DirectML.dll is found, shows when a model is loaded"
	}
	return "whether there is such a device, with its driver, shows when a model is loaded"
}

// Variable names the library of ONNX Runtime, in the environment.
const Variable = "CLIPNH_ONNXRUNTIME"

// helperName is that of the helper program.
const helperName = "clipnh-ort"

// Places are where the helper program and the library are, empty where they were not found,
// and where they were looked for.
type Places struct {
	Helper        string   `json:"helper"`
	HelperLooked  []string `json:"helper_looked"`
	Library       string   `json:"library"`
	LibraryLooked []string `json:"library_looked"`
}

// Find looks for both. A variable that names no file is an error: nothing takes its place.
func Find() (Places, error) {
	own := ""
	if path, err := os.Executable(); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			own = filepath.Dir(path)
		}
	}
	p := Places{HelperLooked: []string{}, LibraryLooked: []string{}}
	name := helperName
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if own != "" {
		p.HelperLooked = append(p.HelperLooked, filepath.Join(own, name))
		if isFile(p.HelperLooked[0]) {
			p.Helper = p.HelperLooked[0]
		}
	}
	if p.Helper == "" {
		p.HelperLooked = append(p.HelperLooked, name+" in PATH")
		if path, err := exec.LookPath(name); err == nil {
			p.Helper = path
		}
	}
	if path := os.Getenv(Variable); path != "" {
		p.LibraryLooked = append(p.LibraryLooked, Variable+"="+path)
		if !isFile(path) {
			return p, fmt.Errorf("%s=%s: no such file, want ONNX Runtime's library", Variable, path)
		}
		p.Library = path
		return p, nil
	}
	p.LibraryLooked = append(p.LibraryLooked, Variable+" (not set)")
	for _, folder := range folders(own, runtime.GOOS) {
		p.LibraryLooked = append(p.LibraryLooked, folder)
		if path := libraryIn(folder, runtime.GOOS); path != "" {
			p.Library = path
			break
		}
	}
	return p, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// folders are where libraries usually are: beside the program, and the system's.
func folders(own, system string) (list []string) {
	if own != "" {
		list = append(list, own)
	}
	switch system {
	case "windows": // the system's folder has an older library of the same name
	case "darwin":
		list = append(list, "/opt/homebrew/lib", "/usr/local/lib")
	default:
		list = append(list, "/usr/local/lib", "/usr/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/opt/onnxruntime/lib")
	}
	return list
}

// libraryIn is the newest library in a folder, empty if there is none.
func libraryIn(folder, system string) string {
	names, patterns := []string{"libonnxruntime.so", "libonnxruntime.so.1"}, "libonnxruntime.so.1.*"
	switch system {
	case "windows":
		names, patterns = []string{"onnxruntime.dll"}, ""
	case "darwin":
		names, patterns = []string{"libonnxruntime.dylib"}, "libonnxruntime.1*.dylib"
	}
	for _, name := range names {
		if path := filepath.Join(folder, name); isFile(path) {
			return path
		}
	}
	if patterns == "" {
		return ""
	}
	found, err := filepath.Glob(filepath.Join(folder, patterns))
	if err != nil || len(found) == 0 {
		return ""
	}
	return slices.Max(found)
}

// errMissing says that a part is missing, where it was looked for, and how to get it.
func errMissing(what string, looked []string, advice string) error {
	return hint.With(fmt.Errorf("%s was not found: looked for %s", what, strings.Join(looked, ", ")), advice)
}

// HelperHint and LibraryHint say how to get what is missing.
const (
	HelperHint  = "put " + helperName + " of the same release beside clipnh, or build it: go build ./cmd/" + helperName
	LibraryHint = "download ONNX Runtime (the archive of a release, the npm package onnxruntime-node or the wheel onnxruntime have it) and set " + Variable + " to its libonnxruntime.so, .dylib or onnxruntime.dll"
)
