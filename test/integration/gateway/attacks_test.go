package gateway_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/podapi"
	"bricklayers.dev/bricklayers/test/controlplane"
)

// claimsOf takes a token apart.
func claimsOf(t *testing.T, token string) (header string, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(raw, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return parts[0], claims
}

// sign makes a token as the API server does (ES256).
func sign(t *testing.T, key *ecdsa.PrivateKey, header string, claims map[string]any) string {
	t.Helper()
	raw, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	text := header + "." + base64.RawURLEncoding.EncodeToString(raw)
	digest := sha256.Sum256([]byte(text))
	r, v, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), v.FillBytes(make([]byte, 32))...)
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// TestForgedTokens: a token is believed as long as the API server believes it.
func TestForgedTokens(t *testing.T) {
	g := startGateway(t)
	pem, err := os.ReadFile(g.cp.TokenKey())
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := keyutil.ParsePrivateKeyPEM(pem)
	if err != nil {
		t.Fatal(err)
	}
	key := parsed.(*ecdsa.PrivateKey)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	job := g.upload("a.gcode")
	real := g.token(g.pod(job, nil), v1alpha1.GatewayAudience)
	header, _ := claimsOf(t, real)
	changed := func(change func(claims map[string]any)) map[string]any {
		_, claims := claimsOf(t, real)
		change(claims)
		return claims
	}
	same := changed(func(map[string]any) {})
	past := changed(func(c map[string]any) {
		c["iat"], c["nbf"], c["exp"] = time.Now().Add(-2*time.Hour).Unix(), time.Now().Add(-2*time.Hour).Unix(), time.Now().Add(-time.Hour).Unix()
	})
	future := changed(func(c map[string]any) { c["nbf"] = time.Now().Add(time.Hour).Unix() })
	everyone := changed(func(c map[string]any) { c["aud"] = []string{"https://kubernetes.default.svc"} })
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))
	unsigned := none + strings.TrimSuffix(strings.TrimPrefix(real, header), real[strings.LastIndex(real, ".")+1:])
	for name, test := range map[string]struct {
		token  string
		status int
	}{
		"signed like the real one":   {sign(t, key, header, same), http.StatusOK},
		"expired":                    {sign(t, key, header, past), http.StatusUnauthorized},
		"not valid yet":              {sign(t, key, header, future), http.StatusUnauthorized},
		"for the API server":         {sign(t, key, header, everyone), http.StatusUnauthorized},
		"signed by somebody else":    {sign(t, stranger, header, same), http.StatusUnauthorized},
		"not signed":                 {unsigned, http.StatusUnauthorized},
		"signature of another token": {sign(t, key, header, past)[:strings.LastIndex(real, ".")] + real[strings.LastIndex(real, "."):], http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			if got := g.call("GET", "http://"+g.pods+"/pod/v1/input", nil, test.token, nil); got != test.status {
				t.Errorf("answered %d, want %d", got, test.status)
			}
		})
	}
}

// TestReplayedToken: what a pod's token was good for ends with the job.
func TestReplayedToken(t *testing.T) {
	g := startGateway(t)
	job := g.upload("a.gcode")
	pod := g.pod(job, nil)
	token := g.token(pod, v1alpha1.GatewayAudience)
	g.fetch(job, token)
	g.finish(job, v1alpha1.PhaseCompleted)
	late := fileOf("late.gcode", "late")
	commit, err := json.Marshal(podapi.Commit{Input: late, Files: []podapi.File{late}})
	if err != nil {
		t.Fatal(err)
	}
	g.wantNoOutputs(token, late, podapi.ReasonJobFinished)
	if status := g.call("POST", "http://"+g.pods+"/pod/v1/commit", bytes.NewReader(commit), token, nil); status != http.StatusConflict {
		t.Errorf("a result after the end answered %d", status)
	}
	if output := g.job(job.Name).Status.Output; output != nil {
		t.Errorf("the finished job has a result: %+v", output)
	}
	if err := g.cp.Client.Delete(t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	g.stop() // and with it the memory of reviews, which outlives a pod for a minute
	g.start()
	if status := g.call("GET", "http://"+g.pods+"/pod/v1/input", nil, token, nil); status != http.StatusUnauthorized {
		t.Errorf("the token of a pod that is gone answered %d", status)
	}
}

// TestCommittedResultStands: a pod's token does not change the files that have become its job's result.
func TestCommittedResultStands(t *testing.T) {
	g := startGateway(t)
	job := g.upload("a.gcode")
	token := g.token(g.pod(job, nil), v1alpha1.GatewayAudience)
	g.fetch(job, token)
	good := fileOf("a.gcode", "GOOD")
	address := "http://" + g.pods + "/pod/v1/outputs/" + good.Name
	if status := g.call("PUT", address, strings.NewReader("GOOD"), token, nil); status != http.StatusOK {
		t.Fatalf("the output answered %d", status)
	}
	commit, err := json.Marshal(podapi.Commit{Input: good, Files: []podapi.File{good}})
	if err != nil {
		t.Fatal(err)
	}
	if status := g.call("POST", "http://"+g.pods+"/pod/v1/commit", bytes.NewReader(commit), token, nil); status != http.StatusOK {
		t.Fatalf("the commit answered %d", status)
	}
	g.wantNoOutputs(token, fileOf("a.gcode", "EVIL"), podapi.ReasonAlreadyCommitted)
	g.finish(g.job(job.Name), v1alpha1.PhaseCompleted)
	g.wantNoOutputs(token, fileOf("a.gcode", "EVIL"), podapi.ReasonAlreadyCommitted)
	response, err := http.Get("http://" + g.address + "/api/v1/download/" + job.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if content, err := io.ReadAll(response.Body); err != nil || string(content) != "GOOD" {
		t.Errorf("the result is %q: %v", content, err)
	}
}

func fileOf(name, content string) podapi.File {
	digest := sha256.Sum256([]byte(content))
	return podapi.File{Name: name, Size: int64(len(content)), SHA256: hex.EncodeToString(digest[:])}
}

// wantNoOutputs wants both ways to leave an output refused.
func (g *gateway) wantNoOutputs(token string, file podapi.File, reason string) {
	g.t.Helper()
	body, err := json.Marshal(file)
	if err != nil {
		g.t.Fatal(err)
	}
	for method, content := range map[string]string{"PUT": "EVIL", "POST": string(body)} {
		var v podapi.Problem
		status := g.call(method, "http://"+g.pods+"/pod/v1/outputs/"+file.Name, strings.NewReader(content), token, &v)
		if status != http.StatusConflict || v.Reason != reason {
			g.t.Errorf("%s of an output answered %d %s, want 409 %s", method, status, v.Reason, reason)
		}
	}
}

// TestPathsOfOutputs: a pod writes where its attempt's files lie, whatever it calls them.
func TestPathsOfOutputs(t *testing.T) {
	g := startGateway(t)
	job, victim := g.upload("a.gcode"), g.upload("b.gcode")
	token := g.token(g.pod(job, nil), v1alpha1.GatewayAudience)
	before := g.files(t)
	for _, name := range []string{
		"..", ".", "%2e%2e", "..%2f..%2fresult.json", "%2fetc%2fpasswd", "..%5c..%5cx", ".hidden", "a%00b", "a%0d%0aX:%20y", "%e2%80%aeedocg",
		"..%2f..%2f..%2f" + victim.Name + "%2finput%2fb.gcode", strings.Repeat("x", 300), "a.attrs", "a__0x2f", "a/b",
	} {
		status := g.call("PUT", "http://"+g.pods+"/pod/v1/outputs/"+name, strings.NewReader("stolen"), token, nil)
		if status < 400 || status >= 500 {
			t.Errorf("%s answered %d", name, status)
		}
	}
	if after := g.files(t); strings.Join(after, "\n") != strings.Join(before, "\n") {
		t.Errorf("the bucket had %v, has %v", before, after)
	}
}

// files lists the bucket, but for what comes and goes by itself: the files by which the gateway tries whether it can write.
func (g *gateway) files(t *testing.T) []string {
	t.Helper()
	var names []string
	probes := filepath.Join(g.bucket, "probe")
	err := filepath.WalkDir(g.bucket, func(path string, entry os.DirEntry, err error) error {
		if path == probes {
			return filepath.SkipDir
		}
		if err == nil && !entry.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestQuotaOfJobs: a namespace that may have one job only has no second, and nothing is left of the upload.
func TestQuotaOfJobs(t *testing.T) {
	g := startGateway(t)
	g.limitJobs(1)
	g.upload("a.gcode")
	before := g.files(t)
	var problem podapi.Problem
	status := g.call("POST", "http://"+g.address+"/api/v1/upload?name=b.gcode", strings.NewReader(gcode), "", &problem)
	if status != http.StatusTooManyRequests || problem.Reason != "quota_exceeded" {
		t.Errorf("one upload too many answered %d %+v", status, problem)
	}
	if after := g.files(t); len(after) != len(before) {
		t.Errorf("the refused upload left files: %v", after)
	}
}

// limitJobs makes a ResourceQuota and waits until the API server goes by it. Its admission reads quotas from a watch of its
// own, so that the quota's status says nothing about it: first it must refuse any job, then let one pass.
func (g *gateway) limitJobs(n int64) {
	g.t.Helper()
	const counted = "count/processingjobs.processing.bricklayers.dev"
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: g.namespace, Name: "jobs"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{counted: resource.MustParse("0")}},
	}
	if err := g.cp.Client.Create(g.t.Context(), quota); err != nil {
		g.t.Fatal(err)
	}
	tryJob := func(ctx context.Context) error {
		return g.cp.Client.Create(ctx, &v1alpha1.ProcessingJob{
			ObjectMeta: metav1.ObjectMeta{Namespace: g.namespace, GenerateName: "try-"},
			Spec: v1alpha1.ProcessingJobSpec{
				Processor: "brick", Input: v1alpha1.Input{URL: ptr.To("https://example.com/a.gcode")},
			},
		}, client.DryRunAll)
	}
	controlplane.Within(g.t, 2*time.Minute, "a job to be refused", func(ctx context.Context) (bool, error) {
		err := tryJob(ctx)
		return err != nil && strings.Contains(err.Error(), "exceeded quota"), err
	})
	controlplane.Within(g.t, 2*time.Minute, "the quota to be raised", func(ctx context.Context) (bool, error) {
		if err := g.cp.Client.Get(ctx, client.ObjectKeyFromObject(quota), quota); err != nil {
			return false, err
		}
		quota.Spec.Hard[counted] = *resource.NewQuantity(n, resource.DecimalSI)
		err := g.cp.Client.Update(ctx, quota) // its controller writes it, too
		return err == nil, err
	})
	controlplane.Within(g.t, 2*time.Minute, "a job to be let pass", func(ctx context.Context) (bool, error) {
		err := tryJob(ctx)
		return err == nil, err
	})
}
