//! S3 Vectors: moto's, with the query that it lacks, in memory.

use super::Service;
use super::docker::Image;
use super::package::Packages;
use super::server::{Server, connect, folder, free_port, read_until};
use crate::process;
use anyhow::{Context, Result};
use std::io::Write;
use std::process::Command;

/// The server without what its other services want.
const PACKAGES: [&str; 3] = ["moto==5.2.5", "flask==3.1.*", "flask-cors==6.0.*"];

/// What moto lacks.
const EXTENSION: &str = include_str!("s3vectors.py");

pub const SERVICE: Service = Service {
    name: "s3vectors",
    variable: "TEST_S3VECTORS_URL",
    // There is no image with the extension: it always comes from packages.
    image: Image { name: "", port: 0, options: &[], command: &[] },
    start,
    answers,
    address: |port| format!("http://127.0.0.1:{port}"),
    settings: |address| super::dynamodb::settings("AWS_ENDPOINT_URL_S3VECTORS", address),
};

fn start(packages: &Packages) -> Result<Server> {
    let package = packages.get("moto-5.2.5", |place| {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]);
        process::output(pip.arg(place).args(PACKAGES)).map(|_| ()).context("python3 with pip is needed")
    })?;
    let (folder, port) = (folder()?, free_port()?);
    let program = folder.path().join("s3vectors.py");
    std::fs::write(&program, EXTENSION)?;
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", package).arg(program).args(["-H", "127.0.0.1", "-p", &port.to_string()]);
    Server::process(port, folder, &mut python)
}

/// Asks for the buckets. The service is told from the others by the signature's scope.
fn answers(port: u16) -> Result<()> {
    let mut stream = connect(port)?;
    write!(
        stream,
        "POST /ListVectorBuckets HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: 2\r\nX-Amz-Date: 20260101T000000Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/s3vectors/aws4_request, \
         SignedHeaders=host, Signature=0\r\n\r\n{{}}"
    )?;
    read_until(&mut stream, "\"vectorBuckets\":")
}
