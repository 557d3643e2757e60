//! The public generators: how each is got from its registry, into a folder of its own, and how it is called.
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;

/// A public generator of one language.
pub struct Tool {
    /// What it is called, with its version.
    pub name: &'static str,
    /// What it makes, as our own generator calls it.
    pub language: &'static str,
    /// The file that it writes.
    pub output: &'static str,
    call: Call,
}

#[derive(Clone, Copy)]
enum Call {
    Typify,
    JsonToTypeScript,
    Quicktype,
    Datamodel,
    GoJsonschema,
}

/// Every generator, by language.
pub const TOOLS: &[Tool] = &[
    Tool { name: "typify 0.8.0", language: "rust", output: "typify.rs", call: Call::Typify },
    Tool { name: "quicktype 23.3.25", language: "rust", output: "quicktype.rs", call: Call::Quicktype },
    Tool {
        name: "json-schema-to-typescript 15.0.4",
        language: "typescript",
        output: "json2ts.ts",
        call: Call::JsonToTypeScript,
    },
    Tool { name: "quicktype 23.3.25", language: "typescript", output: "quicktype.ts", call: Call::Quicktype },
    Tool { name: "go-jsonschema 0.24.1", language: "go", output: "atombender.go", call: Call::GoJsonschema },
    Tool { name: "quicktype 23.3.25", language: "go", output: "quicktype.go", call: Call::Quicktype },
    Tool { name: "quicktype 23.3.25", language: "csharp", output: "quicktype.cs", call: Call::Quicktype },
    Tool {
        name: "datamodel-code-generator 0.89.0",
        language: "python",
        output: "datamodel.py",
        call: Call::Datamodel,
    },
    Tool { name: "quicktype 23.3.25", language: "python", output: "quicktype.py", call: Call::Quicktype },
];

/// Where generators are installed, and the program that typify is called by.
pub struct Workshop {
    folder: PathBuf,
}

const TYPIFY_MANIFEST: &str = "\
[package]
name = \"bench-typify\"
version = \"0.0.0\"
edition = \"2024\"

[workspace]

[[bin]]
name = \"bench-typify\"
path = \"main.rs\"

[dependencies]
prettyplease = \"0.2\"
schemars = \"0.8\"
serde_json = \"1\"
syn = \"2\"
typify = { version = \"=0.8.0\", default-features = false }
";

impl Workshop {
    /// The workshop in a folder below the build folder.
    pub fn new(folder: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self { folder })
    }

    /// Installs what a tool needs, unless it is there.
    pub fn install(&self, tool: &Tool) -> Result<()> {
        if self.program(tool).exists() {
            return Ok(());
        }
        let path = |name: &str| self.folder.join(name).to_string_lossy().into_owned();
        match tool.call {
            Call::JsonToTypeScript => self.npm("json-schema-to-typescript@15.0.4"),
            Call::Quicktype => self.npm("quicktype@23.3.25"),
            Call::Datamodel => {
                let venv = path("python");
                run(Command::new("python3").args(["-m", "venv", &venv]))?;
                let packages = ["datamodel-code-generator==0.89.0", "mypy", "pydantic"];
                let pip = self.folder.join("python/bin/pip");
                run(Command::new(pip).args(["install", "--quiet"]).args(packages))
            }
            Call::GoJsonschema => {
                let package = "github.com/atombender/go-jsonschema@v0.24.1";
                run(Command::new("go").env("GOBIN", path("go")).args(["install", package]))
            }
            Call::Typify => {
                let folder = self.folder.join("typify");
                std::fs::create_dir_all(&folder)?;
                std::fs::write(folder.join("Cargo.toml"), TYPIFY_MANIFEST)?;
                std::fs::write(folder.join("main.rs"), include_str!("typify.rs"))?;
                let mut command = Command::new("cargo");
                crate::environment::forget_own_package(&mut command);
                command.current_dir(&folder).args([
                    "build",
                    "--release",
                    "--quiet",
                    "--target-dir",
                    "target",
                ]);
                run(&mut command)
            }
        }
    }

    fn npm(&self, package: &str) -> Result<()> {
        let folder = self.folder.join("npm").to_string_lossy().into_owned();
        run(Command::new("npm").args(["install", "--prefix", &folder, "--no-audit", "--no-fund", package]))
    }

    fn program(&self, tool: &Tool) -> PathBuf {
        self.folder.join(match tool.call {
            Call::Typify => "typify/target/release/bench-typify",
            Call::JsonToTypeScript => "npm/node_modules/.bin/json2ts",
            Call::Quicktype => "npm/node_modules/.bin/quicktype",
            Call::Datamodel => "python/bin/datamodel-codegen",
            Call::GoJsonschema => "go/go-jsonschema",
        })
    }

    /// A program of the Python environment that datamodel-code-generator is installed in.
    pub fn python(&self, program: &str) -> PathBuf {
        self.folder.join("python/bin").join(program)
    }

    /// The call that makes `output` from `schema`.
    pub fn command(&self, tool: &Tool, schema: &Path, output: &Path) -> Command {
        let mut command = Command::new(self.program(tool));
        let (schema, output) = (schema.as_os_str(), output.as_os_str());
        match tool.call {
            Call::Typify => command.args([schema, output]),
            Call::JsonToTypeScript => command.arg("-i").arg(schema).arg("-o").arg(output),
            Call::GoJsonschema => command.args(["-p", "protocol", "-o"]).args([output, schema]),
            Call::Datamodel => command
                .args(["--input-file-type", "jsonschema", "--output-model-type", "pydantic_v2.BaseModel"])
                .args(["--target-python-version", "3.11", "--disable-timestamp", "--input"])
                .args([schema])
                .arg("--output")
                .arg(output),
            Call::Quicktype => {
                let language = if tool.language == "csharp" { "cs" } else { tool.language };
                let extra: &[&str] = match tool.language {
                    "go" => &["--package", "protocol"],
                    "csharp" => &["--framework", "SystemTextJson"],
                    _ => &[],
                };
                command.args(["--src-lang", "schema", "--top-level", "Protocol", "--lang", language]);
                command.args(extra).args(["--src".as_ref(), schema, "--out".as_ref(), output])
            }
        };
        command
    }
}

fn run(command: &mut Command) -> Result<()> {
    process::output(command).map(drop)
}

/// Runs a generator; its own first words when it fails.
pub fn generate(command: &mut Command) -> Result<()> {
    let output = command.stdin(std::process::Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    let telling = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let telling =
        telling.clone().find(|line| line.to_lowercase().contains("error")).or(telling.clone().next());
    bail!("{}", telling.unwrap_or("no word of why").chars().take(160).collect::<String>())
}
