//! Bounds that hold for every schedule of faults: of attempts, of waits, of retries in all, of requests in a second.

use std::num::NonZeroU32;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use proptest::prelude::*;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use tokio::time::Instant;

use super::Fixture;
use crate::event::{Event, Reporter};
use crate::image::Code;
use crate::store::Error;
use crate::store::registry::Settings;
use crate::store::registry::error::Said;
use crate::store::registry::pace::Pace;
use crate::store::registry::retry::Fault;

/// How one attempt ends.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Well,
    Status(u16),
    /// A refusal that names a wait in seconds.
    Wait(u16, u64),
    Code(Code),
    Once,
    Last,
}

fn ending() -> impl Strategy<Value = Ending> {
    let asked = prop::sample::select(vec![0, 1, 30, 119, 120, 121, 100_000]);
    prop_oneof![
        2 => Just(Ending::Well),
        3 => prop::sample::select(vec![400, 401, 403, 404, 408, 429, 500, 502, 503, 504]).prop_map(Ending::Status),
        2 => (prop::sample::select(vec![429, 500, 503]), asked).prop_map(|(status, wait)| Ending::Wait(status, wait)),
        3 => prop::sample::select(vec![Code::Connect, Code::Timeout, Code::Digest, Code::Tls]).prop_map(Ending::Code),
        1 => Just(Ending::Once),
        1 => Just(Ending::Last),
    ]
}

impl Ending {
    fn outcome(self) -> Result<(), Fault> {
        let error = |status: Option<u16>, code| Error { status, ..Error::new(code, "read", "no") };
        let refused = |status| {
            let code = if status == 429 { Code::RateLimited } else { Code::Unavailable };
            error(Some(status), code)
        };
        Err(match self {
            Self::Well => return Ok(()),
            Self::Status(status) => Fault::answered(refused(status), &HeaderMap::new(), &Said::default()),
            Self::Wait(status, seconds) => {
                let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from(seconds))]);
                Fault::answered(refused(status), &headers, &Said::default())
            }
            Self::Code(code) => error(None, code).into(),
            Self::Once => Fault::once(error(None, Code::Digest)),
            Self::Last => Fault::last(error(Some(500), Code::Unavailable)),
        })
    }

    /// Whether the registry itself asked to be asked later: such retries are not counted. A bare 503 is trouble, no wish.
    fn is_asked_for(self) -> bool {
        matches!(self, Self::Wait(..) | Self::Status(429))
    }
}

/// The waits that were announced.
#[derive(Default)]
struct Waits(Mutex<Vec<Duration>>);

impl Reporter for Waits {
    fn event(&self, event: Event<'_>) {
        if let Event::Retrying { wait, .. } = event {
            self.0.lock().unwrap().push(wait);
        }
    }
}

/// No wait of ours is longer than this before the attempt `next`, from 2.
fn longest(next: usize) -> Duration {
    Duration::from_millis(500 << (next - 2))
}

fn paused<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn attempts_and_waits_are_bounded(requests in prop::collection::vec(prop::collection::vec(ending(), 1..8), 1..40)) {
        paused(async {
            let waits = std::sync::Arc::new(Waits::default());
            let fixture = Fixture::reporting("127.0.0.1:1", waits.clone());
            let transport = &fixture.transport;
            for endings in &requests {
                waits.0.lock().unwrap().clear();
                let (began, made) = (Instant::now(), AtomicU32::new(0));
                let outcome = transport
                    .retrying("read", |attempt| {
                        assert_eq!(made.fetch_add(1, Ordering::SeqCst) + 1, attempt, "attempts are counted from 1");
                        let ending = endings[(attempt as usize - 1).min(endings.len() - 1)];
                        async move { ending.outcome() }.boxed()
                    })
                    .await;
                let (made, waits) = (made.load(Ordering::SeqCst) as usize, waits.0.lock().unwrap().clone());
                assert!(made <= 5, "{made} attempts");
                assert_eq!(waits.len(), made.saturating_sub(1), "each retry is announced");
                // A timer counts whole milliseconds, and rounds up.
                let announced = waits.iter().sum::<Duration>() + Duration::from_millis(2 * waits.len() as u64);
                assert!(began.elapsed() <= announced, "{:?}, and {waits:?} were announced", began.elapsed());
                for (number, wait) in waits.iter().enumerate() {
                    let asked = match endings[number.min(endings.len() - 1)] {
                        Ending::Wait(_, seconds) => Duration::from_secs(seconds),
                        _ => Duration::ZERO,
                    };
                    assert!(asked <= Duration::from_secs(120), "a wait of {asked:?} is granted");
                    assert!(*wait <= asked.max(longest(number + 2)), "{wait:?} before attempt {}", number + 2);
                }
                match outcome {
                    Ok(()) => assert!(matches!(endings[(made - 1).min(endings.len() - 1)], Ending::Well)),
                    Err(error) => assert!(error.attempts as usize == made, "{error:?} after {made}"),
                }
            }
        });
    }

    #[test]
    fn retries_in_all_are_bounded(endings in prop::collection::vec(ending(), 1..6), requests in 100..400_usize) {
        paused(async {
            let fixture = Fixture::reporting("127.0.0.1:1", std::sync::Arc::new(Waits::default()));
            let (attempts, free) = (AtomicU32::new(0), AtomicU32::new(0));
            for number in 0..requests {
                let failed = fixture.transport.retrying("read", |attempt| {
                    let ending = endings[(number + attempt as usize) % endings.len()];
                    attempts.fetch_add(1, Ordering::SeqCst);
                    if ending.is_asked_for() {
                        free.fetch_add(1, Ordering::SeqCst);
                    }
                    async move { ending.outcome() }.boxed()
                });
                drop(failed.await);
            }
            let (attempts, free) = (attempts.load(Ordering::SeqCst) as usize, free.load(Ordering::SeqCst) as usize);
            let bound = requests + free + 100.max(requests / 5);
            assert!(attempts <= bound, "{attempts} attempts for {requests} requests, {free} of them asked for a pause");
        });
    }

    #[test]
    fn no_second_has_more_requests_than_it_may(
        rate in 1..30_u32,
        comings in prop::collection::vec((0..400_u64, prop::option::weighted(0.1, 0..3_000_u64)), 1..60),
    ) {
        paused(async {
            let pace = Pace::new(NonZeroU32::new(rate));
            let (mut turns, mut quiet) = (Vec::new(), Instant::now());
            for (later, pause) in comings {
                tokio::time::sleep(Duration::from_millis(later)).await;
                if let Some(pause) = pause.map(Duration::from_millis) {
                    pace.pause(pause);
                    quiet = quiet.max(Instant::now() + pause);
                }
                pace.turn().await;
                assert!(Instant::now() >= quiet, "a request in a pause");
                turns.push(Instant::now());
            }
            // A timer may fire a millisecond late, and the next slot is not moved for it.
            let second = Duration::from_millis(995);
            for (first, begin) in turns.iter().enumerate() {
                let within = turns[first..].iter().take_while(|turn| **turn - *begin < second).count();
                assert!(within <= rate as usize, "{within} requests in a second, of {rate}");
            }
        });
    }
}

impl Fixture {
    /// A client that nobody answers.
    fn reporting(host: &str, reporter: std::sync::Arc<dyn Reporter>) -> std::sync::Arc<super::RegistryClient> {
        let keychain = std::sync::Arc::new(super::Keychain::fixed(std::collections::BTreeMap::new()));
        let network = super::Network::new("regsync-test", keychain, reporter);
        super::RegistryClient::new(host.parse().unwrap(), &Settings::default(), &network).unwrap()
    }
}
