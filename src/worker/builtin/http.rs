//! `http` calls an allow-listed host.

use super::super::agent::{Agent, Call};
use super::read;
use super::retry_after::retry_after;
use super::tokens::{Prices, used};
use crate::core::failure::{Failure, FailureClass, ReportedFailure};
use crate::core::json::Json;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Request, Response, StatusCode, Url, redirect};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many redirects are followed: as many as browsers and curl's users expect to suffice.
const MAX_REDIRECTS: usize = 10;
/// How much of the body of a failed call stands in the details, in bytes.
const QUOTED_BYTES: usize = 2 << 10;

/// A host that cannot be allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hosts that \"http\" may call need the form host:port, e.g. api.example.com:443, found {0:?}")]
pub struct BadHost(String);

/// Calls `{"method": …, "url": …, "headers": {…}, "body": …}` and returns `{"status": …, "headers": {…}, "body": …}`.
///
/// `method` is GET, or POST where there is a body. A body that is a string is sent as it is, any other as JSON. The
/// body of the response is JSON where its content type says so, else text. The call passes `traceparent` on, and the
/// dispatch id as `Idempotency-Key`, unless the input sets them.
///
/// Host and port of the URL, and of every redirect, must be on the operator's list. What a name resolves to is not
/// looked at: whoever allows a name trusts its owner.
///
/// Where the body of the response says how many tokens a model has used, as the APIs of models do, the attempt says so, with
/// what they cost where the input has `"prices": {"input": …, "output": …}`.
///
/// A status from 400 on fails with the code `http_<status>`, and with what the response's `Retry-After` asks for; a call
/// that is not answered with `http_unreachable` or `timeout`. The definition's rules and the default table say the class.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client,
    allowed: Arc<Allowed>,
    max_response_bytes: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    method: Option<String>,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
    prices: Option<Prices>,
}

/// Hosts with their ports.
#[derive(Debug, PartialEq, Eq)]
struct Allowed(BTreeSet<(String, u16)>);

impl Allowed {
    fn read(hosts: &[String]) -> Result<Self, BadHost> {
        let read = |text: &String| {
            // Parsed as a URL is, so that the same spellings are the same host.
            let fault = || BadHost(text.clone());
            let (_, port) = text.rsplit_once(':').ok_or_else(fault)?;
            let port: u16 = port.parse().map_err(|_| fault())?;
            let url = Url::parse(&format!("http://{text}/")).map_err(|_| fault())?;
            let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
            let host = url.host_str().filter(|_| bare && url.username().is_empty() && !text.contains(['/', '@']));
            Ok((host.ok_or_else(fault)?.to_owned(), port))
        };
        hosts.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    fn check(&self, url: &Url) -> Result<(), Failure> {
        let (Some(host), Some(port), "http" | "https") = (url.host_str(), url.port_or_known_default(), url.scheme())
        else {
            // Without the rest of it, where keys may stand.
            let scheme = url.scheme();
            return Err(refused("bad_input", format!("a URL {scheme}: is not one of http or https with a host")));
        };
        if self.0.contains(&(host.to_owned(), port)) {
            return Ok(());
        }
        let message =
            format!("{host}:{port} is not on the list of hosts that this worker's operator allows \"http\" to call");
        Err(refused("host_not_allowed", message))
    }
}

/// A redirect to a host that is not on the list.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.message)]
struct RedirectRefused(Failure);

impl Http {
    /// May call these hosts (`host:port` each) and no others; responses may have so many bytes.
    ///
    /// # Errors
    /// Where an entry is not of that form, or the client cannot be made.
    pub fn new(hosts: &[String], max_response_bytes: usize) -> Result<Self, super::BuiltinError> {
        let allowed = Arc::new(Allowed::read(hosts)?);
        let on_the_list = allowed.clone();
        let policy = redirect::Policy::custom(move |attempt| match on_the_list.check(attempt.url()) {
            Err(failure) => attempt.error(RedirectRefused(failure)),
            Ok(()) if attempt.previous().len() > MAX_REDIRECTS => attempt.error("too many redirects"),
            Ok(()) => attempt.follow(),
        });
        let client = Client::builder().redirect(policy).build()?;
        Ok(Self { client, allowed, max_response_bytes })
    }

    fn request(&self, call: &Call, input: Input) -> Result<Request, Failure> {
        let bad = |what: &str, fault: String| refused("bad_input", format!("{what} is not usable: {fault}"));
        let url = Url::parse(&input.url).map_err(|fault| bad("the URL", fault.to_string()))?;
        self.allowed.check(&url)?;
        let usual = if input.body.is_some() { "POST" } else { "GET" };
        let method = input.method.as_deref().unwrap_or(usual).to_ascii_uppercase();
        let method = Method::from_bytes(method.as_bytes()).map_err(|fault| bad("the method", fault.to_string()))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &input.headers {
            let name =
                HeaderName::try_from(name).map_err(|fault| bad(&format!("the header {name:?}"), fault.to_string()))?;
            let value =
                HeaderValue::try_from(value).map_err(|fault| bad(&format!("the header {name}"), fault.to_string()))?;
            headers.append(name, value);
        }
        let ours = [("traceparent", call.traceparent.clone()), ("idempotency-key", Some(call.dispatch_id.to_string()))];
        for (name, value) in ours {
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                headers.entry(name).or_insert(value);
            }
        }
        let typed = headers.contains_key(CONTENT_TYPE);
        let request = self.client.request(method, url).headers(headers).timeout(call.timeout);
        let request = match input.body {
            None => request,
            Some(Value::String(text)) => request.body(text),
            Some(body) if typed => request.body(body.to_string()),
            Some(body) => request.json(&body),
        };
        request.build().map_err(|fault| bad("the request", fault.without_url().to_string()))
    }

    async fn body(&self, response: &mut Response) -> Result<Vec<u8>, ReportedFailure> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(fault)? {
            if body.len() + chunk.len() > self.max_response_bytes {
                let message = format!("the response has more than the allowed {} bytes", self.max_response_bytes);
                return Err(refused("response_too_large", message).into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

impl Agent for Http {
    async fn run(&self, call: Call) -> Result<Value, ReportedFailure> {
        let input: Input = read("http", call.input.clone())?;
        let prices = input.prices;
        let request = self.request(&call, input)?;
        let mut response = self.client.execute(request).await.map_err(fault)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self.body(&mut response).await;
        if status.is_client_error() || status.is_server_error() {
            return Err(answered(status, &headers, &body.unwrap_or_default()));
        }
        let shown: BTreeMap<&str, String> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()).into()))
            .collect();
        let body = content(&headers, body?)?;
        if let Some(usage) = used(&body, prices) {
            call.meter.add(usage);
        }
        Ok(json!({ "status": status.as_u16(), "headers": shown, "body": body }))
    }
}

/// The body of a response: JSON where its content type says so, else text.
fn content(headers: &HeaderMap, body: Vec<u8>) -> Result<Value, Failure> {
    let bad = |fault: String| refused("bad_response", format!("the body of the response cannot be read: {fault}"));
    let text = String::from_utf8(body).map_err(|fault| bad(fault.to_string()))?;
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = media_type == "application/json" || media_type.ends_with("+json");
    if !is_json || text.is_empty() {
        return Ok(Value::String(text));
    }
    Json::parse(&text).map(|json| json.value()).map_err(|fault| bad(fault.to_string()))
}

/// The failure of a call that was answered with a status from 400 on.
fn answered(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ReportedFailure {
    let quoted = String::from_utf8_lossy(&body[..body.len().min(QUOTED_BYTES)]);
    let details = json!({ "status": status.as_u16(), "body": quoted });
    ReportedFailure {
        details: Some(Json::from_value(&details)),
        retry_after: retry_after(headers),
        ..ReportedFailure::new(format!("http_{}", status.as_u16()), format!("the host answered {status}"))
    }
}

/// The failure of a call that was not answered. It does not show the URL, in which keys may stand.
fn fault(fault: reqwest::Error) -> ReportedFailure {
    let fault = fault.without_url();
    let mut words = fault.to_string();
    let mut source = std::error::Error::source(&fault);
    while let Some(inner) = source {
        if let Some(RedirectRefused(failure)) = inner.downcast_ref() {
            return failure.clone().into();
        }
        words = format!("{words}: {inner}");
        source = inner.source();
    }
    if fault.is_redirect() {
        return refused("too_many_redirects", words).into();
    }
    ReportedFailure::new(if fault.is_timeout() { "timeout" } else { "http_unreachable" }, words)
}

fn refused(code: &str, message: String) -> Failure {
    Failure::new(FailureClass::NonRetryable, code, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(hosts: &[&str]) -> Result<Allowed, BadHost> {
        Allowed::read(&hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn host_and_port_must_match_exactly() {
        let list = allowed(&["api.example.com:443", "localhost:8080", "[::1]:80"]).unwrap();
        for (url, open) in [
            ("https://api.example.com/v1", true),
            ("https://API.example.com:443/v1", true),
            ("http://api.example.com:443/v1", true),
            ("http://api.example.com/v1", false),
            ("https://api.example.com:8443/", false),
            ("https://api.example.com.evil.org/", false),
            ("https://evil.org/?api.example.com:443", false),
            ("https://api.example.com:443@evil.org/", false),
            ("http://localhost:8080/", true),
            ("http://127.0.0.1:8080/", false),
            ("http://[::1]/", true),
            ("ftp://localhost:8080/", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(list.check(&Url::parse(url).unwrap()).is_ok(), open, "{url}");
        }
    }

    #[test]
    fn what_is_no_host_and_port_is_refused() {
        for host in ["example.com", "http://example.com:80", "example.com:80/x", "a@b:80", ":80", "*:x", "", "a:99999"]
        {
            assert_eq!(allowed(&[host]), Err(BadHost(host.to_owned())), "{host}");
        }
    }
}
