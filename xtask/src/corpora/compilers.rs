//! The compilers and type checkers that see what was generated beyond what the codec processes are built with.
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::environment;
use crate::process::{Ended, Group};

/// How long one program may take.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// Checks the output of a language in `generated`. What the checker says is the error.
pub fn check(language: &str, root: &Path, generated: &Path, work: &Path) -> Result<()> {
    std::fs::create_dir_all(work)?;
    match language {
        "typescript" => typescript(root, generated, work),
        "go" => go(generated, work),
        "python" => python(root, generated, work),
        // Their compilers see every type when the codec process is built.
        _ => Ok(()),
    }
}

fn typescript(root: &Path, generated: &Path, work: &Path) -> Result<()> {
    let home = root.join("typescript");
    let compiler = home.join("node_modules/typescript/bin/tsc");
    if !compiler.exists() {
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&home), work)?;
    }
    let options = serde_json::json!({
        "compilerOptions": {
            "target": "ES2022",
            "lib": ["ES2022"],
            "module": "NodeNext",
            "moduleResolution": "NodeNext",
            "strict": true,
            "exactOptionalPropertyTypes": true,
            "noUncheckedIndexedAccess": true,
            "isolatedModules": true,
            "noEmit": true,
            "types": [],
        },
        "include": [generated],
    });
    let path = work.join("tsconfig.json");
    std::fs::write(&path, options.to_string())?;
    run(Command::new("node").arg(compiler).arg("--project").arg(path), work)
}

fn go(generated: &Path, work: &Path) -> Result<()> {
    let package = work.join("protocol");
    if package.exists() {
        std::fs::remove_dir_all(&package)?;
    }
    std::fs::create_dir_all(&package)?;
    for entry in std::fs::read_dir(generated)? {
        let path = entry?.path();
        std::fs::copy(&path, package.join(path.file_name().context("a file has a name")?))?;
    }
    std::fs::write(work.join("go.mod"), "module example.com/corpora\n\ngo 1.25.0\n")?;
    run(Command::new("go").args(["vet", "./..."]).current_dir(work).env("GOFLAGS", "-mod=mod"), work)
}

fn python(root: &Path, generated: &Path, work: &Path) -> Result<()> {
    let home = root.join("python");
    let environment = home.join(".venv");
    let program = |name: &str| -> PathBuf {
        environment.join(if cfg!(windows) { "Scripts" } else { "bin" }).join(name)
    };
    if !program("mypy").exists() && !program("mypy.exe").exists() {
        run(Command::new("python3").args(["-m", "venv", ".venv"]).current_dir(&home), work)?;
        let mut pip = Command::new(program("pip"));
        run(pip.args(["install", "--quiet", "-r", "requirements-dev.txt"]).current_dir(&home), work)?;
    }
    let mut mypy = Command::new(program("mypy"));
    mypy.args(["--strict", "--python-version", "3.10", "--config-file="]);
    run(mypy.arg("--cache-dir").arg(work.join("cache")).arg(generated), work)
}

/// Runs a program that must succeed; what it says is the error.
fn run(command: &mut Command, work: &Path) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    environment::forget_own_package(command);
    let log = work.join("said.log");
    let file = File::create(&log)?;
    command.stdout(Stdio::from(file.try_clone()?)).stderr(Stdio::from(file));
    match Group::start(command)?.wait(LIMIT)? {
        Ended::Exit(status) if status.success() => Ok(()),
        Ended::Exit(status) => bail!("{name} ended with {status}:\n{}", std::fs::read_to_string(log)?),
        Ended::TimedOut => bail!("{name} took longer than {LIMIT:?}"),
        Ended::Interrupted => bail!("interrupted"),
    }
}
