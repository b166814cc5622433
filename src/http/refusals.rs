//! Why a batch was not taken, as problems.

use super::error::{ErrorCode, Problem};
use crate::event::{PublishRefusal as BadBody, PublishSyntaxError, RefusedEvents};
use crate::store::PublishRefusal as NotTaken;

impl From<BadBody> for Problem {
    fn from(bad: BadBody) -> Problem {
        let code = match &bad {
            BadBody::Syntax(PublishSyntaxError::EmptyBody) => ErrorCode::EmptyBody,
            BadBody::Syntax(PublishSyntaxError::InvalidUtf8 { .. }) => ErrorCode::InvalidUtf8,
            BadBody::Syntax(
                PublishSyntaxError::ByteOrderMark | PublishSyntaxError::InvalidJson { .. },
            ) => ErrorCode::InvalidJson,
            BadBody::Syntax(PublishSyntaxError::DuplicateMember { .. }) => {
                ErrorCode::DuplicateMember
            }
            BadBody::Events(RefusedEvents::EmptyBatch) => ErrorCode::EmptyBatch,
            BadBody::Events(RefusedEvents::TooManyEvents { .. }) => ErrorCode::TooManyEvents,
            BadBody::Events(RefusedEvents::EventTooLarge(_)) => ErrorCode::EventTooLarge,
            BadBody::Events(RefusedEvents::Invalid(_)) => ErrorCode::InvalidEvents,
        };
        let problem = Problem::new(code, format!("{bad}; nothing was written"));
        let errors = match &bad {
            BadBody::Events(refused) => refused.errors(),
            BadBody::Syntax(_) => None,
        };
        match errors {
            Some(errors) => problem.with_errors(errors.listed().to_vec(), errors.total()),
            None => problem,
        }
    }
}

impl From<NotTaken> for Problem {
    fn from(refusal: NotTaken) -> Problem {
        let code = match refusal {
            NotTaken::OutcomeUnknown | NotTaken::NotDurableYet(_) => ErrorCode::OutcomeUnknown,
            NotTaken::NotWritten(_) => ErrorCode::NotWritten,
            NotTaken::DiskFull(_) => ErrorCode::DiskFull,
            NotTaken::BacklogFull(_) => ErrorCode::BacklogFull,
            NotTaken::TooManyTopics { .. } => ErrorCode::TooManyTopics,
            NotTaken::Draining => ErrorCode::Draining,
        };
        Problem::new(code, refusal.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::http::Retry;

    #[test]
    fn a_publisher_learns_whether_the_same_ids_must_be_sent_again() {
        for (refusal, status, code, retry) in [
            (
                NotTaken::OutcomeUnknown,
                503,
                "outcome_unknown",
                Retry::SameIds,
            ),
            (
                NotTaken::NotDurableYet(Duration::from_secs(30)),
                503,
                "outcome_unknown",
                Retry::SameIds,
            ),
            (
                NotTaken::NotWritten("EIO".to_owned()),
                503,
                "not_written",
                Retry::SameIds,
            ),
            (
                NotTaken::DiskFull("ENOSPC".to_owned()),
                507,
                "disk_full",
                Retry::SameIds,
            ),
            (
                NotTaken::BacklogFull("9 events".to_owned()),
                503,
                "backlog_full",
                Retry::SameIds,
            ),
            (
                NotTaken::TooManyTopics { topics: 9, max: 9 },
                422,
                "too_many_topics",
                Retry::AfterFix,
            ),
            (NotTaken::Draining, 503, "draining", Retry::SameIds),
        ] {
            let found = Problem::from(refusal).code();
            assert_eq!(
                (found.status().as_u16(), found.code(), found.retry()),
                (status, code, retry)
            );
        }
    }
}
