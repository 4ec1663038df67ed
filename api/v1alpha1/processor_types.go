package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Processor is what may be run on a file: an image, how to call it, what it accepts, and within which limits. The
// platform team makes it; whoever may create ProcessingJobs in its namespace may use it.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=bricklayers
// +kubebuilder:printcolumn:name="Image",type=string,JSONPath=`.spec.container.image`
// +kubebuilder:printcolumn:name="Max-Active",type=integer,JSONPath=`.spec.limits.maxActive`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Description",type=string,priority=1,JSONPath=`.spec.description`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && self.metadata.name.size() <= 63",message="metadata.name must be a DNS label of no more than 63 characters: it is used as a label"
type Processor struct {
	metav1.TypeMeta `json:",inline"`
	// metadata as of any object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec says what to run and what it accepts.
	// +required
	Spec ProcessorSpec `json:"spec,omitzero"`
}

// ProcessorList is a list of Processors.
//
// +kubebuilder:object:root=true
type ProcessorList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitzero"`
	Items           []Processor `json:"items"`
}

// ProcessorSpec says what to run and what it accepts.
type ProcessorSpec struct {
	// description is shown to whoever chooses a processor.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Description string `json:"description,omitempty"`

	// accepts limits the files that may be processed; the gateway refuses others before it stores them.
	// +optional
	Accepts Accepts `json:"accepts,omitzero"`

	// parameters that a job may set. The processor sees each as environment variable PARAM_<NAME>, the name in upper
	// case with an underscore before each inner capital (startLayer: PARAM_START_LAYER).
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Parameters []Parameter `json:"parameters,omitempty"`

	// container is the process itself.
	// +required
	Container ProcessorContainer `json:"container,omitzero"`

	// pod carries the fields of the pod around it.
	// +optional
	Pod ProcessorPod `json:"pod,omitzero"`

	// limits on what runs at once and how large it may grow.
	// +optional
	Limits ProcessorLimits `json:"limits,omitzero"`

	// defaults for jobs that do not say otherwise.
	// +optional
	// +kubebuilder:default={}
	Defaults ProcessorDefaults `json:"defaults,omitzero"`
}

// Accepts limits the files that a Processor takes.
type Accepts struct {
	// formats are names of file formats, each also accepted as an extension (gcode: part.gcode). The content of those
	// the gateway knows (gcode, bgcode, gcode.3mf) is checked too. Empty: any file.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=32
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]+(\.[a-z0-9]+)*$`
	Formats []string `json:"formats,omitempty"`

	// maxSize of a file. Default: the installation's.
	// +optional
	MaxSize *resource.Quantity `json:"maxSize,omitempty"`
}

// ParameterType is how a parameter's text is read.
//
// +kubebuilder:validation:Enum=String;Number;Integer;Boolean;Enum
type ParameterType string

// The parameter types.
const (
	ParameterString  ParameterType = "String"
	ParameterNumber  ParameterType = "Number"
	ParameterInteger ParameterType = "Integer"
	ParameterBoolean ParameterType = "Boolean"
	ParameterEnum    ParameterType = "Enum"
)

// Number is a decimal number as text, so that a value like 1.05 is kept as it was written.
//
// +kubebuilder:validation:MaxLength=32
// +kubebuilder:validation:Pattern=`^-?[0-9]+(\.[0-9]+)?$`
type Number string

// Parameter is one value that a job may set.
//
// +kubebuilder:validation:XValidation:rule="self.type == 'Enum' ? has(self.values) && self.values.size() > 0 : !has(self.values)",message="values belongs to type Enum, which needs it"
// +kubebuilder:validation:XValidation:rule="self.type in ['Number', 'Integer'] || (!has(self.minimum) && !has(self.maximum))",message="minimum and maximum belong to types Number and Integer"
// +kubebuilder:validation:XValidation:rule="self.type == 'String' || !has(self.pattern)",message="pattern belongs to type String"
// +kubebuilder:validation:XValidation:rule="!has(self.default) || self.type != 'Enum' || !has(self.values) || self.default in self.values",message="default must be one of values"
// +kubebuilder:validation:XValidation:rule="!has(self.minimum) || !has(self.maximum) || double(self.minimum) <= double(self.maximum)",message="minimum must not be above maximum"
// +kubebuilder:validation:XValidation:rule="!has(self.default) || self.type != 'Integer' || self.default.matches('^-?[0-9]+$')",message="default must be a whole number"
// +kubebuilder:validation:XValidation:rule="!has(self.default) || self.type != 'Number' || self.default.matches('^-?[0-9]+([.][0-9]+)?$')",message="default must be a number like 1.05"
// +kubebuilder:validation:XValidation:rule="!has(self.default) || self.type != 'Boolean' || self.default in ['true', 'false']",message="default must be true or false"
// +kubebuilder:validation:XValidation:rule="!has(self.default) || !has(self.minimum) || double(self.default) >= double(self.minimum)",message="default must not be below minimum"
// +kubebuilder:validation:XValidation:rule="!has(self.default) || !has(self.maximum) || double(self.default) <= double(self.maximum)",message="default must not be above maximum"
// +kubebuilder:validation:XValidation:rule="!has(self.pattern) || 'x'.matches(self.pattern) in [true, false]",message="pattern must be a regular expression (RE2)"
type Parameter struct {
	// name that a job uses.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z][a-zA-Z0-9]*$`
	Name string `json:"name,omitempty"`
	// type is how the text is read: String, Number, Integer, Boolean or Enum.
	// +required
	Type ParameterType `json:"type,omitempty"`
	// description is shown beside the field.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Description string `json:"description,omitempty"`
	// default is used when a job does not set the parameter. Without one the parameter must be set.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Default *string `json:"default,omitempty"`
	// minimum allowed, inclusive.
	// +optional
	Minimum *Number `json:"minimum,omitempty"`
	// maximum allowed, inclusive.
	// +optional
	Maximum *Number `json:"maximum,omitempty"`
	// values allowed for an Enum.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	Values []string `json:"values,omitempty"`
	// pattern is a regular expression (RE2) that a String must match as a whole.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Pattern string `json:"pattern,omitempty"`
}

// ProcessorContainer is the process: what a user of a Job would expect to set. It sees the input file read-only at
// $(INPUT_FILE), leaves its results in $(OUTPUT_DIR), and ends with 0 when done, 64 to 78 when the input is at fault
// (no retry), anything else when another attempt may help. Its termination message is kept in the job's status.
//
// +kubebuilder:validation:XValidation:rule="!has(self.env) || self.env.all(e, !has(e.valueFrom))",message="env takes plain values only: a job's container never holds a credential"
type ProcessorContainer struct {
	// image to run.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`
	// imagePullPolicy as in a pod.
	// +optional
	// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`
	// command as in a pod; $(NAME) is replaced by the environment variable.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=4096
	Command []string `json:"command,omitempty"`
	// args as in a pod; $(NAME) is replaced by the environment variable.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=4096
	Args []string `json:"args,omitempty"`
	// workingDir as in a pod.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	WorkingDir string `json:"workingDir,omitempty"`
	// env is further environment, plain values only.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Env []corev1.EnvVar `json:"env,omitempty"`
	// resources as in a pod.
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitzero"`
}

// ProcessorPod carries pod fields. The security context is not among them: every job runs under the restricted
// Pod Security Standard.
type ProcessorPod struct {
	// labels added to the pods.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// annotations added to the pods.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
	// serviceAccountName that the pods run as; its token is never mounted. Default: "default".
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// nodeSelector as in a pod.
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	// tolerations as in a pod.
	// +optional
	// +listType=atomic
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
	// affinity as in a pod.
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`
	// priorityClassName as in a pod.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PriorityClassName string `json:"priorityClassName,omitempty"`
	// runtimeClassName as in a pod, for example of a sandbox.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	RuntimeClassName *string `json:"runtimeClassName,omitempty"`
	// hostUsers as in a pod: false puts the pod into a user namespace of its own, on nodes that can.
	// +optional
	HostUsers *bool `json:"hostUsers,omitempty"`
	// imagePullSecrets as in a pod.
	// +optional
	// +listType=map
	// +listMapKey=name
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
	// runAsUser is the user id of every container in the pod, not 0. Default: 65532.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4294967294
	RunAsUser *int64 `json:"runAsUser,omitempty"`
	// dataSize limits the space for input and output together. Default: no limit but the node's.
	// +optional
	DataSize *resource.Quantity `json:"dataSize,omitempty"`
}

// ProcessorLimits bound what runs at once and how large it may grow.
type ProcessorLimits struct {
	// maxActive is how many jobs of this Processor may be admitted at once. Default: no limit but the installation's.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	MaxActive *int32 `json:"maxActive,omitempty"`
	// maxMemory is how far the memory limit may grow when an attempt ran out of memory. Default: no growth.
	// +optional
	MaxMemory *resource.Quantity `json:"maxMemory,omitempty"`
}

// ProcessorDefaults are used by jobs that do not say otherwise.
type ProcessorDefaults struct {
	// timeoutSeconds is how long one attempt's containers may run, all together.
	// +optional
	// +kubebuilder:default=600
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=604800
	TimeoutSeconds int32 `json:"timeoutSeconds,omitempty"`
	// pendingTimeoutSeconds is how long an admitted attempt may wait for its pod to start.
	// +optional
	// +kubebuilder:default=300
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=604800
	PendingTimeoutSeconds int32 `json:"pendingTimeoutSeconds,omitempty"`
	// retries is how many more attempts follow one that failed by no fault of the input.
	// +optional
	// +kubebuilder:default=2
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Retries *int32 `json:"retries,omitempty"`
	// ttlSecondsAfterFinished is how long a job and its files are kept after it finished.
	// +optional
	// +kubebuilder:default=86400
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=315360000
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`
}
