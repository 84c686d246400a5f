//! From a request to its answer on the wire: record, hook, faults before, handler, faults after.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::http::request::Parts;
use hyper::{Request, Response, Version};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use super::fault::{Fault, Script};
use super::log::Log;
use super::wire::Breaker;
use super::{Answer, Call, Close, Handler};

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What all connections of one server share.
pub(super) struct Exchange {
    pub(super) log: Log,
    pub(super) script: Script,
    handler: Box<dyn Handler>,
    /// `127.0.0.1:<port>`.
    host: String,
}

impl Exchange {
    pub(super) fn new(handler: Box<dyn Handler>, host: String) -> Self {
        Self { log: Log::default(), script: Script::default(), handler, host }
    }
}

/// Answers one request of one connection.
pub(super) async fn respond(
    exchange: Arc<Exchange>,
    breaker: Arc<Breaker>,
    stream: u32,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    // In a task of its own: what a client began is worked off even where it has gone away.
    let task = Handle::current().spawn(answer(exchange, breaker, stream, request));
    Ok(task.await.expect("the handler of a test server does not panic"))
}

async fn answer(
    exchange: Arc<Exchange>,
    breaker: Arc<Breaker>,
    stream: u32,
    request: Request<Incoming>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut call = head(&parts);
    let entry = exchange.log.open(&call, host(&parts));
    let faults = exchange.script.due(&call.method, &target(&call));
    if faults.iter().any(|fault| matches!(fault, Fault::Reset)) {
        return abandon(&breaker, Close::Reset).await;
    }
    if let Some(spill) = faults.iter().find_map(|fault| fault.at_once(stream)) {
        breaker.say(spill);
        return std::future::pending().await;
    }
    let place = enter(&faults).await;
    let limit = faults.iter().find_map(|fault| match fault {
        Fault::ResetUpload { after } => Some(*after),
        _ => None,
    });
    (call.body, call.complete) = read(body, limit).await;
    exchange.log.received(entry, &call.body);
    exchange.log.watch(&call);
    wait(&faults).await;
    if let Some(spill) = faults.iter().find_map(|fault| fault.after_body(stream)) {
        breaker.say(spill);
        return std::future::pending().await;
    }
    let refusal = place.as_ref().err().cloned().or_else(|| early_answer(&faults, &call));
    let mut answer = refusal.unwrap_or_else(|| exchange.handler.answer(&call));
    for fault in &faults {
        if let Fault::HoldAnswer(gate) = fault {
            gate.pass().await;
        }
    }
    let lost = faults.iter().any(|fault| matches!(fault, Fault::DoneButReset));
    if lost || limit.is_some() {
        return abandon(&breaker, Close::Reset).await;
    }
    for fault in &faults {
        answer = altered(answer, fault);
    }
    exchange.log.answered(entry, answer.status);
    into_response(answer, &call, &faults, breaker)
}

fn head(parts: &Parts) -> Call {
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Call {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: Bytes::new(),
        complete: false,
        http1: parts.version <= Version::HTTP_11,
    }
}

/// HTTP/1.1 names the host in a header, h2 in the URI.
fn host(parts: &Parts) -> String {
    let header = parts.headers.get("host").map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
    header.or_else(|| parts.uri.authority().map(ToString::to_string)).unwrap_or_default()
}

fn target(call: &Call) -> String {
    if call.query.is_empty() { call.path.clone() } else { format!("{}?{}", call.path, call.query) }
}

/// Reads the body to its end, to the limit, or to where the connection broke.
async fn read(mut body: Incoming, limit: Option<usize>) -> (Bytes, bool) {
    let mut bytes = BytesMut::new();
    while limit.is_none_or(|limit| bytes.len() < limit) {
        match body.frame().await {
            None => return (bytes.freeze(), limit.is_none()),
            Some(Err(_)) => return (bytes.freeze(), false),
            Some(Ok(frame)) => bytes.extend(frame.into_data().ok()),
        }
    }
    bytes.truncate(limit.unwrap_or(usize::MAX));
    (bytes.freeze(), false)
}

async fn wait(faults: &[Fault]) {
    for fault in faults {
        match fault {
            Fault::Delay(time) => tokio::time::sleep(*time).await,
            Fault::Hold(gate) => gate.pass().await,
            _ => {}
        }
    }
}

/// Takes a place in every crowd.
async fn enter(faults: &[Fault]) -> Result<Vec<OwnedSemaphorePermit>, Answer> {
    let mut places = Vec::new();
    for fault in faults {
        if let Fault::Crowd(crowd) = fault {
            places.push(crowd.enter().await?);
        }
    }
    Ok(places)
}

/// Closes the connection; never returns, because the connection's future is dropped.
async fn abandon(breaker: &Breaker, how: Close) -> Response<Body> {
    breaker.close(how);
    std::future::pending().await
}

fn early_answer(faults: &[Fault], call: &Call) -> Option<Answer> {
    faults.iter().find_map(|fault| match fault {
        Fault::Reply(answer) => Some(answer.clone()),
        Fault::Redirect { status, to } => {
            let digest = call.path.rsplit('/').next().unwrap_or_default();
            Some(Answer::status(*status).header("Location", to.replace("{digest}", digest)))
        }
        _ => None,
    })
}

fn altered(mut answer: Answer, fault: &Fault) -> Answer {
    match fault {
        Fault::DoneBut(other) => other.clone(),
        Fault::FlipBit { at } => {
            let mut bytes = answer.body.to_vec();
            let at = (*at).min(bytes.len().saturating_sub(1));
            bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1);
            answer.body(bytes)
        }
        Fault::Truncate { to } => {
            answer.body.truncate(*to);
            answer
        }
        Fault::Append(more) => {
            let longer = [answer.body.as_ref(), more].concat();
            answer.body(longer)
        }
        Fault::ReplaceBody(other) => answer.body(other.clone()),
        Fault::DropHeader(name) => answer.without_header(name),
        Fault::SetHeader(name, value) => answer.header(name, value.clone()),
        Fault::AddHeader(name, value) => answer.also_header(name, value.clone()),
        _ => answer,
    }
}

fn into_response(answer: Answer, call: &Call, faults: &[Fault], breaker: Arc<Breaker>) -> Response<Body> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers() {
        response = response.header(name, value);
    }
    let drops_length = faults
        .iter()
        .any(|fault| matches!(fault, Fault::DropHeader(name) if name.eq_ignore_ascii_case("content-length")));
    let has_length = answer.headers().any(|(name, _)| name == "content-length");
    if !drops_length && !has_length && answer.status != 204 {
        response = response.header("Content-Length", answer.body.len());
    }
    let bodiless = call.method == "HEAD" || matches!(answer.status, 204 | 304);
    let delivery = if bodiless { Delivery::default() } else { Delivery::of(answer.body, faults) };
    response.body(delivery.into_body(breaker)).expect("the answer of a test server is well formed")
}

/// How a body goes out.
#[derive(Default)]
struct Delivery {
    pieces: VecDeque<Bytes>,
    pause: Duration,
    ending: Ending,
}

#[derive(Clone, Copy, Default)]
enum Ending {
    #[default]
    Complete,
    Cut(Close),
    Stall,
}

impl Delivery {
    fn of(mut body: Bytes, faults: &[Fault]) -> Self {
        let mut delivery = Self::default();
        let mut piece = usize::MAX;
        for fault in faults {
            match *fault {
                Fault::CutBody { after, close } => {
                    body.truncate(after);
                    delivery.ending = Ending::Cut(close);
                }
                Fault::StallBody { after } => {
                    body.truncate(after);
                    delivery.ending = Ending::Stall;
                }
                Fault::Drip { piece: size, pause } => (piece, delivery.pause) = (size, pause),
                _ => {}
            }
        }
        while !body.is_empty() {
            delivery.pieces.push_back(body.split_to(piece.min(body.len())));
        }
        delivery
    }

    fn into_body(self, breaker: Arc<Breaker>) -> Body {
        let frames = stream::unfold((self, breaker), |(mut delivery, breaker)| async move {
            if !delivery.pause.is_zero() {
                tokio::time::sleep(delivery.pause).await;
            }
            match (delivery.pieces.pop_front(), delivery.ending) {
                (Some(piece), _) => Some((Ok(Frame::data(piece)), (delivery, breaker))),
                (None, Ending::Complete) => None,
                (None, Ending::Stall) => std::future::pending().await,
                (None, Ending::Cut(close)) => {
                    // What was handed over must reach the wire before the connection is torn down.
                    tokio::time::sleep(Duration::from_millis(30)).await;
                    breaker.close(close);
                    std::future::pending().await
                }
            }
        });
        StreamBody::new(frames).boxed_unsync()
    }
}
