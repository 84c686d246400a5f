//! A loopback HTTP server in a thread of its own: it accepts, records, applies scripted faults and asks its `Handler`.
//!
//! Speaks HTTP/1.1 and h2, in the clear or over TLS. It knows nothing of registries. Its own runtime lets it serve tests
//! that run in process and the spawned binary alike.

mod call;
mod crowd;
mod fault;
pub mod frames;
mod gate;
mod log;
mod respond;
mod wire;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

pub use call::{Answer, Call, decode_pairs, header};
pub use crowd::Crowd;
pub use fault::{Close, Counter, Fault, Match, Nth};
pub use gate::Gate;
pub use log::{RecordedRequest, short_digests};

use super::marks::Marks;
use fault::Script;
use log::Log;
use respond::Exchange;
pub use wire::Spill;
use wire::{Breaker, Order, Shared, Wire};

/// Answers one request. Synchronous: all state lives in memory.
pub trait Handler: Send + Sync + 'static {
    fn answer(&self, call: &Call) -> Answer;
}

/// A bound port that does not serve yet, for handlers that must know their own address.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    room: Room,
}

/// How much a server takes at once; no limit where `None`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Room {
    /// Connections; further ones are reset.
    pub connections: Option<usize>,
    /// Streams of one h2 connection.
    pub streams: Option<u32>,
}

/// A running server. Stops when dropped.
pub struct Server {
    exchange: Arc<Exchange>,
    address: SocketAddr,
    scheme: &'static str,
    running: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

impl Bound {
    /// Takes a free port of 127.0.0.1.
    pub fn new(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address, tls, room: Room::default() }
    }

    /// With limits.
    pub fn room(self, room: Room) -> Self {
        Self { room, ..self }
    }

    /// `http://127.0.0.1:<port>`, or https.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme(), self.address)
    }

    /// Starts to serve.
    pub fn serve(self, handler: impl Handler) -> Server {
        let exchange = Arc::new(Exchange::new(Box::new(handler), self.address.to_string()));
        let (stop, stopped) = oneshot::channel();
        let (scheme, address) = (self.scheme(), self.address);
        let shared = Arc::clone(&exchange);
        let thread = thread::Builder::new().name(format!("server {address}"));
        let thread = thread.spawn(move || self.run(&shared, stopped)).unwrap();
        Server { exchange, address, scheme, running: Mutex::new(Some((stop, thread))) }
    }

    fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    fn run(self, exchange: &Arc<Exchange>, mut stopped: oneshot::Receiver<()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(self.listener).unwrap();
            let acceptor = self.tls.map(TlsAcceptor::from);
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    _ = &mut stopped => break,
                    accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                        if self.room.connections.is_some_and(|most| connections.len() >= most) {
                            stream.set_zero_linger().unwrap();
                        } else {
                            let exchange = Arc::clone(exchange);
                            connections.spawn(connection(stream, exchange, acceptor.clone(), self.room.streams));
                        }
                    },
                    Some(_) = connections.join_next() => {},
                }
            }
        });
    }
}

impl Server {
    /// `127.0.0.1:<port>`: the registry part of a reference.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// `http://127.0.0.1:<port>`, or https.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// From now on every request that fits gets this fault, until [`Self::clear_faults`].
    pub fn fault(&self, matching: Match, fault: Fault) {
        self.script().fault(matching, fault);
    }

    /// Runs `hook` before a fitting request is answered, so that a test can change state in that very moment.
    pub fn before(&self, matching: Match, hook: impl FnMut() + Send + 'static) {
        self.script().hook(matching, hook);
    }

    /// Forgets faults and hooks, counters included.
    pub fn clear_faults(&self) {
        self.script().clear();
    }

    /// Counts the requests of each fault and hook from the beginning again.
    pub fn rewind_faults(&self) {
        self.script().rewind();
    }

    /// How often each fault and hook has struck since it was set or rewound, in the order they were set.
    pub fn strikes(&self) -> Vec<usize> {
        self.script().strikes()
    }

    /// All requests since the start or the last [`Self::clear_log`], by arrival.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.log().requests()
    }

    /// How many requests had that method (`*`: any) and a path with query that contains `path_contains`.
    pub fn count(&self, method: &str, path_contains: &str) -> usize {
        let fits = |request: &&RecordedRequest| {
            (method == "*" || request.method == method) && request.target().contains(path_contains)
        };
        self.requests().iter().filter(fits).count()
    }

    /// Notes each request in what a run writes meanwhile.
    pub fn mark(&self, marks: &Arc<Marks>) {
        self.log().mark(Arc::clone(marks));
    }

    /// Forgets the requests so far.
    pub fn clear_log(&self) {
        self.log().clear();
    }

    /// The requests as sorted text for snapshots: equal lines are counted, digests are shortened, sessions are nameless.
    ///
    /// `names` gives digests a name: `(digest, "index")` turns the digest into `[index]`.
    pub fn request_log(&self, names: &[(&str, &str)]) -> String {
        log::sorted_text(&self.requests(), names)
    }

    /// As [`Self::request_log`], but in order of arrival.
    pub fn request_log_in_order(&self, names: &[(&str, &str)]) -> String {
        log::ordered_text(&self.requests(), names)
    }

    /// Panics when any request carried an `Authorization` or `Cookie` header.
    #[track_caller]
    pub fn assert_no_authorization(&self) {
        for request in self.requests() {
            for name in ["authorization", "proxy-authorization", "cookie"] {
                let (host, line) = (self.host(), request.line());
                assert!(request.header(name).is_none(), "{host} was sent a `{name}` header: {line}");
            }
        }
    }

    /// Panics when any request other than a token request was not GET or HEAD.
    #[track_caller]
    pub fn assert_read_only(&self) {
        for request in self.requests().iter().filter(|request| request.path != "/token") {
            let reads = matches!(request.method.as_str(), "GET" | "HEAD");
            assert!(reads, "{} was written to: {}", self.host(), request.line());
        }
    }

    /// Stops listening and closes all connections; later ones are refused.
    pub fn stop(&self) {
        let running = self.running.lock().unwrap().take();
        if let Some((stop, thread)) = running {
            drop(stop);
            thread.join().unwrap();
        }
    }

    fn script(&self) -> &Script {
        &self.exchange.script
    }

    fn log(&self) -> &Log {
        &self.exchange.log
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let trips = self.log().trips(&self.host());
        assert!(
            trips.is_empty() || thread::panicking(),
            "secrets went where they do not belong:\n{}",
            trips.join("\n")
        );
    }
}

/// `127.0.0.1:<port>` where nobody listens: connections are refused.
pub fn refusing_host() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

async fn connection(stream: TcpStream, exchange: Arc<Exchange>, tls: Option<TlsAcceptor>, streams: Option<u32>) {
    let breaker = Arc::new(Breaker::default());
    let wire = Wire::new(stream, Arc::clone(&breaker));
    match tls {
        None => serve(wire, exchange, breaker, streams).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(wire).await {
                serve(stream, exchange, breaker, streams).await;
            }
        }
    }
}

async fn serve<S>(stream: S, exchange: Arc<Exchange>, breaker: Arc<Breaker>, streams: Option<u32>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut stream = Shared::new(stream);
    let service = service_fn(|request| {
        let stream = breaker.next_stream();
        respond::respond(Arc::clone(&exchange), Arc::clone(&breaker), stream, request)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    if streams.is_some() {
        builder.http2().max_concurrent_streams(streams);
    }
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream.clone()), service));
    loop {
        let order = tokio::select! {
            // A client that went away is part of the tests; what it left behind is in the log.
            _ = &mut connection => return,
            order = breaker.next_order() => order,
        };
        let Order::Say(spill) = order else { return };
        let written = stream.spill(&spill).await;
        if !spill.goes_on || written.is_err() {
            // Fails where the client is the first to go.
            let _ = stream.end().await;
            return;
        }
    }
}
