package gateway

import (
	"net/http"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"bricklayers.dev/bricklayers/api/v1alpha1"
)

type processorList struct {
	Processors []processorView `json:"processors"`
}

// processorView is a Processor as clients see it: what is needed to fill in a form.
type processorView struct {
	Name        string          `json:"name"`
	Default     bool            `json:"default" doc:"of an upload that names none"`
	Description string          `json:"description,omitempty"`
	Formats     []string        `json:"formats,omitempty" doc:"endings of file names; none: any file"`
	MaxSize     int64           `json:"max_size" doc:"bytes"`
	Parameters  []parameterView `json:"parameters"`
}

type parameterView struct {
	Name        string                 `json:"name"`
	Type        v1alpha1.ParameterType `json:"type"`
	Description string                 `json:"description,omitempty"`
	Default     *string                `json:"default,omitempty" doc:"none: it must be set"`
	Minimum     *v1alpha1.Number       `json:"minimum,omitempty"`
	Maximum     *v1alpha1.Number       `json:"maximum,omitempty"`
	Values      []string               `json:"values,omitempty"`
	Pattern     string                 `json:"pattern,omitempty"`
}

// processors lists what a file can be sent to.
func (g *Gateway) processors(w http.ResponseWriter, r *http.Request) error {
	list := &v1alpha1.ProcessorList{}
	if err := g.cached.List(r.Context(), list, client.InNamespace(callerOf(r.Context()).namespace)); err != nil {
		return asClusterProblem(err)
	}
	views := make([]processorView, 0, len(list.Items))
	for i := range list.Items {
		views = append(views, g.describeProcessor(&list.Items[i]))
	}
	slices.SortFunc(views, func(a, b processorView) int { return strings.Compare(a.Name, b.Name) })
	writeJSON(w, http.StatusOK, "application/json", processorList{views})
	return nil
}

func (g *Gateway) describeProcessor(p *v1alpha1.Processor) processorView {
	view := processorView{
		Name:        p.Name,
		Default:     p.Name == g.DefaultProcessor,
		Description: p.Spec.Description,
		Formats:     p.Spec.Accepts.Formats,
		MaxSize:     g.sizeLimit(p),
		Parameters:  make([]parameterView, 0, len(p.Spec.Parameters)),
	}
	for _, q := range p.Spec.Parameters {
		view.Parameters = append(view.Parameters, parameterView{
			Name: q.Name, Type: q.Type, Description: q.Description, Default: q.Default,
			Minimum: q.Minimum, Maximum: q.Maximum, Values: q.Values, Pattern: q.Pattern,
		})
	}
	return view
}

// sizeLimit is the largest file in bytes; of anything, when the Processor is not known yet.
func (g *Gateway) sizeLimit(p *v1alpha1.Processor) int64 {
	if p == nil || p.Spec.Accepts.MaxSize == nil {
		return g.MaxUploadSize
	}
	return min(g.MaxUploadSize, p.Spec.Accepts.MaxSize.Value())
}
