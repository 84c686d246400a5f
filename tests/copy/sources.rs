//! What becomes of an upload whose source is wrong, or is opened again.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use regsync::image::{Code, Descriptor, Digest, MediaType};
use regsync::store::{BlobStream, Progress, PushError};

use super::forms::{Bench, SIZE, content};
use crate::support::registry::{Auth, Options};
use crate::support::server::{Answer, Fault, Match};
use crate::support::token::{Access, IssuerOptions, TokenServer};

#[tokio::test]
async fn an_upload_whose_source_is_wrong_is_cancelled() {
    let mut wrong = content();
    wrong[SIZE - 1] ^= 1;
    for chunked in [false, true] {
        for refusal in [None, Some(401), Some(404), Some(405)] {
            let bench = if chunked { Bench::taught().await } else { Bench::new(Options::default()) };
            if let Some(status) = refusal {
                bench.registry.fault(Match::new("DELETE", "/uploads/"), Fault::status(status));
            }
            let outcome = bench.push_as(&content(), &wrong).await;
            assert!(
                matches!(outcome, Err(PushError::Source(error)) if error.code == Code::Digest && error.attempts == 2)
            );
            assert_eq!(bench.registry.count("DELETE", "/uploads/"), 2, "one for each session: {:?}", bench.steps());
            assert_eq!(bench.registry.store.open_uploads(), if refusal.is_some() { 2 } else { 0 });
            assert!(bench.registry.store.blobs("app").len() <= usize::from(chunked));
        }
    }
}

#[tokio::test]
async fn cancelling_asks_for_no_more_rights() {
    let tokens = TokenServer::start(IssuerOptions { anonymous: Access::PullPush, ..IssuerOptions::default() });
    let bench = Bench::new(Options { auth: Auth::bearer_at(&tokens), ..Options::default() });
    let more = r#"Bearer realm="/token",scope="repository:app:delete",error="insufficient_scope""#;
    let wants_more = Answer::error(401, "UNAUTHORIZED", "more").header("WWW-Authenticate", more);
    bench.registry.fault(Match::new("DELETE", "/uploads/"), Fault::Reply(wants_more));
    let outcome = bench.push_as(&content(), &content()[1..]).await;
    assert!(matches!(outcome, Err(PushError::Source(_))), "{outcome:?}");
    assert!(bench.registry.count("DELETE", "/uploads/") > 0);
    assert!(
        tokens.requests().iter().all(|request| !request.target().contains("delete")),
        "{}",
        tokens.request_log(&[])
    );
}

#[tokio::test]
async fn a_source_is_left_before_it_is_opened_again() {
    let bench = Bench::taught().await;
    bench.registry.fault(Match::new("PATCH", "/uploads/").nth(2), Fault::ResetUpload { after: 50_000 });
    let content = content();
    let blob = Descriptor::new(MediaType::new("x/y"), Digest::sha256(&content), content.len() as u64);
    // Each open stream holds one: at a host with one place, a second reader would wait for the first one for ever.
    let place = Arc::new(());
    let places_taken = std::sync::Mutex::new(Vec::new());
    let open = |from: Progress| {
        places_taken.lock().unwrap().push(Arc::strong_count(&place) - 1);
        let (held, rest) = (Arc::clone(&place), &content[usize::try_from(from.offset()).unwrap()..]);
        let pieces: Vec<_> = rest.chunks(10_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let pieces = stream::iter(pieces).inspect(move |_| assert!(Arc::strong_count(&held) > 1));
        futures_util::future::ready(Ok(BlobStream::new(from, "read it", pieces.boxed()))).boxed()
    };
    bench.target.push_blob(&blob, &open, None).await.unwrap();
    bench.assert_holds(&content);
    assert_eq!(*places_taken.lock().unwrap(), [0, 0], "places taken when the source was opened");
}
