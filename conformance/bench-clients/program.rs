//! The bench program of each language: how it is built, how it is started, and the line that it prints.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use smooai_smooth_operator_conformance::bound::within_for;
use tokio::process::Command;

/// The longest that one run may take.
const RUN: Duration = Duration::from_mins(5);
/// The longest that one step of a build may take.
const BUILD: Duration = Duration::from_mins(20);

/// A client's language. `{target}` in a word stands for the folder of what is built.
#[derive(Debug)]
pub struct Language {
    pub name: &'static str,
    /// Where its commands are run, relative to the root.
    folder: &'static str,
    /// A step is left out where its file is there already.
    build: &'static [Step],
    run: &'static [&'static str],
}

/// A command that builds.
#[derive(Debug)]
struct Step {
    argv: &'static [&'static str],
    unless: Option<&'static str>,
}

const fn always(argv: &'static [&'static str]) -> Step {
    Step { argv, unless: None }
}

const fn once(file: &'static str, argv: &'static [&'static str]) -> Step {
    Step { argv, unless: Some(file) }
}

/// Every client, in the order of the table.
pub const LANGUAGES: &[Language] = &[
    Language {
        name: "typescript",
        folder: "typescript",
        build: &[
            once("node_modules/ws", &["npm", "ci", "--no-audit", "--no-fund"]),
            always(&["node", "scripts/build.mjs"]),
        ],
        run: &["node", "--expose-gc", "bench/dist/turns.mjs"],
    },
    Language {
        name: "go",
        folder: "go",
        build: &[always(&["go", "build", "-o", "{target}/go", "./bench/turns"])],
        run: &["{target}/go"],
    },
    Language {
        name: "csharp",
        folder: "dotnet",
        build: &[always(&[
            "dotnet",
            "build",
            "-c",
            "Release",
            "-o",
            "{target}/csharp",
            "bench/Turns/Turns.csproj",
        ])],
        run: &["dotnet", "{target}/csharp/Turns.dll"],
    },
    Language {
        name: "python",
        folder: "python",
        build: &[
            once(".venv/bin/python", &["python3", "-m", "venv", ".venv"]),
            always(&[".venv/bin/pip", "install", "-q", "-r", "requirements-dev.txt"]),
        ],
        run: &[".venv/bin/python", "bench/turns.py"],
    },
    Language {
        name: "rust",
        folder: "",
        build: &[always(&[
            "cargo",
            "build",
            "--release",
            "--package",
            "smooai-smooth-operator-client",
            "--example",
            "turns",
            "--target-dir",
            "{target}/rust",
        ])],
        run: &["{target}/rust/release/examples/turns"],
    },
];

/// How much one run does.
#[derive(Debug)]
pub struct Load {
    /// Turns of 20 tokens, 64 at a time.
    turns: u32,
    /// Turns of 500 tokens, 8 at a time.
    long: u32,
    /// Turns held open.
    open: u32,
    /// Repetitions of the decoding of one turn of 500 tokens.
    decodes: u32,
}

impl Load {
    pub const FULL: Self = Self { turns: 2048, long: 128, open: 2048, decodes: 200 };
    pub const QUICK: Self = Self { turns: 512, long: 32, open: 1024, decodes: 50 };
}

/// What a run prints as its last line.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Line {
    language: String,
    mode: String,
    pub turns: f64,
    pub turns_seconds: f64,
    pub turns_cpu_seconds: f64,
    pub tokens: f64,
    pub tokens_cpu_seconds: f64,
    #[expect(dead_code, reason = "a part of the line that the table does not show")]
    open_turns: f64,
    pub open_turn_bytes: f64,
    pub decode_micros: f64,
}

impl Language {
    /// Builds the program.
    ///
    /// # Errors
    /// When its tool is missing or a step fails.
    pub async fn build(&self) -> Result<()> {
        for step in self.build {
            if step.unless.is_some_and(|file| self.directory().join(file).exists()) {
                continue;
            }
            self.output(step.argv, &[], BUILD).await?;
        }
        Ok(())
    }

    /// One run in one mode.
    ///
    /// # Errors
    /// When the program fails, or prints another line than it should.
    pub async fn run(&self, mode: &str, relay: &str, hold: &str, load: &Load) -> Result<Line> {
        let counts = [load.turns, load.long, load.open, load.decodes].map(|count| count.to_string());
        let [turns, long, open, decodes] = counts.each_ref().map(String::as_str);
        let flags = [
            ["--mode", mode],
            ["--url", relay],
            ["--hold", hold],
            ["--turns", turns],
            ["--long", long],
            ["--open", open],
            ["--decodes", decodes],
        ];
        let said = self.output(self.run, flags.as_flattened(), RUN).await?;
        let last = said.lines().last().unwrap_or_default();
        let line: Line = serde_json::from_str(last)
            .with_context(|| format!("the line of {} {mode}: {last:?}", self.name))?;
        ensure!(line.language == self.name && line.mode == mode, "the line of another program: {line:?}");
        Ok(line)
    }

    async fn output(&self, argv: &[&str], more: &[&str], bound: Duration) -> Result<String> {
        let target = target()?;
        let words: Vec<String> =
            argv.iter().chain(more).map(|word| word.replace("{target}", &target.to_string_lossy())).collect();
        let [program, arguments @ ..] = words.as_slice() else { bail!("{}: an empty command", self.name) };
        let directory = self.directory();
        // A relative path would be taken from this process's folder, not from the language's.
        let local = directory.join(program);
        let path = if program.contains('/') { local } else { PathBuf::from(program) };
        let mut command = Command::new(path);
        // What cargo set for this program is not meant for the other builds.
        command.env_remove("RUSTFLAGS").env("PYTHONPATH", "src");
        // A build server of .NET would outlive the build.
        command.env("MSBUILDDISABLENODEREUSE", "1").env("UseSharedCompilation", "false");
        command.args(arguments).current_dir(directory).kill_on_drop(true);
        let output = within_for(bound, &words.join(" "), command.output())
            .await?
            .with_context(|| format!("cannot start `{program}`: is it installed?"))?;
        if !output.status.success() {
            let all = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&all);
            let tail: Vec<&str> = said.lines().rev().take(8).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            bail!("`{}` ended with {}:\n{}", words.join(" "), output.status, tail.join("\n"));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    fn directory(&self) -> PathBuf {
        root().join(self.folder)
    }
}

fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Beside this program, so that it is where everything else is built.
fn target() -> Result<PathBuf> {
    let this = std::env::current_exe().context("the path of this program")?;
    let profile = this.parent().context("the folder of this program")?;
    Ok(profile.parent().unwrap_or(profile).join("bench-clients"))
}
