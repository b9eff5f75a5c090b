//! `orchestrator errors`.

use super::exit::Exit;
use super::output::{cut, say};
use super::since::{Since, since};
use super::{Context, connect};
use crate::core::time::Timestamp;
use crate::store::letter::{ErrorFilter, ErrorGroup};
use crate::ui::style::{Paint, harmless, short};
use crate::ui::table::{lines, table};
use crate::ui::time::{rfc3339, short as short_time};
use anyhow::Result;
use serde_json::{Value, json};

/// For `--help`.
pub const EXAMPLES: &str = "\
Examples:
  orchestrator errors
  orchestrator errors --since 24h --agent shop
  orchestrator errors --definition hello --output json
The trend compares with the period of the same length before.
";

/// The arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Since when: a duration before now (90s, 15m, 24h), a time (RFC 3339) or a date
    #[arg(long, default_value = "1h", value_name = "TIME", value_parser = since)]
    pub since: Since,
    /// Of this agent alone
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// Of runs of this definition alone
    #[arg(long, value_name = "NAME")]
    pub definition: Option<String>,
    /// At most this many, the most frequent first
    #[arg(long, default_value_t = 20, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
}

/// Groups what went wrong.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let now = connect::now();
    let since = args.since.before(now);
    let filter = ErrorFilter {
        since,
        before: Timestamp(since.0.saturating_sub(now.0.saturating_sub(since.0))),
        agent: args.agent.clone(),
        definition: args.definition.clone(),
        limit: args.limit as usize + 1,
    };
    let store = connect::open_store(context.settings())?;
    let mut groups = store.query().error_groups(&filter)?;
    let more = cut(&mut groups, args.limit);
    if context.out.is_json() {
        context.out.json(&groups.iter().map(|group| row(group, &filter)).collect::<Vec<_>>())?;
    } else if groups.is_empty() {
        context.out.line(format!("no errors since {}", short_time(since)))?;
    } else {
        context.out.text(&shown(&groups, &filter, context.out.paint))?;
        more.into_iter().for_each(say);
    }
    Ok(Exit::Done)
}

fn shown(groups: &[ErrorGroup], filter: &ErrorFilter, paint: Paint) -> String {
    let head =
        ["fault", "count", "trend", "agent", "class", "code", "first (utc)", "last (utc)", "workflows", "for example"];
    let mut rows = table(&head, paint);
    for group in groups {
        let workflows: Vec<String> = group.workflows.iter().map(|id| short(&harmless(id.as_str()), 24)).collect();
        rows.add_row(vec![
            group.fingerprint.clone(),
            group.errors.to_string(),
            trend(group, filter),
            group.agent_name.as_ref().map(ToString::to_string).unwrap_or_default(),
            group.class.map_or_else(String::new, |class| class.as_str().to_owned()),
            harmless(&group.code),
            short_time(group.first_seen),
            short_time(group.last_seen),
            workflows.join(", "),
            short(&harmless(&group.message), 60),
        ]);
    }
    lines(&rows)
}

/// Against the period of the same length before: `+40 %`; `new` where it was never seen before, `again` where it was,
/// but not in that period.
fn trend(group: &ErrorGroup, filter: &ErrorFilter) -> String {
    let (now, before) = (i128::from(group.errors), i128::from(group.errors_before));
    match before {
        0 if group.first_seen >= filter.since => "new".to_owned(),
        0 => "again".to_owned(),
        _ => {
            let percent = (now - before) * 100 / before;
            format!("{percent:+} %").replace("+0 %", "0 %")
        }
    }
}

fn row(group: &ErrorGroup, filter: &ErrorFilter) -> Value {
    json!({
        "fingerprint": group.fingerprint,
        "event": group.event,
        "count": group.errors,
        "count_before": group.errors_before,
        "trend": trend(group, filter),
        "first_seen": rfc3339(group.first_seen),
        "last_seen": rfc3339(group.last_seen),
        "agents": group.agent_name.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        "class": group.class.map(|class| class.as_str()),
        "code": group.code,
        "message": group.message,
        "workflows": group.workflows.iter().map(|id| id.as_str()).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trend_is_told_against_the_period_before() {
        let filter =
            ErrorFilter { since: Timestamp(100), before: Timestamp(50), agent: None, definition: None, limit: 1 };
        let told = |errors, errors_before, first: i64| {
            let group = ErrorGroup {
                fingerprint: String::new(),
                event: String::new(),
                agent_name: None,
                class: None,
                code: String::new(),
                message: String::new(),
                errors,
                errors_before,
                first_seen: Timestamp(first),
                last_seen: Timestamp(120),
                workflows: vec![],
            };
            trend(&group, &filter)
        };
        for (errors, before, first, expected) in
            [(7, 5, 60, "+40 %"), (5, 5, 60, "0 %"), (1, 4, 60, "-75 %"), (3, 0, 110, "new"), (3, 0, 10, "again")]
        {
            assert_eq!(told(errors, before, first), expected);
        }
    }
}
