//! How long a client may take to read, on a line without buffers and with a clock of its own.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::sleep as pause;

use super::*;

const ALLOWED: Duration = Duration::from_secs(30);
/// Just in time.
const LATE: Duration = Duration::from_secs(29);

/// The server's side, in the middle of an answer, and the client's.
fn line() -> (Watched<DuplexStream>, DuplexStream) {
    let (server, client) = duplex(1);
    let connection = Arc::new(ConnectionPhase::default());
    connection.set(Phase::Handling);
    let options = HttpOptions {
        write_timeout: ALLOWED,
        ..HttpOptions::default()
    };
    let answers = RawAnswers {
        log_id: None,
        header_bytes: options.header_bytes,
        traffic: Arc::default(),
    };
    (Watched::new(server, connection, &options, answers), client)
}

/// Writes an answer of so many bytes, as hyper does, and gives how long it took.
async fn write(line: &mut Watched<DuplexStream>, bytes: usize) -> io::Result<Duration> {
    let begun = Instant::now();
    line.write_all(&vec![b'x'; bytes]).await?;
    line.flush().await?;
    Ok(begun.elapsed())
}

/// A client that reads so many bytes, and again after each pause.
fn reads(mut client: DuplexStream, bytes: usize, every: Duration) {
    tokio::spawn(async move {
        let mut part = vec![0; bytes];
        while client.read_exact(&mut part).await.is_ok() {
            pause(every).await;
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_byte_now_and_then_does_not_hold_the_connection() {
    let (mut line, client) = line();
    reads(client, 1, LATE);
    let begun = Instant::now();
    let error = write(&mut line, 1 << 20).await.expect_err("cut");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(begun.elapsed() <= ALLOWED * 2, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_but_steadily_gets_all_of_it() {
    let (mut line, client) = line();
    reads(client, LEAST_READ_BYTES, LATE);
    let taken = write(&mut line, 16 * LEAST_READ_BYTES)
        .await
        .expect("whole");
    assert!(taken > ALLOWED * 10, "{taken:?}");
}

#[tokio::test(start_paused = true)]
async fn many_short_answers_with_pauses_between_are_no_slow_reading() {
    let (mut line, client) = line();
    reads(client, 100, Duration::from_secs(1));
    for _ in 0..5 {
        write(&mut line, 1000).await.expect("whole");
        // The client has it all, and asks for nothing.
        pause(ALLOWED * 2).await;
    }
}
