//! Runs that are ended from outside. What a killed run leaves is whole: every file is the old one or the new one, nothing
//! has changed before everything is ready, the manifest comes last, and the next run ends the work.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

type Files = BTreeMap<String, Vec<u8>>;

const STAGE: &str = ".codegen-stage";
const MANIFEST: &str = ".codegen-manifest";
const LIMIT: Duration = Duration::from_secs(60);

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)
}

/// All files below a folder; files that vanish while it is read are left out.
fn files(folder: &Path) -> Files {
    fn walk(root: &Path, folder: &Path, out: &mut Files) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(root, &path, out);
            } else if let Ok(bytes) = fs::read(&path) {
                out.insert(path.strip_prefix(root).unwrap().to_string_lossy().into_owned(), bytes);
            }
        }
    }
    let mut out = Files::new();
    walk(folder, folder, &mut out);
    out
}

/// The small protocol with every description changed by a word, and with or without its errors.
fn spec(folder: &Path, word: &str, errors: bool) -> PathBuf {
    for (name, bytes) in files(&testdata("spec")) {
        if !errors && name.contains("error") {
            continue;
        }
        let text = String::from_utf8(bytes).unwrap();
        let text = text.replacen("\"description\": \"", &format!("\"description\": \"{word} "), 1);
        fs::create_dir_all(folder.join(&name).parent().unwrap()).unwrap();
        fs::write(folder.join(&name), text).unwrap();
    }
    folder.to_owned()
}

fn arguments<'a>(spec: &'a Path, out: &'a Path) -> [&'a str; 5] {
    ["codegen", "--spec", spec.to_str().unwrap(), "--out", out.to_str().unwrap()]
}

fn start(spec: &Path, out: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(arguments(spec, out))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn run(spec: &Path, out: &Path) -> Files {
    assert!(start(spec, out).wait().unwrap().success());
    let made = files(out);
    assert!(!out.join(STAGE).exists(), "a run that ended left its stage");
    made
}

/// When a run is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// When so many files are ready.
    Staged(usize),
    /// When all are, and so is the manifest.
    Ready,
    /// When so many files are in place.
    Placed(usize),
}

impl Moment {
    fn is_here(self, out: &Path, old: &Files) -> bool {
        match self {
            Self::Staged(count) => files(&out.join(STAGE).join("files")).len() >= count,
            Self::Ready => out.join(STAGE).join("manifest").exists(),
            Self::Placed(count) => {
                let changed = |(name, bytes): &(&String, &Vec<u8>)| {
                    !name.starts_with(STAGE) && old.get(*name) != Some(*bytes)
                };
                files(out).iter().filter(changed).count() >= count
            }
        }
    }
}

/// Kills a run at a moment, or later, or not at all when its end comes first.
fn kill(spec: &Path, out: &Path, moment: Moment, old: &Files) {
    let mut child = start(spec, out);
    while child.try_wait().unwrap().is_none() {
        if moment.is_here(out, old) {
            child.kill().unwrap();
            break;
        }
    }
    child.wait().unwrap();
}

/// What must hold at any moment.
fn is_whole(found: &Files, old: &Files, new: &Files) {
    let has_begun = found.contains_key(&format!("{STAGE}/manifest"));
    let found: Files = found
        .iter()
        .filter(|(name, _)| !name.starts_with(STAGE))
        .map(|(n, b)| (n.clone(), b.clone()))
        .collect();
    for (name, bytes) in &found {
        assert!(
            Some(bytes) == old.get(name) || Some(bytes) == new.get(name),
            "{name} is neither old nor new"
        );
    }
    for name in old.keys().filter(|name| new.contains_key(*name)) {
        assert!(found.contains_key(name), "{name} is gone");
    }
    if found.get(MANIFEST) == new.get(MANIFEST) {
        assert!(found == *new, "the manifest is new, and not every file is");
    } else if !has_begun {
        assert!(found == *old, "a file has changed before all were ready");
    }
}

#[test]
fn a_killed_run_leaves_whole_files_and_the_next_run_ends_the_work() {
    let place = tempfile::tempdir().unwrap();
    let (one, two) =
        (spec(&place.path().join("one"), "First.", false), spec(&place.path().join("two"), "Second.", true));
    let (old, new) = (run(&one, &place.path().join("old")), run(&two, &place.path().join("new")));
    assert!(new.len() > old.len() && old.len() > 20);
    let moments = [1, 5, 15].map(Moment::Staged).into_iter().chain([Moment::Ready]);
    let moments: Vec<Moment> = moments.chain([1, 2, 8, 20].map(Moment::Placed)).collect();
    for (number, moment) in moments.iter().cycle().take(16).enumerate() {
        let out = place.path().join(format!("out{number}"));
        run(&one, &out);
        kill(&two, &out, *moment, &old);
        is_whole(&files(&out), &old, &new);
        // Whatever the next run makes, it takes over what the killed one has made.
        let (next, wanted) = if number % 2 == 0 { (&two, &new) } else { (&one, &old) };
        assert!(run(next, &out) == *wanted, "after a kill at {moment:?} the next run did not end the work");
    }
}

#[test]
fn a_run_that_is_killed_in_the_middle_of_a_file_leaves_whole_files() {
    let place = tempfile::tempdir().unwrap();
    let (one, two) =
        (spec(&place.path().join("one"), "First.", false), spec(&place.path().join("two"), "Second.", true));
    let (old, new) = (run(&one, &place.path().join("old")), run(&two, &place.path().join("new")));
    let out = place.path().join("out");
    run(&one, &out);
    // The system kills whoever writes more into one file than so many blocks, of 512 or of 1,024 bytes.
    let blocks = new.values().map(Vec::len).max().unwrap() / 1024 - 1;
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -c 0; ulimit -f {blocks}; exec \"$@\""), "sh"]);
    let killed = shell.arg(env!("CARGO_BIN_EXE_xtask")).args(arguments(&two, &out)).output().unwrap();
    assert!(killed.status.signal().is_some(), "{killed:?}");
    assert!(out.join(STAGE).exists(), "it was not killed while it wrote");
    is_whole(&files(&out), &old, &new);
    assert!(run(&two, &out) == new);
}

#[test]
fn a_file_that_a_person_wrote_is_not_taken_for_one_of_a_killed_run() {
    let place = tempfile::tempdir().unwrap();
    let one = spec(&place.path().join("one"), "First.", false);
    let out = place.path().join("out");
    let before = run(&one, &out);
    let two = spec(&place.path().join("two"), "Second.", true);
    let new = run(&two, &place.path().join("new"));
    let stage = out.join(STAGE);
    fs::create_dir_all(stage.join("files/rust")).unwrap();
    fs::write(stage.join("manifest"), &new[MANIFEST]).unwrap();
    fs::write(stage.join("files/rust/half"), "pub st").unwrap();
    let mine = out.join("rust/src/generated/errors.rs");
    fs::write(&mine, "// by hand\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["codegen", "--spec", two.to_str().unwrap(), "--out", out.to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.ends_with("errors.rs was not made by codegen; move it away and run again\n"), "{said}");
    fs::remove_file(&mine).unwrap();
    assert!(run(&one, &out) == before);
}

#[test]
fn two_runs_at_once_do_not_mix() {
    let place = tempfile::tempdir().unwrap();
    let one = spec(&place.path().join("one"), "First.", true);
    let stage = place.path().join("out").join(STAGE);
    fs::create_dir_all(&stage).unwrap();
    let lock = fs::File::create(stage.join("lock")).unwrap();
    lock.lock().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["codegen", "--spec", one.to_str().unwrap()])
        .args(["--out", place.path().join("out").to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("error: another run of codegen writes beside ") && !output.status.success(),
        "{said}"
    );
    assert_eq!(files(&place.path().join("out")).len(), 1);
    drop(lock);
    run(&one, &place.path().join("out"));
}

#[test]
fn the_first_signal_ends_a_run() {
    let place = tempfile::tempdir().unwrap();
    let folder = spec(&place.path().join("spec"), "First.", true);
    let pipe = folder.join("types/waits.json");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut child = start(&folder, &place.path().join("out"));
    let (id, (opened, is_open)) = (child.id().to_string(), sync_channel(1));
    // Opening for writing waits until the run reads, and then the run waits for what is written.
    std::thread::spawn(move || opened.send(fs::OpenOptions::new().write(true).open(pipe)));
    let _writer = is_open.recv_timeout(LIMIT).unwrap().unwrap();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let (ended, has_ended) = sync_channel(1);
    std::thread::spawn(move || ended.send(child.wait()));
    assert_eq!(has_ended.recv_timeout(LIMIT).unwrap().unwrap().signal(), Some(15));
    assert!(!place.path().join("out").exists());
}
