//! What there is to say beside the limits: pace, banked resets, credits, what was done today.

use super::PageWriter;
use crate::model::pace::Pace;
use crate::model::time::countdown;
use crate::model::usage::{Limit, Usage};
use crate::model::view::View;

impl PageWriter<'_> {
    /// What there is to say beside the limits, by name. `updated`: the age, if it needs a row.
    pub(super) fn facts(
        &self,
        view: &View,
        usage: &Usage,
        updated: Option<String>,
    ) -> Vec<(&'static str, Vec<String>)> {
        let mut facts = Vec::new();
        let pace = self.paces(view, usage);
        if !pace.is_empty() {
            facts.push(("pace", pace));
        }
        if let Some(banked) = usage.banked_resets.filter(|banked| banked.count > 0) {
            let (resets, first) = match banked.count {
                1 => ("1 reset".to_string(), "it expires in"),
                count => (format!("{count} resets"), "the first expires in"),
            };
            let left = banked.next_expires_at.map(|at| at.seconds_since(view.now));
            let expires = left.map(|left| format!("{first} {}", countdown(left)));
            facts.push((
                "banked",
                match expires {
                    Some(expires) if self.is_wide => vec![format!("{resets}, {expires}")],
                    Some(expires) => vec![resets, expires],
                    None => vec![resets],
                },
            ));
        }
        let models = usage.unavailable_models.iter().map(|model| match model.available_at {
            Some(at) => format!("{} is out, back in {}", model.name, self.when(at, view)),
            None => format!("{} is out", model.name),
        });
        let models: Vec<String> = models.collect();
        if !models.is_empty() {
            facts.push(("models", models));
        }
        facts.extend(view.credits().map(|credits| ("credits", vec![credits])));
        facts.extend(self.today(view));
        facts.extend(updated.map(|updated| ("updated", vec![updated])));
        facts
    }

    pub(super) fn today(&self, view: &View) -> Option<(&'static str, Vec<String>)> {
        view.today().map(|today| ("today", vec![today]))
    }

    /// The limits that do not last, or, on a narrow page, that all do.
    pub(super) fn paces(&self, view: &View, usage: &Usage) -> Vec<String> {
        let paces: Vec<(Limit, Pace)> = usage
            .limits()
            .map(|limit| {
                let pace = view.pace(&limit);
                (limit, pace)
            })
            .collect();
        let told: Vec<String> = paces
            .iter()
            .filter_map(|(limit, pace)| {
                let runs_out = format!("{} runs out in {}", limit.label, countdown(pace.runs_out?));
                Some(match pace.before_reset {
                    Some(before) => {
                        format!("{runs_out}, {} before its reset", countdown(before))
                    }
                    None => runs_out,
                })
            })
            .collect();
        let known: Vec<bool> = paces.iter().filter_map(|(_, pace)| pace.lasts).collect();
        if told.is_empty() && !self.is_wide && !known.is_empty() && known.iter().all(|lasts| *lasts)
        {
            return vec!["all last until they reset".to_string()];
        }
        told
    }
}
