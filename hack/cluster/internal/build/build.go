// Package build makes the programs of the node from source: from the Go module proxy and Debian's packages only.
package build

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bricklayers.dev/bricklayers/hack/cluster/internal/addons"
	"bricklayers.dev/bricklayers/hack/cluster/internal/layout"
	"bricklayers.dev/bricklayers/hack/cluster/internal/node"
)

// Say tells the person who waits what happens.
type Say func(format string, args ...any)

// Run builds what is missing or out of date: the named parts, or all and the images of those that run in pods.
func Run(ctx context.Context, l layout.Layout, names []string, say Say) error {
	chosen, err := choose(parts(l), names)
	if err != nil {
		return err
	}
	if err := installPackages(ctx, chosen, say); err != nil {
		return err
	}
	b := builder{layout: l, say: say, stamps: filepath.Join(l.Programs(), "stamps")}
	for _, dir := range []string{b.stamps, l.Images(), l.Program("cni")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if b.goVersion, err = output(ctx, l.Root, "go", "env", "GOVERSION"); err != nil {
		return err
	}
	for _, p := range chosen {
		if err := b.build(ctx, p); err != nil {
			return fmt.Errorf("build %s: %w", p.name, err)
		}
	}
	if len(names) > 0 {
		return nil
	}
	for program, image := range map[string]string{"pause": node.PauseImage, "coredns": addons.CoreDNSImage} {
		if err := b.pack(ctx, program, image); err != nil {
			return fmt.Errorf("image of %s: %w", program, err)
		}
	}
	return nil
}

// choose returns the parts of these names, all when there are none.
func choose(all []part, names []string) ([]part, error) {
	if len(names) == 0 {
		return all, nil
	}
	var chosen []part
	for _, name := range names {
		index := slices.IndexFunc(all, func(p part) bool { return p.name == name })
		if index < 0 {
			known := make([]string, len(all))
			for i, p := range all {
				known[i] = p.name
			}
			return nil, fmt.Errorf("no part is called %q; there are %s", name, strings.Join(known, ", "))
		}
		chosen = append(chosen, all[index])
	}
	return chosen, nil
}

type builder struct {
	layout    layout.Layout
	say       Say
	stamps    string
	goVersion string
}

func (b *builder) build(ctx context.Context, p part) error {
	dir := filepath.Join(b.layout.Root, "hack", p.module)
	args, err := b.arguments(ctx, dir, p)
	if err != nil {
		return err
	}
	stamp := filepath.Join(b.stamps, p.name)
	fingerprint, err := b.fingerprint(dir, p.packages, args)
	if err != nil {
		return err
	}
	if upToDate(stamp, fingerprint, p) {
		return nil
	}
	duration := ""
	if p.slow != "" {
		duration = ", " + p.slow
	}
	b.say("building %s%s", p.name, duration)
	begin := time.Now()
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if p.cgo {
		command.Env = append(command.Env, "CGO_ENABLED=1")
	}
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) } // lets go remove its work folder
	command.WaitDelay = 10 * time.Second
	if err := command.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	if err := link(p); err != nil {
		return err
	}
	b.say("built %s in %.0f s", p.name, time.Since(begin).Seconds())
	return os.WriteFile(stamp, []byte(fingerprint), 0o644)
}

func (b *builder) arguments(ctx context.Context, dir string, p part) ([]string, error) {
	ldflags := "-s -w"
	if p.ldflags != nil {
		version, err := output(ctx, dir, "go", "list", "-m", "-f", "{{.Version}}", p.version)
		if err != nil {
			return nil, err
		}
		ldflags += " " + p.ldflags(version)
	}
	args := []string{"build", "-buildvcs=false", "-ldflags", ldflags, "-o", p.output}
	if p.cgo {
		args = append(args, "-tags", "seccomp")
	}
	return append(args, p.packages...), nil
}

// fingerprint changes with everything the part is made from: its module's versions, those packages that are our own,
// the command and Go itself. It does not change with the folder of the checkout.
func (b *builder) fingerprint(dir string, packages, args []string) (string, error) {
	hash := sha256.New()
	relative := func(path string) string { return strings.ReplaceAll(path, b.layout.Root, "") }
	_, _ = fmt.Fprintln(hash, b.goVersion, relative(fmt.Sprint(args))) // a hash never fails to be written
	patterns := []string{"go.mod", "go.sum"}
	for _, name := range packages {
		if strings.HasPrefix(name, ".") {
			patterns = append(patterns, filepath.Join(name, "*.go"))
		}
	}
	for _, pattern := range patterns {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return "", err
		}
		for _, name := range names {
			content, err := os.ReadFile(name)
			if err != nil {
				return "", err
			}
			_, _ = fmt.Fprintln(hash, relative(name), len(content))
			_, _ = hash.Write(content)
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func upToDate(stamp, fingerprint string, p part) bool {
	content, err := os.ReadFile(stamp)
	if err != nil || string(content) != fingerprint {
		return false
	}
	outputs := append([]string{p.output}, p.links...)
	if strings.HasSuffix(p.output, "/") {
		outputs = nil
		for _, name := range p.packages {
			outputs = append(outputs, filepath.Join(p.output, filepath.Base(name)))
		}
	}
	for _, path := range outputs {
		if _, err := os.Stat(path); err != nil {
			return false
		}
	}
	return true
}

// link gives the program its other names, relative so that the checkout may be moved.
func link(p part) error {
	for _, name := range p.links {
		target, err := filepath.Rel(filepath.Dir(name), p.output)
		if err != nil {
			return err
		}
		if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
			return err
		}
		if err := os.Symlink(target, name); err != nil {
			return err
		}
	}
	return nil
}

// pack makes the image of a program that runs in a pod, when the program is newer than the image.
func (b *builder) pack(ctx context.Context, program, image string) error {
	tarball := filepath.Join(b.layout.Images(), program+".tar")
	from, err := os.Stat(b.layout.Program(program))
	if err != nil {
		return err
	}
	if made, err := os.Stat(tarball); err == nil && made.ModTime().After(from.ModTime()) {
		return nil
	}
	_, err = output(ctx, b.layout.Root, packImage(b.layout), "--binary", b.layout.Program(program), "--name", image,
		"-o", tarball)
	return err
}

// output runs a short command and returns what it prints.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, name, args...)
	command.Dir, command.Stdout, command.Stderr = dir, &stdout, &stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", command, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return strings.TrimSpace(stdout.String()), nil
}
