//! The `http` agent against a server of our own.

use crate::house::call;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get};
use orchestrator::core::failure::{FailureClass, ReportedFailure};
use orchestrator::core::usage::{Cost, Usage};
use orchestrator::worker::Agent;
use orchestrator::worker::builtin::Http;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A server on a free port; `{other}` in a redirect is another server's address.
async fn serve(other: String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let router = Router::new()
        .route("/echo", any(echo))
        .route("/model/{which}", any(model))
        .route("/text", get(|| async { "plain" }))
        .route("/rubbish", get(|| async { ([(header::CONTENT_TYPE, "application/json")], "{") }))
        .route("/bytes", get(|| async { vec![0xffu8, 0xfe] }))
        .route("/large", get(|| async { "x".repeat(2_000) }))
        .route("/busy", get(|| async { (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "7")], "later") }))
        .route("/status/{status}", get(status))
        .route("/slow", get(std::future::pending::<&str>))
        .route("/here", get(|| async { Redirect::temporary("/text") }))
        .route("/away", get(|State(other): State<String>| async move { Redirect::temporary(&other) }))
        .route("/round", get(|| async { Redirect::temporary("/round") }))
        .with_state(format!("http://{other}/text"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn echo(request: Request) -> Response {
    let (method, headers) = (request.method().to_string(), request.headers().clone());
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let shown = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let names = ["content-type", "traceparent", "idempotency-key", "x-cups"];
    let shown: Vec<Option<String>> = names.into_iter().map(shown).collect();
    axum::Json(json!({ "method": method, "headers": shown, "body": String::from_utf8_lossy(&body) })).into_response()
}

/// The parts of the answers of two APIs of models that are read, and of one that does not say what it has used.
async fn model(axum::extract::Path(which): axum::extract::Path<String>) -> Response {
    let usage = match which.as_str() {
        "openai" => json!({ "prompt_tokens": 850, "completion_tokens": 120, "total_tokens": 970 }),
        "anthropic" => json!({ "input_tokens": 850, "output_tokens": 120, "cache_read_input_tokens": 0 }),
        _ => Value::Null,
    };
    axum::Json(json!({ "model": which, "usage": usage })).into_response()
}

async fn status(axum::extract::Path(status): axum::extract::Path<u16>) -> (StatusCode, HeaderMap, &'static str) {
    (StatusCode::from_u16(status).unwrap(), HeaderMap::new(), "why")
}

/// A host that goes on answering until the connection is closed.
async fn serve_without_end() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let _ = connection.read(&mut [0; 4_096]).await;
        let mut piece = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n".to_vec();
        while connection.write_all(&piece).await.is_ok() {
            piece = vec![b'x'; 1_024];
        }
    });
    address
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

fn agent(hosts: &[&str]) -> Http {
    Http::new(&hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>(), 1_000).unwrap()
}

fn word(result: Result<Value, ReportedFailure>) -> String {
    match result {
        Ok(output) => format!("completed {}", output["body"]),
        Err(failure) => format!("failed {} {}", failure.class.map_or("?", FailureClass::as_str), failure.code),
    }
}

#[test]
fn what_a_host_answers_decides_what_becomes_of_the_call() {
    block_on(async {
        let other = serve(String::new()).await;
        let host = serve(other.clone()).await;
        let agent = agent(&[&host]);
        for (path, expected) in [
            ("/text", "completed \"plain\""),
            ("/here", "completed \"plain\""),
            ("/away", "failed non_retryable host_not_allowed"),
            ("/round", "failed non_retryable too_many_redirects"),
            ("/rubbish", "failed non_retryable bad_response"),
            ("/bytes", "failed non_retryable bad_response"),
            ("/large", "failed non_retryable response_too_large"),
            ("/busy", "failed ? http_429"),
            ("/status/400", "failed ? http_400"),
            ("/status/404", "failed ? http_404"),
            ("/status/408", "failed ? http_408"),
            ("/status/425", "failed ? http_425"),
            ("/status/500", "failed ? http_500"),
            ("/status/503", "failed ? http_503"),
            ("/status/204", "completed \"\""),
        ] {
            let found = agent.run(call(json!({ "url": format!("http://{host}{path}") }))).await;
            assert_eq!(word(found), expected, "{path}");
        }
        let busy = agent.run(call(json!({ "url": format!("http://{host}/busy") }))).await.unwrap_err();
        assert_eq!(busy.details.unwrap().value(), json!({ "status": 429, "body": "later" }));
        assert_eq!(busy.retry_after, Some(Duration::from_secs(7)));
    });
}

#[test]
fn an_endless_response_is_cut_off() {
    block_on(async {
        let host = serve_without_end().await;
        let found = agent(&[&host]).run(call(json!({ "url": format!("http://{host}/") }))).await;
        assert_eq!(word(found), "failed non_retryable response_too_large");
    });
}

#[test]
fn it_is_closed_by_default_and_open_to_exactly_what_is_named() {
    block_on(async {
        let host = serve(String::new()).await;
        let url = json!({ "url": format!("http://{host}/text") });
        for hosts in [vec![], vec!["127.0.0.1:1"], vec!["localhost:80"]] {
            let found = agent(&hosts).run(call(url.clone())).await;
            assert_eq!(word(found), "failed non_retryable host_not_allowed", "{hosts:?}");
        }
        for input in [json!({}), json!({ "url": "nonsense" }), json!({ "url": "x", "verb": 1 }), json!(1)] {
            let found = agent(&[&host]).run(call(input.clone())).await;
            assert_eq!(word(found), "failed non_retryable bad_input", "{input}");
        }
        let headers = json!({ "url": format!("http://{host}/text"), "headers": { "a b": "c" } });
        assert_eq!(word(agent(&[&host]).run(call(headers)).await), "failed non_retryable bad_input");
    });
}

#[test]
fn method_headers_and_body_go_out_with_trace_and_idempotency_key() {
    block_on(async {
        let host = serve(String::new()).await;
        let (agent, url) = (agent(&[&host]), format!("http://{host}/echo"));
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let key = "0123456789abcdef0123456789abcdef/node/1";
        let found = agent.run(call(json!({ "url": url, "body": { "a": 1 } }))).await.unwrap();
        let expected =
            json!({ "method": "POST", "headers": ["application/json", trace, key, null], "body": "{\"a\":1}" });
        assert_eq!(found["body"], expected);
        let headers = json!({ "X-Cups": "2", "traceparent": "mine", "content-type": "text/csv" });
        let input = json!({ "url": url, "method": "put", "headers": headers, "body": "a,b" });
        let found = agent.run(call(input)).await.unwrap();
        let expected = json!({ "method": "PUT", "headers": ["text/csv", "mine", key, "2"], "body": "a,b" });
        assert_eq!((&found["body"], &found["status"]), (&expected, &json!(200)));
    });
}

#[test]
fn a_host_that_does_not_answer_in_time_is_a_timeout_and_one_that_is_not_there_is_not() {
    block_on(async {
        let host = serve(String::new()).await;
        let mut slow = call(json!({ "url": format!("http://{host}/slow") }));
        slow.timeout = Duration::from_millis(20);
        let failure = agent(&[&host]).run(slow).await.unwrap_err();
        assert_eq!((failure.class, failure.code.as_str()), (None, "timeout"));
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
        let failure =
            agent(&[&gone]).run(call(json!({ "url": format!("http://{gone}/?key=secret") }))).await.unwrap_err();
        assert_eq!((failure.class, failure.code.as_str()), (None, "http_unreachable"));
        assert!(!failure.message.contains("secret"), "{}", failure.message);
    });
}

#[test]
fn tokens_that_a_model_has_used_are_reported_and_cost_what_the_definition_says() {
    block_on(async {
        let host = serve(String::new()).await;
        let agent = agent(&[&host]);
        let prices = json!({ "input": 3, "output": 15.0 });
        let usage = |cost: f64| Usage { cost: Cost::new(cost).unwrap(), input_tokens: 850, output_tokens: 120 };
        for (which, prices, expected) in [
            ("openai", Value::Null, Some(usage(0.0))),
            ("openai", prices.clone(), Some(usage(0.00435))),
            ("anthropic", prices.clone(), Some(usage(0.00435))),
            ("other", prices.clone(), None),
        ] {
            let input = json!({ "url": format!("http://{host}/model/{which}"), "body": {}, "prices": prices });
            let call = call(input);
            let meter = call.meter.clone();
            assert_eq!(agent.run(call).await.unwrap()["body"]["model"], which);
            assert_eq!(meter.total(), expected, "{which} {prices}");
        }
        let free = json!({ "url": format!("http://{host}/model/openai"), "prices": { "input": -3, "output": 0 } });
        assert_eq!(word(agent.run(call(free)).await), "failed non_retryable bad_input");
    });
}
