//! `cargo xtask bench codegen`: how long the generator takes, how that grows, and how it stands beside the public ones,
//! over the same schema, on the same machine, in the same run.
mod output;
mod schema;
mod strict;
mod tools;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::{environment, interrupt, process, repository};
use output::Traits;
use tools::{TOOLS, Tool, Workshop};

/// The languages of the aim, in the order of the table.
const LANGUAGES: [&str; 5] = ["rust", "typescript", "go", "csharp", "python"];
/// How many definitions the generators are compared over.
const COMPARED: usize = 150;
/// The aim: five languages from that many definitions.
const AIM: Duration = Duration::from_secs(1);
/// The sizes over which growth is measured.
const SIZES: [usize; 4] = [150, 500, 1500, 5000];
/// How often each size is run, and how often each generator; the median counts.
const ROUNDS: usize = 5;
const COMPARED_ROUNDS: usize = 3;

/// Builds our generator for release, installs the others, and prints the tables in Markdown.
pub fn codegen(root: &Path, _arguments: &[String]) -> Result<ExitCode> {
    let ours = Ours::build(root)?;
    let folder = repository::target_folder(root)?.join("xtask/bench-codegen");
    let workshop = Workshop::new(folder.clone())?;
    let mut schemas = BTreeMap::new();
    for size in SIZES {
        let path = folder.join(format!("protocol-{size}.json"));
        std::fs::write(&path, schema::document(&root.join("spec"), size)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        schemas.insert(size, path);
    }
    let missing: Vec<Option<String>> =
        TOOLS.iter().map(|tool| workshop.install(tool).err().map(|error| format!("{error:#}"))).collect();
    if interrupt::requested() {
        return Ok(ExitCode::from(interrupt::EXIT_CODE));
    }
    growth(&ours, &schemas, &folder)?;
    compare(&ours, &workshop, &missing, &schemas[&COMPARED], &folder)?;
    Ok(ExitCode::SUCCESS)
}

/// Our own generator, built for release.
struct Ours {
    program: PathBuf,
}

impl Ours {
    fn build(root: &Path) -> Result<Self> {
        let mut command = Command::new("cargo");
        environment::forget_own_package(&mut command);
        process::output(command.current_dir(root).args([
            "build",
            "--release",
            "--quiet",
            "--package",
            "xtask",
        ]))?;
        let name = format!("release/xtask{}", std::env::consts::EXE_SUFFIX);
        Ok(Self { program: repository::target_folder(root)?.join(name) })
    }

    /// Generates into an empty folder, as a person would: load, check, print and write.
    fn command(&self, schema: &Path, out: &Path, languages: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("codegen").arg("--spec").arg(schema).arg("--out").arg(out);
        command.args(languages.iter().flat_map(|language| ["--lang", language]));
        command
    }

    fn run(&self, schema: &Path, out: &Path, languages: &[&str]) -> Result<Duration> {
        empty(out)?;
        timed(|| tools::generate(&mut self.command(schema, out, languages)))
    }
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

fn empty(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot delete {}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn growth(ours: &Ours, schemas: &BTreeMap<usize, PathBuf>, folder: &Path) -> Result<()> {
    let mut times: BTreeMap<usize, Vec<Duration>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for (size, schema) in schemas {
            let out = folder.join(format!("out/{size}"));
            times.entry(*size).or_default().push(ours.run(schema, &out, &LANGUAGES)?);
        }
    }
    println!("| definitions | five languages | per definition | beside {COMPARED} | output |");
    println!("|---:|---:|---:|---:|---:|");
    let mut first = None;
    for (size, times) in times {
        let time = median(times);
        let each = time.as_secs_f64() * 1e6 / size as f64;
        let beside = each / *first.get_or_insert(each);
        let bytes = volume(&folder.join(format!("out/{size}")))?;
        let seconds = time.as_secs_f64();
        println!("| {size} | {seconds:.2} s | {each:.0} µs | {beside:.2} | {:.1} MB |", bytes as f64 / 1e6);
        if size == COMPARED {
            let word = if time < AIM { "met" } else { "missed" };
            eprintln!("aim: {size} definitions in under {AIM:?}: {word} with {seconds:.2} s");
        }
    }
    println!();
    Ok(())
}

fn volume(folder: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.metadata()?;
        total += if kind.is_dir() { volume(&entry.path())? } else { kind.len() };
    }
    Ok(total)
}

/// What a generator of one language did.
struct Row {
    language: &'static str,
    name: String,
    times: Vec<Duration>,
    trouble: Option<String>,
    text: String,
    strict: Option<Result<()>>,
}

fn compare(
    ours: &Ours,
    workshop: &Workshop,
    missing: &[Option<String>],
    schema: &Path,
    folder: &Path,
) -> Result<()> {
    let mut rows: Vec<Row> = LANGUAGES.iter().map(|language| Row::of("ours", language, None)).collect();
    rows.extend(
        TOOLS.iter().zip(missing).map(|(tool, trouble)| Row::of(tool.name, tool.language, trouble.clone())),
    );
    let out = folder.join("compared");
    empty(&out)?;
    std::fs::create_dir_all(&out)?;
    for _ in 0..COMPARED_ROUNDS {
        for (index, row) in rows.iter_mut().enumerate().filter(|(_, row)| row.trouble.is_none()) {
            let time = match index.checked_sub(LANGUAGES.len()) {
                None => ours.run(schema, &out.join(format!("ours-{}", row.language)), &[row.language]),
                Some(at) => one(workshop, &TOOLS[at], schema, &out),
            };
            match time {
                Ok(time) => row.times.push(time),
                Err(error) => row.trouble = Some(format!("{error:#}")),
            }
            if interrupt::requested() {
                bail!("interrupted");
            }
        }
    }
    for (index, row) in rows.iter_mut().enumerate().filter(|(_, row)| row.trouble.is_none()) {
        let place = match index.checked_sub(LANGUAGES.len()) {
            None => out.join(format!("ours-{0}/{0}", row.language)),
            Some(at) => out.join(TOOLS[at].output),
        };
        row.text = text(&place)?;
        row.strict = strict::check(workshop, row.language, &place);
    }
    print(&rows);
    Ok(())
}

fn one(workshop: &Workshop, tool: &Tool, schema: &Path, out: &Path) -> Result<Duration> {
    let output = out.join(tool.output);
    timed(|| tools::generate(&mut workshop.command(tool, schema, &output)))
}

/// The text of a file, or of all files below a folder.
fn text(place: &Path) -> Result<String> {
    if !place.is_dir() {
        return std::fs::read_to_string(place).with_context(|| format!("cannot read {}", place.display()));
    }
    let mut all = String::new();
    for entry in std::fs::read_dir(place)? {
        all += &text(&entry?.path())?;
    }
    Ok(all)
}

impl Row {
    fn of(name: &str, language: &'static str, trouble: Option<String>) -> Self {
        let (times, text) = (Vec::new(), String::new());
        Self { language, name: name.to_owned(), times, trouble, text, strict: None }
    }
}

fn print(rows: &[Row]) {
    let own = |language: &str| {
        let row = rows.iter().find(|row| row.name == "ours" && row.language == language);
        row.map_or(Duration::ZERO, |row| median(row.times.clone()))
    };
    println!(
        "| language | generator | time | beside ours | tag tells events apart | unknown event kept | strict check | untyped | numbered names |"
    );
    println!("|---|---|---:|---:|---|---|---|---:|---:|");
    for language in LANGUAGES {
        for row in rows.iter().filter(|row| row.language == language) {
            if let Some(trouble) = &row.trouble {
                println!(
                    "| {language} | {} | fails: {} | | | | | | |",
                    row.name,
                    trouble.replace('|', "\\|")
                );
                continue;
            }
            let time = median(row.times.clone());
            let Traits { untyped, numbered, tagged, unknown } = output::traits(language, &row.text);
            let strict = match &row.strict {
                None => "not tried".to_owned(),
                Some(Ok(())) => "clean".to_owned(),
                Some(Err(error)) => format!("{error:#}"),
            };
            println!(
                "| {language} | {} | {:.2} s | {:.0}× | {} | {} | {strict} | {untyped} | {numbered} |",
                row.name,
                time.as_secs_f64(),
                time.as_secs_f64() / own(language).as_secs_f64(),
                yes(tagged),
                yes(unknown),
            );
        }
    }
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        let seconds = |all: &[u64]| all.iter().map(|all| Duration::from_secs(*all)).collect();
        assert_eq!(median(seconds(&[9, 1, 5])), Duration::from_secs(5));
        assert_eq!(median(Vec::new()), Duration::ZERO);
    }
}
