//! What every request goes through, whatever it asks: its head, the token, the routes, a
//! net under panics, and the name of the log on the answer.

use std::any::Any;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Request, Response};
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
            Ok(response.map(|body| AnswerBody::new(body, connection, in_flight)))
        })
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

/// Logs a panic, which the client is told of without its words.
pub(super) fn after_panic(panic: &(dyn Any + Send)) -> Problem {
    let words = panic.downcast_ref::<&str>().copied();
    let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(
        panic = words.unwrap_or("without words"),
        "a request met an internal fault"
    );
    Problem::new(
        ErrorCode::Internal,
        "the fault is in the server's log; a publish may or may not have been kept",
    )
}
