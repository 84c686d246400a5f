//! A step whose image is in place, and lacks what refers to it at its source.

use super::{Applier, Job, Record, Run};
use crate::copy::Wanted;
use crate::event::Ending;
use crate::plan::{Referrer, Step};

impl Applier<'_> {
    /// Brings what the step lists, where its tag still names the image. The tag itself is not written.
    pub(super) async fn add_referrers(&self, run: &Run, job: &Job<'_>, record: &mut Record) -> Ending {
        let add = async {
            let passage = self.passage(job)?;
            if let Some(ending) = job.settled(&passage).await? {
                return Ok(ending);
            }
            let brought = run.copier.referrers(&passage, job.digest, &job.referrers).await?;
            *record = Record { moved: brought.moved, warnings: brought.remarks };
            Ok(if brought.written == 0 { Ending::Skipped } else { Ending::Updated })
        };
        match self.before_the_tag(run, job, add).await {
            Ok(ending) | Err(ending) => ending,
        }
    }
}

/// What a step lists.
pub(super) fn wanted(step: &Step) -> Vec<Wanted> {
    let wanted = step.referrers.iter();
    wanted
        .map(|Referrer { digest, tag, before, .. }| Wanted {
            digest: digest.clone(),
            tag: tag.clone(),
            before: before.clone(),
        })
        .collect()
}
