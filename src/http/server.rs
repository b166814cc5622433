//! Accepting connections, and letting go of them.

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::app::App;
use super::clock;
use super::options::HttpOptions;
use super::phase::ConnectionPhase;
use super::refuse::refuse;
use super::routes::{opening_routes, routes};
use super::service::{ConnectionService, Front};
use super::traffic::Traffic;
use super::watched::Watched;
use crate::store::Store;

/// The most headers of a request.
const HEADERS_MAX: usize = 100;
/// How many connections over the limit are told so at the same time.
const REFUSALS_MAX: usize = 64;
/// How long to wait after an accept failed for want of something, such as descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The least time between two warnings that there are too many connections.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// How serving ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Requests that were in flight when the server was told to stop.
    pub in_flight: u64,
    /// Connections that were cut because they had not ended within the drain time.
    pub abandoned: usize,
}

/// Serves HTTP on these listeners until `shutdown` is ready; then accepts no more,
/// closes idle connections, lets requests in flight end, and gives up on those that
/// have not within [`HttpOptions::drain`]. Blocking calls of the store run on the
/// runtime's blocking threads.
pub async fn serve(
    listeners: Vec<TcpListener>,
    store: Arc<Store>,
    options: HttpOptions,
    shutdown: impl Future<Output = ()>,
) -> Served {
    let log_id = Some(store.log_id());
    let traffic = Arc::new(Traffic::default());
    let app = Arc::new(App::new(store, options.clone(), Arc::clone(&traffic)));
    let clock = tokio::spawn(clock::run(Arc::clone(&app)));
    let front = Front::new(routes(app), log_id, options, traffic);
    let served = serve_routes(listeners, front, shutdown).await;
    clock.abort();
    served
}

/// Answers while the store is being opened, until `opened` is ready: that the process lives,
/// and to everything else that it takes a moment.
pub async fn serve_opening(
    listeners: Vec<TcpListener>,
    options: HttpOptions,
    opened: impl Future<Output = ()>,
) -> Served {
    let front = Front::new(opening_routes(), None, options, Arc::default());
    serve_routes(listeners, front, opened).await
}

/// The same, whatever is served.
pub(super) async fn serve_routes(
    listeners: Vec<TcpListener>,
    front: Front,
    shutdown: impl Future<Output = ()>,
) -> Served {
    let limit = front.options.connections.clamp(1, u32::MAX as usize);
    let drain = front.options.drain;
    let server = Arc::new(Server {
        front: Arc::new(front),
        limit,
        connections: Arc::new(Semaphore::new(limit)),
        refusals: Arc::new(Semaphore::new(REFUSALS_MAX)),
        closing: CancellationToken::new(),
        warned: Mutex::new(None),
        cut: CancellationToken::new(),
    });
    let accepting: Vec<_> = listeners
        .into_iter()
        .map(|listener| tokio::spawn(Arc::clone(&server).accept(listener)))
        .collect();
    shutdown.await;
    let in_flight = server.front.traffic.requests_in_flight();
    server.closing.cancel();
    for task in accepting {
        // It ends at once and closes its listener; if it panicked, it has ended too.
        let _ = task.await;
    }
    // All permits are back when all connections have ended.
    let all = server.connections.acquire_many(limit as u32);
    let abandoned = match timeout(drain, all).await {
        Ok(_) => 0,
        Err(_) => limit - server.connections.available_permits(),
    };
    server.cut.cancel();
    Served {
        in_flight,
        abandoned,
    }
}

struct Server {
    front: Arc<Front>,
    limit: usize,
    connections: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    /// The server is stopping: no further requests.
    closing: CancellationToken,
    warned: Mutex<Option<Instant>>,
    /// The time to stop is over: connections are dropped as they are.
    cut: CancellationToken,
}

impl Server {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        let mut failing = false;
        loop {
            let accepted = tokio::select! {
                () = self.closing.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    failing = false;
                    self.take(stream).await;
                }
                Err(error) if is_the_clients(&error) => {}
                Err(error) => {
                    // Mostly EMFILE: connections that end give descriptors back.
                    if !failing {
                        tracing::warn!(
                            "connections cannot be accepted, it is tried again: {error}"
                        );
                    }
                    failing = true;
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Serves a connection, or tells it that there are too many. Left waiting in the
    /// kernel's queue instead, a client could not tell a full server from a dead one,
    /// and would learn nothing before its own timeout; nothing of its request was read,
    /// so that it can safely try again.
    async fn take(self: &Arc<Self>, stream: TcpStream) {
        let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else {
            return self.turn_away(stream).await;
        };
        let server = Arc::clone(self);
        let connected = self.front.traffic.connected();
        tokio::spawn(async move {
            let _counted = (permit, connected);
            tokio::select! {
                () = server.serve_connection(stream) => {}
                () = server.cut.cancelled() => {}
            }
        });
    }

    async fn turn_away(&self, stream: TcpStream) {
        let Ok(permit) = Arc::clone(&self.refusals).acquire_owned().await else {
            return;
        };
        if self.warning_is_due() {
            tracing::warn!(
                "connections are refused: there are {}, as many as there may be",
                self.limit
            );
        }
        let answer = self.front.answers.too_many_connections(self.limit);
        tokio::spawn(async move {
            let _permit = permit;
            refuse(stream, &answer).await;
        });
    }

    /// So that a flood of connections is no flood of warnings.
    fn warning_is_due(&self) -> bool {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let due = warned.is_none_or(|at| at.elapsed() > WARN_EVERY);
        if due {
            *warned = Some(Instant::now());
        }
        due
    }

    async fn serve_connection(&self, stream: TcpStream) {
        // Answers are written whole; waiting for more to send would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection ended before it was served");
            return;
        }
        let connection = Arc::new(ConnectionPhase::default());
        let io = Watched::new(
            stream,
            Arc::clone(&connection),
            &self.front.options,
            self.front.answers.clone(),
        );
        let service = ConnectionService {
            front: Arc::clone(&self.front),
            connection,
        };
        let serving = http1::Builder::new()
            .max_header_size(self.front.options.header_bytes)
            .max_headers(HEADERS_MAX)
            // `Watched` keeps the deadlines.
            .header_read_timeout(None)
            // A client that has sent everything and says so still wants its answer.
            .half_close(true)
            .serve_connection(TokioIo::new(io), service);
        let mut serving = pin!(serving);
        let ended = tokio::select! {
            ended = serving.as_mut() => ended,
            () = self.closing.cancelled() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// Whether an accept failed because that one client had already left.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}

#[cfg(test)]
#[path = "server_tests/mod.rs"]
mod tests;
