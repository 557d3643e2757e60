//! Servers in containers, by the `docker` command, where an engine runs.

use super::server::Server;
use crate::process;
use anyhow::{Context, Result};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What to run.
pub struct Image {
    pub name: &'static str,
    /// The port inside the container.
    pub port: u16,
    /// Options of `docker run`.
    pub options: &'static [&'static str],
    /// The command inside, if it is not the image's own.
    pub command: &'static [&'static str],
}

/// A container that is removed with this value.
pub struct Container {
    docker: String,
    id: String,
}

/// Whether an engine answers. The command alone is not enough.
pub fn is_running() -> bool {
    process::succeeds(&["docker", "info"])
}

/// Starts a container of `image` with its port on a free one of this machine's loopback address.
pub fn start(docker: &str, image: &Image) -> Result<Server> {
    let publish = format!("127.0.0.1::{}", image.port);
    let mut run = Command::new(docker);
    run.args(["run", "--rm", "--detach", "--publish", &publish]);
    let id = process::output(run.args(image.options).arg(image.name).args(image.command))?;
    let container = Container { docker: docker.to_owned(), id: id.trim().to_owned() };
    let shown = process::output(Command::new(docker).args(["port", &container.id, &image.port.to_string()]))?;
    let port = shown.lines().find_map(|line| line.rsplit_once(':')?.1.trim().parse().ok());
    Server::container(port.with_context(|| format!("docker port said {shown:?}"))?, container)
}

impl Container {
    /// Whether it still runs, after a pause.
    pub fn is_running(&self, pause: Duration) -> bool {
        std::thread::park_timeout(pause);
        let format = "{{.State.Running}}";
        let state =
            process::output(Command::new(&self.docker).args(["inspect", "--format", format, &self.id]));
        state.is_ok_and(|state| state.trim() == "true")
    }

    /// What it has printed.
    pub fn log(&self) -> String {
        process::output(Command::new(&self.docker).args(["logs", &self.id])).unwrap_or_default()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // There is nothing to do about an engine that went away.
        let mut remove = Command::new(&self.docker);
        let _ = remove.args(["rm", "--force", &self.id]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A `docker` that writes down what it is asked and answers as the real one does.
    const DOCKER: &str = "#!/bin/sh\necho \"$@\" >> \"$0.calls\"\ncase $1 in\n\
        run) echo c0ffee;;\nport) printf '127.0.0.1:49153\\n[::1]:49154\\n';;\ninspect) echo true;;\nesac\n";

    #[test]
    fn a_container_is_published_on_loopback_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (script, docker) = (folder.path().join("script"), folder.path().join("docker"));
        std::fs::write(&script, DOCKER).unwrap();
        std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
        // Written by another process: what another test starts meanwhile would hold it open for writing, and a file
        // that is so cannot be run.
        assert!(Command::new("cp").args(["-p".as_ref(), &*script, &*docker]).status().unwrap().success());
        let image =
            Image { name: "redis:8", port: 6379, options: &["--env", "A=b"], command: &["redis-server"] };
        let mut server = start(docker.to_str().unwrap(), &image).unwrap();
        assert_eq!(server.port, 49153);
        server.still_runs().unwrap();
        drop(server);
        let calls = std::fs::read_to_string(folder.path().join("docker.calls")).unwrap();
        let expected = [
            "run --rm --detach --publish 127.0.0.1::6379 --env A=b redis:8 redis-server",
            "port c0ffee 6379",
            "inspect --format {{.State.Running}} c0ffee",
            "rm --force c0ffee",
        ];
        assert_eq!(calls.lines().collect::<Vec<_>>(), expected);
    }
}
