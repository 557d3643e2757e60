//! DynamoDB Local, in memory: Java, with what Maven fetches.

use super::Service;
use super::docker::Image;
use super::package::Packages;
use super::server::{Server, connect, folder, free_port, read_until};
use crate::process;
use anyhow::{Context, Result, bail};
use std::io::Write;
use std::process::Command;

const VERSION: &str = "2.6.1";

/// A project that has the server as its one dependency.
const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>smooth-operator</groupId><artifactId>dynamodb-local</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>com.amazonaws</groupId><artifactId>DynamoDBLocal</artifactId><version>VERSION</version>
  </dependency></dependencies>
</project>
"#;

pub const SERVICE: Service = Service {
    name: "dynamodb",
    variable: "TEST_DYNAMODB_URL",
    image: Image {
        name: "amazon/dynamodb-local:2.6.1",
        port: 8000,
        options: &[],
        command: &["-jar", "DynamoDBLocal.jar", "-inMemory", "-sharedDb", "-disableTelemetry"],
    },
    start,
    answers,
    address: |port| format!("http://127.0.0.1:{port}"),
    settings: |address| settings("AWS_ENDPOINT_URL_DYNAMODB", address),
};

/// The SDK's own variables: where the service is, and credentials that it does not look at.
pub fn settings(endpoint: &'static str, address: &str) -> Vec<(&'static str, String)> {
    vec![
        (endpoint, address.to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
    ]
}

fn start(packages: &Packages) -> Result<Server> {
    if !process::succeeds(&["java", "-version"]) {
        bail!("DynamoDB Local needs Java 17 or later: install it, or start Docker");
    }
    let package = packages.get(&format!("dynamodb-local-{VERSION}"), |place| {
        std::fs::write(place.join("pom.xml"), POM.replace("VERSION", VERSION))?;
        let mut maven = Command::new("mvn");
        maven.current_dir(place).args(["-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"]);
        process::output(&mut maven).map(|_| ()).context("Maven is needed: install it, or start Docker")
    })?;
    let (folder, port) = (folder()?, free_port()?);
    let mut java = Command::new("java");
    java.current_dir(package).args(["-Xmx512m", "-Djava.library.path=lib", "-cp", "lib/*"]);
    java.args(["com.amazonaws.services.dynamodbv2.local.main.ServerRunner", "-inMemory", "-sharedDb"]);
    java.args(["-disableTelemetry", "-port", &port.to_string()]);
    Server::process(port, folder, &mut java)
}

/// Asks for the tables. The local server wants a signature's form and does not check it.
fn answers(port: u16) -> Result<()> {
    let mut stream = connect(port)?;
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Length: 2\r\n\
         Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: DynamoDB_20120810.ListTables\r\n\
         X-Amz-Date: 20260101T000000Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, \
         SignedHeaders=host, Signature=0\r\n\r\n{{}}"
    )?;
    read_until(&mut stream, "\"TableNames\":[")
}
