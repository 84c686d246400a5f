//! Signatures of requests to AWS: Signature Version 4.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>
//!
//! Owns the algorithm for what is sent here: a body and headers to a path without a query. Refuses to know what is signed for
//! whom.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::keys::Keys;

/// Who signs, and for which service.
pub(super) struct Signer<'a> {
    pub(super) keys: &'a Keys,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// What is signed.
pub(super) struct Signable<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    /// Names in lower case, in alphabetical order. The date and the session token must be among them.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a str,
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

impl Signer<'_> {
    /// The value of `Authorization` for a request of that time.
    pub(super) fn authorization(&self, request: &Signable<'_>, at: Timestamp) -> String {
        let names = request.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let headers = request.headers.iter().flat_map(|(name, value)| [name, ":", value.trim(), "\n"]);
        let headers = Zeroizing::new(headers.collect::<Vec<_>>().concat());
        let (method, path, body) = (request.method, request.path, hex(Sha256::digest(request.body)));
        let canonical = [method, "\n", path, "\n\n", &headers, "\n", &names, "\n", &body].concat();
        let canonical = Zeroizing::new(canonical);
        let (day, stamp) = (date(at, "%Y%m%d"), stamp(at));
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let text = format!("{ALGORITHM}\n{stamp}\n{scope}\n{}", hex(Sha256::digest(canonical.as_bytes())));
        let signature = hex(sign(&self.key(&day), text.as_bytes()));
        format!("{ALGORITHM} Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", self.keys.id)
    }

    /// The key for one day, region and service.
    fn key(&self, day: &str) -> Key {
        let secret = Zeroizing::new(["AWS4", self.keys.secret.expose()].concat());
        [day, self.region, self.service, "aws4_request"]
            .iter()
            .fold(Key::new(HMAC_SHA256, secret.as_bytes()), |key, part| {
                Key::new(HMAC_SHA256, sign(&key, part.as_bytes()).as_ref())
            })
    }
}

/// The value of `X-Amz-Date`.
pub(super) fn stamp(at: Timestamp) -> String {
    date(at, "%Y%m%dT%H%M%SZ")
}

fn date(at: Timestamp, format: &str) -> String {
    at.to_zoned(TimeZone::UTC).strftime(format).to_string()
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// Cases of AWS's own test suite for Signature Version 4, by their names there: those with an empty path and no query.
/// <https://github.com/awslabs/aws-c-auth/tree/main/tests/aws-signing-test-suite/v4>
#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Secret;

    const HOST: (&str, &str) = ("host", "example.amazonaws.com");
    const DATE: (&str, &str) = ("x-amz-date", "20150830T123600Z");
    const TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfI\
                         eoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0\
                         wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDry\
                         pNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

    fn signed(method: &str, headers: &[(&str, &str)], body: &str) -> String {
        let keys = Keys {
            id: "AKIDEXAMPLE".to_owned(),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            token: None,
        };
        let signer = Signer { keys: &keys, region: "us-east-1", service: "service" };
        let at = "2015-08-30T12:36:00Z".parse().unwrap();
        assert_eq!(stamp(at), DATE.1);
        let authorization = signer.authorization(&Signable { method, path: "/", headers, body }, at);
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let start = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=";
        authorization.strip_prefix(&format!("{start}{names}, Signature=")).unwrap().to_owned()
    }

    #[test]
    fn get_vanilla() {
        let signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        assert_eq!(signed("GET", &[HOST, DATE], ""), signature);
    }

    #[test]
    fn post_vanilla() {
        let signature = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b";
        assert_eq!(signed("POST", &[HOST, DATE], ""), signature);
    }

    #[test]
    fn post_x_www_form_urlencoded() {
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let signature = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a";
        assert_eq!(signed("POST", &[kind, HOST, DATE], "Param1=value1"), signature);
    }

    #[test]
    fn post_x_www_form_urlencoded_parameters() {
        let kind = ("content-type", "application/x-www-form-urlencoded; charset=utf8");
        let signature = "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe";
        assert_eq!(signed("POST", &[kind, HOST, DATE], "Param1=value1"), signature);
    }

    #[test]
    fn post_sts_header_before() {
        let signature = "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead";
        assert_eq!(signed("POST", &[HOST, DATE, ("x-amz-security-token", TOKEN)], ""), signature);
    }
}
