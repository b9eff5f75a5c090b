//! Policies: what a node, or the definition for all nodes of an agent, says of failures and retries.

use super::fields::{Members, Reader};
use super::hint::closest;
use crate::core::classify::FailureRule;
use crate::core::definition::{AgentPolicies, ExecutionNode, MAX_RETRIES, Role};
use crate::core::failure::FailureClass;
use crate::core::id::AgentName;
use crate::core::retry::{Factor, Jitter, RetryRules};
use crate::core::time::millis;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const AGENT_FIELDS: [&str; 2] = ["retry", "failure_rules"];
const RETRY_FIELDS: [&str; 6] = ["max_retries", "base_delay", "exponential_base", "max_delay", "jitter", "max_elapsed"];
const RULE_FIELDS: [&str; 2] = ["code", "class"];
/// Most rules of a node or an agent.
const MAX_RULES: usize = 100;

impl Reader {
    /// `agents`: policies for all nodes of an agent.
    pub fn agents(&mut self, document: &Members) -> BTreeMap<AgentName, AgentPolicies> {
        let Some(value) = document.get("agents") else { return BTreeMap::new() };
        let Some(agents) = self.object("/agents", value) else { return BTreeMap::new() };
        let mut all = BTreeMap::new();
        for (name, value) in agents {
            let at = format!("/agents/{}", name.replace('~', "~0").replace('/', "~1"));
            match AgentName::new(name) {
                Err(illegal) => self.fault(&at, illegal.to_string()),
                Ok(name) => {
                    all.insert(name, self.agent(&at, value));
                }
            }
        }
        all
    }

    /// Policies of an agent that no node has are a slip, unless a plan may still name it.
    pub fn used_agents(&mut self, agents: Option<&BTreeMap<AgentName, AgentPolicies>>, nodes: &[&ExecutionNode]) {
        let used: BTreeSet<&str> = nodes.iter().map(|node| node.agent_name.as_str()).collect();
        if nodes.iter().any(|node| node.role == Role::Planner) {
            return;
        }
        for name in agents.into_iter().flat_map(BTreeMap::keys).filter(|name| !used.contains(name.as_str())) {
            let hint = match closest(name.as_str(), used.iter().copied()) {
                Some(close) => format!("did you mean \"{close}\"?"),
                None => format!("the nodes have {}", used.iter().copied().collect::<Vec<_>>().join(", ")),
            };
            self.fault(&format!("/agents/{name}"), format!("no node has the agent \"{name}\"; {hint}"));
        }
    }

    fn agent(&mut self, at: &str, value: &Value) -> AgentPolicies {
        let Some(members) = self.object(at, value) else { return AgentPolicies::default() };
        self.known(at, members, &AGENT_FIELDS);
        AgentPolicies { retry: self.retry(at, members), failure_rules: self.failure_rules(at, members) }
    }

    /// `retry`, of a node or an agent.
    pub fn retry(&mut self, at: &str, members: &Members) -> RetryRules {
        let Some(value) = members.get("retry") else { return RetryRules::default() };
        let at = format!("{at}/retry");
        let Some(members) = self.object(&at, value) else { return RetryRules::default() };
        self.known(&at, members, &RETRY_FIELDS);
        RetryRules {
            max_retries: self.max_retries(&at, members),
            base_delay_ms: self.duration(&at, members, "base_delay").map(millis),
            exponential_base: self.factor(&at, members),
            max_delay_ms: self.duration(&at, members, "max_delay").map(millis),
            jitter: self.jitter(&at, members),
            max_elapsed_ms: self.duration(&at, members, "max_elapsed").map(millis),
        }
    }

    fn max_retries(&mut self, at: &str, members: &Members) -> Option<u32> {
        let value = members.get("max_retries")?;
        let retries = value.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= MAX_RETRIES);
        if retries.is_none() {
            self.wrong_type(&format!("{at}/max_retries"), &format!("a whole number from 0 to {MAX_RETRIES}"), value);
        }
        retries
    }

    fn factor(&mut self, at: &str, members: &Members) -> Option<Factor> {
        let value = members.get("exponential_base")?;
        let factor = value.as_f64().and_then(|factor| Factor::try_from(factor).ok());
        if factor.is_none() {
            self.wrong_type(&format!("{at}/exponential_base"), "a number from 1 to 1000", value);
        }
        factor
    }

    fn jitter(&mut self, at: &str, members: &Members) -> Option<Jitter> {
        let text = self.text(at, members, "jitter")??;
        self.word(&format!("{at}/jitter"), "jitter", text, &Jitter::ALL.map(|jitter| (jitter.as_str(), jitter)))
    }

    /// `failure_rules`, of a node or an agent.
    pub fn failure_rules(&mut self, at: &str, members: &Members) -> Vec<FailureRule> {
        let rules = match members.get("failure_rules") {
            None => return Vec::new(),
            Some(Value::Array(rules)) if rules.len() <= MAX_RULES => rules,
            Some(other) => {
                self.wrong_type(&format!("{at}/failure_rules"), &format!("a list of at most {MAX_RULES} rules"), other);
                return Vec::new();
            }
        };
        let place = |i: usize| format!("{at}/failure_rules/{i}");
        rules.iter().enumerate().filter_map(|(i, rule)| self.failure_rule(&place(i), rule)).collect()
    }

    fn failure_rule(&mut self, at: &str, value: &Value) -> Option<FailureRule> {
        let members = self.object(at, value)?;
        self.known(at, members, &RULE_FIELDS);
        for field in RULE_FIELDS.iter().filter(|field| !members.contains_key(**field)) {
            self.fault(at, format!("`{field}` is missing; a rule is {{code: http_409, class: retryable}}"));
        }
        let code = self.text(at, members, "code")??;
        if code.is_empty() || code.len() > 100 || code.matches('*').count() > 1 {
            self.fault(&format!("{at}/code"), "expected a code of 1 to 100 characters with at most one `*`");
            return None;
        }
        let class = self.text(at, members, "class")??;
        let classes = FailureClass::ALL.map(|class| (class.as_str(), class));
        let class = self.word(&format!("{at}/class"), "class", class, &classes)?;
        Some(FailureRule { code: code.to_owned(), class })
    }

    /// One of a few words.
    fn word<T: Copy>(&mut self, at: &str, what: &str, text: &str, known: &[(&str, T)]) -> Option<T> {
        if let Some((_, value)) = known.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let hint = match closest(&text.to_lowercase(), known.iter().map(|(word, _)| *word)) {
            Some(close) => format!("did you mean \"{close}\"?"),
            None => format!("known are {}", known.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ")),
        };
        self.fault(at, format!("unknown {what} {text:?}; {hint}"));
        None
    }
}
