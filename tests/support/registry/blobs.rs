//! Blobs: HEAD, GET with ranges, DELETE.

use bytes::Bytes;

use super::{Answer, Call, Site, method_not_allowed};

impl Site {
    pub(super) fn blobs(&self, call: &Call, repository: &str, digest: &str) -> Answer {
        let mut contents = self.store.lock();
        let blobs = contents.repositories.get_mut(repository).map(|found| &mut found.blobs);
        let found = blobs.as_ref().and_then(|blobs| blobs.get(digest).cloned());
        match (call.method.as_str(), found, blobs) {
            ("GET" | "HEAD", Some(bytes), _) => {
                let answer = if self.options.ranges { blob_answer(call, bytes) } else { whole(bytes) };
                answer.header("Docker-Content-Digest", digest)
            }
            ("DELETE", Some(_), Some(blobs)) => {
                blobs.remove(digest);
                Answer::status(202)
            }
            ("GET" | "HEAD" | "DELETE", ..) => Answer::error(404, "BLOB_UNKNOWN", "blob unknown to registry"),
            _ => method_not_allowed(),
        }
    }
}

/// The bytes, or the part of them that a `Range` header asks for.
pub fn blob_answer(call: &Call, bytes: Bytes) -> Answer {
    let total = bytes.len();
    let whole = whole(bytes).header("Accept-Ranges", "bytes");
    let Some(range) = call.header("range").filter(|_| call.method == "GET") else { return whole };
    match parse_range(range, total) {
        None => whole,
        Some((start, _)) if start >= total => Answer::error(416, "RANGE_INVALID", "range not satisfiable")
            .header("Content-Range", format!("bytes */{total}")),
        Some((start, end)) => {
            let part = whole.body.slice(start..end);
            whole.with_status(206).header("Content-Range", format!("bytes {start}-{}/{total}", end - 1)).body(part)
        }
    }
}

fn whole(bytes: Bytes) -> Answer {
    Answer::status(200).header("Content-Type", "application/octet-stream").body(bytes)
}

/// Start and excluded end of a single range; anything else is ignored, as HTTP allows.
fn parse_range(range: &str, total: usize) -> Option<(usize, usize)> {
    let (start, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let end = if last.is_empty() { total } else { last.parse::<usize>().ok()?.saturating_add(1).min(total) };
    let start = start.parse().ok()?;
    (start < end || start >= total).then_some((start, end))
}
