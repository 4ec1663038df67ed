package controllers

import (
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
	"bricklayers.dev/bricklayers/internal/childname"
	"bricklayers.dev/bricklayers/internal/slim"
)

// CacheOptions keeps the manager's memory in proportion to its own objects: of all the Jobs and pods in the cluster only
// those it made, and of those only what a decision looks at. An empty namespace means all.
func CacheOptions(namespace string) cache.Options {
	ours, err := labels.NewRequirement(childname.LabelJobUID, selection.Exists, nil)
	if err != nil {
		panic(err) // the label is a constant
	}
	scheme := runtime.NewScheme()
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	utilruntime.Must(slim.AddToScheme(scheme))
	options := cache.Options{
		Scheme: scheme,
		// A read that nobody planned a watch for fails loudly instead of loading a whole kind into memory.
		ReaderFailOnMissingInformer: true,
		DefaultTransform:            cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&slim.Job{}: {Label: labels.NewSelector().Add(*ours)},
			&slim.Pod{}: {Label: labels.NewSelector().Add(*ours)},
		},
	}
	if namespace != "" {
		options.DefaultNamespaces = map[string]cache.Config{namespace: {}}
	}
	return options
}
