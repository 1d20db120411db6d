//! The usage answer: from any of the shapes seen in the wild to [`Usage`].
//!
//! Nothing here trusts a type: a number may come as a string, a field of the wrong kind counts as
//! absent, and no input panics. Text is stripped of control characters and cut, so that a hostile
//! answer can neither disturb a bar nor bloat the cache.

use crate::model::text::plain;
use crate::model::time::{DAY, MINUTE, Timestamp};
use crate::model::usage::{Budget, Credits, Pool, Usage, Window};
use serde_json::Value;

/// Longest name kept, in characters.
const MAX_NAME: usize = 48;
/// Most further pools kept: the cache entry stays small whatever the server says.
const MAX_POOLS: usize = 12;
/// If the server's clock and ours are further apart than this, ours is the one that countdowns run on.
const TOLERATED_SKEW: i64 = 5 * MINUTE;

/// A usage answer, and whom it speaks of.
#[derive(Debug)]
pub struct UsageAnswer {
    pub usage: Usage,
    pub account_id: Option<String>,
    pub user_id: Option<String>,
}

/// Reads the body of an answer that came at `now`.
///
/// # Errors
/// What it is instead of a usage answer, in words that fit after "answered with".
pub fn parse(body: &[u8], now: Timestamp) -> Result<UsageAnswer, &'static str> {
    let value: Value = serde_json::from_slice(body).map_err(|_| "something that is not JSON")?;
    const EXPECTED: [&str; 4] = ["rate_limit", "plan_type", "spend_control", "credits"];
    if !value.is_object() || EXPECTED.iter().all(|key| value.get(key).is_none()) {
        return Err("JSON that is not about usage");
    }
    let id = |key: &str| value[key].as_str().filter(|id| !id.is_empty()).map(String::from);
    Ok(UsageAnswer {
        usage: usage(&value, now),
        account_id: id("account_id"),
        user_id: id("user_id"),
    })
}

fn usage(value: &Value, now: Timestamp) -> Usage {
    let rate_limit = &value["rate_limit"];
    let spend_control = &value["spend_control"];
    let reached_type = &value["rate_limit_reached_type"];
    let blocked = rate_limit["allowed"] == false
        || rate_limit["limit_reached"] == true
        || spend_control["reached"] == true
        // A plan without windows says only here that it is used up.
        || (rate_limit.is_null() && !reached_type.is_null());
    let named = |pool: &Value| {
        let name = text(&pool["limit_name"]).or_else(|| text(&pool["metered_feature"]))?;
        Some(Pool { name, windows: windows(&pool["rate_limit"], now) })
    };
    let code_review = Pool {
        name: "code review".into(),
        windows: windows(&value["code_review_rate_limit"], now),
    };
    let additional =
        value["additional_rate_limits"].as_array().into_iter().flatten().filter_map(named);
    Usage {
        plan: text(&value["plan_type"]),
        windows: windows(rate_limit, now),
        blocked,
        budget: budget(&spend_control["individual_limit"], now),
        pools: std::iter::once(code_review)
            .chain(additional)
            .filter(|pool| !pool.windows.is_empty())
            .take(MAX_POOLS)
            .collect(),
        credits: credits(&value["credits"]),
        banked_resets: number(&value["rate_limit_reset_credits"]["available_count"])
            .map(|count| count.clamp(0.0, f64::from(u32::MAX)) as u32),
    }
}

/// The windows of a rate limit, shortest first: which slot they stand in means nothing.
fn windows(rate_limit: &Value, now: Timestamp) -> Vec<Window> {
    let slots = ["primary_window", "secondary_window"];
    let mut windows: Vec<Window> =
        slots.iter().filter_map(|slot| window(&rate_limit[slot], now)).collect();
    windows.sort_by_key(|window| window.seconds.unwrap_or(u32::MAX));
    windows
}

fn window(value: &Value, now: Timestamp) -> Option<Window> {
    let used = percent(&value["used_percent"])?;
    let length = number(&value["limit_window_seconds"]).filter(|seconds| *seconds >= 1.0);
    let after = number(&value["reset_after_seconds"]);
    // Both at once: the window has not started, and its reset slides along with every read.
    let started = !(used == 0.0 && length.is_some() && after == length);
    Some(Window {
        seconds: length.map(|seconds| seconds.min(f64::from(u32::MAX)) as u32),
        used,
        resets_at: if started { reset(&value["reset_at"], after, now) } else { None },
        started,
    })
}

/// When something starts anew, on this machine's clock.
///
/// `reset_at` is on the server's clock, and `reset_at - reset_after` tells what that says now. If the
/// two clocks differ widely (a machine years off), a countdown is right only from `reset_after`.
fn reset(at: &Value, after: Option<f64>, now: Timestamp) -> Option<Timestamp> {
    let after = after.map(|seconds| now.plus(seconds.clamp(0.0, (3660 * DAY) as f64) as i64));
    let at = number(at).filter(|at| *at > 0.0).map(|at| Timestamp::from_unix_seconds(at as i64));
    match (at, after) {
        (Some(at), Some(after)) if at.seconds_since(after).abs() > TOLERATED_SKEW => Some(after),
        (Some(at), _) => Some(at),
        (None, after) => after,
    }
}

fn budget(value: &Value, now: Timestamp) -> Option<Budget> {
    let (limit, used, remaining) =
        (number(&value["limit"]), number(&value["used"]), number(&value["remaining"]));
    let of_amounts = || match (limit, used, remaining) {
        (Some(limit), Some(used), _) if limit > 0.0 => Some(used / limit * 100.0),
        (Some(limit), None, Some(remaining)) if limit > 0.0 => {
            Some((limit - remaining) / limit * 100.0)
        }
        _ => None,
    };
    let used_percent = number(&value["used_percent"])
        .or_else(|| number(&value["remaining_percent"]).map(|percent| 100.0 - percent))
        .or_else(of_amounts)?;
    Some(Budget {
        used_percent: used_percent.clamp(0.0, 100.0),
        limit,
        used,
        remaining,
        resets_at: reset(&value["reset_at"], number(&value["reset_after_seconds"]), now),
    })
}

fn credits(value: &Value) -> Option<Credits> {
    value.is_object().then(|| Credits {
        available: value["has_credits"] == true,
        unlimited: value["unlimited"] == true,
        balance: number(&value["balance"]),
    })
}

fn percent(value: &Value) -> Option<f64> {
    number(value).map(|percent| percent.clamp(0.0, 100.0))
}

/// A finite number, also one that comes as a string.
fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().trim_end_matches('%').parse().ok()?,
        _ => return None,
    };
    // No real amount is larger, and every one up to here survives the way through JSON.
    number.is_finite().then(|| number.clamp(-1e15, 1e15))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(|text| plain(text, MAX_NAME)).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_778_682_722);

    fn read(value: Value) -> Usage {
        parse(value.to_string().as_bytes(), NOW).unwrap().usage
    }

    fn one_window(window: Value) -> Window {
        read(json!({"rate_limit": {"primary_window": window}})).windows.remove(0)
    }

    #[test]
    fn numbers_come_in_every_kind() {
        for (used, expected) in [
            (json!(42), 42.0),
            (json!(42.7), 42.7),
            (json!("42.7"), 42.7),
            (json!("42.7%"), 42.7),
            (json!(250), 100.0),
            (json!(-3), 0.0),
        ] {
            assert_eq!(one_window(json!({"used_percent": used})).used, expected);
        }
        for used in [json!(null), json!("NaN"), json!("x"), json!([1]), json!(true)] {
            assert!(
                read(json!({"rate_limit": {"primary_window": {"used_percent": used}}}))
                    .windows
                    .is_empty()
            );
        }
    }

    #[test]
    fn a_window_is_what_its_length_says() {
        let usage = read(json!({"rate_limit": {
            "primary_window": {"used_percent": 2, "limit_window_seconds": 2_592_000},
            "secondary_window": {"used_percent": 61, "limit_window_seconds": "604800.0"}}}));
        let labels: Vec<String> = usage.windows.iter().map(Window::label).collect();
        assert_eq!(labels, ["7d", "30d"]);
    }

    #[test]
    fn either_reset_gives_the_other_and_a_wrong_clock_does_not_matter() {
        let at = |window: Value| one_window(window).resets_at.map(|at| at.seconds_since(NOW));
        assert_eq!(at(json!({"used_percent": 1, "reset_at": 1_778_682_782})), Some(60));
        assert_eq!(at(json!({"used_percent": 1, "reset_after_seconds": 60})), Some(60));
        assert_eq!(
            at(json!({"used_percent": 1, "reset_at": 1_778_682_785, "reset_after_seconds": 60})),
            Some(63)
        );
        assert_eq!(
            at(json!({"used_percent": 1, "reset_at": 5, "reset_after_seconds": 60})),
            Some(60)
        );
        assert_eq!(at(json!({"used_percent": 1, "reset_at": "soon"})), None);
    }

    #[test]
    fn a_window_that_has_not_started_has_no_reset() {
        let window = json!({"used_percent": 0, "limit_window_seconds": 18000, "reset_after_seconds": 18000, "reset_at": 1_778_700_722});
        let window = one_window(window);
        assert_eq!((window.started, window.resets_at), (false, None));
        let begun =
            json!({"used_percent": 1, "limit_window_seconds": 18000, "reset_after_seconds": 18000});
        assert!(one_window(begun).started);
    }

    #[test]
    fn budgets_are_read_from_whatever_is_there() {
        let check = |limit: Value, expected: Option<f64>| {
            let usage =
                read(json!({"rate_limit": null, "spend_control": {"individual_limit": limit}}));
            assert_eq!(usage.budget.map(|budget| budget.used_percent), expected);
        };
        check(json!({"used_percent": 1}), Some(1.0));
        check(json!({"remaining_percent": "99"}), Some(1.0));
        check(json!({"limit": "200", "used": 50}), Some(25.0));
        check(json!({"limit": 200, "remaining": 50}), Some(75.0));
        check(json!({"limit": 0, "used": 0}), None);
        check(json!(null), None);
    }

    #[test]
    fn banked_resets_are_counted() {
        for (count, expected) in
            [(json!(2), Some(2)), (json!("1"), Some(1)), (json!(-1), Some(0)), (json!(null), None)]
        {
            let usage = read(
                json!({"plan_type": "x", "rate_limit_reset_credits": {"available_count": count}}),
            );
            assert_eq!(usage.banked_resets, expected);
        }
    }

    #[test]
    fn refusal_is_seen_in_every_place() {
        for blocked in [
            json!({"rate_limit": {"allowed": false}}),
            json!({"rate_limit": {"limit_reached": true}}),
            json!({"plan_type": "x", "spend_control": {"reached": true}}),
            json!({"rate_limit": null, "rate_limit_reached_type": "x"}),
            json!({"rate_limit": null, "rate_limit_reached_type": {"kind": "x"}}),
        ] {
            assert!(read(blocked.clone()).blocked, "{blocked}");
        }
        assert!(
            !read(json!({"rate_limit": {"allowed": true}, "rate_limit_reached_type": null}))
                .blocked
        );
    }

    #[test]
    fn other_json_is_not_an_answer() {
        for body in [
            "",
            "{}",
            "[]",
            "null",
            "5",
            "{\"error\":{\"code\":\"x\"}}",
            "<html>",
            "{\"rate_limit\":",
        ] {
            assert!(parse(body.as_bytes(), NOW).is_err(), "{body}");
        }
    }

    #[test]
    fn hostile_text_is_stripped_and_cut() {
        let usage =
            read(json!({"plan_type": "p\u{1b}]0;x\u{7}\n".to_string() + &"y".repeat(5000)}));
        let plan = usage.plan.unwrap();
        assert!(plan.chars().all(|character| !character.is_control()));
        assert_eq!(plan.chars().count(), MAX_NAME);
    }
}
