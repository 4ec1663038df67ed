package gateway_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/childname"
	"bricklayers.dev/bricklayers/test/controlplane"
)

// pod makes what the manager and the Job controller make of an attempt, as far as the gateway looks at it.
func (g *gateway) pod(job *v1alpha1.ProcessingJob, change func(*corev1.Pod)) *corev1.Pod {
	g.t.Helper()
	child := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Namespace: job.Namespace, Name: childname.ForAttempt(job, 1)},
		Spec: batchv1.JobSpec{
			ManagedBy: ptr.To("example.com/this-test"), // or the Job controller lets go of pods that it did not make
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "store", Image: "example.com/agent"}},
			}},
		},
	}
	err := g.cp.Client.Create(g.t.Context(), child)
	if apierrors.IsAlreadyExists(err) {
		err = g.cp.Client.Get(g.t.Context(), client.ObjectKeyFromObject(child), child)
	}
	if err != nil {
		g.t.Fatal(err)
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: job.Namespace, GenerateName: "attempt-",
			Labels: map[string]string{
				childname.LabelJob: job.Name, childname.LabelJobUID: string(job.UID), childname.LabelAttempt: "1",
			},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "batch/v1", Kind: "Job", Name: child.Name, UID: child.UID, Controller: ptr.To(true),
			}},
		},
		Spec: child.Spec.Template.Spec,
	}
	if change != nil {
		change(pod)
	}
	if err := g.cp.Client.Create(g.t.Context(), pod); err != nil {
		g.t.Fatal(err)
	}
	return pod
}

// token asks the API server for what the kubelet would mount into the pod.
func (g *gateway) token(pod *corev1.Pod, audience string) string {
	g.t.Helper()
	clients, err := kubernetes.NewForConfig(g.cp.Config)
	if err != nil {
		g.t.Fatal(err)
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{audience}}}
	if pod != nil {
		request.Spec.BoundObjectRef = &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID}
	}
	var token string
	controlplane.Eventually(g.t, "the default service account", func(ctx context.Context) (bool, error) {
		answer, err := clients.CoreV1().ServiceAccounts(g.namespace).CreateToken(ctx, "default", request, metav1.CreateOptions{})
		if err != nil {
			return false, err
		}
		token = answer.Status.Token
		return true, nil
	})
	return token
}

// agent runs the agent with a pod's token.
func (g *gateway) agent(data, token string, args ...string) (output string, code int) {
	g.t.Helper()
	tokenFile := filepath.Join(g.t.TempDir(), "token")
	if err := os.WriteFile(tokenFile, []byte(token), 0o600); err != nil {
		g.t.Fatal(err)
	}
	command := exec.CommandContext(g.t.Context(), filepath.Join(programs, "agent"),
		append(args, "--gateway=http://"+g.pods, "--data="+data, "--token-file="+tokenFile)...)
	out, err := command.CombinedOutput()
	if err != nil && command.ProcessState == nil {
		g.t.Fatal(err)
	}
	return string(out), command.ProcessState.ExitCode()
}

func (g *gateway) fetch(job *v1alpha1.ProcessingJob, token string) (data string) {
	g.t.Helper()
	data = g.t.TempDir()
	in := job.Spec.Input.Upload
	out, code := g.agent(data, token, "fetch", "--name="+string(in.Name), "--upload",
		"--size="+strconv.FormatInt(*in.Size, 10), "--sha256="+string(in.SHA256))
	if code != 0 {
		g.t.Fatalf("fetch ended with %d: %s", code, out)
	}
	return data
}

func TestUploadFetchStoreDownload(t *testing.T) {
	g := startGateway(t)
	job := g.upload("benchy.gcode")
	if got := g.call("GET", "http://"+g.address+"/api/v1/download/"+job.Name, nil, "", nil); got != 409 {
		t.Errorf("download before the end answered %d, want 409", got)
	}
	g.stop() // the gateway restarts between upload and fetch
	g.start()

	token := g.token(g.pod(job, nil), v1alpha1.GatewayAudience)
	data := g.fetch(job, token)
	if content, err := os.ReadFile(filepath.Join(data, "in", "benchy.gcode")); err != nil || string(content) != gcode {
		t.Fatalf("fetched %q: %v", content, err)
	}
	out, code := g.agent(data, token, "store")
	if code != 1 || !strings.Contains(out, "left no file") {
		t.Errorf("store without outputs ended with %d: %s", code, out)
	}
	result := filepath.Join(data, "out", "benchy brick ä.gcode")
	if err := os.WriteFile(result, []byte(gcode+"; done\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, code := g.agent(data, token, "store"); code != 0 {
		t.Fatalf("store ended with %d: %s", code, out)
	}
	if out, code := g.agent(data, token, "store"); code != 0 {
		t.Errorf("store again ended with %d: %s", code, out)
	}
	job = g.job(job.Name)
	if job.Status.Phase != v1alpha1.PhasePending || job.Status.Output == nil || len(job.Status.Output.Files) != 1 ||
		job.Status.Input == nil || job.Status.Input.Name != "benchy.gcode" {
		t.Errorf("status after the commit: %+v", job.Status)
	}
	g.finish(job, v1alpha1.PhaseCompleted)
	response, err := http.Get("http://" + g.address + "/api/v1/download/" + job.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil || string(content) != gcode+"; done\n" {
		t.Errorf("downloaded %q: %v", content, err)
	}
}

// finish does what the manager does at the end, and waits until the gateway has seen it.
func (g *gateway) finish(job *v1alpha1.ProcessingJob, phase v1alpha1.Phase) {
	g.t.Helper()
	seen := make(chan string, 1)
	go func() {
		var v view
		g.call("GET", "http://"+g.address+"/api/v1/status/"+job.Name+"?wait=50s", nil, "", &v)
		seen <- v.Status
	}()
	started := time.Now()
	job.Status.Phase = phase
	if err := g.cp.Client.Status().Update(g.t.Context(), job); err != nil {
		g.t.Fatal(err)
	}
	if got := <-seen; got != string(phase) || time.Since(started) > 40*time.Second {
		g.t.Fatalf("the gateway saw %q after %s, want %s at once", got, time.Since(started), phase)
	}
}

func TestSecondPodKeepsTheFirstResult(t *testing.T) {
	g := startGateway(t)
	job := g.upload("a.gcode")
	for i, content := range []string{"first", "second"} {
		token := g.token(g.pod(job, nil), v1alpha1.GatewayAudience)
		data := g.fetch(job, token)
		if err := os.WriteFile(filepath.Join(data, "out", "result.gcode"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, code := g.agent(data, token, "store"); code != 0 {
			t.Fatalf("pod %d: store ended with %d: %s", i+1, code, out)
		}
	}
	if size := *g.job(job.Name).Status.Output.Files[0].Size; size != int64(len("first")) {
		t.Errorf("the result has %d bytes, want the first pod's", size)
	}
}

func TestNoResultForAFinishedJob(t *testing.T) {
	g := startGateway(t)
	job := g.upload("a.gcode")
	token := g.token(g.pod(job, nil), v1alpha1.GatewayAudience)
	data := g.fetch(job, token)
	if err := os.WriteFile(filepath.Join(data, "out", "late.gcode"), []byte("late"), 0o644); err != nil {
		t.Fatal(err)
	}
	g.finish(job, v1alpha1.PhaseTimeout)
	out, code := g.agent(data, token, "store")
	if code != 1 || !strings.Contains(out, "job_finished") {
		t.Errorf("store ended with %d: %s", code, out)
	}
	if status := g.job(job.Name).Status; status.Output != nil || status.Phase != v1alpha1.PhaseTimeout {
		t.Errorf("status: %+v", status)
	}
}

func TestPodPortBelievesOnlyTheJobsPod(t *testing.T) {
	g := startGateway(t)
	job, other := g.upload("a.gcode"), g.upload("b.gcode")
	gone := g.pod(job, nil)
	goneToken := g.token(gone, v1alpha1.GatewayAudience)
	if err := g.cp.Client.Delete(t.Context(), gone, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	forged := func(change func(*corev1.Pod)) string { return g.token(g.pod(job, change), v1alpha1.GatewayAudience) }
	for name, test := range map[string]struct {
		token  string
		status int
	}{
		"no token":              {"", 401},
		"no token at all":       {"nonsense", 401},
		"another audience":      {g.token(g.pod(job, nil), "someone-else"), 401},
		"a pod that is gone":    {goneToken, 401},
		"bound to no pod":       {g.token(nil, v1alpha1.GatewayAudience), 403},
		"no labels":             {forged(func(p *corev1.Pod) { p.Labels = nil }), 403},
		"labels of another job": {forged(func(p *corev1.Pod) { p.Labels[childname.LabelJob] = other.Name }), 403},
		"labels and UID of another": {forged(func(p *corev1.Pod) {
			p.Labels[childname.LabelJob] = other.Name
			p.Labels[childname.LabelJobUID] = string(other.UID)
		}), 403},
		"another attempt":              {forged(func(p *corev1.Pod) { p.Labels[childname.LabelAttempt] = "2" }), 403},
		"no owner":                     {forged(func(p *corev1.Pod) { p.OwnerReferences = nil }), 403},
		"an owner that is no Job":      {forged(func(p *corev1.Pod) { p.OwnerReferences[0].Kind = "ReplicaSet" }), 403},
		"a job that does not exist":    {forged(func(p *corev1.Pod) { p.Labels[childname.LabelJob] = "missing" }), 401},
		"the pod that it was made for": {forged(nil), 200},
	} {
		t.Run(name, func(t *testing.T) {
			if got := g.call("GET", "http://"+g.pods+"/pod/v1/input", nil, test.token, nil); got != test.status {
				t.Errorf("answered %d, want %d", got, test.status)
			}
		})
	}
}
