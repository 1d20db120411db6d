//! The usage answer: from any of the shapes seen in the wild to [`Usage`].
//!
//! Nothing here trusts a type, and no input panics. Text is stripped of control characters and cut,
//! so that a hostile answer can neither disturb a bar nor bloat the cache.
//!
//! What cannot be read is never taken for "no limits": see [`parse`].

use super::values::{amount, number, text, time};
use crate::model::time::{DAY, MINUTE, Timestamp};
use crate::model::usage::{
    BankedResets, Blocked, Budget, Credits, Pool, UnavailableModel, Usage, Window,
};
use serde_json::Value;

/// Most further pools kept, and most models: the cache entry stays small whatever the server says.
const MAX_POOLS: usize = 12;
/// If the server's clock and ours are further apart than this, countdowns run on ours.
const TOLERATED_SKEW: i64 = 5 * MINUTE;
/// How long an answer may be on its way, in seconds: a window of which nothing is used and whose
/// reset is this near to its whole length from now has not started.
const SLIDE: f64 = 10.0;
/// The longest window that is believed, in seconds. A longer one counts as one without a length.
const LONGEST_WINDOW: f64 = (400 * DAY) as f64;
/// The keys of a rate limit that hold its windows.
const SLOTS: [&str; 2] = ["primary_window", "secondary_window"];

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
/// What it is instead of a usage answer, in words that fit after "answered with". That it has no
/// limits is believed only if it says so: `rate_limit` is null, or a slot in it is.
pub fn parse(body: &[u8], now: Timestamp) -> Result<UsageAnswer, &'static str> {
    let value: Value = serde_json::from_slice(body).map_err(|_| "something that is not JSON")?;
    const EXPECTED: [&str; 4] = ["rate_limit", "plan_type", "spend_control", "credits"];
    if !value.is_object() || EXPECTED.iter().all(|key| value.get(key).is_none()) {
        return Err("JSON that is not about usage");
    }
    let id = |key: &str| value[key].as_str().filter(|id| !id.is_empty()).map(String::from);
    Ok(UsageAnswer {
        usage: usage(&value, now)?,
        account_id: id("account_id"),
        user_id: id("user_id"),
    })
}

fn usage(value: &Value, now: Timestamp) -> Result<Usage, &'static str> {
    let rate_limit = &value["rate_limit"];
    let plan = windows(rate_limit, now);
    let budget = budgets(value).find_map(|value| budget(value, now));
    let lost_budget = budget.is_none() && budgets(value).any(is_limited);
    let lost = plan.lost + u32::from(lost_budget);
    let credits = credits(&value["credits"]);
    let blocked = blocked(value, &plan.windows, budget.as_ref());
    if plan.windows.is_empty() && budget.is_none() && blocked.is_none() {
        let can_spend = |credits: &Credits| {
            credits.unlimited || credits.available || credits.balance.is_some_and(|left| left > 0.0)
        };
        if lost > 0 {
            return Err("limits that cannot be read");
        }
        if !says_no_limits(value) && !credits.as_ref().is_some_and(can_spend) {
            return Err("no limits, and does not say that there are none");
        }
    }
    let code_review = Pool {
        name: "code review".into(),
        windows: windows(&value["code_review_rate_limit"], now).windows,
    };
    let named = |pool: &Value| {
        let name = text(&pool["limit_name"]).or_else(|| text(&pool["metered_feature"]))?;
        Some(Pool { name, windows: windows(&pool["rate_limit"], now).windows })
    };
    let additional =
        value["additional_rate_limits"].as_array().into_iter().flatten().filter_map(named);
    Ok(Usage {
        plan: text(&value["plan_type"]),
        windows: plan.windows,
        blocked,
        lost_windows: lost,
        budget,
        pools: std::iter::once(code_review)
            .chain(additional)
            .filter(|pool| !pool.windows.is_empty())
            .take(MAX_POOLS)
            .collect(),
        credits,
        banked_resets: banked_resets(&value["rate_limit_reset_credits"], now),
        resets_listed_at: None,
        unavailable_models: unavailable_models(&value["model_usage"]),
    })
}

/// Whether work is refused, whatever the windows say; why, and until when.
fn blocked(value: &Value, windows: &[Window], budget: Option<&Budget>) -> Option<Blocked> {
    let rate_limit = &value["rate_limit"];
    let reached = &value["rate_limit_reached_type"];
    let is_spent = value["spend_control"]["reached"] == true;
    let is_blocked = rate_limit["allowed"] == false
        || rate_limit["limit_reached"] == true
        || is_spent
        || (!reached.is_null() && rate_limit["allowed"] != true);
    if !is_blocked {
        return None;
    }
    let named = [reached, &reached["type"], &reached["kind"]].into_iter().find_map(text);
    let spent = is_spent.then(|| "spend control reached".to_string());
    // It ends when everything that is used up has started anew.
    let used_up = windows.iter().filter(|window| window.used >= 100.0);
    let budget = budget.filter(|budget| is_spent || budget.used_percent >= 100.0);
    let ends: Option<Vec<Timestamp>> = used_up
        .map(|window| window.resets_at)
        .chain(budget.map(|budget| budget.resets_at))
        .collect();
    Some(Blocked {
        reason: named.map(|reason| reason.replace('_', " ")).or(spent),
        until: ends.and_then(|ends| ends.into_iter().max()),
    })
}

/// Whether the answer itself says that the plan has no windows.
fn says_no_limits(value: &Value) -> bool {
    value.get("rate_limit").is_some_and(|rate_limit| {
        rate_limit.is_null()
            || SLOTS.iter().any(|slot| rate_limit.get(slot).is_some_and(Value::is_null))
    })
}

/// The windows of a rate limit, shortest first, and how many could not be read.
#[derive(Default)]
struct Windows {
    windows: Vec<Window>,
    lost: u32,
}

fn windows(rate_limit: &Value, now: Timestamp) -> Windows {
    if rate_limit.is_null() {
        return Windows::default();
    }
    if !rate_limit.is_object() {
        return Windows { lost: 1, ..Windows::default() };
    }
    let there = SLOTS.iter().filter(|slot| !rate_limit[**slot].is_null()).count();
    let [primary, secondary] = SLOTS.map(|slot| window(&rate_limit[slot], now));
    let windows: Vec<Window> = Window::in_order(primary, secondary).collect();
    let lost = there.saturating_sub(windows.len());
    Windows { windows, lost: lost as u32 }
}

fn window(value: &Value, now: Timestamp) -> Option<Window> {
    let used = number(&value["used_percent"])?.clamp(0.0, 100.0);
    let length = number(&value["limit_window_seconds"]);
    let after = number(&value["reset_after_seconds"]);
    // A window that has not started would end its whole length from now: its reset slides along
    // with every read.
    let until_reset = after.or_else(|| Some(time(&value["reset_at"])?.seconds_since(now) as f64));
    let is_whole = |length: f64| until_reset.is_some_and(|left| (left - length).abs() <= SLIDE);
    let started = !(used == 0.0 && length.is_some_and(is_whole));
    let length = length.filter(|seconds| (1.0..=LONGEST_WINDOW).contains(seconds));
    Some(Window {
        seconds: length.map(|seconds| seconds as u32),
        slot: None,
        used,
        resets_at: if started { reset(value, now) } else { None },
        started,
    })
}

/// When something starts anew, on this machine's clock.
///
/// `reset_at` is on the server's clock, and `reset_at - reset_after_seconds` tells what that says
/// now. If the two clocks differ widely (a machine years off), a countdown is right only from
/// `reset_after_seconds`.
fn reset(value: &Value, now: Timestamp) -> Option<Timestamp> {
    let at = time(&value["reset_at"]).or_else(|| time(&value["resets_at"]));
    let after = number(&value["reset_after_seconds"]);
    let after = after.map(|seconds| now.plus(seconds.clamp(0.0, (3660 * DAY) as f64) as i64));
    match (at, after) {
        (Some(at), Some(after)) if at.seconds_since(after).abs() > TOLERATED_SKEW => Some(after),
        (Some(at), _) => Some(at),
        (None, after) => after,
    }
}

/// The places where a budget has been seen.
fn budgets(value: &Value) -> impl Iterator<Item = &Value> {
    [&value["spend_control"], &value["rate_limit"], value]
        .into_iter()
        .map(|place| &place["individual_limit"])
}

/// Whether a budget stands there. One of zero is none.
fn is_limited(budget: &Value) -> bool {
    !budget.is_null() && amount(&budget["limit"]) != Some(0.0)
}

fn budget(value: &Value, now: Timestamp) -> Option<Budget> {
    let [limit, used, remaining] = ["limit", "used", "remaining"].map(|name| amount(&value[name]));
    let difference = |from: Option<f64>| limit.zip(from).map(|(limit, part)| limit - part);
    let (used, remaining) =
        (used.or_else(|| difference(remaining)), remaining.or_else(|| difference(used)));
    let of_amounts = || limit.zip(used).filter(|(limit, _)| *limit > 0.0);
    let used_percent = number(&value["used_percent"])
        .or_else(|| number(&value["remaining_percent"]).map(|percent| 100.0 - percent))
        .or_else(|| of_amounts().map(|(limit, used)| used / limit * 100.0))?;
    Some(Budget {
        used_percent: used_percent.clamp(0.0, 100.0),
        limit,
        used,
        remaining,
        resets_at: reset(value, now),
    })
}

fn credits(value: &Value) -> Option<Credits> {
    value.is_object().then(|| Credits {
        available: value["has_credits"] == true,
        unlimited: value["unlimited"] == true,
        balance: amount(&value["balance"]),
    })
}

fn banked_resets(value: &Value, now: Timestamp) -> Option<BankedResets> {
    let count = number(&value["available_count"])?.clamp(0.0, f64::from(u32::MAX)) as u32;
    Some(BankedResets { count, next_expires_at: next_expiry(&value["credits"], now) })
}

/// When the next banked reset lapses, by the body of an answer that lists them.
pub(crate) fn next_expiry_in(body: &[u8], now: Timestamp) -> Option<Timestamp> {
    let value: Value = serde_json::from_slice(body).ok()?;
    next_expiry(&value["credits"], now)
}

/// When the next of a list of banked resets lapses: one that can still be spent at `now`.
fn next_expiry(list: &Value, now: Timestamp) -> Option<Timestamp> {
    let is_available = |credit: &&Value| {
        credit["status"].as_str().is_none_or(|status| status.eq_ignore_ascii_case("available"))
    };
    let expiry = |credit: &Value| {
        time(&credit["expires_at"]).or_else(|| time(&credit["expiresAt"])).filter(|at| *at > now)
    };
    list.as_array()?.iter().filter(is_available).filter_map(expiry).min()
}

fn unavailable_models(value: &Value) -> Vec<UnavailableModel> {
    let models = value.as_object().into_iter().flatten();
    models
        .filter(|(_, model)| model["available"] == false)
        .filter_map(|(name, model)| {
            let name = text(&Value::String(name.clone()))?;
            Some(UnavailableModel { name, available_at: time(&model["available_at"]) })
        })
        .take(MAX_POOLS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_778_682_722);

    fn read(value: Value) -> Usage {
        parse(value.to_string().as_bytes(), NOW).unwrap().usage
    }

    fn refused(value: Value) -> &'static str {
        parse(value.to_string().as_bytes(), NOW).unwrap_err()
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
            let value = json!({"rate_limit": {"primary_window": {"used_percent": used}}});
            assert_eq!(refused(value), "limits that cannot be read");
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
        let window = json!({
            "used_percent": 0,
            "limit_window_seconds": 18000,
            "reset_after_seconds": 18000,
            "reset_at": 1_778_700_722,
        });
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
        for place in ["rate_limit", "spend_control"] {
            let usage =
                read(json!({"plan_type": "x", place: {"individual_limit": {"used_percent": 7}}}));
            assert_eq!(usage.budget.map(|budget| budget.used_percent), Some(7.0), "{place}");
        }
        let usage = read(json!({"plan_type": "x", "individual_limit": {"used_percent": 7}}));
        assert_eq!(usage.budget.map(|budget| budget.used_percent), Some(7.0));
    }

    #[test]
    fn banked_resets_are_counted() {
        for (count, expected) in
            [(json!(2), Some(2)), (json!("1"), Some(1)), (json!(-1), Some(0)), (json!(null), None)]
        {
            let usage = read(
                json!({"rate_limit": null, "rate_limit_reset_credits": {"available_count": count}}),
            );
            assert_eq!(usage.banked_resets.map(|banked| banked.count), expected);
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
            json!({"rate_limit": {"primary_window": {"used_percent": 5}},
                "rate_limit_reached_type": {"type": "x"}}),
        ] {
            assert!(read(blocked.clone()).blocked.is_some(), "{blocked}");
        }
        for reached in [json!(null), json!("x"), json!({"type": "x"})] {
            let rate_limit = json!({"allowed": true, "primary_window": {"used_percent": 5}});
            let usage = read(json!({"rate_limit": rate_limit, "rate_limit_reached_type": reached}));
            assert_eq!(usage.blocked, None, "{reached}");
        }
    }

    #[test]
    fn a_block_has_its_reason_and_its_end() {
        let at = |seconds: i64| NOW.plus(seconds).unix_seconds();
        let window = |used: i64, resets: i64| json!({"used_percent": used, "reset_at": at(resets)});
        let check = |mut value: Value, reason: Option<&str>, until: Option<i64>| {
            value["rate_limit"]["allowed"] = false.into();
            let blocked = read(value).blocked.unwrap();
            assert_eq!(blocked.reason.as_deref(), reason);
            assert_eq!(blocked.until, until.map(|seconds| NOW.plus(seconds)));
        };
        check(json!({"rate_limit": {"primary_window": window(5, 60)}}), None, None);
        let both = json!({"primary_window": window(100, 60), "secondary_window": window(100, 90)});
        check(
            json!({"rate_limit": both, "rate_limit_reached_type": {"type": "rate_limit_reached"}}),
            Some("rate limit reached"),
            Some(90),
        );
        let budget = json!({"used_percent": 40, "reset_at": at(70)});
        check(
            json!({"spend_control": {"reached": true, "individual_limit": budget}}),
            Some("spend control reached"),
            Some(70),
        );
    }

    #[test]
    fn no_limits_is_believed_only_if_it_is_said() {
        for silent in [
            json!({"plan_type": "x"}),
            json!({"rate_limit": {}}),
            json!({"rate_limit": {"allowed": true}}),
            json!({"plan_type": "x", "credits": {"has_credits": false, "balance": "0"}}),
        ] {
            assert_eq!(refused(silent), "no limits, and does not say that there are none");
        }
        for unreadable in [
            json!({"rate_limit": "none"}),
            json!({"rate_limit": {
                "primary_window": {"used_percent": {}}, "secondary_window": null}}),
            json!({"rate_limit": null, "individual_limit": {"used_percent": "n/a"}}),
        ] {
            assert_eq!(refused(unreadable), "limits that cannot be read");
        }
        for said in [
            json!({"rate_limit": null}),
            json!({"rate_limit": {"primary_window": null, "secondary_window": null}}),
            json!({"plan_type": "x", "credits": {"has_credits": true, "balance": "$2.50"}}),
        ] {
            assert_eq!(read(said).limits().count(), 0);
        }
    }

    #[test]
    fn one_unreadable_window_is_counted_beside_a_good_one() {
        let usage = read(json!({"rate_limit": {
            "primary_window": {"used_percent": "n/a", "limit_window_seconds": 18_000},
            "secondary_window": {"used_percent": 5, "limit_window_seconds": 604_800}}}));
        assert_eq!((usage.windows.len(), usage.lost_windows), (1, 1));
        // A block is known though its windows are not.
        let usage = read(json!({"rate_limit": {"allowed": false, "primary_window": {}}}));
        assert_eq!((usage.blocked.is_some(), usage.lost_windows), (true, 1));
    }

    #[test]
    fn absurd_lengths_are_bounded_and_old_ones_are_known() {
        let label = |seconds: Value| {
            one_window(json!({"used_percent": 1, "limit_window_seconds": seconds})).label()
        };
        assert_eq!(label(json!(299 * 60)), "5h");
        assert_eq!(label(json!(10_079 * 60)), "7d");
        assert_eq!(label(json!(6 * 604_800 / 7)), "6d");
        for absurd in [json!(1e300), json!(-5), json!(0), json!(4_000_000_000_u64)] {
            assert_eq!(label(absurd), "primary");
        }
    }

    #[test]
    fn models_that_are_out_are_named() {
        let usage = read(json!({"rate_limit": null, "model_usage": {
            "a": {"available": false, "available_at": "2026-09-05T22:00:00Z"},
            "b": {"available": true}, "c": {"available": false}, "d": 5}}));
        let names: Vec<&str> =
            usage.unavailable_models.iter().map(|model| model.name.as_str()).collect();
        assert_eq!(names, ["a", "c"]);
        let back = usage.unavailable_models[0].available_at.unwrap();
        assert_eq!(back.unix_seconds(), 1_788_645_600);
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
        let hostile = "p\u{1b}]0;x\u{7}\n".to_string() + &"y".repeat(5000);
        let usage = read(json!({"rate_limit": null, "plan_type": hostile}));
        let plan = usage.plan.unwrap();
        assert!(plan.chars().all(|character| !character.is_control()));
        assert_eq!(plan.chars().count(), super::super::values::MAX_NAME);
    }
}
