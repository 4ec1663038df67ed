package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

// newListFixture is a gateway that lists jobs.
func newListFixture(t *testing.T) *fixture {
	f := newFixture(t, interceptor.Funcs{})
	f.ListJobs, f.index = true, newIndex()
	return f
}

// agedJob is a job that was made so many seconds after the first.
func agedJob(name string, seconds int) *v1alpha1.ProcessingJob {
	job := jobIn(name, v1alpha1.PhasePending)
	job.CreationTimestamp = metav1.Unix(1_800_000_000+int64(seconds), 0)
	job.Spec.Input = v1alpha1.Input{Upload: &v1alpha1.UploadInput{Name: v1alpha1.FileName("Part " + name + ".gcode")}}
	return job
}

// list asks for a page and returns the ids on it.
func (f *fixture) list(query string) (ids []string, next string) {
	f.t.Helper()
	a := f.do(http.MethodGet, "/api/v1/jobs"+query, nil)
	var page struct {
		Jobs     []jobView `json:"jobs"`
		Continue string    `json:"continue"`
	}
	if err := json.Unmarshal(a.body, &page); err != nil || a.status != http.StatusOK || page.Jobs == nil {
		f.t.Fatalf("%s answered %d %s: %v", query, a.status, a.body, err)
	}
	for _, job := range page.Jobs {
		ids = append(ids, job.JobID)
	}
	return ids, page.Continue
}

func TestListIsOffUnlessAsked(t *testing.T) {
	f := newFixture(t, interceptor.Funcs{})
	f.JobSeen(agedJob("a", 1))
	if a := f.do(http.MethodGet, "/api/v1/jobs", nil); a.status != 403 || a.reason() != "listing_disabled" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestListFilters(t *testing.T) {
	f := newListFixture(t)
	if ids, next := f.list(""); len(ids) != 0 || next != "" {
		t.Errorf("without jobs: %v %q", ids, next)
	}
	f.JobSeen(agedJob("d", 1)) // made again since, which the cache may not have told
	for i, name := range []string{"a", "b", "c", "d"} {
		f.JobSeen(agedJob(name, i))
	}
	running := agedJob("b", 1)
	running.Status.Phase = v1alpha1.PhaseRunning
	f.JobSeen(running)
	other := agedJob("c", 2)
	other.Spec.Processor = "other"
	f.JobSeen(other)
	elsewhere := agedJob("e", 5)
	elsewhere.Namespace = "elsewhere"
	f.JobSeen(elsewhere)
	f.JobGone(types.NamespacedName{Namespace: namespace, Name: "a"})
	for query, want := range map[string][]string{
		"":                                   {"d", "c", "b"},
		"?status=Running":                    {"b"},
		"?status=Timeout":                    nil,
		"?processor=other":                   {"c"},
		"?name=PART%20d":                     {"d"},
		"?name=part&processor=brick":         {"d", "b"},
		"?limit=3":                           {"d", "c", "b"},
		"?namespace=" + namespace + "&name=": {"d", "c", "b"},
	} {
		if ids, next := f.list(query); !slices.Equal(ids, want) || next != "" {
			t.Errorf("%s: %v %q, want %v", query, ids, next, want)
		}
	}
	for _, query := range []string{"?status=running", "?limit=0", "?limit=501", "?limit=x", "?continue=x", "?continue=L2E", "?phase=Running"} {
		if a := f.do(http.MethodGet, "/api/v1/jobs"+query, nil); a.status != 400 || a.reason() != "bad_field" {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	f.synced = false
	if a := f.do(http.MethodGet, "/api/v1/jobs", nil); a.status != 503 {
		t.Errorf("before the cache is filled: %d", a.status)
	}
}

// Pages neither repeat nor leave out a job that was there all the time, whatever comes and goes between them, also the
// one that a page ended with.
func TestListPagesAreStable(t *testing.T) {
	f := newListFixture(t)
	var want []string
	for i := range 40 {
		name := fmt.Sprintf("job-%02d", i)
		f.JobSeen(agedJob(name, i/3)) // three made in the same second
		want = append(want, name)
	}
	slices.SortFunc(want, func(a, b string) int {
		i, _ := strconv.Atoi(a[4:])
		j, _ := strconv.Atoi(b[4:])
		if i/3 != j/3 {
			return j/3 - i/3
		}
		return i - j
	})
	var got []string
	for next, page := "", 0; page == 0 || next != ""; page++ {
		ids, after := f.list("?limit=7&continue=" + next)
		got = append(got, ids...)
		f.JobSeen(agedJob(fmt.Sprintf("new-%d", page), 100+page))
		if page%2 == 1 {
			f.JobGone(types.NamespacedName{Namespace: namespace, Name: ids[len(ids)-1]})
		}
		next = after
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestListETag(t *testing.T) {
	f := newListFixture(t)
	f.JobSeen(agedJob("a", 1))
	etag := f.do(http.MethodGet, "/api/v1/jobs", nil).header.Get("ETag")
	if a := f.do(http.MethodGet, "/api/v1/jobs", nil, "If-None-Match", etag); a.status != 304 || len(a.body) != 0 {
		t.Errorf("unchanged: %d %s", a.status, a.body)
	}
	changed := agedJob("a", 1)
	changed.ResourceVersion = "8"
	f.JobSeen(changed)
	if a := f.do(http.MethodGet, "/api/v1/jobs", nil, "If-None-Match", etag); a.status != 200 {
		t.Errorf("changed: %d", a.status)
	}
}

// A filter that fits next to nothing looks at a bounded number of jobs per page, and the pages still find it.
func TestListLooksAtABoundedNumber(t *testing.T) {
	f := newListFixture(t)
	for i := range 2*maxLooked + 1 {
		f.JobSeen(agedJob("x"+strconv.Itoa(i), i))
	}
	var found []string
	pages := 0
	for next := ""; pages == 0 || next != ""; pages++ {
		ids, after := f.list("?name=x0.gcode&continue=" + next)
		found, next = append(found, ids...), after
	}
	if !slices.Equal(found, []string{"x0"}) || pages != 3 {
		t.Errorf("found %v in %d pages", found, pages)
	}
}

// BenchmarkList is a page of 50 of 50,000 jobs: the newest, one in the middle, and one whose filter fits nothing.
func BenchmarkList(b *testing.B) {
	x := newIndex()
	for i := range 50_000 {
		x.put(agedJob("job-"+strconv.Itoa(i), i))
	}
	g := &Gateway{}
	for name, q := range map[string]listQuery{
		"first":   {limit: 50},
		"middle":  {limit: 50, behind: agedJob("job-25000", 25_000)},
		"nothing": {limit: 50, name: "no such file"},
	} {
		b.Run(name, func(b *testing.B) {
			slowest := time.Duration(0)
			for b.Loop() {
				started := time.Now()
				jobs, _, _ := x.page(namespace, q.behind, q.limit, q.fits)
				for _, job := range jobs {
					g.describe(job)
				}
				slowest = max(slowest, time.Since(started))
			}
			b.ReportMetric(float64(slowest.Microseconds()), "µs-slowest")
		})
	}
}
