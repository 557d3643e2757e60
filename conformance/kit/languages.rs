//! The clients: what each one's driver needs, how it is built, and how it is started.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::process::Command;

/// How a driver is started.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The client's name in the matrix.
    pub name: String,
    argv: Vec<String>,
    folder: PathBuf,
    env: Vec<(&'static str, &'static str)>,
}

impl Launch {
    /// The command.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.argv[0]);
        command.args(&self.argv[1..]).current_dir(&self.folder).envs(self.env.iter().copied());
        command
    }

    /// The command as a person would type it.
    pub fn shown(&self) -> String {
        self.argv.join(" ")
    }

    /// A driver that somebody brings along, started by a shell command at the root.
    pub fn own(root: &Path, command: &str) -> Self {
        let argv = ["sh", "-c", &format!("exec {command}")].map(str::to_owned).to_vec();
        Self { name: "own".to_owned(), argv, folder: root.to_path_buf(), env: Vec::new() }
    }

    /// This program as a driver that says "ok" to everything.
    pub fn liar() -> Result<Self> {
        let program = std::env::current_exe()?.display().to_string();
        let argv = vec![program, "liar".to_owned()];
        Ok(Self { name: "liar".to_owned(), argv, folder: PathBuf::from("."), env: Vec::new() })
    }
}

/// One of our clients.
#[derive(Debug)]
pub struct Language {
    /// Its name in the matrix.
    pub name: &'static str,
    /// A command that succeeds where its tools are, and how to get them.
    probe: &'static [&'static str],
    get: &'static str,
    /// Where its commands run, relative to the root.
    folder: &'static str,
    /// What makes the driver, in order; with a path, only where that is missing.
    build: &'static [(Option<&'static str>, &'static [&'static str])],
    /// What starts it.
    start: &'static [&'static str],
    env: &'static [(&'static str, &'static str)],
}

/// Building in a cold cache fetches and compiles a good deal.
const BUILD: Duration = Duration::from_mins(20);

/// All five.
pub const LANGUAGES: &[Language] = &[
    Language {
        name: "rust",
        probe: &["cargo", "--version"],
        get: "install Rust from https://rustup.rs",
        folder: "",
        // With the features that the tests of the workspace have: what tests need counts where one is built.
        build: &[(
            None,
            &[
                "cargo",
                "build",
                "--quiet",
                "--workspace",
                "--bin",
                "conformance-driver-rust",
                "--test",
                "library",
            ],
        )],
        start: &["${target}/debug/conformance-driver-rust"],
        env: &[],
    },
    Language {
        name: "go",
        probe: &["go", "version"],
        get: "install Go 1.25 or later from https://go.dev/dl",
        folder: "go",
        build: &[(None, &["go", "build", "-o", "${target}/conformance/driver-go", "./conformance"])],
        start: &["${target}/conformance/driver-go"],
        env: &[],
    },
    Language {
        name: "dotnet",
        probe: &["dotnet", "--version"],
        get: "install the .NET 10 SDK from https://dotnet.microsoft.com/download",
        folder: "dotnet",
        build: &[(
            None,
            &[
                "dotnet",
                "build",
                "-c",
                "Release",
                "-v",
                "quiet",
                "conformance/SmooAI.SmoothOperator.Conformance/SmooAI.SmoothOperator.Conformance.csproj",
            ],
        )],
        start: &[
            "dotnet",
            "conformance/SmooAI.SmoothOperator.Conformance/bin/Release/net10.0/SmooAI.SmoothOperator.Conformance.dll",
        ],
        env: &[
            ("DOTNET_CLI_TELEMETRY_OPTOUT", "1"),
            ("DOTNET_NOLOGO", "1"),
            ("MSBUILDDISABLENODEREUSE", "1"),
            ("UseSharedCompilation", "false"),
        ],
    },
    Language {
        name: "typescript",
        probe: &["npm", "--version"],
        get: "install Node 20 or later from https://nodejs.org",
        folder: "typescript",
        build: &[
            (Some("node_modules/.package-lock.json"), &["npm", "ci", "--no-audit", "--no-fund"]),
            (None, &["node", "scripts/build.mjs"]),
        ],
        start: &["node", "conformance/dist/driver.mjs"],
        env: &[],
    },
    Language {
        name: "python",
        probe: &["python3", "-m", "pip", "--version"],
        get: "install Python 3.10 or later from https://www.python.org",
        folder: "python",
        build: &[
            (Some(".venv/bin/python"), &["python3", "-m", "venv", ".venv"]),
            (None, &[".venv/bin/python", "-m", "pip", "install", "-q", "-r", "requirements-dev.txt"]),
        ],
        start: &[".venv/bin/python", "-m", "conformance.driver"],
        env: &[("PYTHONPATH", "src:."), ("PYTHONUNBUFFERED", "1"), ("PIP_DISABLE_PIP_VERSION_CHECK", "1")],
    },
];

impl Language {
    /// Whether its tools are there; otherwise what to do.
    pub async fn is_there(&self) -> Result<(), String> {
        let mut probe = Command::new(self.probe[0]);
        probe.args(&self.probe[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match probe.status().await {
            Ok(status) if status.success() => Ok(()),
            _ => Err(format!("{} is missing: {}", self.probe[0], self.get)),
        }
    }

    /// Builds the driver.
    pub async fn build(&self, root: &Path, target: &Path) -> Result<Launch> {
        let folder = root.join(self.folder);
        for (missing, argv) in self.build {
            if missing.is_some_and(|path| folder.join(path).exists()) {
                continue;
            }
            let argv = in_place(argv, target);
            let mut command = Command::new(&argv[0]);
            command.args(&argv[1..]).current_dir(&folder).envs(self.env.iter().copied());
            command.stdin(Stdio::null()).kill_on_drop(true);
            let output = tokio::time::timeout(BUILD, command.output()).await;
            let output = output.with_context(|| format!("{} took longer than {BUILD:?}", argv.join(" ")))?;
            let output = output.with_context(|| format!("running {}", argv.join(" ")))?;
            if !output.status.success() {
                let said = [output.stdout, output.stderr].concat();
                bail!(
                    "`{}` ended with {}:\n{}",
                    argv.join(" "),
                    output.status,
                    String::from_utf8_lossy(&said)
                );
            }
        }
        let argv = in_place(self.start, target);
        ensure!(!argv.is_empty(), "{} has no command", self.name);
        Ok(Launch { name: self.name.to_owned(), argv, folder, env: self.env.to_vec() })
    }
}

fn in_place(argv: &[&str], target: &Path) -> Vec<String> {
    argv.iter().map(|word| word.replace("${target}", &target.display().to_string())).collect()
}
