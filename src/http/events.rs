//! `GET /events` and `GET /events/{seq}`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{LINK, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::app::{App, json_text};
use super::bounded_page::Bounded;
use super::error::{ErrorCode, Problem};
use super::event_pages::{PageMaker, single, text};
use super::pages_body::PagesBody;
use super::query::{Query, invalid, push_pair};
use crate::event::Seq;
use crate::index::fold::Verdict;
use crate::render::Show;
use crate::store::{EventFilter, Lookup, Order, VerdictFilter};

/// The most events of a page that is asked for with `limit`.
const LIMIT_MAX: usize = 10_000;

const VERDICTS: [(&str, VerdictFilter); 4] = [
    ("stored", VerdictFilter::Stored),
    ("duplicate", VerdictFilter::Duplicate),
    ("conflict", VerdictFilter::Conflict),
    ("all", VerdictFilter::All),
];
const ORDERS: [(&str, Order); 2] = [("asc", Order::Ascending), ("desc", Order::Descending)];

#[derive(Clone, Debug)]
struct Asked {
    filter: EventFilter,
    limit: Option<usize>,
}

impl Asked {
    fn parse(raw: Option<&str>) -> Result<Asked, Problem> {
        let mut query = Query::parse(raw)?;
        let filter = EventFilter {
            topic: query.take("topic"),
            source: query.take("source"),
            verdict: query.take_word("verdict", &VERDICTS)?.unwrap_or_default(),
            after: Seq::new(query.take_number("after")?.unwrap_or(0)),
            order: query.take_word("order", &ORDERS)?.unwrap_or_default(),
        };
        let limit = query.take_number("limit")?;
        if limit.is_some_and(|limit| !(1..=LIMIT_MAX).contains(&limit)) {
            return Err(invalid(format!(
                "`limit` may be 1 to {LIMIT_MAX}; without it, all events are sent"
            )));
        }
        query.end()?;
        Ok(Asked { filter, limit })
    }

    fn show(&self) -> Show {
        if self.filter.verdict == VerdictFilter::Stored {
            Show::Stored
        } else {
            Show::WithVerdict
        }
    }

    /// The `Link` to the page that follows the event `last`.
    fn next_link(&self, last: Seq) -> String {
        let mut query = String::new();
        let EventFilter {
            topic,
            source,
            verdict,
            order,
            ..
        } = &self.filter;
        for (name, value) in [("topic", topic), ("source", source)] {
            if let Some(value) = value {
                push_pair(&mut query, name, value);
            }
        }
        if let Some((word, _)) = VERDICTS
            .iter()
            .find(|(_, meant)| meant == verdict && *meant != VerdictFilter::Stored)
        {
            push_pair(&mut query, "verdict", word);
        }
        if *order == Order::Descending {
            push_pair(&mut query, "order", "desc");
        }
        push_pair(&mut query, "after", &last.to_string());
        if let Some(limit) = self.limit {
            push_pair(&mut query, "limit", &limit.to_string());
        }
        format!("</events{query}>; rel=\"next\"")
    }
}

pub(super) async fn events(
    State(app): State<Arc<App>>,
    RawQuery(raw): RawQuery,
) -> Result<Response, Problem> {
    let asked = Asked::parse(raw.as_deref())?;
    match asked.limit {
        None => stream(app, asked.filter.clone(), asked.show(), usize::MAX).await,
        Some(limit) => page(app, asked, limit).await,
    }
}

/// The first page is made before the answer begins, so that what fails at once is a
/// problem document.
async fn stream(
    app: Arc<App>,
    filter: EventFilter,
    show: Show,
    limit: usize,
) -> Result<Response, Problem> {
    let pages_of = Arc::clone(&app);
    let first = app.reads.run(move || {
        let scan = pages_of.store.scan(filter)?;
        Ok(PageMaker::new(pages_of, scan, show, limit).page()?)
    });
    let first = first.await?;
    Ok(json_text(Body::new(PagesBody::new(
        app.reads.clone(),
        first,
    ))))
}

async fn page(app: Arc<App>, asked: Asked, limit: usize) -> Result<Response, Problem> {
    let show = asked.show();
    let (store, filter) = (Arc::clone(&app.store), asked.filter.clone());
    let first = app.reads.run(move || {
        let scan = store.scan(filter)?;
        Ok(Bounded::new(scan, show, limit).step()?)
    });
    let mut bounded = first.await?;
    while !bounded.known {
        bounded = app.reads.run(move || Ok(bounded.step()?)).await?;
    }
    let mut response = match bounded.text {
        Some(text) => json_text(text),
        None => {
            // The same events again: new ones may have come in at the top meanwhile.
            let mut filter = asked.filter.clone();
            if filter.order == Order::Descending {
                filter.after = bounded.first.next();
            }
            stream(app, filter, show, limit).await?
        }
    };
    if bounded.more
        && let Ok(link) = HeaderValue::from_str(&asked.next_link(bounded.last))
    {
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

pub(super) async fn event(
    State(app): State<Arc<App>>,
    text_of: Result<Path<String>, PathRejection>,
    RawQuery(raw): RawQuery,
) -> Result<Response, Problem> {
    // What is no UTF-8 is no number either.
    let asked = text_of.map_or_else(
        |_| String::from(char::REPLACEMENT_CHARACTER),
        |Path(text)| text,
    );
    Query::parse(raw.as_deref())?.end()?;
    let unknown = |text: &str| {
        Problem::new(
            ErrorCode::UnknownSeq,
            format!("no event has the seq `{text}`"),
        )
    };
    let digits = asked.bytes().all(|byte| byte.is_ascii_digit());
    let seq = asked
        .parse()
        .ok()
        .filter(|_| digits)
        .map(Seq::new)
        .ok_or_else(|| unknown(&asked))?;
    let store = Arc::clone(&app.store);
    let found = app.reads.run(move || {
        Ok(store.event(seq, |logged| {
            let stored = logged.judged.verdict == Verdict::Stored;
            let show = if stored {
                Show::Stored
            } else {
                Show::VerdictOnly
            };
            text(logged, show)
        })?)
    });
    match found.await? {
        Lookup::Found(text) => {
            let first = single(&app, seq, text);
            Ok(json_text(Body::new(PagesBody::new(
                app.reads.clone(),
                first,
            ))))
        }
        Lookup::Pending => {
            let text = format!("{{\"status\":\"pending\",\"seq\":{seq},\"verdict\":\"pending\"}}");
            let mut response = json_text(text);
            *response.status_mut() = StatusCode::ACCEPTED;
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static("1"));
            Ok(response)
        }
        Lookup::Lost => Err(Problem::new(
            ErrorCode::Lost,
            format!("the event {seq} lies in a hole that a repair of the log left"),
        )),
        Lookup::Unknown => Err(unknown(&asked)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_asked_with_the_same_filters() {
        let raw = "topic=a%26b&source=&verdict=all&order=desc&after=50&limit=2";
        let asked = Asked::parse(Some(raw)).expect("a question");
        let link = asked.next_link(Seq::new(40));
        assert_eq!(
            link,
            r#"</events?topic=a%26b&source=&verdict=all&order=desc&after=40&limit=2>; rel="next""#
        );
        let again = Asked::parse(Some(&raw.replace("50", "40"))).expect("a question");
        let raw = link
            .split_once('?')
            .and_then(|(_, rest)| rest.split_once('>'))
            .expect("a query")
            .0;
        assert_eq!(
            format!("{:?}", Asked::parse(Some(raw)).expect("a question")),
            format!("{again:?}")
        );
    }

    #[test]
    fn a_limit_is_in_bounds() {
        for raw in ["limit=0", "limit=10001", "limit=-1", "limit=x"] {
            assert!(Asked::parse(Some(raw)).is_err(), "{raw}");
        }
    }
}
