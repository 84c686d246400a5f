//! "Did you mean …?"

/// Words of other tools, and what they are called here.
const SYNONYMS: &[(&str, &str)] = &[
    ("src", "source"),
    ("from", "source"),
    ("image", "source"),
    ("upstream", "source"),
    ("dst", "target"),
    ("dest", "target"),
    ("destination", "target"),
    ("to", "target"),
    ("destinations", "targets"),
    ("images", "mirrors"),
    ("repositories", "mirrors"),
    ("hosts", "registries"),
    ("credentials", "registries"),
    ("default", "defaults"),
    ("insecure", "plain-http"),
    ("http", "plain-http"),
    ("arch", "platforms"),
    ("architectures", "platforms"),
    ("parallel", "concurrency"),
    ("ratelimit", "requests-per-second"),
    ("overwrite", "on-tag-move"),
    ("allow", "include"),
    ("filter", "include"),
    ("glob", "include"),
    ("deny", "exclude"),
    ("ignore", "exclude"),
    ("skip", "exclude"),
    ("pattern", "regex"),
    ("range", "semver"),
    ("constraint", "semver"),
    ("versions", "semver"),
    ("latest", "newest"),
    ("last", "newest"),
    ("limit", "newest"),
];

/// The one of `candidates` that `word` was most likely meant to be.
pub(super) fn closest<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    if word.is_empty() || word.len() > 64 {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['_', ' ', '.'], "-");
    let word = plain(word);
    let distance = |candidate: &&str| strsim::damerau_levenshtein(&word, &plain(candidate));
    let near = candidates.iter().copied().min_by_key(distance);
    let limit = (word.chars().count() / 3).max(1);
    let near = near.filter(|candidate| distance(candidate) <= limit);
    near.or_else(|| {
        let (_, ours) = SYNONYMS.iter().find(|(theirs, _)| *theirs == word)?;
        candidates.iter().copied().find(|candidate| candidate == ours)
    })
}

/// `candidates` in a sentence: "`a`, `b` and `c`".
pub(super) fn listed(candidates: &[&str]) -> String {
    match candidates {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [most @ .., last] => {
            let most: Vec<String> = most.iter().map(|word| format!("`{word}`")).collect();
            format!("{} and `{last}`", most.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &[&str] = &["source", "target", "targets", "tags", "on-tag-move", "plain-http"];

    #[test]
    fn slips_other_spellings_and_other_tools_words_are_recognised() {
        let cases = [
            ("sorce", Some("source")),
            ("tragets", Some("targets")),
            ("onTagMove", Some("on-tag-move")),
            ("on_tag_move", Some("on-tag-move")),
            ("Tags", Some("tags")),
            ("dest", Some("target")),
            ("insecure", Some("plain-http")),
            ("frobnicate", None),
            ("", None),
        ];
        for (word, expected) in cases {
            assert_eq!(closest(word, KEYS), expected, "{word}");
        }
    }

    #[test]
    fn lists_read_like_a_sentence() {
        assert_eq!(listed(&["a"]), "`a`");
        assert_eq!(listed(&["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
