//! Serves all-MiniLM-L6-v2 as an embedding and rerank endpoint on this machine.
#![expect(clippy::print_stdout, reason = "the line with the address is for whoever started it")]

use anyhow::{Context, Result};
use clap::Parser;
use smooai_smooth_operator_evals::endpoint;
use smooai_smooth_operator_evals::model::MiniLm;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;

#[derive(Parser)]
struct Arguments {
    /// The folder with the model's files
    #[arg(long)]
    model: PathBuf,
    /// The IP address to listen on
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// The port; 0 is any free one
    #[arg(long, default_value_t = 8788)]
    port: u16,
    /// Memory for passages that were ordered before, in MiB
    #[arg(long, default_value_t = 256)]
    keep: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { model, bind, port, keep } = Arguments::parse();
    let model = Arc::new(MiniLm::load(&model, keep << 20)?);
    let listener = TcpListener::bind((bind, port)).await;
    let listener = listener.with_context(|| format!("cannot listen on {bind}:{port}"))?;
    println!("listening on http://{}/v1", listener.local_addr()?);
    endpoint::serve(listener, model).await
}
