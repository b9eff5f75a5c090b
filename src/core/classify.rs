//! What may be done about a failure whose agent does not say: by a rule of the definition, by the default table, or by
//! the guess that it may pass.

use super::failure::{ClassifiedBy, Failure, FailureClass, ReportedFailure};
use FailureClass::{NonRetryable, RateLimited, Retryable, Timeout};

/// One line of a table: failures with such a code have this class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureRule {
    /// The code; one `*` stands for anything, and upper and lower case are the same.
    pub code: String,
    /// The class.
    pub class: FailureClass,
}

/// The default table, for agents that do not say: code, class, and what it is. The first line that fits counts.
pub const DEFAULT_TABLE: &[(&str, FailureClass, &str)] = &[
    ("http_408", Retryable, "request timeout"),
    ("http_425", Retryable, "too early"),
    ("http_429", RateLimited, "too many requests"),
    ("http_529", RateLimited, "overloaded (some model providers)"),
    ("http_501", NonRetryable, "not implemented"),
    ("http_505", NonRetryable, "HTTP version not supported"),
    ("http_5*", Retryable, "the server's fault"),
    ("http_4*", NonRetryable, "the request's fault"),
    ("http_unreachable", Retryable, "no answer to an HTTP request"),
    ("connection_*", Retryable, "a connection was refused, reset, lost"),
    ("connect*error", Retryable, "likewise, as exceptions are called"),
    ("econn*", Retryable, "ECONNREFUSED, ECONNRESET, ECONNABORTED"),
    ("epipe", Retryable, "the other side has closed"),
    ("ehostunreach", Retryable, "no route to the host"),
    ("enetunreach", Retryable, "no route to the network"),
    ("enotfound", Retryable, "the host's name is not known (now)"),
    ("eai_*", Retryable, "the host's name could not be looked up"),
    ("etimedout", Timeout, "no answer in time"),
    ("timeout*", Timeout, "no answer in time"),
    ("*_timeout", Timeout, "no answer in time"),
    ("deadline_exceeded", Timeout, "no answer in time"),
    ("exit_2", NonRetryable, "a program's usage error"),
    ("exit_64", NonRetryable, "EX_USAGE of sysexits.h"),
    ("exit_65", NonRetryable, "EX_DATAERR: the input is wrong"),
    ("exit_66", NonRetryable, "EX_NOINPUT: an input is missing"),
    ("exit_75", Retryable, "EX_TEMPFAIL: try again"),
    ("exit_77", NonRetryable, "EX_NOPERM: not allowed"),
    ("exit_78", NonRetryable, "EX_CONFIG: a wrong setting"),
    ("exit_126", NonRetryable, "the program cannot be executed"),
    ("exit_127", NonRetryable, "the program was not found"),
    ("exit_*", Retryable, "any other exit code"),
    ("signal_*", Retryable, "a program was killed"),
    ("overloaded*", RateLimited, "a model provider is overloaded"),
    ("rate_limit*", RateLimited, "a model provider limits the rate"),
    ("resource_exhausted", RateLimited, "likewise"),
    ("throttling*", RateLimited, "likewise"),
    ("too_many_requests*", RateLimited, "likewise"),
    ("insufficient_quota", NonRetryable, "the account has nothing left"),
    ("billing*", NonRetryable, "likewise"),
    ("context_length_exceeded", NonRetryable, "the context is too long for the model"),
    ("context_too_long", NonRetryable, "likewise"),
    ("prompt_too_long", NonRetryable, "likewise"),
    ("request_too_large", NonRetryable, "likewise"),
    ("max_tokens*", NonRetryable, "likewise"),
    ("content_filter*", NonRetryable, "the content was refused"),
    ("content_policy*", NonRetryable, "likewise"),
    ("content_refused", NonRetryable, "likewise"),
    ("refusal", NonRetryable, "likewise"),
    ("safety", NonRetryable, "likewise"),
    ("authentication*", NonRetryable, "the key is wrong"),
    ("invalid_api_key", NonRetryable, "likewise"),
    ("unauthenticated", NonRetryable, "likewise"),
    ("permission*", NonRetryable, "not allowed"),
    ("access_denied*", NonRetryable, "likewise"),
    ("accessdenied*", NonRetryable, "likewise"),
    ("invalid_*", NonRetryable, "the request is wrong"),
    ("validation*", NonRetryable, "likewise"),
    ("not_found*", NonRetryable, "there is no such thing"),
    ("model_not_found", NonRetryable, "likewise"),
    ("api_error", Retryable, "the model provider's fault"),
    ("server_error", Retryable, "likewise"),
    ("internal*", Retryable, "likewise"),
    ("service_unavailable*", Retryable, "likewise"),
    ("serviceunavailable*", Retryable, "likewise"),
    ("unavailable", Retryable, "likewise"),
];

/// The failure with its class, and who said it: the agent; else the first rule that fits (those of the node come before
/// those of its agent); else the default table; else it is taken as retryable.
pub fn classify<'r>(
    reported: ReportedFailure,
    rules: impl IntoIterator<Item = &'r FailureRule>,
) -> (Failure, ClassifiedBy) {
    let ReportedFailure { class, code, message, details, .. } = reported;
    let by_rule = || rules.into_iter().find(|rule| fits(&rule.code, &code)).map(|rule| rule.class);
    let by_table = || DEFAULT_TABLE.iter().find(|(pattern, ..)| fits(pattern, &code)).map(|(_, class, _)| *class);
    let (class, by) = match class {
        Some(class) => (class, ClassifiedBy::Agent),
        None => match by_rule() {
            Some(class) => (class, ClassifiedBy::Definition),
            None => match by_table() {
                Some(class) => (class, ClassifiedBy::Table),
                None => (Retryable, ClassifiedBy::Nobody),
            },
        },
    };
    (Failure { class, code, message, details }, by)
}

/// Whether a code is of a pattern.
fn fits(pattern: &str, code: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern.eq_ignore_ascii_case(code),
        Some((head, tail)) => {
            let (code, middle) = (code.as_bytes(), head.len() + tail.len());
            code.len() >= middle
                && code[..head.len()].eq_ignore_ascii_case(head.as_bytes())
                && code[code.len() - tail.len()..].eq_ignore_ascii_case(tail.as_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class_of(code: &str, rules: &[FailureRule]) -> (FailureClass, ClassifiedBy) {
        let reported = ReportedFailure {
            class: None,
            code: code.to_owned(),
            message: String::new(),
            details: None,
            retry_after: None,
        };
        let (failure, by) = classify(reported, rules);
        (failure.class, by)
    }

    #[test]
    fn no_line_of_the_default_table_is_hidden_by_one_before_it() {
        for (i, (pattern, ..)) in DEFAULT_TABLE.iter().enumerate() {
            let example = pattern.replace('*', "x");
            let first = DEFAULT_TABLE.iter().position(|(pattern, ..)| fits(pattern, &example));
            assert_eq!(first, Some(i), "{pattern}");
        }
    }

    #[test]
    fn a_rule_comes_before_the_table_and_the_agent_before_both() {
        let rules = [FailureRule { code: "http_404".into(), class: Retryable }];
        assert_eq!(class_of("http_404", &rules), (Retryable, ClassifiedBy::Definition));
        assert_eq!(class_of("HTTP_404", &[]), (NonRetryable, ClassifiedBy::Table));
        assert_eq!(class_of("tired", &rules), (Retryable, ClassifiedBy::Nobody));
        let said = Failure::new(Timeout, "http_404", "");
        assert_eq!(classify(said.into(), &rules).1, ClassifiedBy::Agent);
    }

    #[test]
    fn a_star_stands_for_anything_and_the_rest_for_itself() {
        for (pattern, code, expected) in [
            ("http_5*", "http_503", true),
            ("http_5*", "http_5", true),
            ("http_5*", "http_", false),
            ("*_timeout", "read_timeout", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*", "", true),
            ("exit_1", "exit_11", false),
            ("é*", "x", false),
        ] {
            assert_eq!(fits(pattern, code), expected, "{pattern} {code}");
        }
    }
}
