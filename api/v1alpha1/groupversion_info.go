// Package v1alpha1 is the API of Bricklayers: a ProcessingJob is one file to process, a Processor is what may be run on
// it. Validation that needs one object only is written here as CEL and enforced by the API server; there is no webhook.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +kubebuilder:ac:output:package="applyconfiguration"
// +groupName=processing.bricklayers.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	// GroupVersion of every type in this package.
	GroupVersion = schema.GroupVersion{Group: "processing.bricklayers.dev", Version: "v1alpha1"}

	// SchemeGroupVersion is GroupVersion under the name that generated code asks for.
	SchemeGroupVersion = GroupVersion

	schemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme registers the types of this package.
	AddToScheme = schemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &ProcessingJob{}, &ProcessingJobList{}, &Processor{}, &ProcessorList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
