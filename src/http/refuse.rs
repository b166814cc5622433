//! Telling a client that there is no place for it, without becoming its server.

use std::pin::Pin;
use std::time::Duration;

use tokio::io::AsyncWrite as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a client may take to hear it.
const REFUSAL: Duration = Duration::from_secs(1);

/// Sends the answer and closes. What the client sent is read first: closing over unread
/// bytes resets the connection, and the answer would be lost.
pub(super) async fn refuse(mut stream: TcpStream, answer: &[u8]) {
    let told = async {
        // It fits into the send buffer of a new connection, or the client gets a part.
        if stream.writable().await.is_err() || stream.try_write(answer).is_err() {
            return;
        }
        if std::future::poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx))
            .await
            .is_err()
        {
            return;
        }
        let mut scratch = [0; 4096];
        while stream.readable().await.is_ok() {
            match stream.try_read(&mut scratch) {
                Ok(0) => return,
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => {}
            }
        }
    };
    // A client that goes on sending is cut off.
    let _ = timeout(REFUSAL, told).await;
}
