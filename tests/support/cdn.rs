//! A foreign host: serves bytes to whoever is sent to it, and must never be sent a credential.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::registry::Store;
use super::server::{Answer, Bound, Call, Handler, Server};
use super::tripwire;

/// A host for redirected blobs and foreign layers.
///
/// It answers a request with `Authorization` as object stores answer one with a signed URL: 400.
/// End a test with [`Server::assert_no_authorization`].
pub struct BlobCdn {
    server: Server,
    shelves: Arc<Shelves>,
}

#[derive(Default)]
struct Shelves {
    paths: Mutex<BTreeMap<String, Bytes>>,
    stores: Mutex<Vec<Store>>,
}

impl BlobCdn {
    /// Starts one that serves nothing yet.
    pub fn start() -> Self {
        let shelves = Arc::new(Shelves::default());
        let server = Bound::new(None).serve(Counter(Arc::clone(&shelves)));
        Self { server, shelves }
    }

    /// Serves bytes at a path; returns their URL.
    pub fn serve(&self, path: &str, bytes: impl Into<Bytes>) -> String {
        self.shelves.paths.lock().unwrap().insert(path.to_owned(), bytes.into());
        format!("{}{path}", self.server.url())
    }

    /// Serves every blob of a registry; returns a target for `Fault::Redirect`.
    pub fn serve_blobs_of(&self, store: &Store) -> String {
        self.shelves.stores.lock().unwrap().push(store.clone());
        tripwire::belongs("CANARY-signature", &self.server.host());
        format!("{}/blobs/{{digest}}?signature=CANARY-signature", self.server.url())
    }
}

/// For log and faults.
impl Deref for BlobCdn {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

struct Counter(Arc<Shelves>);

impl Handler for Counter {
    fn answer(&self, call: &Call) -> Answer {
        if call.header("authorization").is_some() {
            return Answer::status(400).body("Only one auth mechanism allowed");
        }
        let on_path = self.0.paths.lock().unwrap().get(&call.path).cloned();
        let digest = call.path.strip_prefix("/blobs/").unwrap_or_default();
        let in_store = || self.0.stores.lock().unwrap().iter().find_map(|store| store.blob_anywhere(digest));
        match on_path.or_else(in_store) {
            Some(bytes) => super::registry::blob_answer(call, bytes),
            None => Answer::status(404),
        }
    }
}
