//! A server that answers as a test says, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: String,
    /// Path and query, byte for byte.
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Whether the body came to its end.
    pub(super) complete: bool,
}

impl Seen {
    pub(super) fn is(&self, method: &str, start: &str) -> bool {
        self.method == method && self.target.starts_with(start)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(super) fn authorization(&self) -> Option<&str> {
        self.header("authorization")
    }
}

/// An answer, or none: the connection breaks.
pub(super) type Reply = Option<Response<Full<Bytes>>>;

#[expect(clippy::unnecessary_wraps, reason = "most replies are answers")]
pub(super) fn reply(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Reply {
    let builder = Response::builder().status(status);
    let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
    Some(builder.body(Full::new(body.into())).unwrap())
}

type Handler = dyn Fn(&Seen) -> Reply + Send + Sync;

/// Runs in a thread of its own until it is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    log: Arc<Mutex<Vec<Seen>>>,
    _stop: oneshot::Sender<()>,
}

impl Server {
    pub(super) fn start(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = oneshot::channel();
        let (handler, remembered): (Arc<Handler>, _) = (Arc::new(handler), Arc::clone(&log));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = serve(listener, handler, remembered) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, log, _stop: stop }
    }

    /// `host:port`.
    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn log(&self) -> Vec<Seen> {
        self.log.lock().unwrap().clone()
    }

    /// How many requests there were of this method, with a path that starts so.
    pub(super) fn count(&self, method: &str, start: &str) -> usize {
        self.log().iter().filter(|seen| seen.is(method, start)).count()
    }
}

async fn serve(listener: TcpListener, handler: Arc<Handler>, log: Arc<Mutex<Vec<Seen>>>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (handler, log) = (Arc::clone(&handler), Arc::clone(&log));
        connections.spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&handler), Arc::clone(&log)));
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            // A broken connection is a part of many tests.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    handler: Arc<Handler>,
    log: Arc<Mutex<Vec<Seen>>>,
) -> Result<Response<Full<Bytes>>, Broken> {
    let (parts, mut body) = request.into_parts();
    let (mut bytes, mut complete) = (Vec::new(), true);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            complete = false;
            break;
        };
        bytes.extend_from_slice(&frame.into_data().unwrap_or_default());
    }
    let target = parts.uri.path_and_query().unwrap().to_string();
    let seen = Seen { method: parts.method.to_string(), target, headers: parts.headers, body: bytes.into(), complete };
    log.lock().unwrap().push(seen.clone());
    handler(&seen).ok_or(Broken)
}

#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}
