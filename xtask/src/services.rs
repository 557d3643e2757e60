//! `cargo xtask services`: the servers that tests talk to, on free ports, with their data in temporary
//! folders, ended with the run. Each comes from an address in the environment if there is one, else from
//! a container where Docker runs, else from the packages of a registry.

mod docker;
mod dynamodb;
pub mod embeddings;
pub mod package;
mod postgres;
mod redis;
mod s3vectors;
mod server;

use crate::process::{self, Ended};
use crate::{environment, interrupt, repository};
use anyhow::{Context, Result, bail};
use docker::Image;
use package::Packages;
use server::Server;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// How long a command that uses the servers may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(60 * 60);

/// How often a server is started that finds its port taken, and what it says then.
const TRIES: u32 = 3;
const PORT_IS_TAKEN: &str = "Address already in use";

/// Arguments of the verb.
#[derive(clap::Args)]
pub struct Args {
    /// Which servers: postgres, dynamodb, s3vectors, redis, embeddings
    #[arg(required = true, value_name = "SERVER")]
    names: Vec<String>,
    /// Run this command with the addresses in its environment, and end the servers with it
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// A kind of server.
struct Service {
    name: &'static str,
    /// Where tests find its address, and where a person may give one.
    variable: &'static str,
    image: Image,
    /// Starts it from packages.
    start: fn(&Packages) -> Result<Server>,
    /// Whether it answers a real request. An error says why it does not yet.
    answers: fn(port: u16) -> Result<()>,
    address: fn(port: u16) -> String,
    /// What else a program that uses it must find in its environment.
    settings: fn(address: &str) -> Vec<(&'static str, String)>,
}

impl Service {
    /// Starts it and waits until it answers.
    fn bring_up(&self, packages: &Packages) -> Result<Server> {
        let in_container = !self.image.name.is_empty() && docker::is_running();
        let mut tries = 0;
        loop {
            let mut server = match in_container {
                true => docker::start("docker", &self.image)?,
                false => (self.start)(packages)?,
            };
            tries += 1;
            match server.until_it_answers(self.answers) {
                Ok(()) => return Ok(server),
                // The port was free when it was chosen.
                Err(error) if tries < TRIES && error.to_string().contains(PORT_IS_TAKEN) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// For a server whose address says all.
fn nothing_else(_: &str) -> Vec<(&'static str, String)> {
    Vec::new()
}

const SERVICES: &[Service] =
    &[postgres::SERVICE, dynamodb::SERVICE, s3vectors::SERVICE, redis::SERVICE, embeddings::SERVICE];

/// Servers and their addresses. Dropping them ends them.
struct Running {
    addresses: Vec<(&'static str, String)>,
    servers: Vec<Server>,
}

/// Starts the servers, prints a line `NAME=address` for each, and keeps them until the command or the person ends.
pub fn run(args: &Args) -> Result<ExitCode> {
    let packages = Packages::of(&repository::root()?)?;
    let mut running = start(&args.names, &packages)?;
    for (variable, address) in &running.addresses {
        println!("{variable}={address}");
    }
    match args.command.as_slice() {
        [] => running.keep(),
        [program, arguments @ ..] => running.lend(program, arguments),
    }
}

fn start(names: &[String], packages: &Packages) -> Result<Running> {
    let mut running = Running { addresses: Vec::new(), servers: Vec::new() };
    for name in names {
        let Some(service) = SERVICES.iter().find(|service| service.name == name) else {
            let known: Vec<_> = SERVICES.iter().map(|service| service.name).collect();
            bail!("there is no server `{name}`: choose from {}", known.join(", "));
        };
        if let Some(given) = environment::variable(service.variable) {
            running.addresses.extend((service.settings)(&given));
            running.addresses.push((service.variable, given));
            continue;
        }
        let server = service.bring_up(packages).with_context(|| format!("{name} did not come up"))?;
        let address = (service.address)(server.port);
        running.addresses.extend((service.settings)(&address));
        running.addresses.push((service.variable, address));
        running.servers.push(server);
    }
    Ok(running)
}

impl Running {
    /// Waits until the person ends it. A server that ends before that is an error.
    fn keep(&mut self) -> Result<ExitCode> {
        while !interrupt::requested() {
            if self.servers.is_empty() {
                return Ok(ExitCode::SUCCESS);
            }
            for server in &mut self.servers {
                server.still_runs()?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Runs a command that finds the addresses in its environment, and ends as it does.
    fn lend(&self, program: &str, arguments: &[String]) -> Result<ExitCode> {
        let mut command = Command::new(program);
        command.args(arguments).envs(self.addresses.iter().map(|(variable, address)| (variable, address)));
        environment::forget_own_package(&mut command);
        match process::Group::start(&mut command)?.wait(COMMAND_LIMIT)? {
            Ended::Exit(status) => Ok(status
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .map_or(ExitCode::FAILURE, ExitCode::from)),
            Ended::Interrupted => Ok(ExitCode::from(interrupt::EXIT_CODE)),
            Ended::TimedOut => bail!("{program} took longer than {COMMAND_LIMIT:?}"),
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU16, Ordering};

    /// Finds port 0 taken, and starts with port 1.
    fn start_late(_: &Packages) -> Result<Server> {
        static PORT: AtomicU16 = AtomicU16::new(0);
        let port = PORT.fetch_add(1, Ordering::SeqCst);
        let scripts = ["echo bind: Address already in use; exit 1", "exec sleep 600"];
        let mut shell = Command::new("sh");
        Server::process(port, server::folder()?, shell.args(["-c", scripts[usize::from(port)]]))
    }

    #[test]
    fn a_server_that_finds_its_port_taken_gets_another() {
        let service = Service {
            name: "late",
            variable: "",
            image: Image { name: "", port: 0, options: &[], command: &[] },
            start: start_late,
            answers: |port| if port == 1 { Ok(()) } else { bail!("nobody answers") },
            address: |_| String::new(),
            settings: nothing_else,
        };
        let packages = Packages::of(&repository::root().unwrap()).unwrap();
        assert_eq!(service.bring_up(&packages).unwrap().port, 1);
    }

    #[test]
    fn an_unknown_server_is_named_with_those_there_are() {
        let packages = Packages::of(&repository::root().unwrap()).unwrap();
        let error = start(&["mysql".to_owned()], &packages).err().unwrap().to_string();
        let known = "postgres, dynamodb, s3vectors, redis, embeddings";
        assert_eq!(error, format!("there is no server `mysql`: choose from {known}"));
    }
}
