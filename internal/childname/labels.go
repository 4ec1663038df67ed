package childname

// Labels on the Jobs and pods of a ProcessingJob, by which its pods and their attempt are found.
const (
	LabelJob       = "processing.bricklayers.dev/job"
	LabelJobUID    = "processing.bricklayers.dev/job-uid"
	LabelAttempt   = "processing.bricklayers.dev/attempt"
	LabelProcessor = "processing.bricklayers.dev/processor"
)

// Annotations on a Job: what the attempt was started with, because the Processor may change or go while it runs.
const (
	AnnotationTimeout        = "processing.bricklayers.dev/timeout-seconds"
	AnnotationPendingTimeout = "processing.bricklayers.dev/pending-timeout-seconds"
	AnnotationRetries        = "processing.bricklayers.dev/retries"
)
