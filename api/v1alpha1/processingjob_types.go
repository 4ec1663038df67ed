package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ProcessingJob is one file to process: which processor, with which parameters, on which input.
//
// The name becomes part of the name of the child Job, which Kubernetes limits to 63 characters; 52 leaves room for the
// suffix that makes each attempt's name unique. The status default makes a job that nobody has touched yet read as
// Pending without a write.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=pj,categories=bricklayers
// +kubebuilder:printcolumn:name="Processor",type=string,JSONPath=`.spec.processor`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.reason`
// +kubebuilder:printcolumn:name="Attempts",type=integer,JSONPath=`.status.attempts`
// +kubebuilder:printcolumn:name="Duration",type=string,JSONPath=`.status.duration`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.message`
// +kubebuilder:selectablefield:JSONPath=`.spec.processor`
// +kubebuilder:selectablefield:JSONPath=`.status.phase`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 52",message="metadata.name must be no more than 52 characters: the names of its Jobs and pods are made from it and may have 63"
type ProcessingJob struct {
	metav1.TypeMeta `json:",inline"`
	// metadata as of any object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is what to do.
	// +required
	Spec ProcessingJobSpec `json:"spec,omitzero"`

	// status is what became of it.
	// +optional
	// +kubebuilder:default={phase: "Pending", reason: "Queued"}
	Status ProcessingJobStatus `json:"status,omitzero"`
}

// ProcessingJobList is a list of ProcessingJobs.
//
// +kubebuilder:object:root=true
type ProcessingJobList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitzero"`
	Items           []ProcessingJob `json:"items"`
}

// ProcessingJobSpec is what to do with which file. Only priority, suspend and ttlSecondsAfterFinished may change later.
//
// +kubebuilder:validation:XValidation:rule="self.processor == oldSelf.processor",message="spec.processor cannot change; create another ProcessingJob"
// +kubebuilder:validation:XValidation:rule="has(self.parameters) == has(oldSelf.parameters) && (!has(self.parameters) || self.parameters == oldSelf.parameters)",message="spec.parameters cannot change; create another ProcessingJob"
// +kubebuilder:validation:XValidation:rule="self.input == oldSelf.input",message="spec.input cannot change; create another ProcessingJob"
// +kubebuilder:validation:XValidation:rule="has(self.timeoutSeconds) == has(oldSelf.timeoutSeconds) && (!has(self.timeoutSeconds) || self.timeoutSeconds == oldSelf.timeoutSeconds)",message="spec.timeoutSeconds cannot change; create another ProcessingJob"
// +kubebuilder:validation:XValidation:rule="has(self.pendingTimeoutSeconds) == has(oldSelf.pendingTimeoutSeconds) && (!has(self.pendingTimeoutSeconds) || self.pendingTimeoutSeconds == oldSelf.pendingTimeoutSeconds)",message="spec.pendingTimeoutSeconds cannot change; create another ProcessingJob"
// +kubebuilder:validation:XValidation:rule="has(self.managedBy) == has(oldSelf.managedBy) && (!has(self.managedBy) || self.managedBy == oldSelf.managedBy)",message="spec.managedBy cannot change; create another ProcessingJob"
// +kubebuilder:validation:XValidation:rule="has(self.retries) == has(oldSelf.retries) && (!has(self.retries) || self.retries == oldSelf.retries)",message="spec.retries cannot change; create another ProcessingJob"
// +kubebuilder:validation:XValidation:rule="has(self.webhook) == has(oldSelf.webhook) && (!has(self.webhook) || self.webhook == oldSelf.webhook)",message="spec.webhook cannot change; create another ProcessingJob"
type ProcessingJobSpec struct {
	// processor is the name of the Processor, in the same namespace, to run.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Processor string `json:"processor,omitempty"`

	// parameters are values for the parameters that the Processor declares, each as text. One left out takes the
	// Processor's default.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(name, self[name].size() <= 1024)",message="a parameter's value must be no more than 1024 characters"
	Parameters map[string]string `json:"parameters,omitempty"`

	// input says where the file comes from.
	// +required
	Input Input `json:"input,omitzero"`

	// priority decides who starts first when not all can: the higher, the sooner.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=-1000000
	// +kubebuilder:validation:Maximum=1000000
	Priority *int32 `json:"priority,omitempty"`

	// suspend keeps a waiting job from starting, and stops a running one without counting an attempt.
	// +optional
	Suspend *bool `json:"suspend,omitempty"`

	// timeoutSeconds is how long one attempt's containers may run, all together. A pod that replaces a disrupted one has
	// all of it. Default: the Processor's.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=604800
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`

	// pendingTimeoutSeconds is how long an admitted attempt may wait for its pod to start (image, quota, room on a
	// node). Time in the queue does not count. Default: the Processor's.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=604800
	PendingTimeoutSeconds *int32 `json:"pendingTimeoutSeconds,omitempty"`

	// retries is how many more attempts follow one that failed by no fault of the input. Default: the Processor's.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Retries *int32 `json:"retries,omitempty"`

	// ttlSecondsAfterFinished is how long the job and its files are kept after it finished. Default: the Processor's.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=315360000
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`

	// webhook is told once the job has finished. The gateway sends it, to hosts that the installation allows.
	// +optional
	Webhook *Webhook `json:"webhook,omitempty"`

	// managedBy is handed on to the Job: the controller that runs it in place of Kubernetes' own. Pods in another cluster
	// also need the gateway to know them.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	ManagedBy *string `json:"managedBy,omitempty"`
}

// Webhook is an address that wants to know.
type Webhook struct {
	// url takes a POST with the job, signed as Standard Webhooks has it. The condition Notified says what became of it.
	// +required
	// +kubebuilder:validation:MinLength=8
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHost() != \"\"",message="spec.webhook.url must be an absolute https:// address"
	URL string `json:"url,omitempty"`
}

// Input says where the file comes from: exactly one of the fields is set.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="[has(self.upload), has(self.url), has(self.configMap), has(self.persistentVolumeClaim)].filter(set, set).size() == 1",message="spec.input needs exactly one of upload, url, configMap, persistentVolumeClaim"
type Input struct {
	// upload is a file that the gateway has already put into the bucket. The gateway sets it; a job that is created
	// by hand names one of the other sources.
	// +optional
	Upload *UploadInput `json:"upload,omitempty"`

	// url is an https address that the job's pod fetches the file from.
	// +optional
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() == 'https' && url(self).getHost() != \"\"",message="spec.input.url must be an absolute https:// address"
	URL *string `json:"url,omitempty"`

	// configMap is a key of a ConfigMap in the same namespace; text or binary, at most 1 MiB by Kubernetes' own limit.
	// +optional
	ConfigMap *ConfigMapInput `json:"configMap,omitempty"`

	// persistentVolumeClaim is a file on a volume of the same namespace, read only.
	// +optional
	PersistentVolumeClaim *PersistentVolumeClaimInput `json:"persistentVolumeClaim,omitempty"`
}

// UploadInput is a file that is in the bucket already.
type UploadInput struct {
	// name of the file as the processor sees it.
	// +required
	Name FileName `json:"name,omitempty"`
	// size in bytes.
	// +required
	// +kubebuilder:validation:Minimum=0
	Size *int64 `json:"size,omitempty"`
	// sha256 of the content, in lower-case hexadecimal.
	// +required
	SHA256 Digest `json:"sha256,omitempty"`
}

// ConfigMapInput is one key of a ConfigMap.
type ConfigMapInput struct {
	// name of the ConfigMap.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
	// key whose value is the file; the processor sees it under this name.
	// +required
	Key FileName `json:"key,omitempty"`
}

// PersistentVolumeClaimInput is one file of a volume.
type PersistentVolumeClaimInput struct {
	// claimName is the PersistentVolumeClaim.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClaimName string `json:"claimName,omitempty"`
	// path of the file inside the volume, relative to its root.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/') && !self.split('/').exists(part, part in ['', '.', '..'])",message="path must be relative to the volume's root, without empty, '.' or '..' parts"
	Path string `json:"path,omitempty"`
}

// FileName is a file's name without any folder. Control characters, slashes and a leading dot are refused because the
// name is used in a path, in a header and on pages.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=200
// +kubebuilder:validation:Pattern=`^[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*$`
type FileName string

// Digest is a SHA-256 in lower-case hexadecimal.
//
// +kubebuilder:validation:MinLength=64
// +kubebuilder:validation:Pattern=`^[0-9a-f]{64}$`
type Digest string

// Phase is a job's state in the words of the monitoring contract.
//
// +kubebuilder:validation:Enum=Pending;Running;Completed;Error;Timeout
type Phase string

// The phases. A job never leaves one of the last three; a suspension, or Kueue, takes a running one back to Pending.
const (
	// PhasePending is a job that waits in the queue or is suspended.
	PhasePending Phase = "Pending"
	// PhaseRunning is a job that was admitted: its Job exists and is starting, running or between two attempts.
	PhaseRunning Phase = "Running"
	// PhaseCompleted is a job whose result is committed.
	PhaseCompleted Phase = "Completed"
	// PhaseError is a job that ended without a result.
	PhaseError Phase = "Error"
	// PhaseTimeout is a job that did not start or did not end in time.
	PhaseTimeout Phase = "Timeout"
)

// Finished tells whether a job in this phase will never change again.
func (p Phase) Finished() bool {
	return p == PhaseCompleted || p == PhaseError || p == PhaseTimeout
}

// Condition types.
const (
	// ConditionStarted is False, with the reason, while an admitted attempt cannot start; True once its process has run for
	// a few seconds, or has ended.
	ConditionStarted = "Started"
	// ConditionFinished is True once the phase is final, with the final reason.
	ConditionFinished = "Finished"
	// ConditionNotified is set once the webhook needs no further try: True when it was delivered.
	ConditionNotified = "Notified"
)

// Reasons, a closed list: they stand in status.reason, in the conditions and in metrics.
const (
	ReasonQueued            = "Queued"
	ReasonSuspended         = "Suspended"
	ReasonProcessorNotFound = "ProcessorNotFound"
	ReasonInstallationLimit = "InstallationLimit"
	ReasonProcessorLimit    = "ProcessorLimit"
	ReasonNamespaceLimit    = "NamespaceLimit"
	ReasonKueue             = "Kueue"

	ReasonStarting       = "Starting"
	ReasonStarted        = "Started"
	ReasonRetrying       = "Retrying"
	ReasonImagePull      = "ImagePull"
	ReasonUnschedulable  = "Unschedulable"
	ReasonPodNotCreated  = "PodNotCreated"
	ReasonContainerSetup = "ContainerSetup"

	ReasonCompleted         = "Completed"
	ReasonInputRejected     = "InputRejected"
	ReasonInvalidParameters = "InvalidParameters"
	ReasonProcessorFailed   = "ProcessorFailed"
	ReasonFetchFailed       = "FetchFailed"
	ReasonStoreFailed       = "StoreFailed"
	ReasonOutOfMemory       = "OutOfMemory"
	ReasonResultMissing     = "ResultMissing"
	ReasonNameConflict      = "NameConflict"
	ReasonJobRefused        = "JobRefused"
	ReasonJobDeleted        = "JobDeleted"
	ReasonNotStarted        = "NotStarted"
	ReasonDeadlineExceeded  = "DeadlineExceeded"
)

// ProcessingJobStatus is what became of a ProcessingJob. input and output are written by the gateway, which holds the
// bytes; everything else by the manager.
type ProcessingJobStatus struct {
	// phase is the job's state: Pending, Running, Completed, Error or Timeout.
	// +optional
	Phase Phase `json:"phase,omitempty"`

	// reason is why the job is in this phase, one word of a closed list.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// message says the same in a sentence for people; for a finished job it may carry the processor's own words.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Message string `json:"message,omitempty"`

	// observedGeneration is the metadata.generation that this status describes.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// attempts is how many were started. Pods that a drain or an eviction ended do not count.
	// +optional
	Attempts int32 `json:"attempts,omitempty"`

	// jobName is the batch/v1 Job of the latest attempt.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	JobName string `json:"jobName,omitempty"`

	// input is the file that was processed.
	// +optional
	Input *File `json:"input,omitempty"`

	// output is the committed result. Once set it never changes.
	// +optional
	Output *Output `json:"output,omitempty"`

	// exitCode is the processor's, when the last attempt ended by one other than 0.
	// +optional
	ExitCode *int32 `json:"exitCode,omitempty"`

	// startTime is when the first attempt was admitted.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// completionTime is when the phase became final.
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`

	// expirationTime is when the job and its files may be deleted: completionTime and spec.ttlSecondsAfterFinished, or the
	// Processor's default as it was when the job finished.
	// +optional
	ExpirationTime *metav1.Time `json:"expirationTime,omitempty"`

	// duration is completionTime − startTime, for people.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Duration string `json:"duration,omitempty"`

	// conditions carry detail: Started, Finished and, of a job with a webhook, Notified.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// File is one stored file.
type File struct {
	// name without any folder.
	// +required
	Name FileName `json:"name,omitempty"`
	// size in bytes.
	// +required
	// +kubebuilder:validation:Minimum=0
	Size *int64 `json:"size,omitempty"`
	// sha256 of the content, in lower-case hexadecimal.
	// +required
	SHA256 Digest `json:"sha256,omitempty"`
}

// Output is a committed result.
type Output struct {
	// files that the processor left in its output folder.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	Files []File `json:"files,omitempty"`
}
