//! `GET /topics`.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::HeaderValue;
use axum::http::header::LINK;
use axum::response::Response;
use serde::Serialize;

use super::app::{App, blocking, json_text, to_json};
use super::error::Problem;
use super::query::{Query, invalid};
use crate::store::TopicCount;

const LIMIT_DEFAULT: usize = 1_000;
const LIMIT_MAX: usize = 10_000;

#[derive(Debug, Serialize)]
struct TopicsAnswer {
    topics: Vec<TopicCount>,
}

pub(super) async fn topics(
    State(app): State<Arc<App>>,
    RawQuery(raw): RawQuery,
) -> Result<Response, Problem> {
    let mut query = Query::parse(raw.as_deref())?;
    let after = query.take_number("after")?.unwrap_or(0);
    let limit = query.take_number("limit")?.unwrap_or(LIMIT_DEFAULT);
    query.end()?;
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(invalid(format!("`limit` may be 1 to {LIMIT_MAX}")));
    }
    // One more than asked for tells whether there is a next page.
    let mut topics = blocking(move || Ok(app.store.topics(after, limit + 1)?)).await?;
    let more = topics.len() > limit;
    topics.truncate(limit);
    let link = match topics.last() {
        Some(last) if more => Some(format!(
            "</topics?after={}&limit={limit}>; rel=\"next\"",
            last.no
        )),
        _ => None,
    };
    let mut response = json_text(to_json(&TopicsAnswer { topics })?);
    if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}
