//! What runs cost registries: requests by kind, held against the table of `docs/requests.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::harness::Regsync;
use super::registry::FakeRegistry;
use super::stage::Pair;

/// How many requests there were of each kind.
pub type Kinds = BTreeMap<String, usize>;

/// Counts requests, each a method, path with query, and status. Pings are left out.
pub fn kinds<'a>(requests: impl IntoIterator<Item = (&'a str, &'a str, u16)>) -> Kinds {
    let mut kinds = Kinds::new();
    for (method, target, status) in requests {
        if !matches!(target, "/v2/" | "/v2") {
            *kinds.entry(kind(method, target, status)).or_insert(0) += 1;
        }
    }
    kinds
}

/// The kind of a request; the request itself where it went wrong.
fn kind(method: &str, target: &str, status: u16) -> String {
    let path = target.split('?').next().unwrap_or_default();
    let is = |part: &str| path.contains(part);
    let kind = match (method, status) {
        ("HEAD", 200 | 404) if is("/manifests/") => "HEAD manifest",
        ("HEAD", 200 | 404) if is("/blobs/") => "HEAD blob",
        ("GET", 200 | 404) if path.ends_with("/tags/list") => "GET tags",
        ("GET", 200 | 404) if is("/referrers/") => "GET referrers",
        ("GET", 200 | 404) if is("/manifests/") => "GET manifest",
        ("GET", 200) if is("/blobs/") => "GET blob",
        ("POST", 201) if target.contains("mount=") => "POST mount",
        ("POST", 202) => "POST upload",
        ("PUT", 201) if is("/blobs/uploads/") => "PUT blob",
        ("PUT", 201) if is("/manifests/") => "PUT manifest",
        _ => return format!("{method} {target} -> {status}"),
    };
    kind.to_owned()
}

/// Which column of the table.
#[derive(Clone, Copy, Debug)]
pub enum Side {
    Source,
    Target,
}

/// Panics where the documentation says something else of `case`.
#[track_caller]
pub fn assert_documented(case: &str, side: Side, kinds: &Kinds) {
    let documented = documented(case, side);
    let names = || documented.keys().chain(kinds.keys()).collect::<std::collections::BTreeSet<_>>();
    let fits = |name: &&String| {
        let (least, most) = documented.get(*name).copied().unwrap_or((0, 0));
        (least..=most).contains(&kinds.get(*name).copied().unwrap_or(0))
    };
    let mut wrong = String::new();
    for name in names().into_iter().filter(|name| !fits(name)) {
        let stated = documented.get(name);
        writeln!(wrong, "  {name}: {} where docs/requests.md has {stated:?}", kinds.get(name).unwrap_or(&0)).unwrap();
    }
    assert!(wrong.is_empty(), "{case}: the {side:?}\n{wrong}");
}

/// The cell of a case: `HEAD manifest 2, HEAD blob 1–3`, or nothing at all.
fn documented(case: &str, side: Side) -> BTreeMap<String, (usize, usize)> {
    let page = include_str!("../../docs/requests.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
    let row = rows.map(|row| row.split(" | ").collect::<Vec<_>>()).find(|row| row.first() == Some(&case));
    let row = row.unwrap_or_else(|| panic!("docs/requests.md has no row for {case:?}"));
    let cell = match side {
        Side::Source => row[1],
        Side::Target => row[2].trim_end_matches(" |"),
    };
    let part = |part: &str| {
        let (name, number) = part.rsplit_once(' ').unwrap_or_else(|| panic!("{case}: {part:?} has no number"));
        let (least, most) = number.split_once('–').unwrap_or((number, number));
        (name.to_owned(), (least.parse().unwrap(), most.parse().unwrap()))
    };
    cell.split(", ").filter(|cell| *cell != "–").map(part).collect()
}

/// What was asked of a registry.
pub fn asked(registry: &FakeRegistry) -> Kinds {
    let requests = registry.requests();
    let each = requests.iter().map(|request| (request.method.clone(), request.target(), request.status.unwrap_or(0)));
    let each: Vec<_> = each.collect();
    kinds(each.iter().map(|(method, target, status)| (method.as_str(), target.as_str(), *status)))
}

/// Runs, and holds what it cost against the row of `case`.
#[track_caller]
pub fn costs<const N: usize>(pair: &Pair, regsync: &Regsync, (args, case): ([&str; N], &str)) {
    pair.clear_logs();
    regsync.run(args).assert_status(0);
    assert_documented(case, Side::Source, &asked(&pair.source));
    assert_documented(case, Side::Target, &asked(&pair.target));
    pair.target.assert_closed();
}
