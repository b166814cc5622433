//! What every request goes through, whatever it asks: its head, the token, the routes, a
//! net under panics, and the name of the log on the answer.

use std::any::Any;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use axum::response::IntoResponse as _;
use hyper::body::Incoming;
use tower::Service as _;

use super::auth::authorise;
use super::error::{ErrorCode, Problem};
use super::head::check_head;
use super::options::HttpOptions;
use super::phase::{AnswerBody, ConnectionPhase, Phase, RequestBody};
use super::raw_answer::RawAnswers;
use super::traffic::Traffic;
use crate::log::LogId;

/// How many characters of a path the log shows.
const PATH_SHOWN: usize = 200;

const LOG_ID: HeaderName = HeaderName::from_static("oncelog-log-id");

/// What all connections share.
pub(super) struct Front {
    pub(super) options: HttpOptions,
    pub(super) answers: RawAnswers,
    pub(super) traffic: Arc<Traffic>,
    routes: Router,
    log_id: Option<HeaderValue>,
}

impl Front {
    pub(super) fn new(
        routes: Router,
        log_id: Option<LogId>,
        options: HttpOptions,
        traffic: Arc<Traffic>,
    ) -> Front {
        let header = |log_id: LogId| {
            HeaderValue::from_str(&log_id.to_string())
                .expect("hexadecimal digits are a header value")
        };
        Front {
            answers: RawAnswers {
                log_id,
                header_bytes: options.header_bytes,
                traffic: Arc::clone(&traffic),
            },
            traffic,
            log_id: log_id.map(header),
            routes,
            options,
        }
    }
}

/// Answers the requests of one connection.
pub(super) struct ConnectionService {
    pub(super) front: Arc<Front>,
    pub(super) connection: Arc<ConnectionPhase>,
}

type Answer = Result<Response<AnswerBody>, Infallible>;

impl hyper::service::Service<Request<Incoming>> for ConnectionService {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let connection = Arc::clone(&self.connection);
        connection.set(Phase::Handling);
        let request = request.map(|body| RequestBody::new(body, Arc::clone(&connection)));
        let front = Arc::clone(&self.front);
        let in_flight = front.traffic.in_flight();
        Box::pin(async move {
            let asked = Asked::of(&request);
            let token = front.options.token.as_ref();
            let mut routes = front.routes.clone();
            let entered = check_head(request.version(), request.headers())
                .and_then(|()| authorise(token, request.uri().path(), request.headers()));
            let mut response = match entered {
                Ok(()) => match without_panic(async { routes.call(request).await }).await {
                    Ok(Ok(response)) => response,
                    Err(panic) => after_panic(&*panic).into_response(),
                },
                Err(problem) => problem.into_response(),
            };
            if let Some(log_id) = &front.log_id {
                response.headers_mut().insert(LOG_ID, log_id.clone());
            }
            front.traffic.answered(response.status().as_u16());
            if let Some(asked) = asked {
                asked.answered(response.status());
            }
            Ok(response.map(|body| AnswerBody::new(body, connection, in_flight)))
        })
    }
}

/// A request, for the log at the level `debug`: neither its query nor its headers or body.
struct Asked {
    method: Method,
    path: String,
    begun: Instant,
}

impl Asked {
    /// None when nobody wants to know.
    fn of<B>(request: &Request<B>) -> Option<Asked> {
        tracing::enabled!(tracing::Level::DEBUG).then(|| Asked {
            method: request.method().clone(),
            path: request.uri().path().chars().take(PATH_SHOWN).collect(),
            begun: Instant::now(),
        })
    }

    fn answered(self, status: StatusCode) {
        let (method, path) = (self.method, self.path.escape_debug());
        let millis = self.begun.elapsed().as_secs_f64() * 1000.0;
        tracing::debug!("{method} {path} {} in {millis:.1} ms", status.as_u16());
    }
}

type Panic = Box<dyn Any + Send>;

/// Runs a future, and stops it at a panic instead of the whole connection.
async fn without_panic<F: Future>(future: F) -> Result<F::Output, Panic> {
    let mut future = pin!(future);
    std::future::poll_fn(move |cx| {
        // What the panic left half done is dropped with the future.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

/// What a panic said.
pub fn panic_words(panic: &(dyn Any + Send)) -> &str {
    let words = panic.downcast_ref::<&str>().copied();
    let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    words.unwrap_or("without words")
}

/// Logs a panic, which the client is told of without its words.
pub(super) fn after_panic(panic: &(dyn Any + Send)) -> Problem {
    let words = panic_words(panic);
    tracing::error!("a request met an internal fault: {words}");
    Problem::new(
        ErrorCode::Internal,
        "the fault is in the server's log; a publish may or may not have been kept",
    )
}
