//! Plans and outcomes made by hand, for the tests of this room.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{ConfigFile, Place};
use crate::event::{Ending, Moved, Outcome};
use crate::image::{
    Amount, Change, Code, Digest, Failure, ImageChange, LayerChange, LayoutPath, Location, MediaType, Platform,
    PlatformChange, Reference, Repository, VersionChange,
};
use crate::plan::{Bytes, Plan, Reason, Risk, Scope, SourceState, Step, TargetState, Warning};

/// A digest that starts with these hex digits.
pub(super) fn digest(start: &str) -> Digest {
    format!("sha256:{start:0<64}").parse().expect("hex digits")
}

/// `oci:path`, or `registry/name`.
pub(super) fn location(text: &str) -> Location {
    if let Some(path) = text.strip_prefix("oci:") {
        return Location::Layout(LayoutPath::new(Path::new("/"), path).expect("a path"));
    }
    let (registry, name) = text.split_once('/').expect("a registry and a name");
    Location::Repository(Repository::new(registry.parse().expect("a host"), name).expect("a name"))
}

/// The reference `at:tag`.
pub(super) fn reference(at: &str, tag: &str) -> Reference {
    Reference::tagged(location(at), tag.parse().expect("a tag"))
}

/// A line of `regsync.yaml`.
pub(super) fn place(line: u32) -> Place {
    Place { file: "regsync.yaml".into(), line, column: 5 }
}

/// A failure with an advice.
pub(super) fn failure(code: Code, message: &str, hint: &str) -> Failure {
    Failure { hint: (!hint.is_empty()).then(|| hint.to_owned()), ..Failure::new(code, message) }
}

/// The steps of one mirror.
pub(super) struct Mirror {
    /// Its line.
    pub(super) line: u32,
    /// Its source.
    pub(super) source: &'static str,
    /// Its target.
    pub(super) target: &'static str,
}

impl Mirror {
    /// A step with a reason and the digests of target and source by their first digits; empty where there is none.
    pub(super) fn step(&self, tag: &str, reason: Reason, (now, wanted): (&str, &str)) -> Step {
        let some = |start: &str| (!start.is_empty()).then(|| digest(start));
        let writes = reason.action().writes();
        Step {
            reason,
            risk: BTreeSet::new(),
            source: Some(SourceState {
                reference: reference(self.source, tag),
                digest: some(wanted),
                media_type: some(wanted).map(|_| MediaType::oci_index()),
            }),
            target: Some(TargetState { reference: reference(self.target, tag), digest: some(now) }),
            digest: some(if writes { wanted } else { now }),
            trim: None,
            platforms: Vec::new(),
            referrers: Vec::new(),
            bytes: None,
            at_most: None,
            change: None,
            place: place(self.line),
            warnings: Vec::new(),
        }
    }

    /// A step that creates a tag; `amounts` are platforms, bytes to transfer and bytes present.
    pub(super) fn copy(&self, tag: &str, wanted: &str, amounts: (usize, u64, u64)) -> Step {
        sized(self.step(tag, Reason::New, ("", wanted)), amounts)
    }

    /// A step that moves a tag.
    pub(super) fn moved(&self, tag: &str, digests: (&str, &str), amounts: (usize, u64, u64)) -> Step {
        let step = self.step(tag, Reason::TagMoved, digests);
        Step { risk: BTreeSet::from([Risk::TagMove]), ..sized(step, amounts) }
    }

    /// `number` steps with nothing to do.
    pub(super) fn in_sync(&self, number: usize) -> impl Iterator<Item = Step> + '_ {
        (0..number).map(|index| self.step(&format!("0.{index}"), Reason::InSync, ("0ddba11", "0ddba11")))
    }
}

fn sized(step: Step, (platforms, transfer, present): (usize, u64, u64)) -> Step {
    let architectures = ["amd64", "arm64", "arm", "386", "ppc64le", "riscv64", "s390x", "unknown"];
    let platform = |architecture: &&str| Platform {
        os: if *architecture == "unknown" { "unknown" } else { "linux" }.to_owned(),
        architecture: (*architecture).to_owned(),
        variant: (*architecture == "arm").then(|| "v7".to_owned()),
        os_version: None,
    };
    let platforms = architectures[..platforms].iter().chain(&["unknown"]).map(platform).collect();
    Step { platforms, bytes: Some(Bytes { transfer, present }), ..step }
}

/// A plan of these steps.
pub(super) fn plan(steps: Vec<Step>) -> Plan {
    let config = vec![ConfigFile { path: "regsync.yaml".into(), sha256: digest("c0ffee") }];
    Plan { config, scope: Scope::default(), warnings: Vec::new(), pulls: Vec::new(), tallies: Vec::new(), steps }
}

/// The mirrors of the samples.
pub(super) const NGINX: Mirror =
    Mirror { line: 12, source: "docker.io/library/nginx", target: "registry.acme.io/mirror/nginx" };
pub(super) const REDIS: Mirror =
    Mirror { line: 19, source: "docker.io/library/redis", target: "registry.acme.io/mirror/redis" };
pub(super) const ALPINE: Mirror =
    Mirror { line: 27, source: "docker.io/library/alpine", target: "registry.acme.io/mirror/alpine" };
pub(super) const GRAFANA: Mirror =
    Mirror { line: 44, source: "ghcr.io/acme/grafana", target: "registry.acme.io/mirror/grafana" };
pub(super) const WEB: Mirror = Mirror { line: 12, source: "oci:upstream/web", target: "oci:mirror/web" };

/// A registry that does not let us in.
pub(super) fn refused(tag: &str) -> Failure {
    let message = format!("ghcr.io/acme/grafana:{tag}: answered 401 (token lacks pull on acme/grafana)");
    let failure = failure(Code::Auth, &message, "see which credential is used: regsync auth check ghcr.io");
    Failure { status: Some(401), ..failure.on(crate::image::Side::Source) }
}

/// A bit of everything.
pub(super) fn mixed() -> Plan {
    let mut steps = vec![
        NGINX.copy("1.27.5", "77c0de118a90", (4, 61_400_000, 131_000_000)),
        NGINX.copy("1.27.5-alpine", "9f1a2b3c4d5e", (4, 48_100_000, 0)),
    ];
    steps.extend(NGINX.in_sync(12));
    steps.push(REDIS.copy("8.2.1", "0b57ac3e0d11", (6, 41_700_000, 0)));
    steps.extend(REDIS.in_sync(1));
    steps.push(ALPINE.moved("3.20", ("a1b2c3d4e5f6", "5566778899aa"), (7, 3_600_000, 0)));
    let postgres =
        Mirror { line: 33, source: "docker.io/library/postgres", target: "registry.acme.io/mirror/postgres" };
    steps.extend(postgres.in_sync(60));
    let busybox = Mirror { line: 38, source: "docker.io/library/busybox", target: "registry.acme.io/mirror/busybox" };
    steps.extend(busybox.in_sync(47));
    steps.push(GRAFANA.step("11.4.0", Reason::SourceUnreadable(refused("11.4.0")), ("", "")));
    plan(steps)
}

/// How each step of `plan` ends if nothing goes wrong; `trouble` may choose another ending.
pub(super) fn outcomes(plan: &Plan, trouble: impl Fn(usize, &Step) -> Option<Ending>) -> Vec<Outcome> {
    let outcome = |(index, step): (usize, &Step)| {
        let ending = trouble(index, step).unwrap_or_else(|| match &step.reason {
            Reason::New => Ending::Copied,
            Reason::TagMoved | Reason::ReferrersMissing => Ending::Updated,
            Reason::InSync | Reason::Kept => Ending::Skipped,
            Reason::TagWouldMove(failure) | Reason::Conflict(failure) => Ending::Blocked(failure.clone()),
            reason => Ending::Failed(reason.failure().expect("an error has its failure").clone()),
        });
        let bytes = step.bytes.filter(|_| ending.wrote()).unwrap_or_default();
        let elapsed = Duration::from_millis(bytes.transfer / 14_600);
        let attempts = u32::from(ending.wrote());
        Outcome {
            moved: Moved { sent: bytes.transfer, mounted: 0, reused: bytes.present },
            elapsed,
            attempts,
            ending,
            warnings: Vec::new(),
        }
    };
    plan.steps.iter().enumerate().map(outcome).collect()
}

/// The step with what it changes: platforms that go, versions, and a diff; and the dangers of that.
pub(super) fn changing(step: Step, removed: &[&str], (before, after): (&str, &str), diff: &str) -> Step {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let removed: Vec<String> = removed.iter().map(|name| (*name).to_owned()).collect();
    let layers =
        LayerChange { kept: 3, added: Amount { count: 1, bytes: 3_600_000 }, removed: Amount { count: 2, bytes: 20 } };
    let image = ImageChange { platform: Some("linux/amd64".into()), layers, diff: diff.to_owned(), diff_left_out: 0 };
    let mut risk = step.risk.clone();
    risk.extend((!removed.is_empty()).then_some(Risk::PlatformLoss));
    risk.extend((after < before).then_some(Risk::Downgrade));
    let change = Change {
        platforms: PlatformChange { removed, added: Vec::new() },
        version: VersionChange { before: some(before), after: some(after) },
        image: Some(image),
    };
    Step { risk, change: Some(Arc::new(change)), ..step }
}

/// A tag that loses two platforms and goes back a version.
pub(super) fn risky() -> Step {
    let diff = "@@ -1,3 +1,2 @@\n-platform: linux/arm/v7\n platform: linux/amd64\n-Env: A=1\n+Env: A=<2>\n";
    let step = ALPINE.moved("3.20", ("a1b2c3d4e5f6", "5566778899aa"), (7, 3_600_000, 0));
    changing(step, &["linux/386", "linux/arm/v7"], ("3.20.4", "3.20.3"), diff)
}

/// The step with a remark.
pub(super) fn warned(step: Step, remark: &str) -> Step {
    Step { warnings: vec![Arc::from(remark)], ..step }
}

/// Puts `bad` wherever a plan has room for text from outside.
pub(super) fn poisoned(bad: &str) -> Plan {
    let trouble = |code| failure(code, bad, bad);
    let mut steps = vec![
        warned(NGINX.copy("1.0", "9f1a2b3c4d5e", (1, 1, 1)), bad),
        NGINX.step("1.1", Reason::SourceUnreadable(trouble(Code::Auth)), ("", "")),
        NGINX.step("1.2", Reason::Conflict(trouble(Code::Conflict)), ("", "aa")),
        Step { source: None, target: None, ..NGINX.step("1.3", Reason::ListFailed(trouble(Code::Tls)), ("", "")) },
        warned(NGINX.step("1.4", Reason::InSync, ("aa", "aa")), bad),
        changing(
            NGINX.moved("1.5", ("aa", "bb"), (1, 1, 1)),
            &[bad],
            (bad, ""),
            &format!("{bad}\n+{bad}\n-Env: {bad}"),
        ),
    ];
    let place = Place { file: bad.into(), line: 1, column: 1 };
    for step in &mut steps {
        step.place = place.clone();
        step.platforms.push(Platform {
            os: bad.to_owned(),
            architecture: bad.to_owned(),
            variant: Some(bad.to_owned()),
            os_version: None,
        });
    }
    Plan {
        config: vec![ConfigFile { path: bad.into(), sha256: digest("aa") }],
        scope: Scope {
            only: vec![bad.to_owned()],
            exclude: vec![bad.to_owned()],
            shard: Some(bad.to_owned()),
            missing: vec![bad.to_owned()],
        },
        warnings: vec![Warning { place: Some(place), message: bad.to_owned() }],
        pulls: Vec::new(),
        tallies: Vec::new(),
        steps,
    }
}
