//! `GET /receipts`: the verdicts of a range of seqs, for who was answered 202.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use tokio::time::Instant;

use super::app::{App, blocking, json_text};
use super::error::{ErrorCode, Problem};
use super::query::{Query, invalid};
use crate::event::Seq;
use crate::index::fold::Judged;
use crate::render::json::{push_comma, push_display, push_numbers};
use crate::render::verdict::{VerdictCounts, push_original, verdict_name};
use crate::store::Verdicts;

/// The most seqs of one request, unless a batch may have more.
const RANGE_MAX: u64 = 100_000;

/// About what one takes in an answer.
const RECEIPT_BYTES: usize = 64;

/// Every batch can be asked for in one request.
fn range_max(app: &App) -> u64 {
    RANGE_MAX.max(app.options.limits.events_per_batch as u64)
}

pub(super) async fn receipts(
    State(app): State<Arc<App>>,
    RawQuery(raw): RawQuery,
) -> Result<Response, Problem> {
    let (from, to) = range(raw.as_deref(), range_max(&app))?;
    let answer_bytes = to.since(from) as usize * RECEIPT_BYTES;
    let deadline = Instant::now() + app.options.body_timeout;
    let room = app
        .body_room
        .take_for_answer(answer_bytes, deadline)
        .await?;
    match blocking(move || Ok(app.store.verdicts(from, to)?)).await? {
        Verdicts::Judged(judged) => Ok(json_text(room.with(text(from, to, &judged)))),
        Verdicts::Pending { applied } => {
            let text = format!(
                "{{\"status\":\"pending\",\"from\":{from},\"to\":{to},\"applied\":{applied}}}"
            );
            let mut response = json_text(text);
            *response.status_mut() = StatusCode::ACCEPTED;
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static("1"));
            Ok(response)
        }
        Verdicts::Unknown { durable } => {
            let detail =
                format!("the last event has the seq {durable}, {from} to {to} was asked for");
            Err(Problem::new(ErrorCode::UnknownSeq, detail))
        }
    }
}

fn range(raw: Option<&str>, range_max: u64) -> Result<(Seq, Seq), Problem> {
    let mut query = Query::parse(raw)?;
    let from: Option<u64> = query.take_number("from")?;
    let to: Option<u64> = query.take_number("to")?;
    query.end()?;
    let (Some(from), Some(to)) = (from, to) else {
        return Err(invalid(
            "`from` and `to` are needed: the first and the last seq",
        ));
    };
    if from == 0 || to < from || to - from >= range_max {
        return Err(invalid(format!(
            "`from` must be 1 or more, and `to` up to {} more",
            range_max - 1
        )));
    }
    Ok((Seq::new(from), Seq::new(to)))
}

fn text(from: Seq, to: Seq, judged: &[Judged]) -> Vec<u8> {
    let counts = VerdictCounts::of(judged);
    let mut out = Vec::with_capacity(128 + judged.len() * 56);
    out.extend_from_slice(b"{\"status\":\"ok\"");
    push_numbers(
        &mut out,
        &[
            ("from", from.get()),
            ("to", to.get()),
            ("received", judged.len() as u64),
            ("unique", counts.unique),
            ("duplicates", counts.duplicates()),
            ("conflicts", counts.conflict),
            ("lost", counts.lost),
        ],
    );
    out.extend_from_slice(b",\"receipts\":[");
    let mut first = true;
    for judged in judged {
        push_comma(&mut out, &mut first);
        out.extend_from_slice(b"{\"seq\":");
        push_display(&mut out, judged.seq);
        out.extend_from_slice(b",\"verdict\":\"");
        out.extend_from_slice(verdict_name(Some(judged.verdict)).as_bytes());
        out.extend_from_slice(b"\",\"original_seq\":");
        push_original(&mut out, judged.original_seq);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_bounded_and_starts_at_one() {
        assert_eq!(
            range(Some("from=7&to=9"), RANGE_MAX).expect("a range"),
            (Seq::new(7), Seq::new(9))
        );
        assert!(range(Some("from=1&to=100000"), RANGE_MAX).is_ok());
        let max = u64::MAX;
        assert!(range(Some(&format!("from={max}&to={max}")), RANGE_MAX).is_ok());
        for raw in [
            "",
            "from=1",
            "to=1",
            "from=0&to=1",
            "from=2&to=1",
            "from=1&to=100001",
            "from=1&to=2&x=3",
        ] {
            assert!(range(Some(raw), RANGE_MAX).is_err(), "{raw}");
        }
    }
}
