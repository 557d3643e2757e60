//! Child processes that cannot outlive the run: each in a process group of its own, with a time limit.

use crate::interrupt;
use anyhow::{Context, Result, bail};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// How often a wait looks up to see whether the person wants to stop.
const GLANCE: Duration = Duration::from_millis(100);
/// How long a process has to obey before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// How a wait for a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself.
    Exit(ExitStatus),
    /// It was ended because its time was over.
    TimedOut,
    /// It was ended because the person asked for it.
    Interrupted,
}

/// A process and all that it starts. Dropping it ends them.
pub struct Group {
    id: u32,
    exit: Receiver<std::io::Result<ExitStatus>>,
    status: Option<ExitStatus>,
}

impl Group {
    /// Starts `command` with no input.
    pub fn start(command: &mut Command) -> Result<Self> {
        Ok(Self::of(spawn(command.stdin(Stdio::null()))?))
    }

    /// Starts `command` with pipes to talk over. It has its end when both are dropped.
    pub fn start_talking(command: &mut Command) -> Result<(Self, ChildStdin, ChildStdout)> {
        let mut child = spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("process {} has no pipes", child.id());
        };
        Ok((Self::of(child), input, output))
    }

    fn of(mut child: Child) -> Self {
        let id = child.id();
        let (send, exit) = sync_channel(1);
        std::thread::spawn(move || send.send(child.wait()));
        Self { id, exit, status: None }
    }

    /// Waits at most `limit`, and ends the group if it is not done by then or if the person asks.
    pub fn wait(&mut self, limit: Duration) -> Result<Ended> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.exited_within(GLANCE)? {
                return Ok(Ended::Exit(status));
            }
            let why = match (interrupt::requested(), Instant::now() >= end) {
                (true, _) => Ended::Interrupted,
                (_, true) => Ended::TimedOut,
                _ => continue,
            };
            self.stop("TERM")?;
            return Ok(why);
        }
    }

    /// Its exit status, if it ends within `limit`.
    pub fn exited_within(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = match self.exit.recv_timeout(limit) {
                Ok(status) => Some(status?),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => bail!("nothing waits for process {}", self.id),
            };
        }
        Ok(self.status)
    }

    /// Asks the group to end by `signal`, and kills what does not.
    pub fn stop(&mut self, signal: &str) -> Result<()> {
        if self.exited_within(Duration::ZERO)?.is_none() {
            send_signal(self.id, signal);
            if self.exited_within(GRACE)?.is_none() {
                send_signal(self.id, "KILL");
                self.exited_within(GRACE)?;
            }
        }
        Ok(())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // An error leaves nothing to do: the process is gone, or nobody can reach it.
        let _ = self.stop("TERM");
    }
}

/// A child at the head of a process group of its own.
fn spawn(command: &mut Command) -> Result<Child> {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let name = command.get_program().to_string_lossy().into_owned();
    command.spawn().with_context(|| format!("cannot start {name}"))
}

/// Signals the whole group through the system's own command, because doing it directly needs `unsafe`.
fn send_signal(group: u32, signal: &str) {
    let mut command = if cfg!(windows) {
        let mut command = Command::new("taskkill");
        command.args(["/F", "/T", "/PID", &group.to_string()]);
        command
    } else {
        let mut command = Command::new("kill");
        command.args([&format!("-{signal}"), "--", &format!("-{group}")]);
        command
    };
    let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// What `command` prints, when it succeeds.
pub fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        bail!("{name} failed ({}): {}", output.status, reason.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{name} printed something that is not text"))
}

/// Whether `argv` can be started and succeeds.
pub fn succeeds(argv: &[&str]) -> bool {
    let [program, arguments @ ..] = argv else { return false };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn an_exit_status_is_reported() {
        let ended = Group::start(&mut shell("exit 3")).unwrap().wait(Duration::from_secs(30)).unwrap();
        assert!(matches!(ended, Ended::Exit(status) if status.code() == Some(3)), "{ended:?}");
    }

    #[test]
    fn a_process_that_takes_too_long_is_ended_with_its_children() {
        let (output, input) = std::io::pipe().unwrap();
        let mut group = Group::start(shell("sleep 600 & echo begun; wait").stdout(input)).unwrap();
        let mut said = BufReader::new(output).lines();
        said.next().unwrap().unwrap();
        assert_eq!(group.wait(Duration::ZERO).unwrap(), Ended::TimedOut);
        // What they say has its end when both have ended.
        let (tell, ended) = sync_channel(1);
        std::thread::spawn(move || tell.send(said.next().is_none()));
        assert_eq!(ended.recv_timeout(Duration::from_secs(60)), Ok(true), "the grandchild is still there");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Group::start(&mut Command::new("no-such-program")).err().unwrap();
        assert!(format!("{error:#}").starts_with("cannot start no-such-program"), "{error:#}");
        assert!(!succeeds(&["no-such-program"]));
        assert!(!succeeds(&["false"]) && succeeds(&["true"]));
    }
}
