//! The line between a server and its storage, which a scenario can cut.

use anyhow::{Context as _, Result};
use reqwest::Url;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// PostgreSQL's port, which its URLs may leave out.
const POSTGRES: u16 = 5432;

/// A relay of bytes. Dropping it ends its connections.
#[derive(Debug)]
pub struct Line {
    /// The address of the storage, by way of the line.
    pub url: String,
    is_cut: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Line {
    /// A line to the host of an address.
    pub async fn to(url: &str) -> Result<Self> {
        // The address may hold a password, and is not told.
        let mut url = Url::parse(url).context("the address of the storage is no URL")?;
        let host = url.host_str().context("the address of the storage has no host")?;
        let target = format!("{host}:{}", url.port_or_known_default().unwrap_or(POSTGRES));
        let listener = TcpListener::bind("127.0.0.1:0").await.context("binding a port for a line")?;
        let own = listener.local_addr()?;
        url.set_ip_host(own.ip()).ok().zip(url.set_port(Some(own.port())).ok()).context("another host")?;
        let is_cut = watch::Sender::new(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(relay(listener, target, is_cut.subscribe()));
        // Without the slash that a parsed address has for its empty path.
        let url = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { url, is_cut, _tasks: tasks })
    }

    /// Loses what stands and lets nothing new through, or lets it through again.
    pub fn cut(&self, is_cut: bool) {
        self.is_cut.send_replace(is_cut);
    }
}

async fn relay(listener: TcpListener, target: String, is_cut: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let (Ok((near, _)), false) = (accepted, *is_cut.borrow()) {
                connections.spawn(carry(near, target.clone(), is_cut.clone()));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn carry(mut near: TcpStream, target: String, mut is_cut: watch::Receiver<bool>) {
    // A storage that is not there is a line that breaks.
    let Ok(mut far) = TcpStream::connect(&target).await else { return };
    let (Ok(()), Ok(())) = (near.set_nodelay(true), far.set_nodelay(true)) else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => {}
        _ = is_cut.wait_for(|is_cut| *is_cut) => {}
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinSet;

    use super::Line;

    /// Whether a byte comes back.
    async fn echoes(stream: &mut TcpStream) -> bool {
        stream.write_all(b"x").await.is_ok() && stream.read_u8().await.is_ok()
    }

    #[tokio::test]
    async fn a_line_is_cut_and_mended() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut echo = JoinSet::new();
        echo.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        let line = Line::to(&format!("postgres://ada:secret@{address}/shop?x=1")).await.unwrap();
        assert!(line.url.starts_with("postgres://ada:secret@127.0.0.1:") && line.url.ends_with("/shop?x=1"));
        let own = line.url.split(['@', '/']).nth(3).unwrap().to_owned();
        let mut stream = TcpStream::connect(&own).await.unwrap();
        assert!(echoes(&mut stream).await);
        line.cut(true);
        assert!(!echoes(&mut stream).await);
        let mut another = TcpStream::connect(&own).await.unwrap();
        assert!(!echoes(&mut another).await);
        line.cut(false);
        let mut third = TcpStream::connect(&own).await.unwrap();
        assert!(echoes(&mut third).await);
    }
}
