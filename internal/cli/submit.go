package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// submission is what the command line of submit says.
type submission struct {
	*app
	client    *client
	processor string
	set       []string
	priority  int32
	wait      bool
	parallel  int

	parameters map[string]string
	out        string   // where results go; empty: nowhere
	claimed    sync.Map // names of results, and the ids of their jobs
	show       progress
}

func (a *app) submit() *cobra.Command {
	s := &submission{app: a}
	cmd := &cobra.Command{
		Use: "submit FILE...", Short: "Send files, and wait for the results if asked to",
		Example: `  bricklayers submit part.gcode
  bricklayers submit part.gcode --set multiplier=1.08 --wait -o part_brick.gcode
  bricklayers submit plates/*.gcode -o results/`,
		Long: `Send files, and wait for the results if asked to.

Several files are sent beside each other. An upload that was interrupted goes on where it was when the same command is
given again. The job ids are printed, one a line, in the order of the files.

With -o the command waits and puts the results there: into a folder, or for one file under that name. -o json prints the
jobs for programs instead; a folder of that name is ./json.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error { return s.run(cmd.Context(), files) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&s.processor, "processor", "p", "", "what to run; the installation's default without it")
	flags.StringArrayVar(&s.set, "set", nil, "a parameter, as NAME=VALUE; may be given several times")
	flags.Int32Var(&s.priority, "priority", 0, "the higher, the sooner")
	flags.BoolVarP(&s.wait, "wait", "w", false, "wait until the jobs have ended")
	flags.IntVar(&s.parallel, "parallel", 3, "how many files are sent at once")
	flags.StringVarP(&a.output, "output", "o", "", "folder or file for the results, or json")
	_ = cmd.RegisterFlagCompletionFunc("processor", a.completeProcessors)
	_ = cmd.RegisterFlagCompletionFunc("set", a.completeParameters)
	return cmd
}

func (s *submission) run(ctx context.Context, files []string) error {
	if err := s.prepare(files); err != nil {
		return err
	}
	c, stop, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer stop()
	s.client, s.show = c, newProgress(s.Err)
	jobs, errs := make([]*job, len(files)), make([]error, len(files))
	var group errgroup.Group
	group.SetLimit(s.parallel)
	for i, name := range files {
		group.Go(func() error {
			jobs[i], errs[i] = s.one(ctx, name)
			return nil
		})
	}
	_ = group.Wait() // each keeps its own error
	s.show.wait()
	return errors.Join(s.print(jobs), s.sum(files, errs))
}

// prepare finds what is wrong with the command line before anything is sent.
func (s *submission) prepare(files []string) error {
	s.parameters = map[string]string{}
	for _, assignment := range s.set {
		name, value, ok := strings.Cut(assignment, "=")
		if !ok || name == "" {
			return withCode(exitUsage, fmt.Errorf("--set %q must be NAME=VALUE", assignment))
		}
		s.parameters[name] = value
	}
	if s.parallel < 1 {
		return withCode(exitUsage, errors.New("--parallel must be 1 or more"))
	}
	if !s.asJSON() {
		s.out = s.output
	}
	s.wait = s.wait || s.out != ""
	names := map[string]string{}
	for _, name := range files {
		if info, err := os.Stat(name); err != nil {
			return withCode(exitUsage, err)
		} else if !info.Mode().IsRegular() {
			return withCode(exitUsage, fmt.Errorf("%s is no file", name))
		}
		if other, taken := names[filepath.Base(name)]; taken && s.out != "" {
			return withCode(exitUsage, fmt.Errorf("the results of %s and %s would have the same name in %s; send them one after the other",
				other, name, s.out))
		}
		names[filepath.Base(name)] = name
	}
	if len(files) > 1 && s.out != "" {
		if err := os.MkdirAll(s.out, 0o777); err != nil {
			return withCode(exitUsage, fmt.Errorf("the results of %d files need a folder: %w", len(files), err))
		}
	}
	return nil
}

// one sends a file, and sees to its job's end if asked to.
func (s *submission) one(ctx context.Context, name string) (*job, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	shown := s.show.file(filepath.Base(name), info.Size())
	j, err := s.send(ctx, name, file, info, shown)
	if err == nil && s.wait {
		j, err = s.await(ctx, j, shown)
	}
	switch {
	case err != nil:
		shown.end(unfinished(j, err))
	case !s.wait:
		shown.end("sent, job " + j.ID)
	}
	return j, err
}

// unfinished says how it goes on from an error. An upload that has become a job is not one any more.
func unfinished(j *job, err error) string {
	what := "failed"
	if errors.Is(err, context.Canceled) {
		what = "interrupted"
	}
	switch {
	case j != nil && !j.finished():
		return what + "; job " + j.ID + " goes on: bricklayers status --wait " + j.ID
	case j != nil && j.Status == "Completed":
		return what + "; job " + j.ID + " is done: bricklayers download " + j.ID
	case j == nil && errors.Is(err, context.Canceled):
		return what + "; the same command goes on with it"
	}
	return what
}

func (s *submission) send(ctx context.Context, name string, file *os.File, info os.FileInfo, shown fileProgress) (*job, error) {
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	metadata := map[string]string{"filename": filepath.Base(name)}
	if s.processor != "" {
		metadata["processor"] = s.processor
	}
	if s.priority != 0 {
		metadata["priority"] = strconv.Itoa(int(s.priority))
	}
	for key, value := range s.parameters {
		metadata["parameters["+key+"]"] = value
	}
	gateway := s.gateway
	if gateway == "" {
		gateway = s.service
	}
	kept, err := findKept(gateway, *s.kube.Context, s.client.namespace, path, info.Size(), info.ModTime(), metadata)
	if err != nil {
		return nil, err
	}
	u := &upload{client: s.client, file: file, size: info.Size(), metadata: metadata, kept: kept, progress: shown.sent}
	id, err := u.run(ctx)
	if id == "" {
		return nil, err
	}
	if err == nil {
		var j *job
		if j, err = s.client.status(ctx, id, "", 0); err == nil {
			return j, nil
		}
	}
	return &job{ID: id}, err // there is a job, whatever else went wrong: its id must not be lost
}

// await returns the job as it was seen last, whatever goes wrong.
func (s *submission) await(ctx context.Context, j *job, shown fileProgress) (*job, error) {
	_, err := s.client.follow(ctx, j.ID, func(now *job) {
		j = now
		if !j.finished() {
			shown.state(standing(j))
		}
	})
	if err != nil {
		return j, err
	}
	if err := j.err(); err != nil {
		return j, err
	}
	if s.out == "" {
		shown.end("done, job " + j.ID)
		return j, nil
	}
	if err := s.claim(j); err != nil {
		return j, err
	}
	paths, err := s.client.fetch(ctx, j, s.out, "")
	if err == nil {
		shown.end("done, " + strings.Join(paths, ", "))
	}
	return j, err
}

// claim refuses a result that would take the place of another file's: a processor may name them as it likes.
func (s *submission) claim(j *job) error {
	for _, f := range j.Output {
		if other, taken := s.claimed.LoadOrStore(filepath.Base(f.Name), j.ID); taken {
			return fmt.Errorf("job %s has a result %s as job %v has; bring it elsewhere: bricklayers download %s -o FOLDER",
				j.ID, f.Name, other, j.ID)
		}
	}
	return nil
}

// standing is how a job stands, in a few words.
func standing(j *job) string {
	if q := j.Queue; j.Status == "Pending" && q != nil && q.Position != nil {
		text := fmt.Sprintf("waits, %d ahead", *q.Position)
		if q.EstimateSeconds != nil {
			text += fmt.Sprintf(", about %.0f s", *q.EstimateSeconds)
		}
		return text
	}
	if j.finished() || j.Reason == "" || strings.EqualFold(j.Reason, j.Status) {
		return strings.ToLower(j.Status)
	}
	return strings.ToLower(j.Status) + " (" + j.Reason + ")"
}

// print writes the ids, or all that is known of the jobs.
func (s *submission) print(jobs []*job) error {
	jobs = slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return j == nil })
	if s.asJSON() {
		return printJobs(s.Out, jobs)
	}
	for _, j := range jobs {
		if _, err := fmt.Fprintln(s.Out, j.ID); err != nil {
			return err
		}
	}
	return nil
}

// sum tells each file's error, and returns the one that the program ends with.
func (s *submission) sum(files []string, errs []error) error {
	failed := 0
	for i, err := range errs {
		if err == nil {
			continue
		}
		failed++
		if len(files) > 1 && !errors.Is(err, context.Canceled) {
			fmt.Fprintf(s.Err, "%s: %v\n", files[i], err)
		}
	}
	err := firstOf(errs)
	if err != nil && len(files) > 1 && !errors.Is(err, context.Canceled) {
		return withCode(exitCode(err), fmt.Errorf("%d of %d files failed", failed, len(files)))
	}
	return err
}
