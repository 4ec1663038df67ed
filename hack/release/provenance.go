package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"runtime"
	"slices"
	"strings"

	provenance "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	provenanceFile = "provenance.intoto.json"
	buildType      = "https://bricklayers.dev/build/make-release/v1"
)

// provenance says of every file what it was built from, as an in-toto statement with SLSA's predicate. Nobody has signed
// it: it is a claim of whoever hands out the release, which two builds of the same commit can check.
func (r *release) provenance(files map[string]string, programs []program) ([]byte, error) {
	statement := &intoto.Statement{Type: intoto.StatementTypeUri, PredicateType: "https://slsa.dev/provenance/v1"}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		statement.Subject = append(statement.Subject,
			&intoto.ResourceDescriptor{Name: name, Digest: map[string]string{"sha256": files[name]}})
	}
	dependencies, err := r.dependencies(programs)
	if err != nil {
		return nil, err
	}
	parameters, err := structpb.NewStruct(map[string]any{"target": "release", "TAG": r.version})
	if err != nil {
		return nil, err
	}
	predicate := &provenance.Provenance{
		BuildDefinition: &provenance.BuildDefinition{
			BuildType: buildType, ExternalParameters: parameters, ResolvedDependencies: dependencies,
		},
		RunDetails: &provenance.RunDetails{
			Builder: &provenance.Builder{Id: "https://bricklayers.dev/build/local"},
		},
	}
	if err := predicate.Validate(); err != nil {
		return nil, err
	}
	content, err := protojson.Marshal(predicate)
	if err != nil {
		return nil, err
	}
	statement.Predicate = &structpb.Struct{}
	if err := protojson.Unmarshal(content, statement.Predicate); err != nil {
		return nil, err
	}
	if err := statement.Validate(); err != nil {
		return nil, err
	}
	if content, err = protojson.Marshal(statement); err != nil {
		return nil, err
	}
	return indent(content)
}

// dependencies are the commit, the Go toolchain, and each module of any program once. A module's digest is the one that
// go.sum has, in hexadecimal.
func (r *release) dependencies(programs []program) ([]*intoto.ResourceDescriptor, error) {
	commit, changed := strings.CutSuffix(r.commit, "-dirty")
	source := &intoto.ResourceDescriptor{Uri: r.source, Digest: map[string]string{"gitCommit": commit}}
	if changed {
		source.Name = "the commit and changes that are in no commit"
	}
	all := []*intoto.ResourceDescriptor{
		source,
		{Uri: "pkg:golang/toolchain@" + runtime.Version()},
	}
	modules := map[string]string{}
	for _, p := range programs {
		for _, dependency := range p.info.Deps {
			m := effective(dependency)
			modules["pkg:golang/"+path.Clean(m.Path)+"@"+m.Version] = m.Sum
		}
	}
	for _, uri := range slices.Sorted(maps.Keys(modules)) {
		digest, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(modules[uri], "h1:"))
		if err != nil {
			return nil, fmt.Errorf("checksum of %s: %w", uri, err)
		}
		all = append(all, &intoto.ResourceDescriptor{Uri: uri, Digest: map[string]string{"dirHash": hex.EncodeToString(digest)}})
	}
	return all, nil
}

// indent also takes away the spaces that protojson scatters so that nobody relies on its bytes.
func indent(content []byte) ([]byte, error) {
	var value any
	if err := json.Unmarshal(content, &value); err != nil {
		return nil, err
	}
	out, err := json.MarshalIndent(value, "", "  ")
	return append(out, '\n'), err
}
