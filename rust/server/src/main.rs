//! `smooth-operator-server`: the WebSocket mount of the service. It gets frames, makes the caller,
//! provides the sink, and runs the service's futures.

mod admission;
mod closing;
mod connection;
#[cfg(unix)]
mod descriptors;
mod listener;
mod origin;
mod outbox;
mod refusal;
mod routes;
mod shutdown;
mod token;

use smooai_smooth_operator_host::{Host, Launch, transfer};
use std::process::ExitCode;

fn main() -> ExitCode {
    let launch = match Launch::from_process() {
        Ok(launch) => launch,
        Err(exit) => return exit.report(),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    match runtime.block_on(run(launch)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn run(launch: Launch) -> anyhow::Result<()> {
    match launch.command() {
        Some(command) => Ok(transfer(&launch, command).await?),
        None => serve(launch).await,
    }
}

async fn serve(launch: Launch) -> anyhow::Result<()> {
    let host = Host::start(launch).await?;
    #[cfg(unix)]
    descriptors::raise_limit();
    listener::run(host).await
}

#[expect(clippy::print_stderr, reason = "the last word of a server that cannot run")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("smooth-operator-server: {error:#}");
    ExitCode::FAILURE
}
