package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"

	"bricklayers.dev/bricklayers/internal/filename"
	"bricklayers.dev/bricklayers/internal/podapi"
	"bricklayers.dev/bricklayers/internal/storage"
)

// podInput sends a pod the uploaded file of its job.
func (g *Gateway) podInput(w http.ResponseWriter, r *http.Request) error {
	pod, err := g.pods.of(r)
	if err != nil {
		return err
	}
	job, err := g.podsJob(r.Context(), pod)
	if err != nil {
		return err
	}
	return g.sendInput(w, r, job, g.RedirectPods && r.URL.RawQuery != podapi.ThroughGateway)
}

// podOutputAddress tells a pod where in the bucket it can put an output file, if it can.
func (g *Gateway) podOutputAddress(w http.ResponseWriter, r *http.Request) error {
	pod, err := g.pods.of(r)
	if err != nil {
		return err
	}
	file := podapi.File{}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxCommitBytes)).Decode(&file); err != nil {
		return fail(http.StatusBadRequest, reasonBadCommit, "what is said of the file cannot be read: %v", err)
	}
	haveBody(w, r)
	file.Name = r.PathValue("name")
	if err := checkFile(file); err != nil {
		return fail(http.StatusBadRequest, reasonBadCommit, "output: %v", err)
	}
	if file.Size > g.MaxOutputSize {
		return outputTooLarge(g.MaxOutputSize)
	}
	if err := g.takesOutputs(r.Context(), pod); err != nil {
		return err
	}
	answer := podapi.SignedPut{}
	if g.RedirectPods {
		key := storage.OutputKey(pod.Namespace, pod.JobUID, pod.PodUID, file.Name)
		signed, err := g.store.SignedPut(r.Context(), key, file.Size, file.SHA256)
		if err != nil {
			return storageProblem(err)
		}
		if signed != nil {
			answer = podapi.SignedPut(*signed)
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, "application/json", answer)
	return nil
}

func outputTooLarge(limit int64) *problem {
	return fail(http.StatusRequestEntityTooLarge, reasonOutputTooBig,
		"an output file is larger than the %d bytes allowed", limit)
}

// podOutput stores one output file of a pod. A repeated request takes the place of the first.
func (g *Gateway) podOutput(w http.ResponseWriter, r *http.Request) error {
	pod, err := g.pods.of(r)
	if err != nil {
		return err
	}
	name := r.PathValue("name")
	if err := filename.Check(name); err != nil {
		return fail(http.StatusBadRequest, reasonBadName, "the name of an output file %v", err)
	}
	if err := g.takesOutputs(r.Context(), pod); err != nil {
		return err
	}
	writer, err := g.store.Replace(r.Context(), storage.OutputKey(pod.Namespace, pod.JobUID, pod.PodUID, name))
	if err != nil {
		return storageProblem(err)
	}
	defer writer.Abort()
	body, stop := g.paced(w, r)
	defer endBody(w, r)
	defer stop()
	file, err := copyOutput(writer, body, g.MaxOutputSize)
	if err != nil {
		return err
	}
	stop()
	if err := g.takesOutputs(r.Context(), pod); err != nil { // a slow body may outlast a commit
		return err
	}
	if err := writer.Commit(); err != nil {
		return storageProblem(err)
	}
	file.Name = name
	writeJSON(w, http.StatusOK, "application/json", file)
	return nil
}

func copyOutput(sink io.Writer, body io.Reader, limit int64) (*podapi.File, error) {
	hash := sha256.New()
	size := int64(0)
	err := eachChunk(body, func(p []byte) error {
		if size += int64(len(p)); size > limit {
			return outputTooLarge(limit)
		}
		hash.Write(p)
		if _, err := sink.Write(p); err != nil {
			return storageProblem(err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &podapi.File{Size: size, SHA256: hex.EncodeToString(hash.Sum(nil))}, nil
}

const maxCommitBytes = 1 << 20

// podCommit makes a pod's outputs the result of its job, if it has none, and writes that to the job's status.
func (g *Gateway) podCommit(w http.ResponseWriter, r *http.Request) error {
	pod, err := g.pods.of(r)
	if err != nil {
		return err
	}
	commit := &podapi.Commit{}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxCommitBytes)).Decode(commit); err != nil {
		return fail(http.StatusBadRequest, reasonBadCommit, "the commit cannot be read: %v", err)
	}
	haveBody(w, r)
	if err := g.checkCommit(r.Context(), pod, commit); err != nil {
		return err
	}
	manifest, err := g.commitResult(r.Context(), pod, commit)
	if err != nil {
		return err
	}
	if err := g.recordResult(r.Context(), pod, manifest); err != nil {
		return err
	}
	if manifest.PodUID != pod.PodUID {
		return alreadyCommitted()
	}
	writeJSON(w, http.StatusOK, "application/json", struct{}{})
	return nil
}
