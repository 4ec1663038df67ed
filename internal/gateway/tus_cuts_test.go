package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/test/tusclient"
)

// A thousand requests are cut at random, each client going on at one of two replicas at random. Nothing may be
// corrupt, and what came before a cut is kept.
func TestTusCutAThousandTimes(t *testing.T) {
	const cuts, chunk = 1000, 8 << 10
	dir := memoryFolder(t)
	replicas := []*fixture{
		newFixtureOn(t, "file://"+dir, interceptor.Funcs{}), newFixtureOn(t, "file://"+dir, interceptor.Funcs{}),
	}
	replicas[1].live, replicas[1].cached = replicas[0].live, replicas[0].cached
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	content := print(10_000)
	sum := sha256.Sum256([]byte(content))
	made, resent := 0, int64(0)
	for upload := 0; made < cuts; upload++ {
		c := &tusclient.Client{
			Server: func() string { return replicas[random.IntN(2)].server.Listener.Addr().String() },
			Chunk:  chunk,
			Cut: func(length int64) (int64, bool) {
				return random.Int64N(length + 1), random.IntN(3) > 0
			},
		}
		result, err := c.Upload(t.Context(), fmt.Sprintf("%d.gcode", upload), strings.NewReader(content), int64(len(content)))
		if err != nil {
			t.Fatal(err)
		}
		made += result.Cuts
		resent += result.Sent - int64(len(content))
		job := &v1alpha1.ProcessingJob{}
		if err := replicas[0].client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: result.JobID}, job); err != nil {
			t.Fatal(err)
		}
		if string(job.Spec.Input.Upload.SHA256) != hex.EncodeToString(sum[:]) {
			t.Errorf("upload %d is corrupt", upload)
		}
	}
	t.Logf("%d bytes sent again per cut, on average of %d", resent/int64(made), made)
	// Half a chunk would be all that came. The replica that was cut keeps it before it answers again; only the other one may
	// be asked before that, which is every second time.
	if average := resent / int64(made); average > chunk/3 {
		t.Errorf("%d bytes sent again per cut; what came before a cut is not kept", average)
	}
}

// memoryFolder is a folder where a sync costs nothing, if the machine has one.
func memoryFolder(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "gateway-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
