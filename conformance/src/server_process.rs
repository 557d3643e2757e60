//! The real server binary as a subprocess: built once, started on a free port in a directory of its
//! own, read for the one line that it prints, and killed when dropped.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinSet;

use crate::bound::{within, within_for};

/// The package that holds the server.
const PACKAGE: &str = "smooai-smooth-operator-server";

/// Its program.
const BINARY: &str = "smooth-operator-server";

/// Selects the workspace, and with a small test that is built too also what tests need.
const AS_TESTS: [&str; 3] = ["--workspace", "--test", "library"];

/// The longest that building the server may take; other builds may hold cargo's lock.
const BUILD_BOUND: Duration = Duration::from_mins(20);

/// How the server is to be built.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Build {
    /// `cargo build --package …`: what a person gets who does as the README says.
    #[default]
    Debug,
    /// With every storage there is, and with the features of dependencies that `cargo test --workspace` settles on, so
    /// that they are not built once more.
    Whole,
    /// `cargo build --release`
    Release,
}

/// The server's executable, built once per process. `SMOOTH_OPERATOR_SERVER` names one that is built
/// already, to try the tests on another build.
///
/// # Errors
/// When cargo does not build it; the error holds what cargo said.
pub async fn server_binary(build: Build) -> Result<PathBuf> {
    static DEBUG: OnceCell<PathBuf> = OnceCell::const_new();
    static WHOLE: OnceCell<PathBuf> = OnceCell::const_new();
    static RELEASE: OnceCell<PathBuf> = OnceCell::const_new();
    let cell = match build {
        Build::Debug => &DEBUG,
        Build::Whole => &WHOLE,
        Build::Release => &RELEASE,
    };
    cell.get_or_try_init(|| async {
        match named_binary() {
            Some(path) => Ok(PathBuf::from(path)),
            None => within_for(BUILD_BOUND, "cargo to build the server", cargo_build(build)).await?,
        }
    })
    .await
    .cloned()
}

#[expect(clippy::disallowed_methods, reason = "the harness is no part of the product and has no Config")]
fn named_binary() -> Option<OsString> {
    std::env::var_os("SMOOTH_OPERATOR_SERVER")
}

/// A line of `cargo build --message-format=json`, as far as it is of interest.
#[derive(Deserialize)]
struct CargoMessage {
    target: Option<CargoTarget>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct CargoTarget {
    kind: Vec<String>,
}

async fn cargo_build(build: Build) -> Result<PathBuf> {
    let mut cargo = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    cargo.args(["build", "--quiet", "--message-format=json"]);
    match build {
        Build::Debug => cargo.args(["--package", PACKAGE]),
        Build::Whole => {
            cargo.args(["--bin", BINARY, "--features", &format!("{PACKAGE}/dynamodb")]).args(AS_TESTS)
        }
        Build::Release => cargo.args(["--package", PACKAGE, "--release"]),
    };
    let output = cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("running cargo")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo did not build the server:\n{stderr}");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<CargoMessage>(line).ok())
        .filter(|message| message.target.as_ref().is_some_and(|target| target.kind == ["bin"]))
        .find_map(|message| message.executable)
        .context("cargo built no executable")
}

/// How a server is started. Its environment holds only what is given here.
#[derive(Debug, Default)]
pub struct Setup {
    env: Vec<(String, String)>,
    args: Vec<String>,
    files: Vec<(String, Vec<u8>)>,
    build: Build,
}

impl Setup {
    /// A server on a free port that keeps its data in its own directory.
    #[must_use]
    pub fn new() -> Self {
        Self::default().env("SMOOTH_AGENT_PORT", "0").env("SMOOTH_AGENT_DATA_DIR", "data")
    }

    /// Lets the server use a model gateway.
    #[must_use]
    pub fn gateway(self, url: &str, key: &str) -> Self {
        self.env("SMOOAI_GATEWAY_URL", url).env("SMOOAI_GATEWAY_KEY", key)
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a command-line argument.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.args.push(argument.to_owned());
        self
    }

    /// Writes `operator.toml` into the server's directory.
    #[must_use]
    pub fn operator_toml(self, text: &str) -> Self {
        self.file("operator.toml", text)
    }

    /// Writes a file into the server's directory.
    #[must_use]
    pub fn file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.to_owned(), content.into()));
        self
    }

    /// Runs the release build.
    #[must_use]
    pub fn release(self) -> Self {
        self.build(Build::Release)
    }

    /// Runs this build instead of the plain one.
    #[must_use]
    pub fn build(mut self, build: Build) -> Self {
        self.build = build;
        self
    }

    /// A variable, as it was set last.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.env.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Starts the server, and waits for the line that says where it listens.
    ///
    /// # Errors
    /// When it cannot be built or started, or ends before it listens; the error holds its stderr.
    pub async fn start(self) -> Result<ServerProcess> {
        let binary = server_binary(self.wanted()).await?;
        self.start_program(&binary).await
    }

    /// A plain build holds no DynamoDB.
    fn wanted(&self) -> Build {
        match self.build {
            Build::Debug if self.variable("SMOOTH_AGENT_STORAGE") == Some("dynamodb") => Build::Whole,
            build => build,
        }
    }

    /// Starts another program that says in its first line where it listens, as the server does.
    ///
    /// # Errors
    /// When it cannot be started, or ends before it listens; the error holds its stderr.
    pub async fn start_program(self, program: &Path) -> Result<ServerProcess> {
        ServerProcess::spawn(self, program).await
    }

    /// Runs the server to its end, for settings that it must refuse.
    ///
    /// # Errors
    /// When it cannot be built or started, or goes on running.
    pub async fn run_to_end(self) -> Result<Ended> {
        let binary = server_binary(self.build).await?;
        let directory = self.directory()?;
        let output = within("the server to end", self.command(&binary, directory.path()).output()).await??;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Ended { status: output.status, stdout: text(&output.stdout), stderr: text(&output.stderr) })
    }

    /// A directory with the files in it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn directory(&self) -> Result<TempDir> {
        let directory = TempDir::with_prefix("smooth-operator-").context("making a directory")?;
        for (name, content) in &self.files {
            let path = directory.path().join(name);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(&path, content).with_context(|| format!("writing {name}"))?;
        }
        Ok(directory)
    }

    fn command(&self, binary: &Path, directory: &Path) -> Command {
        let mut command = Command::new(binary);
        command
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .args(&self.args)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

/// A server that ran to its end.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// All of its stdout.
    pub stdout: String,
    /// All of its stderr.
    pub stderr: String,
}

/// A running server. Dropping it kills it and removes its directory.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    line: String,
    host: String,
    log: watch::Receiver<String>,
    directory: TempDir,
    _reader: JoinSet<()>,
}

impl ServerProcess {
    async fn spawn(setup: Setup, binary: &Path) -> Result<Self> {
        let directory = setup.directory()?;
        let mut child = setup
            .command(binary, directory.path())
            .spawn()
            .with_context(|| format!("starting {binary:?}"))?;
        let stdout = child.stdout.take().context("the server's stdout")?;
        let stderr = child.stderr.take().context("the server's stderr")?;
        let (sender, log) = watch::channel(String::new());
        let mut reader = JoinSet::new();
        reader.spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                sender.send_modify(|log| {
                    log.push_str(&line);
                    log.push('\n');
                });
            }
        });
        let mut lines = BufReader::new(stdout).lines();
        let line = within("the server's first line", lines.next_line()).await;
        let Ok(Ok(Some(line))) = line else {
            // What it said before it ended is the whole explanation.
            let _ = within("the server's last words", reader.join_next()).await;
            bail!("the server did not start; it said:\n{}", log.borrow().as_str());
        };
        let host = line
            .split_once("://")
            .and_then(|(_, rest)| rest.split(['/', ' ']).next())
            .map(str::to_owned)
            .with_context(|| format!("the server's first line names no address: {line:?}"))?;
        Ok(Self { child, line, host, log, directory, _reader: reader })
    }

    /// The line that the server printed.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Where its WebSocket is: `ws://HOST:PORT/ws`.
    #[must_use]
    pub fn ws_url(&self) -> String {
        format!("ws://{}/ws", self.host)
    }

    /// `HOST:PORT`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its directory, with its `operator.toml` and its data.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.borrow().clone()
    }

    /// Waits until its log contains a text.
    ///
    /// # Errors
    /// When it did not come within the bound.
    pub async fn wait_for_log(&self, text: &str) -> Result<()> {
        let mut log = self.log.clone();
        within(&format!("{text:?} in the server's log"), async {
            let _ = log.wait_for(|log| log.contains(text)).await;
        })
        .await
    }

    /// Its process id.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pid(&self) -> Result<i32> {
        Ok(i32::try_from(self.child.id().context("the server has ended")?)?)
    }

    /// Its resident memory in bytes: `VmRSS` of `/proc/PID/status`.
    ///
    /// # Errors
    /// When it has ended, or where there is no `/proc`.
    pub fn resident_memory(&self) -> Result<usize> {
        let path = format!("/proc/{}/status", self.pid()?);
        let status = std::fs::read_to_string(&path).with_context(|| {
            format!("{path}: resident memory is read from /proc, so that this needs Linux")
        })?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        Ok(kib.trim().trim_end_matches(" kB").parse::<usize>().context("VmRSS")? * 1024)
    }

    /// The processor time it has used, in seconds: `utime` and `stime` of `/proc/PID/stat`.
    ///
    /// # Errors
    /// When it has ended, or where there is no `/proc`.
    pub fn processor_time(&self) -> Result<f64> {
        let path = format!("/proc/{}/stat", self.pid()?);
        let stat = std::fs::read_to_string(&path).with_context(|| {
            format!("{path}: processor time is read from /proc, so that this needs Linux")
        })?;
        // The second field is the program's name in brackets and may hold spaces: the fields are counted
        // from behind it, where `utime` and `stime` are the 12th and 13th (proc(5)).
        let (_, fields) = stat.rsplit_once(')').context("the fields of /proc/PID/stat")?;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
        Ok(ticks.sum::<Result<f64, _>>()? / rustix::param::clock_ticks_per_second() as f64)
    }

    /// Asks it to drain and end (SIGTERM).
    ///
    /// # Errors
    /// When it has ended already.
    pub fn terminate(&self) -> Result<()> {
        let pid = Pid::from_raw(self.pid()?).context("a process id is positive")?;
        Ok(kill_process(pid, Signal::TERM)?)
    }

    /// Kills it at once (SIGKILL), as a crash would.
    ///
    /// # Errors
    /// When it has ended already.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// When it did not within the bound.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        Ok(within("the server to end", self.child.wait()).await??)
    }

    /// A plain `GET`, with its status and body.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        within(&format!("GET {path}"), get(&self.host, path)).await?
    }
}

async fn get(host: &str, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(host).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await?;
    let response = String::from_utf8_lossy(&response);
    let (head, body) = response.split_once("\r\n\r\n").context("a response without a head")?;
    let status = head.split(' ').nth(1).context("a response without a status")?;
    Ok((status.parse().with_context(|| format!("the status {status:?}"))?, body.to_owned()))
}
