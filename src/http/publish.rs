//! `POST /publish`: a body becomes a batch, the batch becomes durable, its events get
//! their verdicts.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{LOCATION, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::app::{App, blocking, json_text};
use super::awaiting::Awaited;
use super::body::{ReadBody, read_body};
use super::content::check_content;
use super::error::Problem;
use super::publish_answer::{EventName, PublishAnswer, Receipts};
use super::query::Query;
use crate::event::{InvalidEvents, parse_publish};
use crate::store::{Outcome, ReplyWhen};

/// Larger bodies are parsed and hashed away from the async workers.
const INLINE_BYTES_MAX: usize = 256 << 10;

#[derive(Copy, Clone, Debug)]
struct Wishes {
    receipts: Receipts,
    invalid: InvalidEvents,
    when: ReplyWhen,
}

impl Wishes {
    fn parse(raw: Option<&str>) -> Result<Wishes, Problem> {
        let mut query = Query::parse(raw)?;
        let wishes = Wishes {
            receipts: query
                .take_word("receipts", &[("all", Receipts::All)])?
                .unwrap_or(Receipts::NotStored),
            invalid: query
                .take_word("invalid", &[("skip", InvalidEvents::Skip)])?
                .unwrap_or(InvalidEvents::Refuse),
            when: query
                .take_word("wait", &[("durable", ReplyWhen::Durable)])?
                .unwrap_or(ReplyWhen::Judged),
        };
        query.end()?;
        Ok(wishes)
    }
}

pub(super) async fn publish(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let wishes = Wishes::parse(parts.uri.query())?;
    check_content(&parts.headers)?;
    let read = read_body(&app, body).await?;
    // The room goes with the bytes: a client that leaves meanwhile gives back nothing. It
    // stays with the answer too, whose length is in proportion.
    let room = Arc::clone(&read.room);
    let (awaited, answer) = if read.bytes.len() <= INLINE_BYTES_MAX {
        submit(&app, read, wishes)?
    } else {
        let app = Arc::clone(&app);
        blocking(move || submit(&app, read, wishes)).await?
    };
    match awaited.outcome(&app.options).await {
        Outcome::Judged(judged) => Ok(json_text(room.with(answer.judged(&judged)))),
        Outcome::Durable {
            first_seq,
            last_seq,
        } => {
            let mut response = json_text(room.with(answer.pending(first_seq)));
            *response.status_mut() = StatusCode::ACCEPTED;
            let headers = response.headers_mut();
            if let Ok(location) =
                HeaderValue::from_str(&format!("/receipts?from={first_seq}&to={last_seq}"))
            {
                headers.insert(LOCATION, location);
            }
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            Ok(response)
        }
        Outcome::Refused(refusal) => Err(refusal.into()),
    }
}

/// Takes CPU time in proportion to the body. The answer keeps nothing of it but what it
/// will show.
fn submit(app: &App, read: ReadBody, wishes: Wishes) -> Result<(Awaited, PublishAnswer), Problem> {
    let parsed = parse_publish(&read.bytes, &app.options.limits, wishes.invalid)?;
    let submitted = app.store.submit(parsed.batch(), wishes.when)?;
    let events = parsed.batch().events();
    let mut answer = PublishAnswer::new(
        events.len(),
        Arc::clone(&submitted.arrivals),
        wishes.receipts,
    );
    if wishes.receipts == Receipts::All {
        answer.names = events
            .iter()
            .map(|event| EventName::from(&*event.event_id))
            .collect();
    }
    if wishes.invalid == InvalidEvents::Skip {
        answer.refused_indexes = Some(parsed.refused_indexes().collect());
        answer.errors = parsed.refused().clone();
    }
    let awaited = Awaited::new(submitted, answer.received(), read.room);
    Ok((awaited, answer))
}
