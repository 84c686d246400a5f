//! A forward proxy: tunnels and plain requests, for who shows the right password.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A proxy that leads to servers of the stage, whatever names it is asked for. Stops when dropped.
pub struct ForwardProxy {
    address: SocketAddr,
    office: Arc<Office>,
}

struct Office {
    /// Names, and `host:port` of the servers that they lead to; an empty name is any.
    routes: Vec<(String, String)>,
    /// The value of `Proxy-Authorization` that is wanted.
    wanted: Option<String>,
    /// What is answered to everything, instead of leading anywhere.
    refusal: Mutex<Option<u16>>,
    heads: Mutex<Vec<String>>,
    stopped: AtomicBool,
}

impl ForwardProxy {
    /// One that leads to `to`; `login` is `user:password`.
    pub fn start(to: &str, login: Option<&str>) -> Self {
        Self::routing(&[("", to)], login)
    }

    /// One that leads from names to servers; `login` is `user:password`.
    pub fn routing(routes: &[(&str, &str)], login: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let wanted = login.map(|login| format!("Basic {}", STANDARD.encode(login)));
        let office = Arc::new(Office {
            routes: routes.iter().map(|(name, to)| ((*name).to_owned(), (*to).to_owned())).collect(),
            wanted,
            refusal: Mutex::default(),
            heads: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let shared = Arc::clone(&office);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let office = Arc::clone(&shared);
                if office.stopped.load(Ordering::SeqCst) {
                    return;
                }
                // Whoever goes away in the middle is not missed.
                thread::spawn(move || drop(office.serve(stream)));
            }
        });
        Self { address, office }
    }

    /// `127.0.0.1:<port>`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Answers everything with this status from now on; `None`: does its work again.
    pub fn refuse_with(&self, status: Option<u16>) {
        *self.office.refusal.lock().unwrap() = status;
    }

    /// The heads of all requests, as they came.
    pub fn heads(&self) -> Vec<String> {
        self.office.heads.lock().unwrap().clone()
    }
}

impl Drop for ForwardProxy {
    fn drop(&mut self) {
        self.office.stopped.store(true, Ordering::SeqCst);
        // Wakes it up.
        drop(TcpStream::connect(self.address));
    }
}

impl Office {
    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        let head = read_head(&mut client)?;
        self.heads.lock().unwrap().push(head.clone());
        let shown = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("proxy-authorization").then(|| value.trim().to_owned())
        });
        let refusal = *self.refusal.lock().unwrap();
        if let Some(status) = refusal.or((self.wanted != shown).then_some(407)) {
            let challenge = "Proxy-Authenticate: Basic realm=\"proxy\"";
            return write!(
                client,
                "HTTP/1.1 {status} No\r\n{challenge}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
        let leads = |(name, _): &&(String, String)| name.is_empty() || head.starts_with(&format!("CONNECT {name}:"));
        let Some((_, to)) = self.routes.iter().find(leads) else {
            return write!(client, "HTTP/1.1 502 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        };
        let mut server = TcpStream::connect(to)?;
        if head.starts_with("CONNECT ") {
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        } else {
            server.write_all(passed_on(&head).as_bytes())?;
        }
        let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
        let upward = thread::spawn(move || {
            let _ = io::copy(&mut from_client, &mut to_server);
            let _ = to_server.shutdown(Shutdown::Write);
        });
        let _ = io::copy(&mut server, &mut client);
        let _ = client.shutdown(Shutdown::Both);
        upward.join().map_err(|_| io::ErrorKind::Other.into())
    }
}

/// The head for the server: without what is for the proxy, one request on each connection.
fn passed_on(head: &str) -> String {
    let own = |line: &&str| !line.to_ascii_lowercase().starts_with("proxy-") && !line.is_empty();
    let kept: Vec<_> = head.lines().filter(own).collect();
    format!("{}\r\nConnection: close\r\n\r\n", kept.join("\r\n"))
}

fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
