//! A server that runs for a test: its port, its folder, the process or container, and the wait until it answers.

use super::docker::Container;
use crate::interrupt;
use crate::process::Group;
use anyhow::{Context, Result, bail};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Java takes a while where little of the machine is free.
const START_LIMIT: Duration = Duration::from_secs(5 * 60);
const PAUSE: Duration = Duration::from_millis(50);
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Larger than any answer that a check reads.
const ANSWER_SIZE: usize = 64 * 1024;

/// A running server. Dropping it ends the process and removes its data, in this order.
pub struct Server {
    pub port: u16,
    running: Running,
    folder: TempDir,
}

enum Running {
    Process(Group),
    Container(Container),
}

impl Server {
    /// Starts `command`, whose data and log lie in `folder`.
    pub fn process(port: u16, folder: TempDir, command: &mut Command) -> Result<Self> {
        let log = std::fs::File::create(folder.path().join("server.log")).context("cannot write a log")?;
        command.stdout(log.try_clone()?).stderr(log);
        Ok(Self { port, running: Running::Process(Group::start(command)?), folder })
    }

    /// A server in a container that runs already.
    pub fn container(port: u16, container: Container) -> Result<Self> {
        Ok(Self { port, running: Running::Container(container), folder: folder()? })
    }

    /// Waits until `answers` has no error, at most five minutes.
    pub fn until_it_answers(&mut self, answers: fn(u16) -> Result<()>) -> Result<()> {
        let end = Instant::now() + START_LIMIT;
        loop {
            match answers(self.port) {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() >= end => return Err(error.context(self.log())),
                Err(_) if interrupt::requested() => bail!("interrupted"),
                Err(_) => self.still_runs()?,
            }
        }
    }

    /// Fails if the server has ended. Takes a moment, so that it can be called in a loop.
    pub fn still_runs(&mut self) -> Result<()> {
        let ended = match &mut self.running {
            Running::Process(group) => group.exited_within(PAUSE)?.is_some(),
            Running::Container(container) => !container.is_running(PAUSE),
        };
        if ended {
            bail!("the server has ended. It said:\n{}", self.log());
        }
        Ok(())
    }

    fn log(&self) -> String {
        match &self.running {
            Running::Process(_) => {
                std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
            }
            Running::Container(container) => container.log(),
        }
    }
}

/// A new folder that other users may enter.
pub fn folder() -> Result<TempDir> {
    let folder = TempDir::with_prefix("smooth-operator-").context("cannot make a temporary folder")?;
    #[cfg(unix)]
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(folder)
}

/// A port that is free now.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    Ok(listener.local_addr()?.port())
}

/// A connection on which no read and no write waits for long.
pub fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), ANSWER_LIMIT)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    stream.set_write_timeout(Some(ANSWER_LIMIT))?;
    Ok(stream)
}

/// Reads until what has come contains `mark`.
pub fn read_until(stream: &mut TcpStream, mark: &str) -> Result<()> {
    let mut answer = vec![0; ANSWER_SIZE];
    let mut length = 0;
    while !String::from_utf8_lossy(&answer[..length]).contains(mark) {
        let read = stream.read(&mut answer[length..])?;
        if read == 0 {
            bail!("it answered {:?}", String::from_utf8_lossy(&answer[..length]));
        }
        length += read;
    }
    Ok(())
}

/// Copies a folder with all that is in it. Links stay links.
pub fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let (entry, target) = (entry?, to.to_owned());
        let target = target.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            #[cfg(unix)]
            std::os::unix::fs::symlink(std::fs::read_link(entry.path())?, &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Server {
        let mut command = Command::new("sh");
        Server::process(free_port().unwrap(), folder().unwrap(), command.args(["-c", script])).unwrap()
    }

    #[test]
    fn a_server_that_ends_early_says_why() {
        let mut server = shell("echo no licence to serve; exit 1");
        let error = server.until_it_answers(|_| bail!("nobody answers")).unwrap_err();
        assert!(error.to_string().contains("no licence to serve"), "{error:#}");
    }

    #[test]
    fn its_folder_goes_with_it() {
        let server = shell("exec sleep 600");
        let folder = server.folder.path().to_owned();
        assert!(folder.join("server.log").is_file());
        drop(server);
        assert!(!folder.exists());
    }

    #[test]
    fn a_folder_is_copied_with_links_and_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder().unwrap();
        let from = folder.path().join("from/deep");
        std::fs::create_dir_all(&from).unwrap();
        std::fs::write(from.join("program"), "text").unwrap();
        std::fs::set_permissions(from.join("program"), PermissionsExt::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink("program", from.join("link")).unwrap();
        let to = folder.path().join("to");
        copy_folder(&folder.path().join("from"), &to).unwrap();
        assert_eq!(std::fs::read_link(to.join("deep/link")).unwrap(), Path::new("program"));
        assert_eq!(std::fs::metadata(to.join("deep/program")).unwrap().permissions().mode() & 0o777, 0o755);
    }
}
