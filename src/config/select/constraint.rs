//! Constraints on versions: `>=1.29, <2 || 3.x`.
//!
//! Owns their grammar, which is the one that npm, Helm and Cargo share, and its diagnostics. Refuses what these read
//! differently (`~>`), what no version can satisfy, and variants: which of them are wanted is for `include` to say.

use std::cmp::Ordering;

use super::version::{NUMBERS, Version, pre_order};

/// The longest constraint, in characters.
pub(crate) const CONSTRAINT_LIMIT: usize = 512;

/// A constraint that some version satisfies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    text: String,
    /// One of these must hold.
    groups: Vec<Group>,
}

/// What is wrong with a constraint: a lowercase fragment, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConstraintError {
    pub(crate) message: String,
    pub(crate) help: Option<&'static str>,
}

/// How a version stands to a constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Within,
    Outside,
    /// Within, were it not a pre-release: what it lies in names none.
    PreRelease,
}

/// All of these must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    tests: Vec<Test>,
    /// Whether one of them asks for a pre-release by naming it: then all pre-releases that lie within take part.
    names_pre: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    /// From here on, or after it.
    From(Point, Bound),
    /// Up to here, or before it.
    To(Point, Bound),
    /// Not between these: the last is within only where it is [`Bound::Within`].
    Except(Point, (Point, Bound)),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    Within,
    Without,
}

/// A place in the order of versions.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Point {
    numbers: [u64; NUMBERS],
    edge: Edge,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Edge {
    /// Before the first of its pre-releases.
    Floor,
    Pre(String),
    Release,
}

impl Point {
    fn floor(numbers: [u64; NUMBERS]) -> Self {
        Self { numbers, edge: Edge::Floor }
    }

    /// How `version` stands to this point.
    fn order_of(&self, version: &Version<'_>) -> Ordering {
        version.numbers.cmp(&self.numbers).then_with(|| match &self.edge {
            Edge::Floor => Ordering::Greater,
            Edge::Pre(pre) => pre_order(version.pre, Some(pre)),
            Edge::Release => pre_order(version.pre, None),
        })
    }

    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |edge: &Edge| match edge {
            Edge::Floor => 0,
            Edge::Pre(_) => 1,
            Edge::Release => 2,
        };
        self.numbers.cmp(&other.numbers).then_with(|| match (&self.edge, &other.edge) {
            (Edge::Pre(a), Edge::Pre(b)) => pre_order(Some(a), Some(b)),
            (a, b) => rank(a).cmp(&rank(b)),
        })
    }
}

impl Test {
    fn holds(&self, version: &Version<'_>) -> bool {
        let from = |point: &Point, bound| match point.order_of(version) {
            Ordering::Less => false,
            Ordering::Equal => bound == Bound::Within,
            Ordering::Greater => true,
        };
        let to = |point: &Point, bound| match point.order_of(version) {
            Ordering::Less => true,
            Ordering::Equal => bound == Bound::Within,
            Ordering::Greater => false,
        };
        match self {
            Self::From(point, bound) => from(point, *bound),
            Self::To(point, bound) => to(point, *bound),
            Self::Except(first, (last, bound)) => !(from(first, Bound::Within) && to(last, *bound)),
        }
    }
}

impl Constraint {
    /// Reads `text`.
    pub(crate) fn parse(text: &str) -> Result<Self, ConstraintError> {
        if text.len() > CONSTRAINT_LIMIT {
            return Err(error(format!("the constraint is longer than {CONSTRAINT_LIMIT} characters"), None));
        }
        let groups = text.split("||").map(group).collect::<Result<Vec<_>, _>>()?;
        for (group, written) in groups.iter().zip(text.split("||")) {
            if group.is_empty() {
                let message = format!("no version is `{}`", written.trim());
                return Err(error(message, Some("a comma means and; `||` means or")));
            }
        }
        Ok(Self { text: text.to_owned(), groups })
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How `version` stands to it; its variant does not count.
    pub(super) fn fit(&self, version: &Version<'_>) -> Fit {
        let mut within = self.groups.iter().filter(|group| group.tests.iter().all(|test| test.holds(version)));
        match (within.clone().any(|group| version.pre.is_none() || group.names_pre), within.next()) {
            (true, _) => Fit::Within,
            (false, Some(_)) => Fit::PreRelease,
            (false, None) => Fit::Outside,
        }
    }
}

impl Group {
    /// Whether no version lies between the highest `From` and the lowest `To`.
    fn is_empty(&self) -> bool {
        let lows = self.tests.iter().filter_map(|test| match test {
            Test::From(point, bound) => Some((point, *bound)),
            Test::To(..) | Test::Except(..) => None,
        });
        let highs = self.tests.iter().filter_map(|test| match test {
            Test::To(point, bound) => Some((point, *bound)),
            Test::From(..) | Test::Except(..) => None,
        });
        let pairs = lows.flat_map(|low| highs.clone().map(move |high| (low, high)));
        let mut orders =
            pairs.map(|((low, first), (high, last))| (low.cmp(high), first == last && first == Bound::Within));
        orders.any(|(order, meet)| order == Ordering::Greater || (order == Ordering::Equal && !meet))
    }
}

fn error(message: impl Into<String>, help: Option<&'static str>) -> ConstraintError {
    ConstraintError { message: message.into(), help }
}

const EXAMPLE: &str = "write it as `>=1.29, <2`, `~1.29`, `^1.2`, `1.29.x`, or several with `||` between them";

const RANGE: &str = "write a range with blanks, `1.2 - 1.4`, and a pre-release with all numbers, `1.2.0-1`";

fn group(text: &str) -> Result<Group, ConstraintError> {
    let mut group = Group { tests: Vec::new(), names_pre: false };
    for part in text.split(',') {
        if part.trim().is_empty() {
            let message =
                if text.trim().is_empty() { "a constraint is missing" } else { "a comma with nothing beside it" };
            return Err(error(message, Some(EXAMPLE)));
        }
        comparators(part, &mut group)?;
    }
    Ok(group)
}

/// The comparators of `text`, which blanks may divide: `>=1.29 <2`, `>= 1.29`, `1.2 - 1.4`.
fn comparators(text: &str, group: &mut Group) -> Result<(), ConstraintError> {
    let mut rest = text.trim();
    while !rest.is_empty() {
        let operator = rest.len() - rest.trim_start_matches(['<', '>', '=', '!', '~', '^']).len();
        let (operator, after) = rest.split_at(operator);
        let after = after.trim_start();
        let end = after.find(|c: char| c.is_whitespace() || "<>=!~^".contains(c)).unwrap_or(after.len());
        let (version, after) = after.split_at(end);
        rest = after.trim_start();
        if version.is_empty() {
            return Err(error(format!("there is no version behind `{operator}`"), Some(EXAMPLE)));
        }
        let version = Partial::parse(version)?;
        let hyphen = rest.strip_prefix('-').filter(|rest| rest.starts_with(char::is_whitespace));
        if let Some(after) = hyphen.filter(|_| operator.is_empty()) {
            let after = after.trim_start();
            let end = after.find(char::is_whitespace).unwrap_or(after.len());
            let last = Partial::parse(&after[..end])?;
            group.add(">=", &version)?;
            group.add("<=", &last)?;
            rest = after[end..].trim_start();
        } else {
            group.add(operator, &version)?;
        }
    }
    Ok(())
}

/// A version in which numbers may be left out, or be `x`.
#[derive(Debug)]
struct Partial {
    numbers: [u64; NUMBERS],
    written: usize,
    /// Whether the next number is written, as an `x`.
    open: bool,
    pre: Option<String>,
}

impl Partial {
    fn parse(text: &str) -> Result<Self, ConstraintError> {
        let wrong = || error(format!("`{}` is not a version", text.escape_debug()), Some(EXAMPLE));
        if text.contains('+') {
            return Err(error(format!("`{}` has build metadata, which has no order", text.escape_debug()), None));
        }
        let ambiguous = || {
            let message = format!("`{}` may be a version and a pre-release, or two versions", text.escape_debug());
            error(message, Some(RANGE))
        };
        if text.split(['.', '-']).any(is_wildcard) {
            let is_version =
                |(_, behind): (&str, &str)| is_like_a_version(behind) || behind.split(['.', '-']).any(is_wildcard);
            if text.split_once('-').is_some_and(is_version) {
                return Err(ambiguous());
            }
            return Self::with_wildcards(text).ok_or_else(wrong);
        }
        let version = Version::parse(text).ok_or_else(wrong)?;
        if version.is_variant() {
            let message = format!("`{}` is a variant, and no part of a version", version.variant.escape_debug());
            return Err(error(message, Some("say which variants with `include`: `[\"*-alpine\"]`")));
        }
        if version.written < 3 && version.pre.is_some_and(is_like_a_version) {
            return Err(ambiguous());
        }
        let pre = version.pre.map(str::to_owned);
        Ok(Self { numbers: version.numbers, written: version.written, open: false, pre })
    }

    /// `1.x`, `1.2.*`, `*`, and a pre-release behind them.
    fn with_wildcards(text: &str) -> Option<Self> {
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let (text, pre) = match text.split_once('-') {
            Some((text, pre)) => (text, Some(pre_release(pre)?)),
            None => (text, None),
        };
        let (mut numbers, mut written, mut open) = ([0; NUMBERS], 0, false);
        for (position, part) in text.split('.').enumerate() {
            let number = numbers.get_mut(position)?;
            if is_wildcard(part) {
                open = true;
            } else if open {
                return None;
            } else {
                *number = part.parse().ok()?;
                written += 1;
            }
        }
        Some(Self { numbers, written, open, pre })
    }

    /// Three numbers are a whole version, and so is anything with a pre-release; fewer stand for all that begin so.
    fn is_whole(&self) -> bool {
        !self.open && (self.written >= 3 || self.pre.is_some())
    }

    fn first(&self) -> Point {
        let edge = self.pre.as_ref().map_or(Edge::Release, |pre| Edge::Pre(pre.clone()));
        Point { numbers: self.numbers, edge }
    }

    /// Before all that comes after the versions that agree in the first `kept` numbers.
    fn above(&self, kept: usize) -> Option<Point> {
        let mut numbers = [0; NUMBERS];
        let last = kept.checked_sub(1)?;
        numbers[..last].copy_from_slice(&self.numbers[..last]);
        numbers[last] = self.numbers[last].saturating_add(1);
        Some(Point::floor(numbers))
    }

    /// How many numbers `^` keeps: up to the first that is not 0, and all that are written if there is none.
    fn kept_by_caret(&self) -> usize {
        let first = self.numbers[..self.written].iter().position(|number| *number > 0);
        first.map_or(self.written, |position| position + 1)
    }
}

/// Whether a pre-release has nothing but numbers. A plain `0` is the usual word for the first pre-release of all.
fn is_like_a_version(pre: &str) -> bool {
    pre != "0" && pre.chars().all(|c| c.is_ascii_digit() || c == '.')
}

fn is_wildcard(part: &str) -> bool {
    matches!(part, "x" | "X" | "*")
}

/// What stands behind the hyphen, where it is a pre-release and nothing else.
fn pre_release(text: &str) -> Option<String> {
    let whole = format!("0.0-{text}");
    Version::parse(&whole).filter(|version| version.pre == Some(text)).map(|_| text.to_owned())
}

impl Group {
    fn add(&mut self, operator: &str, version: &Partial) -> Result<(), ConstraintError> {
        use Bound::{Within, Without};
        // `<2.0.0-0` and `!=1.30.0-rc.1` keep a pre-release away, which asks for none of the others.
        self.names_pre |= version.pre.is_some() && !matches!(operator, "<" | "!=");
        let first = version.first();
        let exact = version.is_whole();
        let (from, to) = match operator {
            // `*` is every version.
            "" | "=" | "~" | "^" | ">=" | "<=" if version.written == 0 => (None, None),
            "" | "=" if exact => (Some((first.clone(), Within)), Some((first, Within))),
            "" | "=" => (Some((first, Within)), version.above(version.written).map(|to| (to, Without))),
            ">=" => (Some((first, Within)), None),
            ">" if exact => (Some((first, Without)), None),
            ">" => {
                let above = version.above(version.written).map(|point| Point { edge: Edge::Release, ..point });
                (Some((above.ok_or_else(|| nothing(operator))?, Within)), None)
            }
            "<" if version.pre.is_some() => (None, Some((first, Without))),
            "<" if version.written == 0 => return Err(nothing(operator)),
            // Nobody who asks for less than 2 means the candidates of 2.
            "<" => (None, Some((Point::floor(version.numbers), Without))),
            "<=" if exact => (None, Some((first, Within))),
            "<=" => (None, version.above(version.written).map(|to| (to, Without))),
            "~" => (Some((first, Within)), version.above(version.written.min(2)).map(|to| (to, Without))),
            "^" => (Some((first, Within)), version.above(version.kept_by_caret()).map(|to| (to, Without))),
            "!=" => {
                let whole = (first.clone(), Within);
                let last = if exact { Some(whole) } else { version.above(version.written).map(|to| (to, Without)) };
                self.tests.push(Test::Except(first, last.ok_or_else(|| nothing(operator))?));
                return Ok(());
            }
            _ => return Err(unknown(operator)),
        };
        self.tests.extend(from.map(|(point, bound)| Test::From(point, bound)));
        self.tests.extend(to.map(|(point, bound)| Test::To(point, bound)));
        Ok(())
    }
}

fn nothing(operator: &str) -> ConstraintError {
    error(format!("no version is `{operator}` all versions"), Some(EXAMPLE))
}

fn unknown(operator: &str) -> ConstraintError {
    let help = match operator {
        "~>" => "tools read it differently: write `~1.29` for all of 1.29, or `^1.29` for all of 1 from 1.29 on",
        "==" => "write `=`",
        "=>" => "write `>=`",
        "=<" => "write `<=`",
        _ => "the operators are `=`, `!=`, `<`, `<=`, `>`, `>=`, `~` and `^`",
    };
    error(format!("`{operator}` is not an operator"), Some(help))
}
