//! The command line's side of HTTP: one server, one connection that is kept, one request at
//! a time. Nothing is tried again here.
//!
//! hyper's own connection rather than a whole client, for two things that those tried
//! (hyper-util's, ureq) do not have: the answer is read although the request could not be
//! written whole ([`stream`]), and whoever asks knows whether a connection is used again.

mod error;
mod stream;
mod target;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};

pub(super) use error::NoAnswer;
pub(super) use target::{Target, UrlError};

use stream::AnswerFirst;

/// What a timeout that turned out to be too short grows to, unless it was longer from the start.
const ANSWER_TIMEOUT_GROWN_MAX: Duration = Duration::from_secs(600);

/// Runs what a command does over HTTP, on this thread.
///
/// # Errors
/// The system gives no runtime.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(work);
    // A name that is still being looked up is not waited for.
    runtime.shutdown_background();
    Ok(done)
}

/// How a client behaves.
#[derive(Clone, Debug)]
pub(super) struct ClientOptions {
    /// How it calls itself.
    pub(super) user_agent: &'static str,
    /// Shown as it is, with every request.
    pub(super) token: Option<HeaderValue>,
    /// For the name and all its addresses together.
    pub(super) connect_timeout: Duration,
    /// For the whole of a request, from connecting to the answer's last byte, as long as it is
    /// not [allowed more](Client::allow_twice_the_time).
    pub(super) answer_timeout: Duration,
}

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Asks one server.
#[derive(Debug)]
pub(super) struct Client {
    target: Target,
    options: ClientOptions,
    /// What the next request is allowed.
    answer_within: Duration,
    connection: Option<Connection>,
    is_in_flight: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Connection {
    requests: SendRequest<Full<Bytes>>,
    is_write_broken: Arc<AtomicBool>,
}

impl Client {
    pub(super) fn new(target: Target, options: ClientOptions) -> Client {
        Client {
            target,
            answer_within: options.answer_timeout,
            options,
            connection: None,
            is_in_flight: Arc::default(),
        }
    }

    /// Whether something may still come of what was sent: a request is on its way, or was
    /// taken. To be looked at while the client is at work.
    pub(super) fn in_flight(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_in_flight)
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Gives the requests from now on twice the time, up to ten minutes: a server that needs
    /// longer than it is given would never be heard.
    pub(super) fn allow_twice_the_time(&mut self) {
        let twice = self.answer_within.saturating_mul(2);
        let most = ANSWER_TIMEOUT_GROWN_MAX.max(self.options.answer_timeout);
        self.answer_within = twice.min(most);
    }

    /// Gives the requests from now on the time of the options again.
    pub(super) fn allow_the_usual_time(&mut self) {
        self.answer_within = self.options.answer_timeout;
    }

    /// Asks for one of the server's paths.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub(super) async fn get(
        &mut self,
        path: &str,
        answer_bytes_max: usize,
    ) -> Result<Answer, NoAnswer> {
        self.ask(Method::GET, path, Bytes::new(), answer_bytes_max)
            .await
    }

    /// Sends JSON.
    ///
    /// # Errors
    /// [`NoAnswer`]: whether the server got it is not known.
    pub(super) async fn post(
        &mut self,
        path: &str,
        json: Bytes,
        answer_bytes_max: usize,
    ) -> Result<Answer, NoAnswer> {
        self.ask(Method::POST, path, json, answer_bytes_max).await
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
        answer_bytes_max: usize,
    ) -> Result<Answer, NoAnswer> {
        let deadline = self.answer_within;
        let until = Instant::now() + deadline;
        let asked = timeout_at(until, async {
            loop {
                let (mut connection, is_used) = self.connect().await?;
                let request = self.request(&method, path, body.clone())?;
                self.is_in_flight.store(true, Ordering::Relaxed);
                let answered = connection.requests.try_send_request(request).await;
                let response = match answered {
                    Ok(response) => response,
                    // It was closed while it was idle, and nothing of the request was sent.
                    Err(error) if is_used && error.message().is_some() => continue,
                    Err(error) => return Err(NoAnswer::of_hyper(&error.into_error())),
                };
                let (head, body) = response.into_parts();
                let body = Limited::new(body, answer_bytes_max).collect().await;
                let body = body.map_err(|error| match error.downcast_ref() {
                    Some(error) => NoAnswer::of_hyper(error),
                    None => NoAnswer::TooLarge(answer_bytes_max),
                })?;
                // After a refusal the rest of the request may still be on its way.
                if head.status.is_success() {
                    self.connection = Some(connection);
                }
                return Ok(Answer {
                    status: head.status,
                    headers: head.headers,
                    body: body.to_bytes(),
                });
            }
        });
        let late = |_elapsed| Err(NoAnswer::Late(deadline));
        let answered = asked.await.unwrap_or_else(late);
        let is_taken = matches!(&answered, Ok(answer) if answer.status.is_success());
        self.is_in_flight.store(is_taken, Ordering::Relaxed);
        answered
    }

    /// The connection that is there, if it can be used, or a new one; and whether it was used.
    async fn connect(&mut self) -> Result<(Connection, bool), NoAnswer> {
        // Lets the runtime hear of a connection that was closed meanwhile.
        tokio::task::yield_now().await;
        if let Some(mut connection) = self.connection.take()
            && !connection.is_write_broken.load(Ordering::Relaxed)
            && connection.requests.ready().await.is_ok()
        {
            return Ok((connection, true));
        }
        let limit = self.options.connect_timeout;
        let stream = timeout(limit, connect_any(&self.target.authority, limit))
            .await
            .map_err(|_elapsed| NoAnswer::Io(io::ErrorKind::TimedOut.into()))?
            .map_err(NoAnswer::Io)?;
        // Without it requests only come later; it is no reason to send none.
        let _ = stream.set_nodelay(true);
        let (stream, is_write_broken) = AnswerFirst::new(stream);
        let (requests, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| NoAnswer::of_hyper(&error))?;
        // It ends when `requests` is dropped; what goes wrong is told there.
        tokio::spawn(connection);
        let connection = Connection {
            requests,
            is_write_broken,
        };
        Ok((connection, false))
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, NoAnswer> {
        let mut request = Request::builder()
            .method(method)
            .uri(self.target.path(path))
            .header(HOST, &self.target.authority)
            .header(USER_AGENT, self.options.user_agent);
        if method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(token) = &self.options.token {
            request = request.header(AUTHORIZATION, token);
        }
        let unusable = |error| NoAnswer::Io(io::Error::new(io::ErrorKind::InvalidInput, error));
        request.body(Full::new(body)).map_err(unusable)
    }
}

/// The first of the addresses of this name that takes a connection within the limit. Each gets
/// the same part of it, so that a dead one does not take it all.
async fn connect_any(authority: &str, limit: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let addresses: Vec<SocketAddr> = lookup_host(authority).await?.collect();
    let parts = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        match timeout(limit / parts, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_elapsed) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests;
