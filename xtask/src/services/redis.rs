//! Redis, as the system's packages bring it.

use super::Service;
use super::docker::Image;
use super::package::Packages;
use super::server::{Server, connect, folder, free_port, read_until};
use crate::process;
use anyhow::{Result, bail};
use std::io::Write;
use std::process::Command;

pub const SERVICE: Service = Service {
    name: "redis",
    variable: "TEST_REDIS_URL",
    image: Image { name: "redis:8", port: 6379, options: &[], command: &[] },
    start,
    answers,
    address: |port| format!("redis://127.0.0.1:{port}/"),
    settings: super::nothing_else,
};

fn start(_: &Packages) -> Result<Server> {
    if !process::succeeds(&["redis-server", "--version"]) {
        bail!("redis-server is missing: install it (Debian: apt-get install redis-server), or start Docker");
    }
    let (folder, port) = (folder()?, free_port()?);
    let mut redis = Command::new("redis-server");
    redis.current_dir(folder.path()).args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
    redis.args(["--save", "", "--appendonly", "no"]);
    Server::process(port, folder, &mut redis)
}

fn answers(port: u16) -> Result<()> {
    let mut stream = connect(port)?;
    stream.write_all(b"PING\r\n")?;
    read_until(&mut stream, "+PONG")
}
