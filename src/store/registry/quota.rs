//! The quota of pulls that a registry keeps: what it says of it, and what is held back of it.
//!
//! Owns the reading of its headers, and the count of pulls under way. A pull is a GET of a manifest; HEADs and blobs are none
//! (<https://docs.docker.com/docker-hub/usage/pulls/>). Refuses to guess: where a registry says nothing, nothing is held back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use reqwest::Method;
use reqwest::header::HeaderMap;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::call::Call;
use super::error::Said;
use super::retry::{Fault, is_transient_status};
use super::transport::Transport;
use crate::image::{Code, Quota};
use crate::store::Error;
use crate::store::mutex::lock;

const LIMIT: &str = "ratelimit-limit";
const REMAINING: &str = "ratelimit-remaining";

/// What the headers of an answer say; `None` where they do not speak of a quota.
pub(super) fn read(headers: &HeaderMap) -> Option<Quota> {
    let of = |name| headers.get(name).map(|value| value.to_str().map(measure).unwrap_or_default());
    let (limit, remaining) = (of(LIMIT), of(REMAINING));
    if limit.is_none() && remaining.is_none() {
        return None;
    }
    let ((limit, window), (remaining, same_window)) = (limit.unwrap_or_default(), remaining.unwrap_or_default());
    Some(Quota { limit, remaining, window: window.or(same_window) })
}

/// `100;w=21600`: a number, and the length of its window. The number may be missing (`;w=21600`,
/// <https://github.com/docker/hub-feedback/issues/2081>), and each of them may be something else.
fn measure(text: &str) -> (Option<u64>, Option<u64>) {
    let number = |text: &str| text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
    let mut parts = text.split(';').map(str::trim);
    let amount = parts.next().and_then(number);
    (amount, parts.find_map(|part| part.strip_prefix("w=")).and_then(number))
}

/// Whether a 429 is the end of a quota and not of patience: to try again would not help, and may count.
pub(super) fn is_used_up(headers: &HeaderMap, said: &Said) -> bool {
    let words = said.words.as_deref().unwrap_or_default().to_ascii_lowercase();
    words.contains("pull rate limit") || read(headers).is_some_and(|quota| quota.remaining == Some(0))
}

/// What to do where a quota is used up.
pub(super) fn advice(headers: &HeaderMap) -> String {
    let window = read(headers).and_then(|quota| quota.window_in_words());
    let when = window.map_or("later".to_owned(), |window| format!("when its window of {window} has passed"));
    format!("no pulls are left: run again {when}, or with a credential that has a larger quota")
}

/// The quotas of one host: one for each credential in use, since registries count by who asks.
pub(super) struct Meter {
    /// How many pulls are left to others.
    keep: Option<u64>,
    purses: Mutex<BTreeMap<usize, Purse>>,
    /// A pull is over.
    over: Notify,
}

#[derive(Default)]
struct Purse {
    quota: Option<Quota>,
    /// When what is known was learnt; `None` while the registry has not had to speak of it.
    learnt: Option<Instant>,
    /// Pulls that are not answered yet.
    under_way: u64,
}

/// One pull under way. Once it is sent, it counts as made when it is dropped, unless the registry has said otherwise.
pub(super) struct Pull {
    meter: Arc<Meter>,
    purse: usize,
    is_counted: bool,
}

impl Meter {
    /// Leaves `keep` pulls to others, where that is wanted.
    pub(super) fn new(keep: Option<u64>) -> Arc<Self> {
        Arc::new(Self { keep, purses: Mutex::default(), over: Notify::new() })
    }

    /// What is known; of several quotas the one with the least left.
    pub(super) fn quota(&self) -> Option<Quota> {
        let purses = lock(&self.purses);
        let known = purses.values().filter_map(|purse| purse.quota);
        known.min_by_key(|quota| quota.remaining.unwrap_or(u64::MAX))
    }

    /// Whether a pull could be one too many, and nobody knows.
    fn must_ask(&self, purse: usize) -> bool {
        self.keep.is_some() && lock(&self.purses).get(&purse).is_none_or(|purse| purse.learnt.is_none())
    }

    /// Takes notice of an answer; whether it says how many pulls are left.
    fn saw(&self, asked: Asked, (status, headers): (u16, &HeaderMap)) -> bool {
        let mut purses = lock(&self.purses);
        let purse = purses.entry(asked.holder).or_default();
        // No other answer need speak of pulls: blobs and lists are none, and refusals may come from before the registry.
        if asked.for_manifest && status == 200 {
            purse.learnt.get_or_insert_with(Instant::now);
        }
        let Some(said) = read(headers) else { return false };
        let known = purse.quota.and_then(|quota| quota.remaining);
        // Answers overtake each other. More than is known is left only where it is said to a later question.
        let is_news = match (known, said.remaining) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(known), Some(now)) => now <= known || purse.learnt.is_some_and(|learnt| asked.sent > learnt),
        };
        let remaining = if is_news { said.remaining } else { known };
        purse.quota = Some(Quota { remaining, ..said });
        if is_news {
            purse.learnt = Some(Instant::now());
        }
        said.remaining.is_some()
    }

    /// Begins a pull as soon as it is sure to leave as many as are to be kept; refused where there are no more than those.
    async fn pull(self: &Arc<Self>, purse: usize) -> Result<Pull, Quota> {
        loop {
            let over = self.over.notified();
            if let Some(pull) = self.begin(purse)? {
                return Ok(pull);
            }
            over.await;
        }
    }

    /// Begins a pull; `None` while that depends on those under way. The registry may have counted them already, in what it
    /// said last, or not.
    fn begin(self: &Arc<Self>, purse: usize) -> Result<Option<Pull>, Quota> {
        let mut purses = lock(&self.purses);
        let own = purses.entry(purse).or_default();
        if let Some(keep) = self.keep {
            let is_unsure = match own.quota {
                Some(quota) if quota.remaining.is_some_and(|left| left <= keep) => return Err(quota),
                Some(Quota { remaining: Some(left), .. }) => left.saturating_sub(own.under_way) <= keep,
                // To ask was of no use: the answer to one pull will tell.
                _ => own.learnt.is_none() && own.under_way > 0,
            };
            if is_unsure {
                return Ok(None);
            }
        }
        own.under_way += 1;
        Ok(Some(Pull { meter: Arc::clone(self), purse, is_counted: false }))
    }
}

impl Pull {
    /// It is on its way: from now on it may be counted, even where no answer comes.
    pub(super) fn sent(mut self) -> Self {
        self.is_counted = true;
        self
    }
}

impl Drop for Pull {
    fn drop(&mut self) {
        let mut purses = lock(&self.meter.purses);
        let Some(purse) = purses.get_mut(&self.purse) else { return };
        purse.under_way = purse.under_way.saturating_sub(1);
        if let (true, Some(quota)) = (self.is_counted, purse.quota.as_mut()) {
            quota.remaining = quota.remaining.map(|left| left.saturating_sub(1));
        }
        drop(purses);
        self.meter.over.notify_waiters();
    }
}

/// A question that was sent with a credential.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    /// Which credential.
    pub(super) holder: usize,
    /// Whether it was for a manifest.
    pub(super) for_manifest: bool,
    /// When.
    pub(super) sent: Instant,
}

impl Transport {
    /// A place in the quota of the registry, where the call counts against one; an error where the configuration keeps it
    /// back. To be had before a permit: others that are under way may be waited for, and need theirs.
    pub(super) async fn pull(&self, call: &Call<'_>, holder: usize) -> Result<Option<Pull>, Fault> {
        if !call.is_pull() {
            return Ok(None);
        }
        if self.meter.must_ask(holder) {
            self.ask_quota(call).await?;
        }
        let begun = self.meter.pull(holder).await;
        begun.map(Some).map_err(|quota| Fault::last(self.held_back(call.request, quota)))
    }

    /// Asks what is left before it matters: by a HEAD, which is free. Fails where that may be told later.
    async fn ask_quota(&self, call: &Call<'_>) -> Result<(), Fault> {
        let asking = Call::new(call.request, Method::HEAD, call.url.clone(), call.scope.clone());
        let asking = Call { headers: call.headers.clone(), for_manifest: true, ..asking };
        let answer = Box::pin(self.exchange(asking)).await?;
        if is_transient_status(answer.status()) { Err(answer.refusal().await) } else { Ok(()) }
    }

    /// Takes notice of what an answer of the registry says of its quota, and of the pull that it answers.
    pub(super) fn note_quota(&self, asked: Asked, (status, headers): (u16, &HeaderMap), pull: Option<Pull>) {
        if status == 401 {
            // Nobody was let in: nothing was counted, and what is said is not said to this credential.
            if let Some(mut pull) = pull {
                pull.is_counted = false;
            }
            return;
        }
        let is_told = self.meter.saw(asked, (status, headers));
        if let Some(mut pull) = pull {
            pull.is_counted = !is_told && status == 200;
        }
    }

    fn held_back(&self, request: &str, quota: Quota) -> Error {
        let (registry, keep) = (&self.registry, self.meter.keep.unwrap_or_default());
        let message = format!("{registry} has {quota} of its pulls, and {keep} are to be kept: it was not asked");
        let wait =
            quota.window_in_words().map(|window| format!("run again when its window of {window} has passed, or "));
        let wait = wait.unwrap_or_default();
        Error::new(Code::RateLimited, request, message)
            .hint(format!("{wait}lower `rate-limit.keep` of {registry} in `registries`"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use proptest::prelude::*;
    use reqwest::header::{HeaderName, HeaderValue};
    use tokio::time::advance;

    use super::*;
    use crate::auth::Redactor;

    fn headers(limit: Option<&str>, remaining: Option<&str>) -> HeaderMap {
        let pair = |name, value: &str| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        limit.map(|value| pair(LIMIT, value)).into_iter().chain(remaining.map(|value| pair(REMAINING, value))).collect()
    }

    fn left(remaining: &str) -> HeaderMap {
        headers(Some("100;w=21600"), Some(remaining))
    }

    /// What says so, in answer to a question for a manifest that was sent then.
    fn told(meter: &Meter, sent: Instant, headers: &HeaderMap) -> bool {
        meter.saw(Asked { holder: 0, for_manifest: true, sent }, (200, headers))
    }

    fn begun(meter: &Arc<Meter>) -> Pull {
        meter.begin(0).ok().flatten().unwrap()
    }

    #[test]
    fn the_headers_in_every_form() {
        let quota = |limit, remaining, window| Some(Quota { limit, remaining, window });
        let table = [
            (Some("100;w=21600"), Some("86;w=21600"), quota(Some(100), Some(86), Some(21600))),
            (Some("100;w=21600"), Some(";w=21600"), quota(Some(100), None, Some(21600))),
            (Some("100"), Some("0"), quota(Some(100), Some(0), None)),
            (Some(" 100 ; w=60 "), Some("5 ;x=1;w=7"), quota(Some(100), Some(5), Some(60))),
            (None, Some("86;w=21600"), quota(None, Some(86), Some(21600))),
            (Some("200;w=10"), None, quota(Some(200), None, Some(10))),
            (Some("many"), Some("-1;w=+6"), quota(None, None, None)),
            (Some(""), Some("99999999999999999999;w="), quota(None, None, None)),
            (None, None, None),
        ];
        for (limit, remaining, expected) in table {
            assert_eq!(read(&headers(limit, remaining)), expected, "{limit:?} {remaining:?}");
        }
    }

    proptest! {
        #[test]
        fn no_header_is_too_odd(bytes in any::<Vec<u8>>(), more in "[0-9;w= ,.-]{0,40}") {
            for bytes in [bytes.as_slice(), more.as_bytes()] {
                if let Ok(value) = HeaderValue::from_bytes(bytes) {
                    let headers = [(HeaderName::from_static(REMAINING), value)].into_iter().collect();
                    prop_assert!(read(&headers).is_some());
                }
            }
        }
    }

    #[test]
    fn the_end_of_a_quota_is_told_from_haste() {
        let said = |words: &str| Said::read(format!(r#"{{"message":"{words}"}}"#).as_bytes(), &Redactor::default());
        let nothing = HeaderMap::new();
        assert!(is_used_up(&nothing, &said("You have reached your pull rate limit. You may increase the limit by …")));
        assert!(is_used_up(&nothing, &said("You have reached your unauthenticated pull rate limit.")));
        assert!(is_used_up(&left("0;w=21600"), &said("no")));
        assert!(!is_used_up(&left("5;w=21600"), &said("Too Many Requests (HAP429).")));
        assert!(!is_used_up(&nothing, &said("Rate exceeded")));
        assert!(advice(&left("0;w=21600")).contains("window of 6 h"));
    }

    #[tokio::test(start_paused = true)]
    async fn pulls_under_way_are_counted_against_what_is_kept() {
        let meter = Meter::new(Some(20));
        for asked in [(true, 404), (true, 429), (true, 503), (false, 200)] {
            let (for_manifest, status) = asked;
            let of = Asked { holder: 0, for_manifest, sent: Instant::now() };
            assert!(!meter.saw(of, (status, &HeaderMap::new())) && meter.must_ask(0), "{asked:?}");
            assert!(!meter.saw(of, (status, &left(""))) && meter.must_ask(0), "{asked:?} without a number");
        }
        assert!(!told(&meter, Instant::now(), &HeaderMap::new()));
        assert!(!meter.must_ask(0) && meter.begin(0).is_ok(), "a host that says nothing keeps nothing back");
        assert!(told(&meter, Instant::now(), &left("22")));
        let (one, two) = (begun(&meter).sent(), begun(&meter).sent());
        assert!(meter.begin(0).is_ok_and(|pull| pull.is_none()), "it depends on the two");
        // Of another credential nothing is known.
        assert!(meter.must_ask(1) && meter.begin(1).is_ok());
        // One whose answer never came has counted, and one that the registry did not count has not.
        drop(one);
        assert_eq!(meter.quota().unwrap().remaining, Some(21));
        let mut two = two;
        two.is_counted = false;
        drop(two);
        assert_eq!(meter.quota().unwrap().remaining, Some(21));
        drop(begun(&meter));
        assert_eq!(meter.quota().unwrap().remaining, Some(21), "it was never sent");
        drop(begun(&meter).sent());
        assert_eq!(meter.begin(0).err().unwrap().remaining, Some(20), "the one before has counted");
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_registry_has_counted_is_not_counted_again() {
        let meter = Meter::new(Some(20));
        told(&meter, Instant::now(), &left("60"));
        let mut under_way: Vec<_> = (0..32).map(|_| begun(&meter).sent()).collect();
        // The answer to one of them, when all of them had been counted.
        let mut answered = |number| {
            told(&meter, Instant::now(), &left("28"));
            under_way.drain(..number).for_each(|mut pull| pull.is_counted = false);
        };
        answered(1);
        let mut more: Vec<_> = (0..9).map(|_| Box::pin(meter.pull(0))).collect();
        assert!(more.iter_mut().all(|pull| pull.now_or_never().is_none()), "not before it is sure");
        answered(31);
        let done: Vec<_> = more.iter_mut().map(FutureExt::now_or_never).collect();
        assert!(done[..8].iter().all(|pull| matches!(pull, Some(Ok(_)))) && done[8].is_none());
        done.into_iter().flatten().flatten().for_each(|pull| drop(pull.sent()));
        let last = more[8].as_mut().now_or_never().unwrap();
        assert_eq!(last.err().unwrap().remaining, Some(20));
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_were_overtaken_give_nothing_back() {
        let meter = Meter::new(None);
        let early = Instant::now();
        advance(Duration::from_millis(1)).await;
        let remaining = |headers: &HeaderMap, sent| {
            told(&meter, sent, headers);
            meter.quota().unwrap().remaining
        };
        assert_eq!(remaining(&left("84"), Instant::now()), Some(84));
        assert_eq!(remaining(&left("85"), early), Some(84));
        assert_eq!(remaining(&left(";w=21600"), early), Some(84));
        advance(Duration::from_millis(1)).await;
        assert_eq!(remaining(&left("100"), Instant::now()), Some(100), "the window has passed");
        assert!(meter.begin(0).is_ok() && !meter.must_ask(0), "without a wish, nothing is kept back");
    }
}
