//! Doing what a plan says: Plan → Outcomes.
//!
//! Owns the order and the caution: steps run side by side, those of each target host in a queue of their own; each target is
//! read again just before its tag is put, and a step that goes wrong stops no other. Refuses to know the configuration: it copies by the planned digests and never looks at
//! a step's reason.

mod immutable;
mod queues;
mod referrers;
mod stop;

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::copy::{Copied, Copier, Part, Passage, Siblings, Wanted};
use crate::event::{Ending, Event, Moved, Outcome, Reporter, StopReason};
use crate::image::{Code, Digest, Failure, MediaType, Reference, Side, Tag, TagOrDigest};
use crate::plan::{Action, Plan, Step, StepTrim};
use crate::store::Stores;

pub use stop::Stop;

/// How long copies under way may go on after a signal or the deadline.
pub const GRACE: Duration = Duration::from_secs(4);

/// How much longer the writing of a tag may take then.
const TAG_GRACE: Duration = Duration::from_millis(700);

/// How to apply.
pub struct Applier<'a> {
    /// Where images live.
    pub stores: &'a Stores,
    /// Who hears of it.
    pub reporter: Arc<dyn Reporter>,
    /// Steps under way at once at each target host, so that a slow one holds up no other; all layouts count as one host. The
    /// hosts' own limits hold beside it.
    pub concurrency: usize,
    /// Begin nothing new once a step has failed.
    pub fail_fast: bool,
    /// Look at each target before its image is copied, too. Costs a HEAD per step; worth it where the plan is not fresh:
    /// what was done meanwhile, by this plan or by others, is then left without a write.
    pub look_first: bool,
    /// Says when nothing new is to begin; what is under way then has [`GRACE`] to end.
    pub stop: Stop,
}

/// What one writing step needs, taken out of its optional fields once.
struct Job<'a> {
    source: &'a Reference,
    target: &'a Reference,
    tag: &'a Tag,
    /// What the target gets.
    digest: &'a Digest,
    /// What is read: another digest where a part is copied.
    image: &'a Digest,
    media_type: &'a MediaType,
    trim: Option<&'a StepTrim>,
    before: Option<&'a Digest>,
    /// What comes along.
    referrers: Vec<Wanted>,
}

/// What is known of a step while it is carried out.
#[derive(Default)]
struct Record {
    moved: Moved,
    /// What was left undone without harm.
    warnings: Vec<String>,
}

impl Applier<'_> {
    /// Does every step of `plan` that writes; the outcomes stand in the order of its steps, one for each.
    pub async fn apply(&self, plan: &Plan) -> Vec<Outcome> {
        self.reporter.event(Event::Applying(plan));
        let copier = Copier::with_siblings(Arc::clone(&self.reporter), siblings(plan));
        let run = &Run { copier, failed: CancellationToken::new(), stopped: OnceLock::new() };
        let take = |(index, step): (usize, _)| async move {
            let outcome = self.step(run, step).await;
            if let Some(job) = Job::of(step) {
                run.copier.ended(&job.source.location, job.digest, &job.target.location);
            }
            if self.fail_fast && matches!(outcome.ending, Ending::Failed(_)) {
                run.failed.cancel();
            }
            self.reporter.event(Event::Finished(step, &outcome));
            (index, outcome)
        };
        let mut outcomes: Vec<(usize, Outcome)> = plan
            .steps
            .iter()
            .enumerate()
            .filter_map(|(index, step)| {
                let outcome = settled(step)?;
                self.reporter.event(Event::Finished(step, &outcome));
                Some((index, outcome))
            })
            .collect();
        let concurrency = self.concurrency.max(1);
        let hosts = queues::queues(plan).into_iter();
        let hosts = hosts.map(|queue| stream::iter(queue).map(take).buffer_unordered(concurrency));
        let mut written = stream::select_all(hosts);
        while let Some(outcome) = written.next().await {
            outcomes.push(outcome);
        }
        outcomes.sort_by_key(|(index, _)| *index);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// Does a step that writes.
    async fn step(&self, run: &Run, step: &Step) -> Outcome {
        if let Some(reason) = self.stop.reason() {
            let message = match reason {
                StopReason::Signal => "the run was stopped before this step began",
                StopReason::Deadline => "the deadline passed before this step began",
            };
            return Outcome::not_begun(Ending::NotRun(Failure::new(Code::Interrupted, message)));
        }
        if run.failed.is_cancelled() {
            return Outcome::not_begun(Ending::NotRun(Failure::new(
                Code::Interrupted,
                "an earlier step failed, and --fail-fast is set",
            )));
        }
        let Some(job) = Job::of(step) else {
            return Outcome::not_begun(Ending::Failed(Failure::new(
                Code::Internal,
                "the step does not say what to write",
            )));
        };
        let begin = Instant::now();
        let mut record = Record::default();
        let copy = async {
            self.reporter.event(Event::Started(step));
            if job.is_in_place() {
                return self.add_referrers(run, &job, &mut record).await;
            }
            self.carry_out(run, &job, &mut record).await
        };
        let ending = std::panic::AssertUnwindSafe(copy).catch_unwind().await.unwrap_or_else(|_| {
            Ending::Failed(Failure::new(Code::Internal, format!("a fault in regsync while copying {}", job.target)))
        });
        let attempts = ending.failure().and_then(|failure| failure.attempts).unwrap_or(1);
        let Record { moved, warnings } = record;
        Outcome { ending, moved, elapsed: begin.elapsed(), attempts, warnings }
    }

    /// Brings everything but the tag, then the tag. After a signal the first has [`GRACE`] to end, and leaves the tag
    /// untouched when it is cut; the second has a little longer, since a cut there leaves open what the tag names.
    async fn carry_out(&self, run: &Run, job: &Job<'_>, record: &mut Record) -> Ending {
        let mut ready = match self.before_the_tag(run, job, self.prepare(run, job, record)).await {
            Ok(Prepared::Ready(ready)) => *ready,
            Ok(Prepared::Settled(ending)) | Err(ending) => return ending,
        };
        let mut written = self.put_tag(run, job, &mut ready).await;
        if matches!(&written, Err(TagFault::Copy(error)) if error.error.missing_blobs) {
            let repaired = self.before_the_tag(run, job, self.repair(run, job, &mut ready)).await;
            record.moved = ready.1.moved;
            match repaired {
                Ok(None) => written = self.put_tag(run, job, &mut ready).await,
                Ok(Some(ending)) | Err(ending) => return ending,
            }
        }
        record.moved = ready.1.moved;
        match written {
            Ok(()) if job.before.is_none() => Ending::Copied,
            Ok(()) => Ending::Updated,
            Err(TagFault::Copy(error)) if error.error.code == Code::Stale => job.overtaken(&ready.0, error).await,
            Err(TagFault::Copy(error)) if error.error.code == Code::Immutable => {
                job.kept_by_registry(&ready.0, error).await
            }
            Err(TagFault::Copy(error)) => Ending::Failed(error.into()),
            Err(TagFault::Cut(failure)) => Ending::Failed(failure),
        }
    }

    /// Does `work`, during which the tag is not touched, as long as a signal allows.
    async fn before_the_tag<T>(
        &self,
        run: &Run,
        job: &Job<'_>,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Ending> {
        tokio::select! {
            done = work => done.map_err(Ending::Failed),
            () = self.out_of_time(run, GRACE) => {
                let message = format!("stopped while {} was being copied; its tag was not touched", job.target);
                Err(Ending::NotRun(Failure::new(Code::Interrupted, message)))
            }
        }
    }

    async fn put_tag(
        &self,
        run: &Run,
        job: &Job<'_>,
        (passage, copied): &mut (Passage, Copied),
    ) -> Result<(), TagFault> {
        tokio::select! {
            written = run.copier.tag(passage, copied, (job.tag, job.before)) => written.map_err(TagFault::Copy),
            () = self.out_of_time(run, GRACE + TAG_GRACE) => {
                let target = job.target;
                let message = format!("stopped while the tag of {target} was being written: it is the old one or the new");
                let failure = Failure::new(Code::Interrupted, message).on(Side::Target);
                Err(TagFault::Cut(Failure { hint: Some("run again; both are complete".to_owned()), ..failure }))
            }
        }
    }

    /// Ends so long after the signal, whenever it is asked.
    async fn out_of_time(&self, run: &Run, grace: Duration) {
        self.stop.said().await;
        let stopped = *run.stopped.get_or_init(Instant::now);
        tokio::time::sleep_until(stopped + grace).await;
    }

    /// Sends again what the target was wrong about, and looks at the target again: that may have taken long.
    async fn repair(
        &self,
        run: &Run,
        job: &Job<'_>,
        (passage, copied): &mut (Passage, Copied),
    ) -> Result<Option<Ending>, Failure> {
        run.copier.repair(passage, copied).await?;
        job.settled(passage).await
    }

    /// Everything up to the tag: the copy, and the last look at the target.
    async fn prepare(&self, run: &Run, job: &Job<'_>, record: &mut Record) -> Result<Prepared, Failure> {
        let passage = self.passage(job)?;
        if self.look_first
            && let Some(ending) = job.settled(&passage).await?
        {
            return Ok(Prepared::Settled(ending));
        }
        let mut copied = match job.trim {
            None => run.copier.image(&passage, job.image, job.media_type).await?,
            Some(trim) => run.copier.part(&passage, job.part(trim)).await?,
        };
        record.moved = copied.moved;
        if copied.root.digest() != job.digest {
            return Err(Failure::new(Code::Digest, format!("{} is not what was planned", copied.root.digest())));
        }
        if !job.referrers.is_empty() {
            run.copier.root(&passage, &mut copied).await?;
            let brought = run.copier.referrers(&passage, job.digest, &job.referrers).await?;
            copied.moved += brought.moved;
            *record = Record { moved: copied.moved, warnings: brought.remarks };
        }
        Ok(match job.settled(&passage).await? {
            Some(ending) => Prepared::Settled(ending),
            None => Prepared::Ready(Box::new((passage, copied))),
        })
    }

    fn passage(&self, job: &Job<'_>) -> Result<Passage, Failure> {
        let on = |side: Side| move |error: crate::store::Error| Failure::from(error).on(side);
        Ok(Passage {
            source: self.stores.source(&job.source.location).map_err(on(Side::Source))?,
            target: self.stores.target(&job.target.location).map_err(on(Side::Target))?,
        })
    }
}

/// What the steps of one run share.
struct Run {
    copier: Copier,
    /// Cancelled by the first failure under `--fail-fast`.
    failed: CancellationToken,
    /// When the word to stop was noticed.
    stopped: OnceLock<Instant>,
}

/// Why a tag was not written, as far as is known.
enum TagFault {
    Copy(crate::copy::Error),
    Cut(Failure),
}

/// A step just before its tag is written.
enum Prepared {
    /// It ends without a write.
    Settled(Ending),
    /// The target has everything below the root, and its tag is as the plan saw it.
    Ready(Box<(Passage, Copied)>),
}

impl<'a> Job<'a> {
    fn of(step: &'a Step) -> Option<Self> {
        let (source, target) = (step.source.as_ref()?, step.target.as_ref()?);
        Some(Self {
            source: &source.reference,
            target: &target.reference,
            tag: target.reference.tag()?,
            digest: step.digest.as_ref()?,
            image: source.digest.as_ref()?,
            media_type: source.media_type.as_ref()?,
            trim: step.trim.as_ref(),
            before: target.digest.as_ref(),
            referrers: referrers::wanted(step),
        })
    }

    fn part(&self, trim: &'a StepTrim) -> Part<'a> {
        Part { of: self.image, media_type: self.media_type, subset: &trim.subset, digest: self.digest }
    }

    /// Whether the target has the image already, and only lacks what refers to it.
    fn is_in_place(&self) -> bool {
        self.before == Some(self.digest)
    }

    /// Reads the target: how the step ends without a write, or `None` where the tag is as the plan saw it.
    async fn settled(&self, passage: &Passage) -> Result<Option<Ending>, Failure> {
        let now = passage.target.resolve(&TagOrDigest::Tag(self.tag.clone())).await;
        let now = now.map_err(|error| Failure::from(error).on(Side::Target))?;
        let now = now.map(|descriptor| descriptor.digest);
        Ok(match now.as_ref() {
            now if now == Some(self.digest) && !self.is_in_place() => Some(Ending::Skipped),
            now if now != self.before => Some(Ending::Stale(stale(self, now))),
            _ => None,
        })
    }

    /// The ending where the target saw at the very last that somebody else had been there.
    async fn overtaken(&self, passage: &Passage, error: crate::copy::Error) -> Ending {
        match self.settled(passage).await {
            Ok(Some(ending)) => ending,
            Ok(None) | Err(_) => Ending::Stale(error.into()),
        }
    }
}

/// Which targets are to get the same image.
fn siblings(plan: &Plan) -> Siblings {
    let mut siblings = Siblings::default();
    for job in plan.steps.iter().filter(|step| step.action().writes()).filter_map(Job::of) {
        siblings.add(&job.source.location, job.digest, &job.target.location);
    }
    siblings
}

/// The outcome of a step that writes nothing. What was in error when it was planned is no news: it does not trip
/// `--fail-fast`.
fn settled(step: &Step) -> Option<Outcome> {
    match step.action() {
        Action::Skip => Some(Outcome::not_begun(Ending::Skipped)),
        Action::Blocked => Some(Outcome::not_begun(Ending::Blocked(known_failure(step)))),
        Action::Error => {
            let failure = known_failure(step);
            // As the plan's own reads were tried: nothing else was done.
            let attempts = failure.attempts.unwrap_or(0);
            Some(Outcome { attempts, ..Outcome::not_begun(Ending::Failed(failure)) })
        }
        Action::Copy | Action::Update => None,
    }
}

fn known_failure(step: &Step) -> Failure {
    let unknown = || Failure::new(Code::Internal, "the plan does not say why this step is in error");
    step.reason.failure().cloned().unwrap_or_else(unknown)
}

fn stale(job: &Job<'_>, now: Option<&Digest>) -> Failure {
    let text = |digest: Option<&Digest>| digest.map_or_else(|| "absent".to_owned(), |digest| digest.short().to_owned());
    let message =
        format!("{} is {} now, and the plan saw {}; it was left alone", job.target, text(now), text(job.before));
    let failure = Failure::new(Code::Stale, message).on(Side::Target);
    Failure { hint: Some("someone else changed it: make a new plan".to_owned()), ..failure }
}
