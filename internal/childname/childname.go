// Package childname names the batch/v1 Job of each attempt of a ProcessingJob. The manager creates the Job under that
// name and the gateway believes a pod only if its Job carries it, so both compute it here.
package childname

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

const (
	// maxLength is that of a label value and of a pod's host name, both of which Kubernetes derives from a Job's name.
	maxLength  = 63
	hashLength = 10 // 50 bits: names collide only among the attempts of jobs with one name, so this is plenty
)

// encoding is RFC 4648's base32 in lower case, as names in Kubernetes are.
var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// ForAttempt is the name of the Job of one attempt (counted from 1). It depends on the job's name, UID and the attempt
// only: a controller that lost its memory finds the Job it created, and a job made again under the same name never
// meets the Jobs of its predecessor.
func ForAttempt(job *v1alpha1.ProcessingJob, attempt int32) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", job.UID, attempt))
	hash := encoding.EncodeToString(sum[:])[:hashLength]
	name := job.Name
	if longest := maxLength - 1 - hashLength; len(name) > longest {
		name = strings.TrimRight(name[:longest], "-.")
	}
	return name + "-" + hash
}
