package childname

// Labels on the Jobs and pods of a ProcessingJob, by which its pods and their attempt are found.
const (
	LabelJob       = "processing.bricklayers.dev/job"
	LabelJobUID    = "processing.bricklayers.dev/job-uid"
	LabelAttempt   = "processing.bricklayers.dev/attempt"
	LabelProcessor = "processing.bricklayers.dev/processor"
)
