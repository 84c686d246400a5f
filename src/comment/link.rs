//! `Link`: where a list of comments goes on (RFC 8288 §3). Pure.
//!
//! Owns the form that GitHub and GitLab send: absolute targets, quoted relation types. Refuses what is not at the origin
//! that was asked: whoever is asked next is shown the token.

use reqwest::Url;

/// A next page that is somewhere else, or nowhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Elsewhere;

/// The next page after `page`, where its `Link` names one.
pub(super) fn next(page: &Url, link: &str) -> Result<Option<Url>, Elsewhere> {
    let Some(target) = target(link) else { return Ok(None) };
    let url = page.join(target).map_err(|_| Elsewhere)?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    if url.origin() == page.origin() && is_plain { Ok(Some(url)) } else { Err(Elsewhere) }
}

fn target(link: &str) -> Option<&str> {
    let links = link.split('<').skip(1).filter_map(|text| text.split_once('>'));
    let is_next = |parameter: &str| matches!(parameter.trim(), r#"rel="next""# | "rel=next");
    let mut next = links.filter(|(_, rest)| rest.split([';', ',']).any(is_next));
    next.next().map(|(target, _)| target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(link: &str) -> Result<Option<String>, Elsewhere> {
        let page = Url::parse("https://api.example/repos/o/r/issues/1/comments?per_page=100").unwrap();
        next(&page, link).map(|url| url.map(String::from))
    }

    #[test]
    fn the_next_page_is_at_the_same_origin() {
        let second = "https://api.example/repositories/9/issues/1/comments?per_page=100&page=2";
        let github = format!(r#"<https://api.example/x?page=9>; rel="last", <{second}>; rel="next""#);
        assert_eq!(read(&github), Ok(Some(second.to_owned())));
        assert_eq!(read(r#"</other?page=2>; rel="next""#), Ok(Some("https://api.example/other?page=2".to_owned())));
        assert_eq!(read(r#"<https://api.example/x?page=1>; rel="prev""#), Ok(None));
        assert_eq!(read(""), Ok(None));
        for elsewhere in [
            "https://api.example.evil/x",
            "http://api.example/x",
            "https://api.example:8443/x",
            "//evil.example/x",
            "https://me:pw@api.example/x",
            "https://",
        ] {
            assert_eq!(read(&format!(r#"<{elsewhere}>; rel="next""#)), Err(Elsewhere), "{elsewhere}");
        }
    }
}
