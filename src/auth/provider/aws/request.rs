//! Requests to AWS that are signed, and what all of AWS's answers have in common.
//!
//! Owns the one thing that is done about a clock that is wrong: a request that is refused for its time is signed once more
//! with the time that AWS says it is.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{AUTHORIZATION, DATE, HeaderName};

use super::sigv4::{self, Signable, Signer};
use crate::auth::exchange::{Answer, Ask, Endpoint, Exchange};
use crate::auth::{ProviderError, Secret};

/// A request to be signed.
pub(super) struct Call<'a> {
    /// What is asked for, in words.
    pub(super) what: &'static str,
    pub(super) endpoint: Endpoint,
    pub(super) signer: Signer<'a>,
    /// The type of the body.
    pub(super) kind: &'static str,
    /// `X-Amz-Target`: the operation, where the body does not name it.
    pub(super) target: Option<&'static str>,
    pub(super) body: &'a str,
    /// How many bytes of the answer are read, where that is not as usual.
    pub(super) limit: Option<usize>,
}

/// How far a clock may be off before AWS refuses what it stamps; a little less, for the way.
const TOLERANCE: i64 = 4 * 60;
const X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const X_AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const X_AMZ_TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// Sends it, and gives the answer with whatever status.
pub(super) async fn send(exchange: &Exchange, call: &Call<'_>) -> Result<Answer, ProviderError> {
    let answer = exchange.send(ask(call, exchange.now())).await?;
    match clock_error(exchange, &answer) {
        Some(_) if !answer.is_success() && is_about_time(&answer) => {
            let Some(now) = date_of(&answer) else { return Ok(answer) };
            exchange.send(ask(call, now)).await
        }
        _ => Ok(answer),
    }
}

fn ask(call: &Call<'_>, at: Timestamp) -> Ask {
    let (keys, stamp, host) = (call.signer.keys, sigv4::stamp(at), call.endpoint.authority());
    let mut headers = vec![("content-type", call.kind), ("host", host.as_str()), ("x-amz-date", stamp.as_str())];
    headers.extend(keys.token.as_ref().map(|token| ("x-amz-security-token", token.expose())));
    headers.extend(call.target.map(|target| ("x-amz-target", target)));
    let request = Signable { method: "POST", path: "/", headers: &headers, body: call.body };
    let authorization = call.signer.authorization(&request, at);
    let mut ask = Ask::post(call.what, call.endpoint.clone()).again(is_accident).secret(&keys.secret);
    ask = ask.header(AUTHORIZATION, &authorization).header(X_AMZ_DATE, &stamp);
    if let Some(token) = &keys.token {
        ask = ask.secret(token).header(X_AMZ_SECURITY_TOKEN, token.expose());
    }
    if let Some(target) = call.target {
        ask = ask.header(X_AMZ_TARGET, target);
    }
    if let Some(bytes) = call.limit {
        ask = ask.limit(bytes);
    }
    ask.body(call.kind, call.body)
}

/// How many seconds our clock is behind AWS's, where that matters.
pub(super) fn clock_error(exchange: &Exchange, answer: &Answer) -> Option<i64> {
    let off = date_of(answer)?.as_second() - exchange.now().as_second();
    (off.abs() > TOLERANCE).then_some(off)
}

/// What time it is, as far as the answer says.
pub(super) fn date_of(answer: &Answer) -> Option<Timestamp> {
    let date = rfc2822::parse(answer.header(DATE)?).ok()?;
    Some(date.timestamp())
}

fn is_about_time(answer: &Answer) -> bool {
    const CODES: [&str; 5] =
        ["InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed", "AuthFailure"];
    CODES.contains(&code(answer).as_str())
}

/// Whether a further attempt may mend it. `InvalidIdentityToken` is said too where AWS could not reach the issuer.
pub(super) fn is_accident(answer: &Answer) -> bool {
    // Nothing that it carries is a word of AWS's then.
    if answer.is_success() {
        return false;
    }
    match code(answer).as_str() {
        "InvalidIdentityToken" => message(answer).contains("retrieve verification key"),
        "IDPCommunicationError" | "ServerException" | "RequestLimitExceeded" | "TooManyRequestsException" => true,
        code => code.starts_with("Throttl"),
    }
}

/// Whether the session of the keys has ended: other keys may serve.
pub(super) fn is_expired(answer: &Answer) -> bool {
    code(answer).starts_with("ExpiredToken")
}

/// How long something lives from now on that ends at `end`, by the clock of the one who says so, where he tells the time.
pub(super) fn lifetime(exchange: &Exchange, answer: &Answer, end: &str) -> Option<Duration> {
    let end: Timestamp = end.trim().parse().ok()?;
    let now = date_of(answer).unwrap_or_else(|| exchange.now());
    let left = end.as_second().saturating_sub(now.as_second());
    Some(Duration::from_secs(u64::try_from(left).unwrap_or_default()))
}

/// The name of the error that an answer is, without its namespace; empty where it says none.
pub(super) fn code(answer: &Answer) -> String {
    if answer.is_success() {
        // It may hold keys, and is read by whom they are for.
        return String::new();
    }
    let json = field(answer, "__type").or_else(|| field(answer, "code"));
    // <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html#operation-error-serialization>
    let header = || answer.header("x-amzn-errortype").map(str::to_owned);
    let text =
        json.or_else(header).or_else(|| Some(element(answer.text(), "Code")?.expose().to_owned())).unwrap_or_default();
    let text = text.split(':').next().unwrap_or_default();
    text.rsplit('#').next().unwrap_or_default().to_owned()
}

/// What an answer that is an error says.
pub(super) fn message(answer: &Answer) -> String {
    let json = field(answer, "message").or_else(|| field(answer, "Message"));
    json.or_else(|| Some(element(answer.text(), "Message")?.expose().to_owned())).unwrap_or_default()
}

fn field(answer: &Answer, name: &str) -> Option<String> {
    let document: serde_json::Value = serde_json::from_str(answer.text()).ok()?;
    document.get(name)?.as_str().map(str::to_owned)
}

/// The text of the first element with that name, which has no attributes and no elements in it; it may be a secret.
pub(super) fn element(document: &str, name: &str) -> Option<Secret> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    if text.contains('<') {
        return None;
    }
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#39;", "'"), ("&#34;", "\"")];
    let all = named.into_iter().chain([("&amp;", "&")]);
    Some(all.fold(Secret::new(text.trim()), |text, (name, sign)| Secret::new(text.expose().replace(name, sign))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_a_document() {
        let document =
            "<a><Code> Access&amp;amp;Denied\n</Code><Message>&lt;x&gt; &quot;y&apos;</Message><B><C>1</C></B></a>";
        assert_eq!(element(document, "Code"), Some(Secret::new("Access&amp;Denied")));
        assert_eq!(element(document, "Message"), Some(Secret::new("<x> \"y'")));
        for (document, name) in [(document, "B"), (document, "D"), ("<Code>x", "Code"), ("", "Code")] {
            assert_eq!(element(document, name), None, "{document} {name}");
        }
    }
}
