package storage

import "strings"

// A file's name stands in a key as it is. Whoever makes a key has checked the name with package filename: it has no
// folder, fits a file system, and holds nothing that fileblob would write differently.

// Everything that the product keeps lies under these prefixes; a sweep leaves anything else in the bucket alone.
const (
	jobsPrefix      = "jobs/"
	resumablePrefix = "uploads/"
	probePrefix     = "probe/"
)

// prefixes are in the order of their bytes, which a walk goes by.
var prefixes = []string{jobsPrefix, probePrefix, resumablePrefix}

// sweepKey is where a sweep that did not come to its end notes how far it was. No walk visits it.
const sweepKey = "sweep/progress.json"

// NamespacePrefix is where the files of a namespace's jobs lie.
func NamespacePrefix(namespace string) string { return jobsPrefix + namespace + "/" }

// InputKey is where an uploaded file lies. The job is named by its name: the file is there before the job has a UID.
func InputKey(namespace, jobName, file string) string {
	return NamespacePrefix(namespace) + jobName + "/input/" + file
}

// OutputKey is where a pod puts one of its output files. Each pod has a folder of its own, so that two pods of one job
// never write to the same place.
func OutputKey(namespace, jobUID, podUID, file string) string {
	return NamespacePrefix(namespace) + jobUID + "/attempts/" + podUID + "/" + file
}

// ResultKey is where the manifest of a job's committed result lies.
func ResultKey(namespace, jobUID string) string {
	return NamespacePrefix(namespace) + jobUID + "/" + resultName
}

const resultName = "result.json"

// Place is what a key says of whom its object belongs to.
type Place struct {
	Namespace string
	Job       string // the job's name for an input, its UID for anything else
	Upload    string // id, of what belongs to a resumable upload
	Kind      PlaceKind
	Pod       string // UID, of an output
	File      string // of an input, an output and a resumable upload
}

// PlaceKind tells the kinds of objects apart.
type PlaceKind int

// The kinds of objects.
const (
	PlaceUnknown PlaceKind = iota // not the product's
	PlaceInput
	PlaceOutput
	PlaceResult
	PlaceJunk // in a job's folder, but nothing that is ever referenced: what an interrupted write left
	PlaceProbe
	PlaceResumable // of a resumable upload
)

// Locate reads a key.
func Locate(key string) Place {
	if strings.HasPrefix(key, probePrefix) {
		return Place{Kind: PlaceProbe}
	}
	if rest, ok := strings.CutPrefix(key, resumablePrefix); ok {
		if parts := strings.Split(rest, "/"); len(parts) == 3 {
			return Place{Kind: PlaceResumable, Namespace: parts[0], Upload: parts[1], File: parts[2]}
		}
		return Place{}
	}
	rest, ok := strings.CutPrefix(key, jobsPrefix)
	if !ok {
		return Place{}
	}
	parts := strings.Split(rest, "/")
	if len(parts) < 3 {
		return Place{}
	}
	place := Place{Namespace: parts[0], Job: parts[1], Kind: PlaceJunk}
	switch {
	case len(parts) == 3 && parts[2] == resultName:
		place.Kind = PlaceResult
	case len(parts) == 4 && parts[2] == "input":
		place.Kind, place.File = PlaceInput, parts[3]
	case len(parts) == 5 && parts[2] == "attempts":
		place.Kind, place.Pod, place.File = PlaceOutput, parts[3], parts[4]
	}
	return place
}
