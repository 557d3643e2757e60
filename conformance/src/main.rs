//! `scripted-gateway [SCRIPT.json] [ADDRESS]`: the gateway alone, for trying a script by hand.
//! Prints its base URL and serves until it is stopped.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use smooai_smooth_operator_conformance::gateway::{Gateway, KEY, Reply, Script};

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let script = match arguments.next() {
        Some(path) => {
            let text = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
            serde_json::from_str(&text).with_context(|| format!("{path} is no script"))?
        }
        None => Script::new().always(Reply::pieces(["Hello", " from", " the", " script."]).usage(5, 4)),
    };
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let gateway = Gateway::bind(script, &address).await?;
    writeln!(std::io::stdout(), "SMOOAI_GATEWAY_URL={} SMOOAI_GATEWAY_KEY={KEY}", gateway.url())?;
    std::future::pending::<()>().await;
    Ok(())
}
