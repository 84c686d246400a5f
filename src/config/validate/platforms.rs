//! Which platforms of an image: each a platform, none twice, and as many as their form allows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Reading;
use crate::config::problem::{ProblemCode, shown};
use crate::config::schema::{Field, Mirror, MirrorRules, Platforms};
use crate::config::suggest::closest;
use crate::config::text::{At, Span};
use crate::image::{PlatformError, PlatformName, Single, Subset};

/// A mistake that has been reported.
pub(super) struct Reported;

/// The platforms that a mirror asks for; `None` where it takes images whole.
pub(super) fn check(
    entry: &Mirror,
    defaults: &MirrorRules,
    reading: &mut Reading<'_, '_, '_>,
) -> Result<Option<Arc<Subset>>, Reported> {
    let rules = &entry.rules;
    let single = rules.single.or(&defaults.single);
    let (platforms, span) = match rules.platforms.or(&defaults.platforms) {
        Field::Broken => return Err(Reported),
        Field::Absent => (None, None),
        Field::Given(At { value: Platforms::All, span }) => (None, Some(*span)),
        Field::Given(At { value: Platforms::These(list), span }) => {
            (Some(names(list, *span, reading).ok_or(Reported)?), Some(*span))
        }
    };
    let single = match single {
        Field::Broken => return Err(Reported),
        Field::Absent => Single::Index,
        Field::Given(At { value: Single::Manifest, span: own }) if platforms.as_ref().map(BTreeSet::len) != Some(1) => {
            let message = "`single: manifest` needs exactly one platform";
            // Where it comes from the defaults, it is the mirror that does not fit them.
            let is_own = matches!(rules.single, Field::Given(_));
            let (at, label) =
                if is_own { (*own, "not these") } else { (span.unwrap_or(entry.span), "this is the default") };
            let other = if is_own { span } else { Some(*own) };
            let problem = reading.diagnosis.problem(ProblemCode::Platform, at, message);
            let problem = match other {
                Some(other) => problem.with_related(reading.diagnosis.related(other, label)),
                None => problem,
            };
            let help = "write `platforms: [linux/amd64]`, or `single: index` for an index of several";
            reading.diagnosis.report(problem.with_help(help));
            return Err(Reported);
        }
        Field::Given(single) => single.value,
    };
    Ok(platforms.and_then(|platforms| Subset::new(platforms, single)).map(Arc::new))
}

fn names(list: &[At<String>], span: Span, reading: &mut Reading<'_, '_, '_>) -> Option<BTreeSet<PlatformName>> {
    if list.is_empty() {
        let problem =
            reading.diagnosis.problem(ProblemCode::Platform, span, "`platforms` is empty and selects nothing");
        reading.diagnosis.report(problem.with_help("every platform is `platforms: all`"));
        return None;
    }
    let mut seen: BTreeMap<PlatformName, Span> = BTreeMap::new();
    let mut sound = true;
    for item in list {
        let Some(name) = name(item, reading) else {
            sound = false;
            continue;
        };
        if let Some(first) = seen.get(&name) {
            let first = reading.diagnosis.related(*first, "first here");
            let message = format!("{} is listed twice", shown(&name.to_string()));
            let problem = reading.diagnosis.problem(ProblemCode::Duplicate, item.span, message);
            reading.diagnosis.report(problem.with_related(first));
            sound = false;
        } else {
            seen.insert(name, item.span);
        }
    }
    sound.then(|| seen.into_keys().collect())
}

fn name(item: &At<String>, reading: &mut Reading<'_, '_, '_>) -> Option<PlatformName> {
    let text = item.value.as_str();
    let error = match text.parse() {
        Ok(name) => return Some(name),
        Err(error) => error,
    };
    let message = match &error {
        PlatformError::Shape => format!("{} is not a platform", shown(text)),
        PlatformError::System(os) => format!("{} is not an operating system", shown(os)),
        PlatformError::Architecture(architecture) => format!("{} is not an architecture", shown(architecture)),
        PlatformError::Variant(variant) => format!("{} is not a variant", shown(variant)),
        PlatformError::Version(version) => format!("{} is not a version of an operating system", shown(version)),
    };
    let problem = reading.diagnosis.problem(ProblemCode::Platform, item.span, message);
    reading.diagnosis.report(problem.with_help(help(text, &error)));
    None
}

/// What was meant: a word of another tool, a slip, or else what there is.
fn help(text: &str, error: &PlatformError) -> String {
    if text == "all" {
        return "`all` stands alone: `platforms: all`".to_owned();
    }
    let slip = |wrong: &str, known: &[&'static str]| {
        let near = closest(wrong, known)?;
        let meant: PlatformName = text.replacen(wrong, near, 1).parse().ok()?;
        Some(meant.to_string())
    };
    let meant = PlatformName::translated(text).map(|name| name.to_string()).or_else(|| match error {
        PlatformError::System(os) => slip(os, PlatformName::systems()),
        PlatformError::Architecture(architecture) => slip(architecture, PlatformName::architectures()),
        _ => None,
    });
    match (meant, error) {
        (Some(meant), _) => format!("did you mean `{meant}`?"),
        (None, PlatformError::Architecture(_)) => {
            format!("the architectures are Go's: {}", PlatformName::architectures().join(", "))
        }
        (None, PlatformError::System(_)) => {
            format!("the operating systems are Go's: {}", PlatformName::systems().join(", "))
        }
        (None, PlatformError::Version(_)) => "write it as indexes have it: `windows/amd64:10.0.17763`".to_owned(),
        (None, _) => "write `os/architecture` or `os/architecture/variant`: `linux/amd64`, `linux/arm/v7`".to_owned(),
    }
}
