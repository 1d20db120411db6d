//! When to ask again after a failure.
//!
//! * The n-th failure in a row waits 1, 2, 4, 8, 16, then 30 minutes: an outage of hours costs the
//!   service two requests an hour from each user, and a blip costs the user a minute.
//! * `Retry-After` is obeyed between 1 minute (below, a bar would hammer) and 6 hours (above, it is
//!   a mistake, and the user would see old numbers for days).
//! * A 403 or a web page waits 15 minutes: it goes away when the network changes, not by asking.
//! * What fails before the network waits 1 minute: it costs nobody anything.

use crate::model::error::Error;
use crate::model::time::{HOUR, MINUTE};

const LONGEST: i64 = 30 * MINUTE;
const ON_REFUSAL: i64 = 15 * MINUTE;
const RETRY_AFTER: std::ops::RangeInclusive<i64> = MINUTE..=6 * HOUR;

/// Seconds to wait after `error`, the `failures`-th in a row (from 1).
pub fn seconds(error: &Error, failures: u32) -> i64 {
    if error.is_local() {
        return MINUTE;
    }
    match error {
        Error::RateLimited { retry_after: Some(wanted), .. }
        | Error::Server { retry_after: Some(wanted), .. } => {
            (*wanted).clamp(*RETRY_AFTER.start(), *RETRY_AFTER.end())
        }
        Error::RefreshDue { wait, .. } => *wait,
        // The service must not be pressed: a token that is sent too often may be revoked.
        Error::RefreshPostponed { retry_after, .. } => {
            let doublings = failures.saturating_sub(1).min(4);
            let wanted = retry_after.unwrap_or(LONGEST << doublings);
            wanted.clamp(LONGEST, *RETRY_AFTER.end())
        }
        Error::Forbidden { .. } | Error::Blocked { .. } | Error::NotJson { .. } => ON_REFUSAL,
        _ => {
            let doublings = failures.saturating_sub(1).min(10);
            (MINUTE << doublings).min(LONGEST)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url() -> String {
        "https://example.invalid".into()
    }

    #[test]
    fn failures_in_a_row_wait_ever_longer() {
        let minutes: Vec<i64> = [1, 2, 3, 4, 5, 6, 7, u32::MAX]
            .map(|failures| {
                seconds(&Error::Server { url: url(), status: 500, retry_after: None }, failures)
                    / MINUTE
            })
            .into();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 30, 30, 30]);
    }

    #[test]
    fn retry_after_is_obeyed_within_bounds() {
        for (wanted, expected) in [(-9, 60), (5, 60), (600, 600), (i64::MAX, 6 * HOUR)] {
            let error = Error::RateLimited { url: url(), retry_after: Some(wanted) };
            assert_eq!(seconds(&error, 9), expected);
        }
    }

    #[test]
    fn a_refresh_waits_from_half_an_hour_to_six() {
        let minutes = |retry_after, failures| {
            let (path, reason) = ("x".into(), String::new());
            seconds(&Error::RefreshPostponed { path, reason, retry_after }, failures) / MINUTE
        };
        assert_eq!(
            [1, 2, 3, 4, 5, 99].map(|failures| minutes(None, failures)),
            [30, 60, 120, 240, 360, 360]
        );
        for (wanted, expected) in [(5, 30), (7200, 120), (i64::MAX, 360)] {
            assert_eq!(minutes(Some(wanted), 9), expected);
        }
    }

    #[test]
    fn refusals_and_local_failures_wait_evenly() {
        assert_eq!(seconds(&Error::Blocked { url: url() }, 9), ON_REFUSAL);
        assert_eq!(seconds(&Error::NotJson { url: url(), status: 200 }, 1), ON_REFUSAL);
        assert_eq!(seconds(&Error::NotSignedIn { path: "x".into() }, 9), MINUTE);
    }
}
