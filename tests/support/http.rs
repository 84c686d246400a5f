//! A tiny blocking HTTP/1.1 client: one request per connection, plain HTTP only, nothing hidden.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// An answer, as it came.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        super::server::header(&self.headers, name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON. Panics where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Sends one request and reads the whole answer; a body shorter than announced is an error.
pub fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Reply> {
    let (host, target) = split(url);
    let head = request_head(method, host, target, headers);
    let length = format!("Content-Length: {}\r\n\r\n", body.len());
    exchange(host, &[head.as_bytes(), length.as_bytes(), body].concat(), method == "HEAD")
}

/// As [`send`], with the Basic `Authorization` of `user:password`.
pub fn send_as(
    login: Option<&str>,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Reply> {
    let value = login.map(|login| format!("Basic {}", STANDARD.encode(login)));
    let authorization = value.as_deref().map(|value| ("Authorization", value));
    send(method, url, &headers.iter().copied().chain(authorization).collect::<Vec<_>>(), body)
}

/// Announces a body, sends a part of it and closes the connection.
pub fn send_broken(method: &str, url: &str, headers: &[(&str, &str)], (announced, part): (usize, &[u8])) {
    let (host, target) = split(url);
    let head = request_head(method, host, target, headers);
    let length = format!("Content-Length: {announced}\r\n\r\n");
    let mut stream = TcpStream::connect(host).unwrap();
    stream.write_all(&[head.as_bytes(), length.as_bytes(), part].concat()).unwrap();
}

fn split(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").expect("this client speaks plain HTTP only");
    rest.find('/').map_or((rest, "/"), |at| rest.split_at(at))
}

fn request_head(method: &str, host: &str, target: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head
}

fn exchange(host: &str, request: &[u8], is_head: bool) -> io::Result<Reply> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(request)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&bytes, is_head)
}

/// Reads an answer from the bytes of a whole connection.
pub fn parse(bytes: &[u8], is_head: bool) -> io::Result<Reply> {
    let broken = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or_else(broken)?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).ok_or_else(broken)?;
    let header =
        |line: &str| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    let mut reply = Reply { status, headers: lines.filter_map(header).collect(), body: Vec::new() };
    let rest = &bytes[end + 4..];
    let length = reply.header("content-length").and_then(|length| length.parse::<usize>().ok());
    reply.body = match (is_head, reply.header("transfer-encoding"), length) {
        (true, ..) => Vec::new(),
        (_, Some(_), _) => unchunk(rest).ok_or_else(broken)?,
        (_, _, Some(length)) => rest.get(..length).ok_or_else(broken)?.to_vec(),
        _ => rest.to_vec(),
    };
    Ok(reply)
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend(rest.get(end + 2..end + 2 + size)?);
        rest = rest.get(end + 4 + size..)?;
    }
}
