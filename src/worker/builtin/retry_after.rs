//! `Retry-After` of HTTP: how long a host asks to be left alone (RFC 9110, section 10.2.3).

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use std::time::Duration;

/// Seconds, or a date. A date is taken against the response's own `Date`, so that the clocks need not agree; against our
/// clock where there is none. What is neither is left out: the policy's own delay then holds.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let now = date(headers, DATE).unwrap_or_else(Timestamp::now);
            let wait = date(headers, RETRY_AFTER)?.duration_since(now);
            Some(Duration::try_from(wait).unwrap_or_default())
        }
    }
}

/// An HTTP date in the form that everybody has to send, e.g. `Sun, 06 Nov 1994 08:49:37 GMT`.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(headers.get(name)?.to_str().ok()?.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(retry_after: &'static str, date: Option<&'static str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry_after.parse().unwrap());
        date.map(|date| headers.insert(DATE, date.parse().unwrap()));
        super::retry_after(&headers)
    }

    #[test]
    fn seconds_and_dates_are_understood() {
        let now = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(of("120", now), Some(Duration::from_secs(120)));
        assert_eq!(of("Sun, 06 Nov 1994 08:51:37 GMT", now), Some(Duration::from_secs(120)));
        // It has passed: by the host's clock, or by ours.
        assert_eq!(of("Sun, 06 Nov 1994 08:40:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(of("Sun, 06 Nov 1994 08:40:00 GMT", None), Some(Duration::ZERO));
        for strange in ["soon", "-3", "1.5", "", "99999999999999999999999"] {
            assert_eq!(of(strange, now), None, "{strange:?}");
        }
    }
}
