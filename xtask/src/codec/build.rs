//! Builds the codec process of a language: generated code, a registry of its types, and a program of `process/`.
//! Everything that is made stands in the target folder; what is generated is only read.
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::Package;
use crate::{codegen, environment, process, repository};

/// A language whose generated code can be run.
pub struct Language {
    /// As `codegen --lang` calls it.
    pub name: &'static str,
    /// A command that succeeds where its tools are there.
    pub probe: &'static [&'static str],
    /// What a person does to have them.
    pub get: &'static str,
    build: fn(&Place<'_>) -> Result<Command>,
}

/// Every language, in the order of reports.
pub const LANGUAGES: &[Language] = &[
    Language { name: "rust", probe: &["cargo", "--version"], get: "install Rust by rustup", build: rust },
    Language {
        name: "typescript",
        probe: &["npm", "--version"],
        get: "install Node 20 or later from https://nodejs.org",
        build: typescript,
    },
    Language {
        name: "go",
        probe: &["go", "version"],
        get: "install Go 1.25 or later from https://go.dev/dl",
        build: go,
    },
    Language {
        name: "csharp",
        probe: &["dotnet", "--version"],
        get: "install the .NET 10 SDK from https://dotnet.microsoft.com/download",
        build: csharp,
    },
    Language {
        name: "python",
        probe: &["python3", "--version"],
        get: "install Python 3.10 or later from https://www.python.org",
        build: python,
    },
];

/// Where a process is built.
struct Place<'a> {
    root: PathBuf,
    /// Cargo's.
    target: PathBuf,
    /// The folder of this package and language, made.
    work: PathBuf,
    /// The generated folder.
    generated: PathBuf,
    /// Whether it is what this repository ships.
    own: bool,
    package: &'a str,
    registry: String,
}

/// The command that starts the codec process of a language, built.
pub fn build(language: &Language, package: &Package) -> Result<Command> {
    let root = repository::root()?;
    let target = repository::target_folder(&root)?;
    let work = target.join("xtask/codec").join(&package.name).join(language.name);
    fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
    let own = package.out.is_none();
    let generated = match &package.out {
        Some(out) => std::path::absolute(out)?.join(language.name),
        None => root.join(codegen::home(language.name)?),
    };
    let registry = package.types()?.registry(language.name)?;
    let place = Place { root, target, work, generated, own, package: &package.name, registry };
    (language.build)(&place)
        .with_context(|| format!("the codec process of {} cannot be built", language.name))
}

impl Place<'_> {
    /// Writes a file of the work folder, unless it is there already: builds go by times.
    fn put(&self, path: &str, text: &str) -> Result<PathBuf> {
        let path = self.work.join(path);
        if fs::read_to_string(&path).is_ok_and(|found| found == text) {
            return Ok(path);
        }
        let folder = path.parent().context("a file has a folder")?;
        fs::create_dir_all(folder)?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

/// Runs a step of a build; what it says is the error.
fn run(command: &mut Command) -> Result<()> {
    environment::forget_own_package(command);
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        bail!("{name} failed ({}): {}", output.status, said.concat().trim());
    }
    Ok(())
}

fn rust(place: &Place<'_>) -> Result<Command> {
    let workspace = fs::read_to_string(place.root.join("Cargo.toml"))?;
    let program = format!("codec-{}", place.package);
    let mut manifest = format!(
        "[package]\nname = {program:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n"
    );
    for name in ["regex", "serde", "serde_json"] {
        let line = workspace.lines().find(|line| line.starts_with(&format!("{name} = ")));
        manifest += &format!("{}\n", line.context("a dependency is not in Cargo.toml")?);
    }
    let mut head = format!("#[path = {:?}]\nmod package;\n", place.generated.join("src/generated/mod.rs"));
    if place.own {
        manifest += &format!("smooai-smooth-operator-protocol = {{ path = {:?} }}\n", place.generated);
        head = "use smooai_smooth_operator_protocol as package;\n".to_owned();
    }
    manifest += "\n[profile.dev]\ndebug = false\n";
    let manifest = place.put("Cargo.toml", &manifest)?;
    place.put(
        "src/main.rs",
        &include_str!("process/main.rs").replacen("mod registry;\n", &(head + "mod registry;\n"), 1),
    )?;
    place.put("src/registry.rs", &place.registry)?;
    // The versions that the workspace is built with.
    fs::copy(place.root.join("Cargo.lock"), place.work.join("Cargo.lock"))?;
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--manifest-path"]).arg(manifest);
    run(cargo
        .arg("--target-dir")
        .arg(&place.target)
        .env("RUSTFLAGS", environment::variable("RUSTFLAGS").unwrap_or_default()))?;
    Ok(Command::new(place.target.join("debug").join(program)))
}

fn typescript(place: &Place<'_>) -> Result<Command> {
    let home = place.root.join("typescript");
    let esbuild = home.join("node_modules/.bin/esbuild");
    if !esbuild.exists() {
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&home))?;
    }
    let source = place.put("codec.ts", include_str!("process/codec.ts"))?;
    let registry = place.put("registry.json", &place.registry)?;
    let program = place.work.join("codec.mjs");
    let mut bundle = Command::new(esbuild);
    bundle.arg(source).args(["--bundle", "--platform=node", "--format=esm", "--log-level=warning"]);
    bundle.arg(format!("--alias:generated={}", place.generated.join("index.ts").display()));
    bundle.arg(format!("--alias:registry={}", registry.display()));
    run(bundle.arg(format!("--outfile={}", program.display())))?;
    let mut node = Command::new("node");
    node.arg(program);
    Ok(node)
}

fn go(place: &Place<'_>) -> Result<Command> {
    let mut wanted = vec!["protocol/codec_gen.go".to_owned()];
    place.put(&wanted[0], &place.registry)?;
    for entry in fs::read_dir(&place.generated).context("nothing is generated")? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // These belong to a client, which is not here.
        let is_of_client = ["calls_gen.go", "settings_gen.go"].contains(&name.as_str());
        if name.ends_with("_gen.go") && !is_of_client {
            let copy = format!("protocol/{name}");
            place.put(&copy, &fs::read_to_string(&path)?)?;
            wanted.push(copy);
        }
    }
    for entry in fs::read_dir(place.work.join("protocol"))? {
        let path = entry?.path();
        if !wanted.iter().any(|name| place.work.join(name) == path) {
            fs::remove_file(path)?;
        }
    }
    place.put("go.mod", "module example.com/codec\n\ngo 1.25.0\n")?;
    place.put("main.go", include_str!("process/main.go"))?;
    let mut go = Command::new("go");
    run(go.args(["build", "-o", "codec", "."]).current_dir(&place.work).env("GOFLAGS", "-mod=mod"))?;
    Ok(Command::new(place.work.join("codec")))
}

fn csharp(place: &Place<'_>) -> Result<Command> {
    let project = place.put("codec.csproj", include_str!("process/codec.csproj"))?;
    place.put("Program.cs", include_str!("process/Program.cs"))?;
    place.put("Registry.cs", &place.registry)?;
    let out = place.work.join("out");
    let mut dotnet = Command::new("dotnet");
    dotnet.args(["build", "-c", "Release", "-v", "quiet", "--nologo"]).arg(project).arg("-o").arg(&out);
    dotnet.arg(format!("-p:Generated={}", place.generated.display()));
    run(dotnet.envs([
        ("MSBUILDDISABLENODEREUSE", "1"),
        ("UseSharedCompilation", "false"),
        ("DOTNET_NOLOGO", "1"),
    ]))?;
    let mut program = Command::new("dotnet");
    program.arg(out.join("codec.dll"));
    Ok(program)
}

fn python(place: &Place<'_>) -> Result<Command> {
    let program = place.put("codec.py", include_str!("process/codec.py"))?;
    let registry = place.put("registry.json", &place.registry)?;
    let mut python = Command::new("python3");
    python.arg("-B").arg(program).arg(&place.generated).arg(registry);
    Ok(python)
}

/// Whether the tools of a language are there.
pub fn is_there(language: &Language) -> bool {
    process::succeeds(language.probe)
}

/// The language of a name.
pub fn language(name: &str) -> Result<&'static Language> {
    let found = LANGUAGES.iter().find(|language| language.name == name);
    found.with_context(|| {
        let names: Vec<&str> = LANGUAGES.iter().map(|language| language.name).collect();
        format!("there are no codecs in `{name}`; there are in {}", names.join(", "))
    })
}
