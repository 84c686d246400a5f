//! AWS as regsync meets it: STS and ECR's API. Checks every byte that it is sent, signatures with arithmetic of its own.
//!
//! Keys are canaries: secrets may be shown to nobody, session tokens to this cloud alone.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::ServerConfig;

use super::canary::PREFIX;
use super::harness::Regsync;
use super::identity::{Actions, Desk, Judge, Service, form};
use super::registry::Store;
use super::server::{Answer, Call, Server};
use super::tripwire;

/// The region of the cloud.
pub const REGION: &str = "eu-west-1";
/// The role that may write, and the one that may read.
pub const WRITER: &str = "arn:aws:iam::123456789012:role/mirror";
pub const READER: &str = "arn:aws:iam::123456789012:role/mirror-read";

/// One access key.
#[derive(Clone)]
pub struct Keys {
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
    /// Whose they are.
    pub who: String,
}

/// STS and ECR at one URL, as `AWS_ENDPOINT_URL` names it.
pub struct Cloud {
    service: Service,
    state: Arc<State>,
}

struct State {
    judge: Arc<Judge>,
    desk: Arc<Desk>,
    region: &'static str,
    host: Mutex<String>,
    keys: Mutex<BTreeMap<String, Keys>>,
    /// Who got a session or a password, in order.
    given: Mutex<Vec<String>>,
    /// How many seconds our clock is ahead of the machine's.
    ahead: AtomicI64,
    /// How long passwords are said to live.
    lifetime: AtomicI64,
    /// The repositories that were asked for, as they were.
    created: Mutex<Vec<Value>>,
    /// What happens when one is made.
    on_create: Mutex<Option<Box<dyn FnMut() + Send>>>,
    /// The tags that were asked for together, by the request.
    batches: Mutex<Vec<Vec<String>>>,
    /// What is answered then.
    on_read: Mutex<Option<Box<Reader>>>,
}

/// Answers a `BatchGetImage`.
type Reader = dyn FnMut(&Value) -> Answer + Send;

impl Cloud {
    /// One that trusts the ID tokens of `ci`, and whose passwords are the desk's.
    pub fn start(ci: &Actions, desk: &Arc<Desk>) -> Self {
        Self::over((REGION, None), ci, desk)
    }

    /// The same in some region, over TLS.
    pub fn over((region, tls): (&'static str, Option<Arc<ServerConfig>>), ci: &Actions, desk: &Arc<Desk>) -> Self {
        let state = Arc::new(State {
            judge: ci.judge(),
            desk: Arc::clone(desk),
            region,
            host: Mutex::default(),
            keys: Mutex::default(),
            given: Mutex::default(),
            ahead: AtomicI64::new(0),
            lifetime: AtomicI64::new(43_200),
            created: Mutex::default(),
            on_create: Mutex::default(),
            batches: Mutex::default(),
            on_read: Mutex::default(),
        });
        // As AWS's endpoints do: no h2, and so a header for the host.
        let tls = tls.map(|tls| {
            let mut config = (*tls).clone();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Arc::new(config)
        });
        let shared = Arc::clone(&state);
        let service = Service::start_over(tls, move |call| shared.answer(call));
        *state.host.lock().unwrap() = service.host();
        Self { service, state }
    }

    /// Runs against this cloud.
    pub fn serve(&self, regsync: Regsync) -> Regsync {
        regsync.env("AWS_ENDPOINT_URL", &self.service.url()).env("AWS_REGION", self.state.region)
    }

    /// Keys that it knows.
    pub fn keys(&self, who: &str, is_session: bool) -> Keys {
        self.state.new_keys(who, is_session)
    }

    /// Who got what, in order: `session <role> <name>`, `password <who>`.
    pub fn given(&self) -> Vec<String> {
        self.state.given.lock().unwrap().clone()
    }

    /// The repositories that it was asked to make, as they were asked for.
    pub fn created(&self) -> Vec<Value> {
        self.state.created.lock().unwrap().clone()
    }

    /// What happens when a repository is made.
    pub fn on_create(&self, hook: impl FnMut() + Send + 'static) {
        *self.state.on_create.lock().unwrap() = Some(Box::new(hook));
    }

    /// The tags of each `BatchGetImage`, in order.
    pub fn batches(&self) -> Vec<Vec<String>> {
        self.state.batches.lock().unwrap().clone()
    }

    /// What is answered to a `BatchGetImage`.
    pub fn on_read(&self, answer: impl FnMut(&Value) -> Answer + Send + 'static) {
        *self.state.on_read.lock().unwrap() = Some(Box::new(answer));
    }

    /// Sets its clock ahead of the machine's, or behind it.
    pub fn set_clock(&self, seconds: i64) {
        self.state.ahead.store(seconds, Ordering::SeqCst);
    }

    /// Says that passwords live that long.
    pub fn set_lifetime(&self, seconds: i64) {
        self.state.lifetime.store(seconds, Ordering::SeqCst);
    }
}

/// For log and faults.
impl Deref for Cloud {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.service
    }
}

/// Runs with keys in the environment.
pub fn with_keys(regsync: Regsync, keys: &Keys) -> Regsync {
    let regsync = regsync.env("AWS_ACCESS_KEY_ID", &keys.id).env("AWS_SECRET_ACCESS_KEY", &keys.secret);
    keys.token.iter().fold(regsync, |regsync, token| regsync.env("AWS_SESSION_TOKEN", token))
}

/// An error of STS.
pub fn sts_error(status: u16, code: &str, message: &str) -> Answer {
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n    <Type>Sender</Type>\n    \
         <Code>{code}</Code>\n    <Message>{message}</Message>\n  </Error>\n  <RequestId>1-2</RequestId>\n</ErrorResponse>\n"
    );
    Answer::status(status).header("Content-Type", "text/xml").body(body)
}

/// An error of ECR's API.
pub fn ecr_error(status: u16, code: &str, message: &str) -> Answer {
    let body = json!({"__type": format!("com.amazonaws.ecr#{code}"), "message": message});
    Answer::status(status).header("Content-Type", "application/x-amz-json-1.1").body(body.to_string())
}

/// What a `BatchGetImage` says of the images that a registry holds.
pub fn images(store: &Store, request: &Value) -> Value {
    let (mut images, mut failures) = (Vec::new(), Vec::new());
    let repository = request["repositoryName"].as_str().unwrap();
    for id in request["imageIds"].as_array().unwrap() {
        let Some(found) = store.manifest(repository, id["imageTag"].as_str().unwrap()) else {
            let reason = "Requested image not found";
            failures.push(json!({"imageId": id, "failureCode": "ImageNotFound", "failureReason": reason}));
            continue;
        };
        assert!(request["acceptedMediaTypes"].as_array().unwrap().contains(&json!(found.media_type)));
        images.push(json!({
            "registryId": request["registryId"],
            "repositoryName": repository,
            "imageId": {"imageTag": id["imageTag"], "imageDigest": format!("sha256:{}", hex(&Sha256::digest(&found.bytes)))},
            "imageManifest": str::from_utf8(&found.bytes).unwrap(),
            "imageManifestMediaType": found.media_type,
        }));
    }
    json!({"images": images, "failures": failures})
}

impl State {
    fn answer(&self, call: &Call) -> Answer {
        assert_eq!((call.method.as_str(), call.path.as_str(), call.query.as_str()), ("POST", "/", ""));
        let answer = match call.header("x-amz-target") {
            Some(target) => self.ecr(call, target),
            None => self.sts(call),
        };
        answer.header("Date", self.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
    }

    fn sts(&self, call: &Call) -> Answer {
        let pairs = form(call);
        let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        let value = |name: &str| pairs.iter().find(|(known, _)| known == name).unwrap().1.clone();
        assert_eq!(value("Version"), "2011-06-15");
        assert_eq!(names[..4], ["Action", "Version", "RoleArn", "RoleSessionName"]);
        let (role, name) = (value("RoleArn"), value("RoleSessionName"));
        let action = value("Action");
        if action == "AssumeRoleWithWebIdentity" {
            assert_eq!(names[4..], ["WebIdentityToken"]);
            assert_eq!(call.header("authorization"), None, "this request is not signed");
            self.judge.expect(&value("WebIdentityToken"), "sts.amazonaws.com");
        } else {
            assert_eq!((action.as_str(), names.len()), ("AssumeRole", 4));
            if let Err((code, words)) = self.signed(call, "sts") {
                return sts_error(403, code, &words);
            }
        }
        let keys = self.new_keys(&role, true);
        self.given.lock().unwrap().push(format!("session {role} {name}"));
        let ends = self.now() + 1.hour();
        let token = keys.token.unwrap();
        Answer::status(200).header("Content-Type", "text/xml").body(format!(
            "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <{action}Result>\n    \
             <SubjectFromWebIdentityToken>x</SubjectFromWebIdentityToken>\n    <AssumedRoleUser><Arn>{role}/{name}</Arn>\
             </AssumedRoleUser>\n    <Credentials>\n      <SessionToken>\n       {token}\n      </SessionToken>\n      \
             <SecretAccessKey>{}</SecretAccessKey>\n      <Expiration>{ends}</Expiration>\n      <AccessKeyId>{}</AccessKeyId>\n    \
             </Credentials>\n  </{action}Result>\n</{action}Response>\n",
            keys.secret, keys.id
        ))
    }

    fn ecr(&self, call: &Call, target: &str) -> Answer {
        assert_eq!(call.header("content-type"), Some("application/x-amz-json-1.1"));
        let (service, name) = target.split_once('.').unwrap();
        let is_public = service == "SpencerFrontendService";
        assert!(is_public || service == "AmazonEC2ContainerRegistry_V20150921", "{target}");
        let who = match self.signed(call, if is_public { "ecr-public" } else { "ecr" }) {
            Ok(who) => who,
            Err((code, words)) => return ecr_error(400, code, &words),
        };
        if name == "CreateRepository" {
            return self.create(call);
        }
        if name == "BatchGetImage" {
            return self.read(call);
        }
        assert_eq!((name, call.body.as_ref()), ("GetAuthorizationToken", &b"{}"[..]));
        self.given.lock().unwrap().push(format!("password {who}"));
        let token = STANDARD.encode(format!("AWS:{}", self.desk.issue("AWS")));
        let ends = self.now().as_second() + self.lifetime.load(Ordering::SeqCst);
        #[expect(clippy::cast_precision_loss, reason = "as AWS sends it")]
        let one = json!({"authorizationToken": token.trim_end_matches('='), "expiresAt": ends as f64 + 0.25});
        let data = if is_public { one } else { Value::Array(vec![one]) };
        Answer::status(200).json(&json!({"authorizationData": data}))
    }

    fn create(&self, call: &Call) -> Answer {
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let mut created = self.created.lock().unwrap();
        if created.iter().any(|known| known["repositoryName"] == body["repositoryName"]) {
            return ecr_error(400, "RepositoryAlreadyExistsException", "The repository already exists");
        }
        created.push(body.clone());
        if let Some(hook) = self.on_create.lock().unwrap().as_mut() {
            hook();
        }
        Answer::status(200).json(&json!({"repository": {"repositoryName": body["repositoryName"]}}))
    }

    fn read(&self, call: &Call) -> Answer {
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let ids = body["imageIds"].as_array().unwrap();
        let tags: Vec<_> = ids.iter().map(|id| id["imageTag"].as_str().unwrap().to_owned()).collect();
        assert!((1..=100).contains(&tags.len()), "{}", tags.len());
        self.batches.lock().unwrap().push(tags);
        let mut answer = self.on_read.lock().unwrap();
        answer.as_mut().map_or_else(|| ecr_error(400, "AccessDeniedException", "no"), |answer| answer(&body))
    }

    /// Who signed it; or the code and words of the refusal.
    fn signed(&self, call: &Call, service: &str) -> Result<String, (&'static str, String)> {
        let authorization = call.header("authorization").expect("a signature");
        let id = authorization.strip_prefix("AWS4-HMAC-SHA256 Credential=").expect(authorization);
        let (id, _) = id.split_once('/').unwrap();
        let known = self.keys.lock().unwrap().get(id).cloned();
        let Some(keys) = known else {
            return Err((
                "UnrecognizedClientException",
                "The security token included in the request is invalid.".into(),
            ));
        };
        let stamp = call.header("x-amz-date").unwrap();
        let at = Timestamp::strptime("%Y%m%dT%H%M%S%z", stamp.replace('Z', "+0000")).unwrap();
        if (at.as_second() - self.now().as_second()).abs() > 300 {
            let words = format!("Signature expired: {stamp} is now earlier than the time of this service (5 min.)");
            return Err(("InvalidSignatureException", words));
        }
        assert_eq!(call.header("x-amz-security-token"), keys.token.as_deref(), "a session shows its token");
        let target = call.header("x-amz-target").is_some().then_some("x-amz-target");
        let token = keys.token.is_some().then_some("x-amz-security-token");
        let names: Vec<&str> = ["content-type", "host", "x-amz-date"].into_iter().chain(token).chain(target).collect();
        let headers =
            names.iter().map(|name| format!("{name}:{}\n", call.header(name).unwrap())).collect::<Vec<_>>().concat();
        let names = names.join(";");
        let canonical = format!("POST\n/\n\n{headers}\n{names}\n{}", hex(&Sha256::digest(&call.body)));
        let scope = format!("{}/{}/{service}/aws4_request", &stamp[..8], self.region);
        let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let key = scope.split('/').fold(format!("AWS4{}", keys.secret).into_bytes(), |key, part| hmac(&key, part));
        let signature = hex(&hmac(&key, &text));
        let expected =
            format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
        if authorization != expected {
            return Err(("InvalidSignatureException", format!("The signature we calculated is another: {scope}")));
        }
        Ok(keys.who)
    }

    fn new_keys(&self, who: &str, is_session: bool) -> Keys {
        let number = fastrand::u64(..);
        let id = format!("{}EXAMPLE{number:016X}", if is_session { "ASIA" } else { "AKIA" });
        let secret = format!("{PREFIX}secret-key-{number:016x}");
        let token = is_session.then(|| format!("{PREFIX}session-{number:016x}"));
        tripwire::belongs(&secret, "nobody");
        if let Some(token) = &token {
            tripwire::belongs(token, &self.host.lock().unwrap());
        }
        let keys = Keys { id: id.clone(), secret, token, who: who.to_owned() };
        self.keys.lock().unwrap().insert(id, keys.clone());
        keys
    }

    #[expect(clippy::disallowed_methods, reason = "a cloud has a clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now() + self.ahead.load(Ordering::SeqCst).seconds()
    }
}

/// RFC 2104, over SHA-256.
fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let padded: Vec<u8> = if key.len() > 64 { Sha256::digest(key).to_vec() } else { key.to_vec() };
    let pad = |byte: u8| (0..64).map(|at| padded.get(at).copied().unwrap_or_default() ^ byte).collect::<Vec<u8>>();
    let inner = Sha256::digest([pad(0x36), text.as_bytes().to_vec()].concat());
    Sha256::digest([pad(0x5c), inner.to_vec()].concat()).to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}
