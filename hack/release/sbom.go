package main

import (
	"fmt"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
)

const unknown = "NOASSERTION"

// bill is the bill of materials of a program: what the linker says it was linked from, and under which licence each is.
func (r *release) bill(p program, licences []*licences) *spdx.Document {
	file := filepath.Base(p.path)
	document := &spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT",
		DocumentName: file, DocumentNamespace: "https://bricklayers.dev/spdx/" + r.version + "/" + file + "-" + p.sha256,
		CreationInfo: &spdx.CreationInfo{
			Creators: []common.Creator{{CreatorType: "Tool", Creator: "bricklayers-release"}},
			Created:  r.made.Format(time.RFC3339),
		},
	}
	main := golang("program", p.info.Path, r.version, "Apache-2.0")
	main.PackageFileName = file
	main.PrimaryPackagePurpose = "APPLICATION"
	main.PackageChecksums = []common.Checksum{{Algorithm: common.SHA256, Value: p.sha256}}
	document.Packages = append(document.Packages, main)
	relate := func(from, to common.ElementID, how string) {
		document.Relationships = append(document.Relationships, &spdx.Relationship{
			RefA: common.DocElementID{ElementRefID: from}, RefB: common.DocElementID{ElementRefID: to}, Relationship: how,
		})
	}
	relate("DOCUMENT", main.PackageSPDXIdentifier, common.TypeRelationshipDescribe)
	add := func(part *spdx.Package) {
		document.Packages = append(document.Packages, part)
		relate(main.PackageSPDXIdentifier, part.PackageSPDXIdentifier, common.TypeRelationshipDependsOn)
	}
	add(golang("stdlib", "stdlib", strings.TrimPrefix(p.info.GoVersion, "go"), "BSD-3-Clause"))
	names := map[string]string{}
	for _, l := range licences {
		names[l.module.Path] = l.expression()
	}
	for i, dependency := range p.info.Deps {
		add(golang(fmt.Sprintf("module-%d", i), dependency.Path, effective(dependency).Version, names[dependency.Path]))
	}
	return document
}

// effective is what a replace directive put in a module's place, if one did.
func effective(m *debug.Module) *debug.Module {
	if m.Replace != nil {
		return m.Replace
	}
	return m
}

func golang(id, path, version, licence string) *spdx.Package {
	if licence == "" {
		licence = unknown
	}
	return &spdx.Package{
		PackageSPDXIdentifier: common.ElementID(id), PackageName: path, PackageVersion: version,
		PackageDownloadLocation: unknown, PackageLicenseConcluded: licence, PackageLicenseDeclared: unknown,
		PackageCopyrightText: unknown,
		PackageExternalReferences: []*spdx.PackageExternalReference{{
			Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL,
			Locator: "pkg:golang/" + path + "@" + version,
		}},
	}
}
