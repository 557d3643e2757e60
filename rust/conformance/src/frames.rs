//! Framing on a pipe: 4 bytes of big-endian length, then that many bytes of JSON.

use std::io::{Error, ErrorKind, Result};

use serde::Serialize;
use serde::de::DeserializeOwned;
use smooai_smooth_operator_protocol::decode::value_from_json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The longest frame in bytes, without its length.
pub const LIMIT: usize = 16 << 20;

/// Reads one frame; `None` when the pipe ends between two frames.
///
/// # Errors
/// When the pipe breaks or ends within a frame, when a frame is longer than [`LIMIT`], or is not a `T`.
pub async fn read<T: DeserializeOwned>(pipe: &mut (impl AsyncRead + Unpin)) -> Result<Option<T>> {
    let mut length = [0_u8; 4];
    if pipe.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    pipe.read_exact(&mut length[1..]).await?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > LIMIT {
        return Err(invalid(format!("a frame of {length} bytes; the limit is {LIMIT}")));
    }
    let mut bytes = vec![0; length];
    pipe.read_exact(&mut bytes).await?;
    let text = std::str::from_utf8(&bytes).map_err(|error| invalid(error.to_string()))?;
    value_from_json(text).map(Some).map_err(|error| invalid(format!("{error} in the frame {}", short(text))))
}

/// Writes one frame and flushes the pipe.
///
/// # Errors
/// When the pipe is broken or the frame is longer than [`LIMIT`].
pub async fn write(pipe: &mut (impl AsyncWrite + Unpin), value: &impl Serialize) -> Result<()> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, value)?;
    let length = bytes.len() - 4;
    let prefix = u32::try_from(length).ok().filter(|_| length <= LIMIT);
    let prefix = prefix.ok_or_else(|| invalid(format!("a frame of {length} bytes; the limit is {LIMIT}")))?;
    bytes[..4].copy_from_slice(&prefix.to_be_bytes());
    pipe.write_all(&bytes).await?;
    pipe.flush().await
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidData, message)
}

fn short(text: &str) -> String {
    text.chars().take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::{LIMIT, read, write};
    use crate::{Command, ExitCommand};

    #[tokio::test]
    async fn what_is_written_is_read() {
        let (mut near, mut far) = tokio::io::duplex(1024);
        let command = Command::Exit(ExitCommand { id: 7 });
        write(&mut near, &command).await.unwrap();
        drop(near);
        assert_eq!(read::<Command>(&mut far).await.unwrap(), Some(command));
        assert_eq!(read::<Command>(&mut far).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_frame_that_is_too_long_cut_or_no_command_is_an_error() {
        let long = u32::try_from(LIMIT + 1).unwrap().to_be_bytes();
        assert!(read::<Command>(&mut &long[..]).await.unwrap_err().to_string().contains("limit"));
        assert!(read::<Command>(&mut &[0_u8, 0, 0, 9, b'{'][..]).await.is_err());
        assert!(read::<Command>(&mut &[0_u8][..]).await.is_err());
        assert!(read::<Command>(&mut &b"\0\0\0\x02{}"[..]).await.is_err());
        assert!(write(&mut tokio::io::sink(), &"x".repeat(LIMIT)).await.is_err());
    }
}
